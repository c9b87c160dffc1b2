"""What cards and outcomes of changes say, from given figures."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import pytest

from bot.domain.approvals import Happened, Outcome, Plan, Request, State, Vote
from bot.domain.changes import (
    Archive,
    Clearing,
    Facts,
    Pruned,
    Repairing,
    Restoring,
    Settling,
    Survey,
    VisitCount,
)
from bot.domain.environments import Environment, Person
from bot.domain.streams import Consumers, Entry, EntryId, Group, Pending, PendingEntry, Waiting
from bot.render import approvals
from bot.render.blocks import FIRST_LINE
from bot.render.plans import named
from bot.render.words import amount
from commands import bootstrap, clear, consumers, pending, prune, repair, requests, restore, settle
from commands.bootstrap import Start

NOON = datetime(2026, 11, 24, 15, 41, 45, tzinfo=UTC)
NIGHT = datetime(2026, 11, 24, 5, 31, 7, tzinfo=UTC)
PROD = Environment("prod", ("lsstcam",), expiration=timedelta(hours=1))
DEV = Environment("dev", ("hsc", "latiss", "lsstcam"))
HUGE = 10_000_000

Tell = Callable[[Environment, Request, Facts], Outcome]


def entry_id(now: datetime, seconds_ago: float) -> EntryId:
    return EntryId(int((now.timestamp() - seconds_ago) * 1000), 0)


def visits(now: datetime, name: str = "2026-11-24T15:38:0{}.118") -> tuple[VisitCount, ...]:
    """Seven visits of 172 entries, the first 241 s old, the last one 19 s."""
    return tuple(
        VisitCount(
            Entry(
                entry_id(now, 241 - 37 * number),
                name.format(number),
                "BLOCK-T454",
                "0",
                now - timedelta(seconds=241 - 37 * number),
            ),
            172,
        )
        for number in range(7)
    )


def survey(now: datetime = NOON) -> Survey:
    counted = visits(now)
    last = entry_id(now, 19)
    waiting = Waiting(1204, 7, capped=False, oldest=counted[0].oldest)
    return Survey(
        length=130_104,
        last=last,
        last_added=last,
        added=900_000,
        group=Group(waiting, 0, 9412, entry_id(now, 300), 1204),
        others=(),
        after=entry_id(now, 300),
        entries=1204,
        capped=False,
        newest=counted[-1].oldest,
        visits=counted,
    )


def clearing(now: datetime = NOON) -> Clearing:
    seen = survey(now)
    return Clearing(
        instrument="lsstcam",
        last=entry_id(now, 19),
        last_added=entry_id(now, 19),
        added=seen.added,
        last_delivered=entry_id(now, 300),
        waiting=1204,
        visits=7,
        capped=False,
        length=seen.length,
        unconfirmed=0,
        copy=True,
        delete=False,
        skipped=now + timedelta(minutes=55, seconds=59),
    )


def settling(entries: int = 3) -> tuple[Settling, list[PendingEntry]]:
    pending = [
        PendingEntry(
            Entry(entry_id(NOON, 3000 - number), "2026-11-24T04:53:50.204", "BLOCK-430", "94"),
            "3f0c91ab",
            timedelta(minutes=38),
            1,
        )
        for number in range(entries)
    ]
    ids = tuple(each.entry.id for each in pending)
    return Settling("lsstcam", timedelta(minutes=30), ids, 1, entries), pending


RESTORING = Restoring("lsstcam", 42, entry_id(NOON, 300), entry_id(NOON, 19), 1204, 7, 0)
REPAIRING = Repairing("lsstcam", None, 1204, capped=False)


def restored(bound: Restoring = RESTORING, now: datetime = NOON) -> Plan:
    archive = Archive(bound.entries, visits(NOON), None, bound.restored)
    return restore.propose(PROD, bound, archive, survey(now), cleared=NOON, now=now)


PLANS: Mapping[str, Plan] = {
    "clear": clear.propose(PROD, clearing(), survey(), NOON),
    "delete": clear.propose(PROD, replace(clearing(), delete=True, copy=False), survey(), NOON),
    "restore": restored(),
    "bootstrap": bootstrap.propose(PROD, [Start("lsstcam", EntryId(0, 0), None)], NOON),
    "settle": settle.propose(PROD, *settling(), NOON),
    "repair": repair.propose(PROD, REPAIRING, survey()),
}
TELLS: Mapping[str, Tell] = {
    "clear": clear.tell,
    "delete": clear.tell,
    "restore": restore.tell,
    "bootstrap": bootstrap.tell,
    "settle": settle.tell,
    "repair": repair.tell,
}
CLEARED = {
    "result": "done",
    "discarded": "1204",
    "tidied": "128900",
    "settled": "0",
    "newer": "688",
    "length_before": "130792",
    "length_after": "688",
    "last_delivered_before": "1795534605000-0",
    "last_delivered_after": "1795534886000-0",
    "waiting_before": "1892",
    "waiting_after": "688",
    "copied": "130792",
}
DONE: Mapping[str, Facts] = {
    "clear": CLEARED,
    "delete": {
        "result": "done",
        "discarded": "130104",
        "length_before": "130104",
        "length_after": "0",
        "last_delivered_before": "1-1",
        "pending_before": "2",
        "consumers_before": "9412",
        "groups_dropped": "1",
    },
    "restore": {
        "result": "done",
        "restored": "1204",
        "same_ids": "0",
        "length_before": "688",
        "length_after": "1892",
    },
    "bootstrap": {
        "result": "done",
        "created": "instrument:lsstcam",
        "existing": "",
        "waiting_instrument:lsstcam": "516",
    },
    "settle": {
        "result": "done",
        "settled": "3",
        "kept": "0",
        "gone": "0",
        "pending_before": "4",
        "pending_after": "1",
    },
    "repair": {"result": "done", "lag_before": "nil", "lag_after": "1204", "waiting": "1204"},
}
SCRIPTS = tuple(PLANS)


def request(plan: Plan, command: str = "clear", now: datetime = NOON) -> Request:
    """Asked for by Ana and approved by Ben, three minutes later."""
    at = now + timedelta(minutes=3)
    return Request(
        id=42,
        environment="prod",
        command=command,
        arguments="lsstcam",
        reason="",
        requester=Person("U0ANA", "Ana"),
        plan=plan,
        key="k",
        asked=now,
        expires=now + timedelta(minutes=30),
        votes=(Vote(Person("U0BEN", "Ben"), at),),
        started=at,
    )


def told(name: str, facts: Facts, plan: Plan | None = None) -> Outcome:
    return TELLS[name](PROD, request(plan or PLANS[name], name), facts)


# --- clear ----------------------------------------------------------------------------------------


def test_the_card_of_a_clear() -> None:
    plan = PLANS["clear"]
    assert plan.subject == "PROD lsstcam"
    assert plan.headline == "discard 1,204 waiting entries = 7 visits"
    assert plan.facts == (
        (
            "Discarded",
            "waiting visits that arrived 15:37:44 to 15:41:26 UTC; workers will never see them",
        ),
        ("Tidied up", "128,900 entries already read (no effect on anyone)"),
        ("Untouched", "whatever arrives after this card; group and workers"),
        (
            "Undo",
            ("`restore {number}` until 16:37 UTC; later the workers would skip them"),
        ),
        ("Observing", "no, by day. Last visit announced 19 s ago"),
    )
    assert plan.streams == ("instrument:lsstcam",)
    assert plan.warning == ""
    assert plan.listing[0] == (
        "2026-11-24T15:38:00.118 (BLOCK-T454): 172 entries, arrived 15:37:44 UTC"
    )
    assert plan.confirmation is not None
    assert (
        plan.confirmation.title,
        plan.confirmation.text,
        plan.confirmation.yes,
        plan.confirmation.no,
    ) == (
        "Discard 7 visits of PROD lsstcam?",
        (
            "1,204 entries that no worker has read will not be processed. "
            "Entries that arrive from now on are kept."
        ),
        "Discard them",
        "Keep them",
    )


def test_the_card_of_a_clear_at_night_warns() -> None:
    plan = clear.propose(PROD, clearing(NIGHT), survey(NIGHT), NIGHT)
    assert plan.warning == "It is night until 08:35 UTC and visits arrive every 37 s."
    assert plan.facts[-1][1].startswith("yes, night until 08:35 UTC. Last visit announced 19 s ago")
    few = replace(survey(NIGHT), visits=())
    plan = clear.propose(PROD, clearing(NIGHT), few, NIGHT)
    assert plan.warning.endswith("UTC, and the last visit was announced 19 s ago.")
    quiet = replace(survey(NIGHT), last_added=entry_id(NIGHT, 7200))
    plan = clear.propose(PROD, clearing(NIGHT), quiet, NIGHT)
    assert plan.warning.endswith("UTC. Last visit announced 2 h ago.")


@pytest.mark.parametrize(
    ("changed", "label", "said"),
    [
        ({"copy": False}, "Undo", "none: Redis is out of memory, so no copy can be kept"),
        ({"skipped": None}, "Undo", "`restore {number}` for 1 day"),
        ({"skipped": NOON}, "Undo", "would skip the oldest visit already"),
        ({"waiting": 0, "visits": 0}, "Undo", "none is needed"),
        ({"waiting": 0, "visits": 0}, "Discarded", "nothing: no entry waits"),
        ({"unconfirmed": 3}, "Unconfirmed", "3 entries, settled too"),
        ({"capped": True}, "Tidied up", "whatever of the 130,104 entries"),
        ({"delete": True}, "Undo", "none: `--delete` keeps no copy"),
        ({"delete": True}, "Untouched", "If an entry arrives before it is done, nothing is done"),
        ({"delete": True, "unconfirmed": 1}, "Deleted too", "1 unconfirmed entry; all consumer"),
    ],
)
def test_what_else_a_clear_may_say(changed: dict[str, object], label: str, said: str) -> None:
    bound = replace(clearing(), **changed)  # type: ignore[arg-type]
    facts = dict(clear.propose(PROD, bound, survey(), NOON).facts)
    assert said in facts[label]


def test_other_groups_are_named() -> None:
    shared = replace(survey(), others=("archiver", "b", "c", "d"))
    facts = dict(clear.propose(PROD, clearing(), shared, NOON).facts)
    assert facts["Other groups"] == "archiver, b, c and 1 more: these entries are gone for them too"
    deleted = replace(clearing(), delete=True)
    facts = dict(clear.propose(PROD, deleted, shared, NOON).facts)
    assert facts["Other groups"].endswith(": deleted with the stream")


def test_the_result_of_a_clear() -> None:
    outcome = told("clear", CLEARED)
    assert (outcome.happened, outcome.headline) == (
        Happened.YES,
        "1,204 entries = 7 visits discarded",
    )
    assert outcome.facts == (
        ("Waiting, before", "1,204 entries"),
        ("Waiting, now", "688 entries, arrived after the card, kept"),
        ("Stream", "130,792 entries before, 688 now"),
    )
    assert outcome.undo == "restore 42"
    assert outcome.notes == (
        (
            "Undo: `restore 42`, useful until 16:37 UTC. "
            "The entries are kept until Wed 25 Nov 15:44 UTC."
        ),
    )
    assert outcome.before == {
        "waiting": "1892",
        "length": "130792",
        "last read": "1795534605000-0",
    }
    assert outcome.after["waiting"] == "688"


def test_a_clear_without_a_copy_has_no_undo() -> None:
    outcome = told("clear", {**CLEARED, "copied": "0"})
    assert not outcome.undo
    assert outcome.notes == ("There is no undo: no copy was kept.",)


def test_figures_that_are_missing_are_unknown() -> None:
    """A marker of another release may hold less."""
    for name in SCRIPTS:
        outcome = told(name, {"result": "done"})
        assert outcome.headline
        assert "None" not in str(outcome.facts)


# --- why nothing was done -------------------------------------------------------------------------


def reasons(name: str) -> set[str]:
    """Find every reason that a change's script can give."""
    text = (files("bot.clients") / "scripts" / f"{name}.lua").read_text("utf-8")
    found = set(re.findall(r"(?:stale|given_up)\('(\w+)'\)", text))
    return found | ({"changing"} if "recount" in text else set())


@pytest.mark.parametrize(
    ("name", "why"), [(name, why) for name in SCRIPTS for why in sorted(reasons(name))]
)
def test_every_reason_has_its_sentence(name: str, why: str) -> None:
    outcome = told(name, {"result": "stale", "why": why})
    assert outcome.happened is Happened.NO
    (sentence,) = outcome.notes
    assert sentence != told(name, {"result": "stale", "why": "?"}).notes[0]
    assert "{" not in sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("bound", "said"),
    [
        (clearing(), "Workers had read all 7 visits by the time Ben approved."),
        (
            replace(clearing(), waiting=1, visits=1),
            "Workers had read the visit by the time Ben approved.",
        ),
        (
            replace(clearing(), waiting=3, visits=0),
            "Workers had read all 3 entries by the time Ben approved.",
        ),
        (
            replace(clearing(), capped=True),
            "Workers had read everything on the card by the time Ben approved.",
        ),
    ],
)
def test_workers_had_read_everything(bound: Clearing, said: str) -> None:
    plan = clear.propose(PROD, bound, survey(), NOON)
    outcome = told("clear", {"result": "stale", "why": "all_read"}, plan)
    assert (outcome.headline, outcome.notes) == ("nothing was discarded", (said,))


def test_a_name_with_braces_is_only_a_name() -> None:
    asked = request(PLANS["clear"])
    asked = replace(asked, votes=(Vote(Person("U", "{0} {who}"), NOON),))
    outcome = clear.tell(PROD, asked, {"result": "stale", "why": "all_read"})
    assert "by the time {0} {who} approved" in outcome.notes[0]


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name != "restore"])
def test_a_fenced_request_changed_nothing(name: str) -> None:
    outcome = told(name, {"result": "fenced"})
    assert (outcome.happened, outcome.headline) == (Happened.NO, "nothing was changed")


def test_a_restore_that_was_interrupted_may_have_come_far() -> None:
    asked = replace(request(PLANS["restore"]), progress=("5,000 of 12,000 entries are back",))
    outcome = restore.tell(PROD, asked, {"result": "fenced"})
    assert outcome.headline == "not everything was put back"
    assert outcome.notes == (
        (
            "It was interrupted. 5,000 of 12,000 entries are back. `restore 42` goes on where it "
            "stopped; nothing comes back twice."
        ),
    )


def test_a_restore_that_stopped_on_the_way_says_how_far() -> None:
    outcome = told("restore", {"result": "stale", "why": "no_group", "restored": "500"})
    assert (outcome.happened, outcome.well) == (Happened.YES, False)
    assert outcome.headline == "500 entries are back, the rest is not"
    again = PLANS["restore"].bound | {"restored": "500"}  # type: ignore[operator]
    plan = replace(PLANS["restore"], bound=again)
    outcome = told("restore", {"result": "stale", "why": "no_group", "restored": "500"}, plan)
    assert outcome.happened is Happened.NO


# --- the other changes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        (3, "none now; the first visit from 16:37 UTC on. The images are safe"),
        (58, "688 entries = 4 visits all the same: announced more than 1 h ago. The images are"),
        (90, "1,204 entries = 7 visits all the same"),
    ],
)
def test_a_restore_says_what_is_skipped_all_the_same(minutes: int, said: str) -> None:
    facts = dict(restored(now=NOON + timedelta(minutes=minutes)).facts)
    assert facts["Skipped"].startswith(said)


def test_restored_entries_keep_their_ids_where_the_stream_began_anew() -> None:
    archive = Archive(1204, visits(NOON), None)
    anew = replace(survey(), last_added=EntryId(0, 0))
    plan = restore.propose(PROD, RESTORING, archive, anew, cleared=NOON, now=NOON)
    assert dict(plan.facts)["Waiting time"].startswith("goes on")
    assert dict(restored().facts)["Waiting time"].startswith("starts anew")
    assert restore.progress({"restored": "5000", "total": "12000"}) == (
        "5,000 of 12,000 entries are back"
    )


NO_GROUP = replace(survey(), group=None)
SEEN = (visits(NOON)[3].oldest.id, NOON - timedelta(seconds=12))
UNREAD = replace(NO_GROUP, entries=516, visits=visits(NOON)[4:])
WHOLE = replace(NO_GROUP, entries=130_104)
NOTHING = replace(NO_GROUP, entries=0, visits=())


@pytest.mark.parametrize(
    ("start", "creates", "so"),
    [
        (
            Start("lsstcam", SEEN[0], UNREAD, SEEN, UNREAD),
            f"lsstcam_consumer_group, from {SEEN[0]} (last read, 15:41:33 UTC)",
            "516 entries = 3 visits are processed, none twice",
        ),
        (
            Start("lsstcam", SEEN[0], UNREAD, (SEEN[0], NOON - timedelta(hours=2)), UNREAD),
            f"lsstcam_consumer_group, from {SEEN[0]} (last read, 13:41:45 UTC)",
            (
                "516 entries = 3 visits are processed, none twice, unless workers read on after "
                "13:41 UTC"
            ),
        ),
        (
            Start("lsstcam", EntryId(0, 0), WHOLE, SEEN, UNREAD),
            "lsstcam_consumer_group, from the start of the stream",
            "130,104 entries = 7 visits are processed; of these 129,588 entries = 4 visits twice",
        ),
        (
            Start("lsstcam", NO_GROUP.last_added, NOTHING, SEEN, UNREAD),
            f"lsstcam_consumer_group, from the end of the stream ({NO_GROUP.last_added})",
            (
                "only what arrives from now on is processed; 516 entries = 3 visits skipped. "
                "The images are safe, and daytime catch-up can take them."
            ),
        ),
        (
            Start("lsstcam", NO_GROUP.last_added, NOTHING),
            f"lsstcam_consumer_group, from the end of the stream ({NO_GROUP.last_added})",
            (
                "only what arrives from now on is processed; the bot never saw the group: of "
                "130,104 entries before that, those that no worker has read are skipped. The "
                "images are safe, and daytime catch-up can take them."
            ),
        ),
        (
            Start("lsstcam", EntryId(0, 0), WHOLE),
            "lsstcam_consumer_group, from the start of the stream",
            (
                "130,104 entries = 7 visits are processed; the bot never saw the group, so some of "
                "them may be processed twice"
            ),
        ),
        (
            Start("lsstcam", EntryId(0, 0), replace(WHOLE, capped=True), SEEN, UNREAD),
            "lsstcam_consumer_group, from the start of the stream",
            (
                "at least 130,104 entries = at least 7 visits are processed; of these at least 516 "
                "entries = at least 3 visits twice"
            ),
        ),
        (
            Start("lsstcam", EntryId(0, 0), None, SEEN),
            "instrument:lsstcam, empty, and lsstcam_consumer_group",
            "what arrives from now on is processed; there is nothing else",
        ),
    ],
)
def test_a_bootstrap_says_what_becomes_of_each_entry(start: Start, creates: str, so: str) -> None:
    plan = bootstrap.propose(PROD, [start], NOON)
    facts = dict(plan.facts)
    assert (facts["Creates"], facts["So"]) == (creates, so)
    assert facts["Deletes"] == "nothing"
    assert not plan.asks


def test_a_bootstrap_of_several() -> None:
    plan = bootstrap.propose(
        DEV, [Start("hsc", EntryId(0, 0), None), Start("latiss", SEEN[0], UNREAD)], NOON
    )
    assert plan.subject == "dev hsc, latiss"
    assert plan.headline == "2 groups are missing, so no worker can read"
    assert plan.streams == ("instrument:hsc", "instrument:latiss")
    done = {
        "result": "done",
        "created": "instrument:latiss",
        "existing": "instrument:hsc",
        "waiting_instrument:latiss": "516",
    }
    outcome = bootstrap.tell(DEV, request(plan, "bootstrap"), done)
    assert outcome.headline == "the group is there, workers can read"
    assert ("Waiting, now, latiss", "516 entries") in outcome.facts
    assert ("Left as they are", "hsc: their groups were there by then") in outcome.facts


def test_the_card_of_a_settle() -> None:
    plan = PLANS["settle"]
    assert plan.headline == "settle 3 unconfirmed entries = 1 visit"
    assert plan.listing[0].startswith(
        "2026-11-24T04:53:50.204 (BLOCK-430), detector 94, silent for 38 min, entry "
    )
    assert dict(plan.facts)["Visits"] == "2026-11-24T04:53:50.204 (BLOCK-430)"
    outcome = told("settle", {**DONE["settle"], "settled": "2", "gone": "1", "kept": "1"})
    assert outcome.headline == "2 entries settled"
    assert ("Confirmed meanwhile", "1 entry") in outcome.facts


@pytest.mark.parametrize(
    ("bound", "said"),
    [
        (REPAIRING, "takes this for 0, so it starts no workers for 1,204 entries"),
        (replace(REPAIRING, lag=3000), "starts workers for 1,796 entries too many"),
        (replace(REPAIRING, lag=3), "starts too few workers for 1,204 entries"),
        (replace(REPAIRING, lag=3000, capped=True), "is known once all"),
    ],
)
def test_the_card_of_a_repair(bound: Repairing, said: str) -> None:
    assert said in dict(repair.propose(PROD, bound, survey()).facts)["KEDA"]


def test_a_repair_that_could_not_help_is_not_well() -> None:
    assert told("repair", DONE["repair"]).well
    outcome = told("repair", {**DONE["repair"], "lag_after": "nil"})
    assert (outcome.happened, outcome.well) == (Happened.YES, False)
    assert ("Redis reports now", "none, nil") in outcome.facts


# --- consumer names and unconfirmed entries -------------------------------------------------------


@pytest.mark.parametrize(
    ("done", "said"),
    [
        (Pruned(0, 0), "🟢 *PROD lsstcam: no consumer name is idle for more than 2 h"),
        (Pruned(13_000, 12_800, 12_800), "🟢 *PROD lsstcam: 12,800 consumer names removed.*"),
        (Pruned(2, 1, 1, (("a", 2),)), "🟡 *PROD lsstcam: 1 consumer name removed.*"),
        (Pruned(9, 8, 5), "🟡 *PROD lsstcam: 5 of 8 consumer names removed, then the group was"),
    ],
)
def test_what_a_prune_has_come_to(done: Pruned, said: str) -> None:
    text, blocks = prune.pruned("PROD lsstcam", timedelta(hours=2), done, NOON)
    assert text.startswith(said)
    assert ("became unconfirmed" in str(blocks)) is bool(done.dropped)


def test_what_is_offered_is_what_is_worst() -> None:
    old, young = (
        PendingEntry(Entry(EntryId(1, 1)), "c", timedelta(minutes=minutes), 1)
        for minutes in (95, 0)
    )
    lost = Pending(3, oldest=(old,))
    found = {"hsc": None, "latiss": Pending(9, oldest=(young,)), "lsstcam": lost}
    assert pending.to_settle(found) == ("lsstcam", timedelta(hours=1))
    assert pending.to_settle({"latiss": Pending(9, oldest=(young,)), "hsc": Pending(0)}) is None
    offer = pending.Offer("lsstcam", timedelta(minutes=30), 1)
    assert (offer.button.label, offer.button.value) == (
        "Ask to settle 1 entry",
        "lsstcam --idle 30m",
    )
    names = {"hsc": Consumers(5, 1, 0), "latiss": Consumers(9, 4, 0), "lsstcam": Consumers(60_000)}
    assert consumers.to_prune(DEV, names) == "latiss"
    assert consumers.to_prune(replace(DEV, read_only=True), names) is None
    assert consumers.to_prune(DEV, {"hsc": None}) is None


# --- limits, and what others wrote ----------------------------------------------------------------


def drawn(asked: Request) -> str:
    return approvals.request_card(asked, PROD, "prompt-approvers", NOON)[0]


def huge() -> list[tuple[str, Plan, Facts]]:
    big = replace(clearing(), waiting=HUGE, visits=HUGE, capped=True, length=HUGE, unconfirmed=HUGE)
    bound = replace(settling()[0], unconfirmed=HUGE, visits=1000)
    plans = {
        "clear": clear.propose(PROD, big, survey(), NOON),
        "delete": clear.propose(PROD, replace(big, delete=True), survey(), NOON),
        "restore": restored(replace(RESTORING, entries=HUGE, visits=HUGE)),
        "bootstrap": PLANS["bootstrap"],
        "settle": settle.propose(PROD, bound, settling(1000)[1], NOON),
        "repair": repair.propose(PROD, replace(REPAIRING, lag=HUGE), survey()),
    }
    figures = {
        name: {key: str(HUGE) if value.isdecimal() else value for key, value in DONE[name].items()}
        for name in SCRIPTS
    }
    return [(name, plans[name], figures[name]) for name in SCRIPTS]


@pytest.mark.parametrize(("name", "plan", "facts"), huge(), ids=SCRIPTS)
def test_the_first_line_fits_a_lock_screen(name: str, plan: Plan, facts: Facts) -> None:
    asked = request(plan, name)
    assert len(drawn(asked)) <= FIRST_LINE, drawn(asked)
    outcomes = [facts, {"result": "fenced"}]
    outcomes += [{"result": "stale", "why": why} for why in reasons(name)]
    for each in outcomes:
        outcome = TELLS[name](PROD, asked, each)
        ended = replace(asked, state=State.DONE, ended=asked.started, outcome=outcome)
        assert len(drawn(ended)) <= FIRST_LINE, drawn(ended)


HOSTILE = "<!channel> <@U0BEN>\n> *forged* `x"


def test_what_others_wrote_stays_plain_and_on_its_line() -> None:
    counted = visits(NOON, HOSTILE + "{}")
    seen = replace(survey(), visits=counted, others=(HOSTILE, "x" * 500))
    plan = clear.propose(PROD, clearing(), seen, NOON)
    bound, pending = settling()
    forged = [replace(each, entry=replace(counted[0].oldest, detector=HOSTILE)) for each in pending]
    settled = settle.propose(PROD, bound, forged, NOON)
    for each in (plan, settled):
        lines = [*each.listing, *(text for _, text in each.facts)]
        assert any("<!channel>" in line for line in lines)
        assert not any("\n" in line for line in lines)
        assert all(len(line) < 300 for line in lines)
        shown = str(requests.in_full(request(each), PROD, "prompt-approvers", NOON))
        assert "&lt;!channel&gt;" in shown
        assert "<!channel>" not in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [(None, ""), ("a`b\nc", "a'b c"), ("x" * 61, "x" * 60 + "…")],
)
def test_names_of_others(text: str | None, shown: str) -> None:
    assert named(text) == shown


def test_amounts() -> None:
    assert amount(1, 1) == "1 entry = 1 visit"
    assert amount(5000, 30, capped=True) == "at least 5,000 entries = at least 30 visits"
    assert amount(2, 0, adjective="waiting") == "2 waiting entries"
