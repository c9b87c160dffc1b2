"""What people read of maintenance, stage by stage."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.alarms import Incident
from bot.domain.environments import Environment, Person
from bot.domain.maintenance import Closing, Word, night_refusal
from bot.domain.maintenance import Window as OneWindow
from bot.domain.night import Night, nights_around
from bot.domain.notices import NOT_KNOWN, NOT_TAKEN_YET, Post, Subject
from bot.domain.rules import Finding, Severity
from bot.domain.samples import Figures
from bot.domain.streams import EntryId, Group, Look, NoStream, ServerInfo, Stream, Waiting
from bot.render import maintenance
from bot.render.blocks import BUTTONS_IN_MESSAGE, FIRST_LINE, escape, message
from tests.support.slack_blocks import check_message
from tests.support.slack_workspace import mentions

ANA, BEN = Person("U0ANA", "Ana"), Person("U0BEN", "Ben")
PROD = Environment("prod", ("lsstcam",), links={"downtime": "https://announce.example/form"})
DEV = Environment("dev", ("hsc",))
MARGIN, NO_TIME = timedelta(minutes=30), timedelta(0)
HOSTILE = "<!channel> <@U0BEN> `x` *y* & <https://evil.example|z>\nsecond line"


def at(hour: int, minute: int = 0, second: int = 0, day: int = 24) -> datetime:
    return datetime(2026, 11, day, hour, minute, second, tzinfo=UTC)


PLANNED = OneWindow(12, "prod", at(16), at(17), "Redis 8.10 upgrade", ANA, announced=at(12))
STARTED = PLANNED.begun(at(16))
ENDED = STARTED.over(BEN, "", at(16, 41))
DAWN, DUSK = nights_around(PROD.site, PLANNED.starts)


def drawn(found: tuple[Any, ...]) -> str:
    """Give all that a message shows, once Slack would take it."""
    first, blocks, buttons = found
    assert len(first) <= FIRST_LINE, first
    assert len(buttons) <= BUTTONS_IN_MESSAGE
    shown = message(first, blocks, made_by="maintenance", buttons=buttons)
    check_message(shown.text, shown.blocks)
    lines = []
    for block in blocks:
        parts = [block.get("text"), *block.get("fields", ()), *block.get("elements", ())]
        lines += [part["text"] for part in parts if part]
    return "\n".join(lines)


def marked(found: tuple[Any, ...]) -> list[str]:
    """Give what Slack would turn into pings and links."""
    first, blocks, _ = found
    texts = [first]
    for block in blocks:
        parts = [block.get("text"), *block.get("fields", ()), *block.get("elements", ())]
        texts += [part["text"] for part in parts if part and part["type"] == "mrkdwn"]
    return [each for text in texts for each in mentions(text)]


def labels(found: tuple[Any, ...]) -> list[tuple[str, str, str]]:
    return [(each.label, each.command, each.value) for each in found[2]]


def test_a_window_that_is_announced() -> None:
    card = maintenance.card(PLANNED, PROD, at(12))
    assert card[0] == (
        "📣 *PROD maintenance, Tue 24 Nov 16:00–17:00 UTC: Redis 8.10 upgrade.* Window 12"
    )
    begins, ends = int(at(16).timestamp()), int(at(17).timestamp())
    assert drawn(card) == (
        f"{card[0]}\n"
        f"*Your time*\n<!date^{begins}^{{date_short_pretty}} at {{time}}|16:00 UTC> "
        f"to <!date^{ends}^{{time}}|17:00 UTC>\n"
        "*Elsewhere*\n13:00 Chile · 08:00 SLAC\n"
        "*Expect*\nup to 1 min without Redis; visits announced in it are skipped\n"
        "*Observing*\nends 08:36, starts again 00:24 UTC: 7 h 24 min to spare\n"
        "Announced by Ana. Alarms of PROD are held during the window.\n"
        "*Wider downtime?* Also fill in <https://announce.example/form|the form in df-announce>."
    )
    assert labels(card) == [
        ("Start now", "maintenance start", "12"),
        ("Change…", "maintenance change", "12"),
        ("Cancel window", "maintenance cancel", "12"),
    ]


def test_a_changed_window_says_when_it_was_edited() -> None:
    moved = PLANNED.changed(at(23, 30), at(1, day=25), during_observing=True, now=PLANNED.announced)
    shown = drawn(maintenance.card(moved, DEV, at(12, 5, 9)))
    assert shown.startswith("📣 *dev maintenance, Tue 24 Nov 23:30 – Wed 25 Nov 01:00 UTC: ")
    assert shown.endswith("updated 12:05:09 UTC")
    assert "during observing" in shown
    assert "Wider" not in shown


@pytest.mark.parametrize(
    ("person", "said"),
    [
        (None, "announced by Ana · started 16:00 UTC · "),
        (ANA, "\nstarted by Ana 16:00 UTC · "),
        (BEN, "announced by Ana · started by Ben 16:00 UTC · "),
    ],
)
def test_who_started_a_window(person: Person | None, said: str) -> None:
    assert said in drawn(maintenance.card(PLANNED.begun(at(16), person), PROD, at(16, 0, 2)))


def test_a_window_that_has_started() -> None:
    card = maintenance.card(STARTED, PROD, at(16, 0, 2))
    assert drawn(card) == (
        "📣 *PROD maintenance has started, until 17:00 UTC (1 h): Redis 8.10 upgrade.* Window 12\n"
        "Alarms of PROD are held, except that visits are about to be skipped.\n"
        "announced by Ana · started 16:00 UTC · updates in the thread · updated 16:00:02 UTC"
    )
    assert labels(card) == [
        ("+30 min", "maintenance extend", "12 30m"),
        ("Post an update…", "maintenance update", "12"),
        ("End now", "maintenance end", "12"),
    ]
    line = maintenance.said(Word.STARTED, STARTED, at(16), late=NO_TIME)
    assert drawn(line) == drawn(card).rsplit("\n", 1)[0]
    assert labels(line) == []
    late = maintenance.said(Word.STARTED, STARTED, at(16), late=timedelta(minutes=4, seconds=9))
    assert drawn(late).endswith("\nsaid 4 min late")


def test_a_window_past_its_end() -> None:
    assert maintenance.card(STARTED, PROD, at(17, 5))[0] == (
        "📣 *PROD maintenance should have ended at 17:00 UTC: Redis 8.10 upgrade.* Window 12"
    )


@pytest.mark.parametrize(
    ("window", "first", "foot"),
    [
        (
            ENDED,
            "is over after 41 min: Redis 8.10 upgrade.* Window 12",
            "ended by Ben 16:41 UTC",
        ),
        (
            PLANNED.cancelled(BEN, at(15)),
            "is cancelled, Tue 24 Nov 16:00–17:00 UTC: Redis 8.10 upgrade.* Window 12",
            "cancelled by Ben 15:00 UTC",
        ),
    ],
)
def test_nothing_more_will_change(window: OneWindow, first: str, foot: str) -> None:
    card = maintenance.card(window, PROD, at(16, 41, 1))
    assert drawn(card) == (
        f"📣 *PROD maintenance {first}\n"
        f"announced by Ana for Tue 24 Nov 16:00–17:00 UTC · {foot} · updated 16:41:01 UTC"
    )
    assert labels(card) == []


def incident(number: int, rule: str, instrument: str) -> Incident:
    return Incident(
        id=number,
        environment="prod",
        name=rule,
        instrument=instrument,
        began=at(16, 10),
        opened=at(16, 10),
        findings={rule: Finding(rule, Severity.CRITICAL, at(16, 10))},
        figures=Figures(at=at(16, 41), waiting=3),
        worst=Severity.CRITICAL,
    )


def look(waiting: int = 0) -> Look:
    group = Group(Waiting(waiting), 0, 1, EntryId(1, 0), waiting)
    return Look("lsstcam", at(16, 41), Stream(1, EntryId(1, 0), None, group))


SERVER = ServerInfo(
    answered_in=timedelta(microseconds=500),
    product="redis",
    version="8.10.0",
    up_for=timedelta(minutes=9),
    memory=1,
    memory_limit=None,
    append_only=True,
    last_write_ok=True,
    snapshot_ok=True,
    last_snapshot=None,
    run_id="1",
)


def test_the_closing_notice() -> None:
    state = maintenance.readiness(PROD, [look()], SERVER)
    held = [incident(31, "missing", "lsstcam"), incident(32, "unreachable", "")]
    found = maintenance.ended(ENDED, PROD, Closing(held, (), ()), at(16, 41), state=state, links={})
    assert drawn(found) == (
        "🟢 *PROD maintenance is over after 41 min. Prompt processing is ready.* Window 12\n"
        "*Now*\nlsstcam: 0 waiting, group there, Redis answers in 0.5 ms\n"
        "*Held*\n2 alarms during the window, none still firing\n"
        "ended by Ben 16:41 UTC · next night from 00:24 UTC"
    )
    assert labels(found) == []


def test_what_still_fires_comes_first() -> None:
    one = incident(31, "missing", "lsstcam")
    found = maintenance.ended(
        replace(ENDED, closing=HOSTILE),
        PROD,
        Closing([one], [one], ()),
        at(16, 41),
        state=maintenance.readiness(PROD, [Look("lsstcam", at(16, 41), NoStream())], SERVER),
        links={31: "https://slack.example/31"},
    )
    shown = drawn(found)
    assert shown.startswith(
        "🟡 *PROD maintenance is over, but 1 alarm is firing:* "
        "<https://slack.example/31|lsstcam: missing, no group since 16:10 UTC>\n"
    )
    assert "1 alarm during the window, 1 still firing" in shown
    assert HOSTILE in shown
    assert marked(found) == [
        "<https://slack.example/31|lsstcam: missing, no group since 16:10 UTC>"
    ]
    assert labels(found) == [("I'm on it", "own", "31"), ("Alarms", "alarms", "")]
    many = [incident(number, "missing", "lsstcam") for number in range(31, 50)]
    drawn(
        maintenance.ended(
            ENDED, PROD, Closing(many, many, ()), at(17), state=("", ""), links={}, late=MARGIN
        )
    )


@pytest.mark.parametrize(
    ("found", "server", "said"),
    [
        (Look("lsstcam", at(16, 41), NoStream()), SERVER, "lsstcam is missing"),
        (look(), None, "Redis does not answer"),
    ],
)
def test_it_is_not_ready_where_something_is_wrong(
    found: Look, server: ServerInfo | None, said: str
) -> None:
    state = maintenance.readiness(PROD, [found], server)
    nothing = Closing((), (), ())
    text = maintenance.ended(ENDED, PROD, nothing, at(16, 41), state=state, links={})[0]
    assert text == f"🟡 *PROD maintenance is over after 41 min, but {said}.* Window 12"


@pytest.mark.parametrize(
    ("word", "now", "said"),
    [
        (Word.HOUR_BEFORE, at(15), "begins in 1 h, at 16:00 UTC."),
        (Word.MINUTES_BEFORE, at(15, 50, 3), "begins in 10 min, at 16:00 UTC."),
        (Word.ENDING, at(16, 50), "is to end in 10 min, at 17:00 UTC."),
        (Word.OVERRUNNING, at(17), "has overrun its end, 17:00 UTC, as of now."),
        (Word.OVERRUNNING, at(17, 15, 1), "has overrun its end, 17:00 UTC, for 15 min."),
    ],
)
def test_reminders_mention_the_owner_alone(word: Word, now: datetime, said: str) -> None:
    found = maintenance.said(word, PLANNED, now)
    assert found[0] == f"<@U0ANA> maintenance of PROD {said} Window 12"
    assert drawn(found).startswith(f"{found[0]}\n")
    assert set(marked(found)) == {"<@U0ANA>"}
    late = maintenance.said(word, PLANNED, now, late=timedelta(seconds=6))
    assert drawn(late).endswith("\nsaid 6 s late")


def test_what_is_said_in_the_thread() -> None:
    assert drawn(maintenance.said(Word.CHANGED, PLANNED, at(13), by="Ben")) == (
        "<@U0ANA> Ben changed window 12: Tue 24 Nov 16:00–17:00 UTC."
    )
    assert drawn(maintenance.said(Word.CHANGED, STARTED, at(16, 30), by="Ben")) == (
        "<@U0ANA> Ben changed window 12: it goes on until 17:00 UTC."
    )
    assert drawn(maintenance.said(Word.CANCELLED, PLANNED, at(13), by="Ben")) == (
        "<@U0ANA> Ben cancelled window 12: it does not take place."
    )
    update = maintenance.said(Word.UPDATE, PLANNED, at(13), by="Ben", written=HOSTILE)
    assert drawn(update) == f"<@U0ANA> Ben writes about window 12:\n{HOSTILE}"
    assert set(marked(update)) == {"<@U0ANA>"}


def test_an_announcement_without_a_window_pings_nobody() -> None:
    found = maintenance.announcement(PROD, HOSTILE, "Ben")
    assert drawn(found) == f"📣 *PROD: Ben announces:*\n{HOSTILE}"
    assert found[0].startswith("📣 *PROD: Ben announces:* &lt;!channel&gt;")
    assert marked(found) == []
    assert maintenance.announcement(PROD, "no work today", "Ben")[0] == (
        "📣 *PROD: Ben announces:* no work today"
    )


@given(st.text(min_size=1, max_size=300))
def test_a_reason_is_inert_and_shown_as_typed(reason: str) -> None:
    for text in (reason, HOSTILE):
        for window in (PLANNED, STARTED, ENDED, PLANNED.cancelled(BEN, at(15))):
            one = replace(window, reason=text, owner=replace(ANA, name=text))
            found = maintenance.card(one, PROD, at(16))
            first, shown = found[0], drawn(found)
            assert "\n" not in first
            assert [
                each for each in marked(found) if not each.startswith(("<!date", "<https://a"))
            ] == []
            whole = text.strip()
            assert whole in shown or escape(whole.rstrip(".")) in first
        drawn(maintenance.listed(PROD, [replace(PLANNED, reason=text)], at(15)))


def test_a_long_reason_is_cut_in_the_first_line_alone() -> None:
    reason = "we replace everything " * 20
    found = maintenance.card(replace(PLANNED, reason=reason), PROD, at(12))
    assert found[0].endswith("….* Window 12")
    assert len(found[0]) == FIRST_LINE
    assert reason.strip() in drawn(found)


def test_windows_listed() -> None:
    assert drawn(maintenance.listed(PROD, [], at(12))) == "📣 *PROD: no maintenance is planned.*"
    assert drawn(maintenance.listed(PROD, [STARTED, replace(PLANNED, id=13)], at(15, 30))) == (
        "📣 *PROD: 2 maintenance windows.*\n"
        "*12* Tue 24 Nov 16:00–17:00 UTC, under way, 1 h 30 min to go, by Ana: "
        "`Redis 8.10 upgrade`\n"
        "*13* Tue 24 Nov 16:00–17:00 UTC, in 30 min, by Ana: `Redis 8.10 upgrade`\n"
        "15:30:00 UTC"
    )


def test_the_line_in_the_short_status() -> None:
    assert maintenance.summary_line([], at(12)) == "none planned"
    assert maintenance.summary_line([PLANNED], at(12)) == "window 12, Tue 24 Nov 16:00–17:00 UTC"
    assert maintenance.summary_line([STARTED, PLANNED], at(16)) == (
        "window 12 until 17:00 UTC, alarms are held, and 1 more"
    )


@pytest.mark.parametrize(
    ("window", "said"),
    [
        (
            PLANNED,
            (
                "is announced for Tue 24 Nov 16:00–17:00 UTC (13:00 Chile · 08:00 SLAC). "
                "It starts by itself"
            ),
        ),
        (STARTED, "is under way until 17:00 UTC. Alarms are held"),
        (ENDED, "is over after 41 min. Alarms are shown again"),
        (PLANNED.cancelled(ANA, at(15)), "is cancelled"),
    ],
)
def test_whoever_acted_is_told(window: OneWindow, said: str) -> None:
    post = Post(1, 12, Subject.WINDOW, "prod", "C1", "17.5", wanted=1, shown=1, key="k", attempts=0)
    assert maintenance.told(window, at(16), post) == f"Window 12 {said}. Its announcement says so."
    assert maintenance.told(window, at(16), None) == (
        f"Window 12 {said}. Nobody knows whether its announcement says so: "
        "the bot's database does not answer."
    )


def test_where_it_is_announced() -> None:
    assert maintenance.announced({"": ""}) == "It is announced in this channel."
    assert maintenance.announced({"": "", "ops": "", "C0OTHER001": ""}) == (
        "It is announced in this channel, #ops, <#C0OTHER001>."
    )
    assert maintenance.announced({"": NOT_TAKEN_YET, "ops": "Slack said no"}) == (
        "Not yet in this channel: Slack has not taken it yet.\n"
        "It could not be announced in #ops: Slack said no."
    )
    assert maintenance.announced({"": NOT_KNOWN}) == (
        "Nobody knows whether it is in this channel yet: the bot's database does not answer."
    )


NIGHT = Night(at(0, 24, day=25), at(8, 36, day=25))


@pytest.mark.parametrize(
    ("starts", "ends", "said"),
    [
        (
            at(23),
            at(1, 4, day=25),
            (
                "It will be night at the telescope from 00:24 UTC. "
                "This window runs 40 min into it. Shorten it, or "
            ),
        ),
        (
            at(23),
            at(0, 4, day=25),
            (
                "It will be night at the telescope from 00:24 UTC. This window ends 20 min before, "
                "and 30 min are kept free. Shorten it, or "
            ),
        ),
        (
            at(8, day=25),
            at(9, day=25),
            (
                "It is night at the telescope from 00:24 to 08:36 UTC. This window begins 36 min "
                "before it ends. Begin later, or "
            ),
        ),
        (
            at(8, 50, day=25),
            at(9, day=25),
            (
                "It is night at the telescope from 00:24 to 08:36 UTC. This window begins 14 min "
                "after, and 30 min are kept free. Begin later, or "
            ),
        ),
        (
            at(3, day=25),
            at(4, day=25),
            (
                "It is night at the telescope from 00:24 to 08:36 UTC. "
                "This window is all at night. Choose the day, or "
            ),
        ),
    ],
)
def test_windows_that_touch_the_night(starts: datetime, ends: datetime, said: str) -> None:
    refused = night_refusal(PROD, starts, ends)
    assert refused is not None
    assert refused.startswith(f"{said}add `--during-observing` and say who agreed.")
    assert "08:36 UTC" in refused, "dawn is told as well"
    ticked = night_refusal(PROD, starts, ends, ticked=True)
    assert ticked == f'{said}tick "during observing" and say who agreed.'
    dev = replace(PROD, name="dev")
    assert night_refusal(dev, starts, ends) is None, "the telescope's nights are prod's alone"


@pytest.mark.parametrize(
    ("starts", "ends", "said"),
    [
        (at(16), at(17), "ends 08:36, starts again 00:24 UTC: 7 h 24 min to spare"),
        (
            at(23),
            at(1, 4, day=25),
            "starts again 00:24 UTC: 40 min of the window are at night",
        ),
        (at(7), at(9), "it is night until 08:36 UTC, in the window"),
        (at(4), at(5), "it is night until 08:36 UTC, after the window"),
    ],
)
def test_how_far_the_night_is(starts: datetime, ends: datetime, said: str) -> None:
    assert maintenance.observing(PROD, starts, ends) == said


def test_before_it_is_announced_the_hours_are_shown_in_three_zones() -> None:
    assert maintenance.confirmation(PROD, at(16), at(17)) == (
        "📣 *PROD maintenance, Tue 24 Nov 16:00–17:00 UTC* (1 h)\n"
        "*UTC*  16:00 to 17:00\n"
        "*Chile*  13:00 to 14:00\n"
        "*SLAC*  08:00 to 09:00\n"
        "*Observing*  ends 08:36, starts again 00:24 UTC: 7 h 24 min to spare\n"
        "Nothing is posted yet."
    )
