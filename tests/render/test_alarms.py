"""What people read of alarms, rule by rule and state by state."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.app import find_commands
from bot.clients.pagers import PagerDuty
from bot.domain.alarms import Holding, Incident, Silence, Skipped, Transition
from bot.domain.approvals import Plan, Request, State
from bot.domain.environments import Environment, Person
from bot.domain.oncall import On, Receipt, Target, Told, When
from bot.domain.paging import Reach
from bot.domain.reports import DuskReport, NightReport
from bot.domain.rules import RULES, Finding, Severity, rule_of
from bot.domain.samples import Figures
from bot.render import alarms, nights, pages
from bot.render.blocks import (
    ALL_TEXT,
    BLOCKS_IN_MESSAGE,
    BUTTONS_IN_MESSAGE,
    FIRST_LINE,
    Block,
    Button,
    Drawn,
    message,
)
from bot.render.rules import WORDS
from bot.slack.paging import Mention
from commands import oncall
from commands.alarms import history, list_alarms
from commands.silence import silenced
from commands.unsilence import unsilenced
from tests.support.an_oncall import A_PAGE
from tests.support.limits import default_thresholds
from tests.support.slack_blocks import check_message
from tests.support.slack_workspace import mentions

PROD = Environment(
    "prod",
    ("lsstcam",),
    expiration=timedelta(hours=1),
    links={"jobs": "https://argo.example/{instrument}", "grafana": "https://grafana.example"},
)
DEV = Environment("dev", ("hsc", "latiss", "lsstcam"))
ANA, BEN = Person("U0ANA", "Ana"), Person("U0BEN", "Ben")
HUGE = 10_000_000
HOSTILE = "<!channel> <@U0BEN> `x` *y* & <https://evil.example|z>"


def at(hour: int, minute: int, second: int = 0) -> datetime:
    return datetime(2026, 11, 24, hour, minute, second, tzinfo=UTC)


NOW, BEGAN = at(5, 29, 58), at(5, 26, 58)
FIGURES = Figures(
    at=NOW,
    waiting=860,
    visits=5,
    wait=timedelta(minutes=3),
    oldest_visit="2026-11-24T05:27:34.118",
    first_skipped=at(6, 26, 55),
    arriving=4.6,
    read=0.0,
    read_last=BEGAN,
    between_visits=timedelta(seconds=37),
    unconfirmed=12,
    consumers=51_204,
    answers_in=timedelta(microseconds=600),
    address="prompt-redis.prompt-redis:6379",
    tries=6,
    memory=3400 * 2**20,
    memory_limit=2**32,
)
LIMITS = default_thresholds()


def incident(rule: str, *more: str, figures: Figures = FIGURES, critical: bool = False) -> Any:
    severity = Severity.CRITICAL if critical or rule_of(rule).at_once else Severity.WARNING
    return Incident(
        id=31,
        environment="prod",
        name=rule_of(rule).head,
        instrument="" if rule_of(rule).whole else "lsstcam",
        began=BEGAN,
        opened=NOW,
        findings={
            rule: Finding(rule, severity, BEGAN),
            **{each: Finding(each, Severity.WARNING, BEGAN) for each in more},
        },
        figures=figures,
        worst=severity,
        highest_waiting=9976,
        highest_visits=58,
        highest_wait=timedelta(minutes=33, seconds=40),
        critical_since=NOW if severity is Severity.CRITICAL else None,
    )


UNTOLD = Reach()


def draw(
    shown: Incident,
    environment: Environment = PROD,
    *,
    now: datetime = NOW,
    targets: str = "prompt-oncall",
    reach: Reach = UNTOLD,
) -> Drawn:
    return alarms.incident(
        shown,
        environment,
        escalate_after=timedelta(minutes=10),
        targets=targets,
        reach=reach,
        now=now,
        thresholds=LIMITS,
    )


def lines(drawn: tuple[str, Sequence[Block]] | Drawn) -> list[str]:
    """Every line as Slack shows it; a field is one line."""
    shown = []
    for block in drawn[1]:
        if "text" in block:
            shown += unescape(block["text"]["text"]).split("\n")
        shown += [
            unescape(each["text"]).replace("*\n", ": ").removeprefix("*")
            for each in (*block.get("fields", ()), *block.get("elements", ()))
        ]
    return shown


def labels(drawn: Drawn) -> list[str]:
    return [button.label for button in drawn[2]]


BACKLOG = incident("backlog")
EXPIRING = replace(
    incident("expiring", "backlog", "stalled"),
    critical_since=at(5, 31, 58),
    figures=replace(FIGURES, at=at(5, 56, 58), waiting=8428, visits=49, wait=timedelta(minutes=30)),
)
RESOLVED = replace(EXPIRING, resolved=at(6, 9, 20), owner=ANA, owned=at(6, 1))
SKIPPED = tuple(
    Skipped(f"2026-11-24T05:2{number}:34.118", 172, at(6, 26, 55) + number * timedelta(seconds=37))
    for number in range(6)
)


def test_a_delay_warning() -> None:
    drawn = draw(BACKLOG)
    assert drawn[0] == "🟡 *PROD lsstcam: 5 visits waiting 3 min and growing.* Alarm 31"
    assert lines(drawn) == [
        "🟡 *PROD lsstcam: 5 visits waiting 3 min and growing.* Alarm 31",
        "Waiting: 860 entries = 5 visits (a visit is 172)",
        "Longest wait: 3 min",
        "Read: 0.0 entries/s; nothing since 05:26:58 UTC",
        "First skipped: 06:26 UTC, in 56 min 57 s; images are safe",
        "*Likely:* KEDA or the workers. Redis answers in 0.6 ms, the group is there.",
        (
            "*Next:* <https://argo.example/lsstcam|jobs in Argo CD>, "
            "<https://grafana.example|Grafana>, `runbook not reading`"
        ),
        "nobody owns this · on-call is told at 05:47 UTC if it lasts · updated 05:29:58",
    ]
    assert labels(drawn) == ["I'm on it", "Silence…", "Tell on-call now", "Figures now"]
    assert [(each.command, each.value, each.word) for each in drawn[2]] == [
        ("own", "31", ""),
        ("silence", "31", ""),
        ("escalate", "31", ""),
        ("stats", "lsstcam", "figures"),
    ]


def test_about_to_be_skipped() -> None:
    told = Reach({"prompt-oncall": at(5, 56, 58)})
    drawn = draw(EXPIRING, now=at(5, 56, 58), reach=told)
    assert lines(drawn) == [
        "🔴 *PROD lsstcam: first visit is skipped in 30 min (06:26 UTC).* Alarm 31",
        "Waiting: 8,428 entries = 49 visits",
        "Longest wait: 30 min, visit 2026-11-24T05:27:34.118",
        "If nothing changes: 1 visit skipped at 06:26 UTC, then one every 37 s",
        "Read: 0.0 entries/s; nothing since 05:26:58 UTC",
        "Images are safe; skipped visits send no science alerts tonight.",
        "*Likely:* KEDA or the workers.",
        "*Next:* <https://argo.example/lsstcam|jobs in Argo CD>, `runbook not reading`",
        (
            "warned 05:29 UTC, nobody owns it · on-call told: prompt-oncall 05:56:58 · "
            "updated 05:56:58"
        ),
    ]
    assert labels(drawn) == ["I'm on it", "Figures now"]


def test_visits_that_are_being_skipped() -> None:
    drawn = draw(replace(EXPIRING, skipped=SKIPPED), now=at(6, 31))
    assert drawn[0] == "🔴 *PROD lsstcam: 6 visits skipped since 06:26 UTC.* Alarm 31"
    shown = lines(drawn)
    assert "Skipped so far: 1,032 entries = 6 visits, since 06:26 UTC" in shown
    assert "If nothing changes: one more every 37 s" in shown
    assert "Images are safe; skipped visits send no science alerts tonight." in shown


def test_it_is_over() -> None:
    drawn = draw(RESOLVED, now=at(6, 9, 21))
    assert lines(drawn) == [
        "🟢 *PROD lsstcam: resolved after 42 min. No visit was skipped.* Alarm 31",
        "From, to: 05:26:58 to 06:09:20 UTC",
        "Highest: 9,976 entries = 58 visits waiting",
        "Longest wait: 33 min 40 s",
        "Who: Ana was on it from 06:01 UTC",
        "history in the thread · updated 06:09:20 UTC",
    ]
    assert drawn[2] == []


def test_it_is_over_and_visits_were_skipped() -> None:
    over = replace(RESOLVED, resolved=at(6, 37, 58), skipped=SKIPPED)
    drawn = draw(over)
    assert drawn[0] == "🟢 *PROD lsstcam: resolved after 71 min. 6 visits were skipped.* Alarm 31"
    assert (
        "Skipped: 1,032 entries = 6 visits, 06:26 to 06:30 UTC; "
        "list in the thread for catch-up. Images are safe."
    ) in lines(drawn)
    one = replace(over, skipped=SKIPPED[:1])
    assert "1 visit was skipped." in draw(one)[0]


def test_a_short_one_leaves_few_words() -> None:
    over = replace(BACKLOG, resolved=NOW + timedelta(minutes=2))
    assert lines(draw(over))[1:-1] == [
        "From, to: 05:26:58 to 05:31:58 UTC",
        "Highest: 9,976 entries = 58 visits waiting",
    ]


FIRST_LINES = [
    ("backlog", "🟡 *PROD lsstcam: 5 visits waiting 3 min and growing.* Alarm 31"),
    ("expiring", "🔴 *PROD lsstcam: first visit is skipped in 57 min (06:26 UTC).* Alarm 31"),
    ("stalled", "🟡 *PROD lsstcam: not reading, 5 visits waiting 3 min.* Alarm 31"),
    (
        "unknown_lag",
        "🟡 *PROD lsstcam: 5 visits waiting 3 min, Redis reports no lag (nil).* Alarm 31",
    ),
    ("missing", "🔴 *PROD lsstcam: missing, no group since 05:26 UTC.* Alarm 31"),
    ("unreachable", "🔴 *PROD: Redis does not answer since 05:26:58 UTC (3 min).* Alarm 31"),
    ("pending", "🟡 *PROD lsstcam: 12 entries read but never confirmed.* Alarm 31"),
    ("memory", "🟡 *PROD: Redis uses 3.3 GiB, 83 % of its 4.0 GiB.* Alarm 31"),
    ("lag", "🟡 *PROD lsstcam: 5 visits waiting 3 min, more than the limit.* Alarm 31"),
    (
        "consumers",
        "🟡 *PROD lsstcam: 51,204 consumer names, more than the limit.* Alarm 31",
    ),
    ("silent", "🟡 *PROD lsstcam: no visit announced for 3 min.* Alarm 31"),
]


@pytest.mark.parametrize(("rule", "line"), FIRST_LINES)
def test_the_first_line_of_every_rule(rule: str, line: str) -> None:
    assert draw(incident(rule))[0] == line


def test_no_rule_is_left_out() -> None:
    assert {rule for rule, _ in FIRST_LINES} == set(RULES)


def test_every_rule_has_words_and_all_words_have_a_rule() -> None:
    assert list(WORDS) == list(RULES)
    for name, rule in RULES.items():
        assert bool(WORDS[name].matter) == (rule.pierces or rule.at_once), name


@pytest.mark.parametrize(
    ("kind", "line", "how"),
    [
        ("refuses the connection", "Redis does not answer since", "connection refused"),
        ("does not answer", "Redis does not answer since", "no answer in time"),
        ("is loading its data", "Redis is loading its data since", "loading its data"),
        (
            "refuses our password",
            "the bot may not look (password refused) since",
            "password refused",
        ),
        (
            "has lost its primary: workers cannot read",
            "Redis has lost its primary since",
            "primary lost",
        ),
        (
            "is busy with a script that does not end: nobody is served",
            "Redis is busy with a script that does not end since",
            "busy with a script",
        ),
        (
            "cannot write, its disk is full: workers cannot read either",
            "Redis' disk is full: workers cannot read either, since",
            "disk full",
        ),
        ("", "Redis does not answer since", "no answer"),
    ],
)
def test_redis_is_away(kind: str, line: str, how: str) -> None:
    away = incident("unreachable", figures=replace(FIGURES, kind=kind))
    drawn = draw(away, reach=Reach({"prompt-oncall": NOW}))
    assert drawn[0] == f"🔴 *PROD: {line} 05:26:58 UTC (3 min).* Alarm 31"
    shown = lines(drawn)
    assert f"Tried: prompt-redis.prompt-redis:6379, {how}, 6 times" in shown
    held = "Other PROD alarms are held while this one is open."
    assert (held in shown) is ("password" not in kind)
    assert shown[-1] == "nobody owns this · on-call told: prompt-oncall 05:29:58 · updated 05:29:58"
    skipped = (
        "Visits announced now are skipped, one every 37 s: the fan-out service does not repeat "
        "them. Images are safe."
    )
    assert (skipped in shown) is ("password" not in kind)
    assert labels(drawn) == ["I'm on it", "Figures now"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("missing", "resolved after 4 min. Stream and group are there."),
        ("unreachable", "resolved after 4 min. Redis answers again."),
        ("pending", "resolved after 4 min. 12 entries unconfirmed."),
        ("memory", "resolved after 4 min. Redis uses 3.3 GiB, 83 % of its 4.0 GiB."),
        ("consumers", "resolved after 4 min. 51,204 consumer names now."),
        ("silent", "resolved after 4 min. Visits come again, or it is day."),
        ("stalled", "resolved after 4 min. No visit was skipped."),
    ],
)
def test_the_end_of_every_rule(rule: str, expected: str) -> None:
    over = replace(incident(rule), resolved=BEGAN + timedelta(minutes=4))
    drawn = draw(over)
    where = "PROD" if rule_of(rule).whole else "PROD lsstcam"
    assert drawn[0] == f"🟢 *{where}: {expected}* Alarm 31"
    assert drawn[2] == []
    assert ("Images are safe." in "".join(lines(drawn))) is (rule == "unreachable")


@pytest.mark.parametrize(
    ("rule", "button", "command"),
    [
        ("missing", "Ask to bootstrap", "bootstrap"),
        ("unknown_lag", "Ask to repair", "repair"),
        ("pending", "Ask to settle", "settle"),
        ("consumers", "Remove old names", "prune"),
    ],
)
def test_what_makes_it_well_is_a_button(rule: str, button: str, command: str) -> None:
    drawn = draw(incident(rule))
    found = next(each for each in drawn[2] if each.label == button)
    assert (found.command, found.value) == (command, "lsstcam")
    assert drawn[2][0].label == "I'm on it"
    locked = draw(incident(rule), replace(PROD, read_only=True))
    assert button not in labels(locked)


def test_a_lag_that_redis_does_not_report() -> None:
    figures = replace(FIGURES, lag_known=False)
    shown = lines(draw(incident("stalled", "unknown_lag", figures=figures)))
    assert "*Likely:* Redis reports no lag (nil), so KEDA starts no jobs." in shown
    assert "*Next:* `repair lsstcam`, `runbook not reading`" in shown


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"visits": 1, "waiting": 172}, "172 entries = 1 visit"),
        ({"visits": 5, "waiting": 861}, "861 entries = 5 visits"),
        ({"visits": 5, "waiting": 5}, "5 entries = 5 visits"),
        ({"visits": 0}, "860 entries"),
        (
            {"visits": 29, "waiting": 5000, "capped": True},
            "at least 5,000 entries = at least 29 visits",
        ),
    ],
)
def test_what_waits_is_counted_and_never_divided(changes: dict[str, Any], expected: str) -> None:
    drawn = draw(incident("backlog", figures=replace(FIGURES, **changes)))
    assert lines(drawn)[1] == f"Waiting: {expected}"
    assert ("at least" in drawn[0]) is bool(changes.get("capped"))


@pytest.mark.parametrize(
    ("rule", "changes", "expected"),
    [
        ("backlog", {"read": 3.1}, "3.1 of 4.6 entries/s"),
        ("backlog", {"read": None}, "unknown: not watched for long enough"),
        ("backlog", {"read_last": None}, "0.0 entries/s"),
        ("stalled", {"read": 1.9}, "nothing since 05:26:58 UTC"),
        ("stalled", {"read": None, "read_last": None}, "nothing since 05:26:58 UTC"),
    ],
)
def test_how_fast_it_is_read(rule: str, changes: dict[str, Any], expected: str) -> None:
    shown = lines(draw(incident(rule, figures=replace(FIGURES, **changes))))
    assert f"Read: {expected}" in shown


def test_in_dev_nothing_is_skipped() -> None:
    calm = incident("backlog", figures=replace(FIGURES, first_skipped=None))
    shown = "\n".join(lines(draw(replace(calm, environment="dev"), DEV)))
    assert shown.startswith("🟡 *dev lsstcam: 5 visits waiting 3 min and growing.* Alarm 31")
    assert "skipped" not in shown
    assert "*Next:* `runbook not reading`" in shown


@pytest.mark.parametrize(
    ("changes", "targets", "expected"),
    [
        ({}, "a", "nobody owns this · on-call is told at 05:47 UTC if it lasts"),
        ({}, "", "nobody owns this"),
        ({"owner": ANA, "owned": at(5, 31)}, "a", "Ana is on it since 05:31"),
        ({"held": Holding.SILENCE}, "a", "held by a silence · nobody owns this"),
        ({"held": Holding.WINDOW}, "a", "held by the maintenance window · nobody owns this"),
    ],
)
def test_who_is_on_it(changes: dict[str, Any], targets: str, expected: str) -> None:
    drawn = draw(replace(BACKLOG, **changes), targets=targets)
    assert lines(drawn)[-1] == f"{expected} · updated 05:29:58"
    assert ("Tell on-call now" in labels(drawn)) is bool(targets)


@pytest.mark.parametrize(
    ("reach", "foot", "button"),
    [
        (Reach({"a": at(5, 41, 58)}), "on-call told: a 05:41:58", False),
        (
            Reach({"a": NOW, "b": NOW, "c": at(5, 30)}, ("d",), {"e": "no answer"}),
            "on-call told: a, b 05:29:58, c 05:30:00 · being told: d · could not be told: e",
            False,
        ),
        (Reach({}, ("d", "e")), "being told: d, e", False),
        (Reach({}, ("d",), {"e": ""}), "being told: d · could not be told: e", False),
        (Reach(failed={"d": "", "e": ""}), "on-call could not be told: d, e", True),
    ],
)
def test_whom_pages_have_reached(reach: Reach, foot: str, *, button: bool) -> None:
    drawn = draw(BACKLOG, reach=reach)
    assert lines(drawn)[-1] == f"nobody owns this · {foot} · updated 05:29:58"
    assert ("Tell on-call now" in labels(drawn)) is button
    helped = "🔴 *On-call could not be told:* d, e; call whoever is on call by phone"
    assert (helped in "\n".join(lines(drawn))) is button
    assert len(lines(drawn)) == len(lines(draw(BACKLOG))) + button


@pytest.mark.parametrize(
    ("shown", "targets", "expected"),
    [
        (incident("stalled"), "a", "on-call is told at 05:42 UTC if it lasts"),
        (incident("backlog", critical=True), "a", "on-call is told at 05:40 UTC if it lasts"),
        (incident("backlog", critical=True), "", "no on-call target is told at this hour"),
        (incident("missing"), "a", "on-call is being told"),
    ],
)
def test_when_on_call_is_told(shown: Incident, targets: str, expected: str) -> None:
    assert f" · {expected} · " in lines(draw(shown, targets=targets))[-1]


def test_where_nobody_knows_when_no_time_is_promised() -> None:
    unknown = replace(BACKLOG, figures=replace(FIGURES, wait=None, first_skipped=None))
    assert "on-call is told if it is critical for 10 min" in lines(draw(unknown))[-1]
    assert "on-call" not in lines(draw(incident("pending")))[-1]


@pytest.mark.parametrize(
    ("shown", "transition", "expected"),
    [
        (
            incident("stalled", critical=True),
            Transition.SEVERITY,
            "🔴 *PROD lsstcam, alarm 31:* critical now, not reading, 5 visits waiting 3 min.",
        ),
        (
            BACKLOG,
            Transition.SEVERITY,
            "🟡 *PROD lsstcam, alarm 31:* a warning again, 5 visits waiting 3 min and growing.",
        ),
        (
            EXPIRING,
            Transition.LEADING,
            "🔴 *PROD lsstcam, alarm 31:* first visit is skipped in 57 min (06:26 UTC).",
        ),
        (
            replace(BACKLOG, owner=ANA, owned=NOW),
            Transition.OWNED,
            "🟡 *PROD lsstcam, alarm 31:* Ana is on it.",
        ),
        (
            replace(BACKLOG, told={"old": BEGAN, "phone": NOW, "pager": NOW}),
            Transition.ESCALATED,
            "🟡 *PROD lsstcam, alarm 31:* on-call is called: phone, pager.",
        ),
        (
            replace(BACKLOG, held=Holding.SILENCE),
            Transition.HELD,
            (
                "🟡 *PROD lsstcam, alarm 31:* held by a silence; "
                "its figures above go on, nobody is told."
            ),
        ),
        (
            BACKLOG,
            Transition.SHOWN,
            (
                "🟡 *PROD lsstcam, alarm 31:* no longer held, and still firing: "
                "5 visits waiting 3 min and growing."
            ),
        ),
        (
            replace(incident("stalled"), relapses=10, opened=at(5, 9)),
            Transition.RELAPSED,
            (
                "🟡 *PROD lsstcam, alarm 31:* not reading, 5 visits waiting 3 min, again, "
                "the 11th time in 20 min."
            ),
        ),
        (
            RESOLVED,
            Transition.RESOLVED,
            "🟢 *PROD lsstcam, alarm 31:* resolved after 42 min. No visit was skipped.",
        ),
    ],
)
def test_what_the_thread_is_told(shown: Incident, transition: Transition, expected: str) -> None:
    text, _, buttons = alarms.transition(shown, transition, NOW)
    assert text == f"{expected} 05:29:58 UTC"
    assert buttons == []


def test_who_had_the_on_call_told() -> None:
    told = replace(BACKLOG, told={"phone": NOW})
    text, _, _ = alarms.transition(told, Transition.ESCALATED, NOW, by="Ben")
    assert "Ben calls on-call: phone. " in text


def test_the_owner_alone_is_asked() -> None:
    owned = replace(BACKLOG, owner=ANA, owned=at(5, 31))
    text, blocks, buttons = alarms.transition(owned, Transition.ASKED, at(6, 1))
    assert text == (
        "<@U0ANA> PROD lsstcam, alarm 31 still fires, and you are on it since 05:31 UTC. Still?"
    )
    assert mentions(str(blocks)) == ["<@U0ANA>"]
    assert [(each.label, each.command, each.value) for each in buttons] == [
        ("Still on it", "own", "31")
    ]


def test_the_owner_alone_is_called() -> None:
    owned = replace(BACKLOG, owner=ANA, owned=at(5, 10), opened=at(5, 9, 58), relapses=3)
    text, blocks, buttons = alarms.transition(owned, Transition.CALLED, NOW, due=at(5, 39, 58))
    assert text == (
        "<@U0ANA> PROD lsstcam, alarm 31: 5 visits waiting 3 min and growing, again, the 4th time "
        "in 20 min. You are on it: still? On-call is told at 05:40 UTC if not."
    )
    assert mentions(str(blocks)) == ["<@U0ANA>"]
    assert [(each.label, each.command, each.value) for each in buttons] == [
        ("Still on it", "own", "31")
    ]
    text, _, _ = alarms.transition(owned, Transition.CALLED, NOW)
    assert "On-call" not in text, "nobody is told at this hour"


def ending(shown: Incident, *, recurs: bool = False) -> Incident:
    over = {
        rule: replace(found, ends=at(5, 34), recurs=recurs)
        for rule, found in shown.findings.items()
    }
    return replace(shown, findings=over)


def test_one_that_ends_says_what_is_true_now() -> None:
    figures = replace(FIGURES, waiting=0, visits=0, wait=None, read=5.1, read_last=at(5, 29, 56))
    wait = timedelta(minutes=3, seconds=40)
    shown = replace(incident("stalled", "backlog", critical=True), highest_wait=wait)
    drawn = draw(ending(replace(shown, figures=figures)))
    assert lines(drawn) == [
        "🟡 *PROD lsstcam: being read again, 0 entries waiting.* Alarm 31",
        "Read: 5.1 entries/s, the last one 2 s ago",
        "Longest wait: was 3 min 40 s",
        "Resolved if it stays so until 05:34:00 UTC.",
        "updated 05:29:58",
    ]
    assert labels(drawn) == ["Figures now"]
    assert pages.page_words(ending(shown), PROD)[0].startswith("PROD lsstcam: being read again")


@pytest.mark.parametrize(
    ("rule", "recurs", "expected"),
    [
        ("unknown_lag", False, "Redis reports its lag again, 860 entries waiting"),
        ("missing", False, "stream and group are there again"),
        ("unreachable", False, "Redis answers again, away since 05:26:58 UTC"),
        ("unreachable", True, "Redis answers again, came and went since 05:26:58 UTC"),
        ("pending", False, "no longer so"),
    ],
)
def test_how_each_rule_ends(rule: str, recurs: bool, expected: str) -> None:
    first = draw(ending(incident(rule), recurs=recurs))[0]
    assert f": {expected}.* Alarm 31" in first


def test_a_redis_that_comes_and_goes() -> None:
    shown = incident("unreachable", critical=True)
    found = {rule: replace(each, recurs=True) for rule, each in shown.findings.items()}
    first = draw(replace(shown, findings=found))[0]
    assert first == "🔴 *PROD: Redis comes and goes since 05:26:58 UTC (3 min).* Alarm 31"


def test_the_thread_lists_what_catch_up_can_take() -> None:
    over = replace(RESOLVED, skipped=SKIPPED)
    drawn = alarms.transition(over, Transition.RESOLVED, NOW)
    assert lines(drawn)[1:4] == [
        "*Skipped, for catch-up* (6 visits; images are safe)",
        "2026-11-24T05:20:34.118  172 entries",
        "2026-11-24T05:21:34.118  172 entries",
    ]
    many = tuple(replace(SKIPPED[0], visit=HOSTILE * 9) for _ in range(1000))
    drawn = alarms.transition(replace(RESOLVED, skipped=many), Transition.RESOLVED, NOW)
    _within_limits(drawn)
    assert any("and 820 more (141,040 entries)" in line for line in lines(drawn))


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (EXPIRING, "PROD lsstcam: 49 visits waiting, first one is skipped at 06:26 UTC"),
        (incident("unreachable"), "PROD: Redis does not answer since 05:26:58 UTC (3 min)"),
        (incident("missing"), "PROD lsstcam: missing, no group since 05:26 UTC"),
        (RESOLVED, "PROD lsstcam: alarm 31 is resolved"),
    ],
)
def test_what_a_lock_screen_shows(shown: Incident, expected: str) -> None:
    assert pages.page_words(shown, PROD)[0] == expected


def test_what_a_pager_shows_beside() -> None:
    details = dict(pages.page_words(EXPIRING, PROD)[1])
    assert details["Alarm"] == "31"
    assert details["Waiting"] == "8,428 entries = 49 visits"
    assert details["Likely"] == "KEDA or the workers."
    assert details["Runbook"] == "runbook not reading"
    assert details["Look at jobs"] == "https://argo.example/lsstcam"


def test_a_page_in_slack() -> None:
    text, blocks, buttons = pages.mention(A_PAGE, "S0123")
    assert text == A_PAGE.summary
    assert [each["text"]["text"] for each in blocks] == [
        f"<!subteam^S0123> {A_PAGE.summary}.",
        f"<{A_PAGE.link}|Alarm 31>",
    ]
    assert [each.label for each in buttons] == ["I'm on it"]
    by_hand = replace(
        A_PAGE, incident=0, link="", summary=f"PROD: Ana calls for help: {HOSTILE * 9}"
    )
    drawn = pages.mention(by_hand, "S0123")
    _within_limits(drawn)
    assert _pings(drawn) == ["<!subteam^S0123>"]


TARGETS = (
    Target("prompt-oncall", Mention.kind, usergroup="S0123"),
    Target("pager", PagerDuty.kind, when=When.DAY, on=On.FIRE),
)


def test_who_is_on_call() -> None:
    failed = {"pager": Receipt(BEGAN, Told.GIVEN_UP, HOSTILE)}
    drawn = oncall.overview(PROD, TARGETS, TARGETS[:1], failed, NOW)
    shown = lines(drawn)
    assert shown[0] == "🟢 *PROD: on-call is told through 1 of 2 targets, now by night.*"
    assert shown[1:5] == [
        "*prompt-oncall*, now: a mention in this channel, group S0123",
        "      at any hour, told when nobody owns a critical alarm",
        "*pager*, not at this hour: PagerDuty",
        "      by day, told of every alarm at once",
    ]
    assert shown[5].startswith("      🔴 could not be told 05:26 UTC: `<!channel>")
    assert _pings(drawn) == []
    nobody = oncall.overview(PROD, (), (), {}, NOW)
    assert nobody[0] == "🔴 *PROD: nobody is on call, no target is configured.*"
    none_now = oncall.overview(PROD, TARGETS[1:], (), {}, NOW)
    assert none_now[0] == "🔴 *PROD: no on-call target is told by night.*"


def test_what_the_channel_hears_of_pages() -> None:
    text, _, _ = oncall.escalated(BACKLOG, TARGETS, "Ana", NOW)
    assert text == "🔴 *PROD lsstcam: Ana calls on-call for alarm 31.*"
    called = oncall.called(PROD, HOSTILE, TARGETS, "Ana", NOW)
    assert called[0] == "🔴 *PROD: Ana calls for whoever is on call.*"
    assert {"type": "plain_text", "text": HOSTILE, "emoji": False} in [
        each.get("text") for each in called[1]
    ]
    assert _pings(called) == []
    tested = oncall.tested(PROD, TARGETS, "Ana", NOW)
    assert tested[0] == "🔧 *PROD: Ana tries 2 on-call targets.* Nothing is wrong."


def test_what_is_said_of_those_who_could_not_be_told() -> None:
    one = Reach({"phone": NOW}, ("bell",), {"pager": "pager cannot take it (HTTP 503)"})
    drawn = pages.not_reached(PROD, one, BACKLOG, "", NOW)
    assert drawn is not None
    assert lines(drawn) == [
        "🔴 *PROD: on-call target pager could not be told of alarm 31.*",
        "Why: `pager cannot take it (HTTP 503)`",
        "It is tried again, for up to 24 h.",
        "On-call told: phone 05:29:58 UTC.",
        "Being told: bell.",
        "*Next:* `oncall` shows who else there is.",
        "05:29:58 UTC",
    ]
    assert labels(drawn) == ["I'm on it", "On-call"]
    nobody = Reach(failed={"pager": HOSTILE, "phone": "the connection was lost"})
    help_there = replace(PROD, links={"support": "https://help.example/"})
    drawn = pages.not_reached(help_there, nobody, None, HOSTILE, NOW)
    assert drawn is not None
    assert drawn[0] == "🔴 *PROD: on-call could not be told: pager, phone.*"
    last = "*Next:* call whoever is on call by phone (<https://help.example/|support>)."
    assert last in lines(drawn)
    assert {"type": "plain_text", "text": HOSTILE, "emoji": False} in [
        each.get("text") for each in drawn[1]
    ]
    assert _pings(drawn) == ["<https://help.example/|support>"]
    assert labels(drawn) == ["On-call"]
    for late in (UNTOLD, Reach({"pager": NOW})):
        assert pages.not_reached(PROD, late, BACKLOG, "", NOW) is None
    over = replace(BACKLOG, resolved=NOW)
    assert pages.not_reached(PROD, nobody, over, "", NOW) is None
    still_open = Reach({"pager": NOW}, open={"pager": "pager cannot take it (HTTP 503)"})
    assert pages.not_reached(PROD, still_open, BACKLOG, "", NOW) is None
    drawn = pages.not_reached(PROD, still_open, over, "", NOW)
    assert drawn is not None
    assert lines(drawn)[:2] == [
        "🟡 *PROD: pager could not be told that alarm 31 is over.*",
        "Why: `pager cannot take it (HTTP 503)`",
    ]


def test_what_is_said_of_those_who_were_told() -> None:
    some = Reach({"phone": NOW, "duty": NOW}, (), {"pager": HOSTILE})
    drawn = pages.reached(PROD, some, EXPIRING, "", NOW)
    assert drawn is not None
    assert drawn[0] == (
        "🔴 *PROD lsstcam, alarm 31:* on-call told: phone, duty 05:29:58 UTC; "
        "could not be told: pager."
    )
    drawn = pages.reached(PROD, Reach({"phone": NOW}), None, f"PROD: Ana calls for {HOSTILE}", NOW)
    assert drawn is not None
    assert drawn[0] == "🟢 *PROD: on-call told: phone 05:29:58 UTC.*"
    assert _pings(drawn) == []
    assert pages.reached(PROD, Reach(failed={"pager": ""}), EXPIRING, "", NOW) is None


SILENCE = Silence(34, "prod", ANA, "camera work", NOW, at(7, 30), instrument="lsstcam")


def test_what_fires() -> None:
    assert list_alarms(PROD, [], [], NOW, {})[0] == "🟢 *PROD: no alarm is firing.*"
    owned = replace(BACKLOG, id=32, owner=ANA, owned=at(5, 28), held=Holding.SILENCE)
    drawn = list_alarms(
        PROD, [incident("missing"), owned], [SILENCE], NOW, {31: "https://slack.example/p1"}
    )
    assert lines(drawn) == [
        "🔴 *PROD: 2 alarms are firing, 1 of them critical.*",
        "🔴 *PROD lsstcam: missing, no group since 05:26 UTC.* Alarm 31",
        "      since 05:26 UTC (3 min), nobody owns it, <https://slack.example/p1|alarm 31>",
        "🟡 *PROD lsstcam: 5 visits waiting 3 min and growing.* Alarm 32",
        "      since 05:26 UTC (3 min), Ana is on it since 05:28, held by a silence",
        "*Silences*",
        "34 alarms of lsstcam, until 07:30 UTC, by Ana: `camera work`",
        "05:29:58 UTC",
    ]
    assert labels(drawn) == ["I'm on it"]
    assert "1 alarm is firing, critical" in list_alarms(PROD, [incident("missing")], [], NOW, {})[0]


def test_what_has_fired() -> None:
    over = replace(RESOLVED, worst=Severity.CRITICAL, skipped=SKIPPED)
    drawn = history(PROD, [over], at(9, 0), {}, {31})
    assert drawn[0] == "*PROD: the last 1 alarm.*"
    assert lines(drawn)[1:] == [
        "🟢 31 *PROD lsstcam* backlog, critical",
        (
            "      05:26 to 06:09 UTC (42 min), highest 58 visits, "
            "1,032 entries = 6 visits skipped, images are safe, Ana, on-call told"
        ),
    ]
    assert "no alarm has fired yet" in history(PROD, [], NOW, {})[0]


def test_the_short_status_has_a_line_for_alarms() -> None:
    missing = incident("missing")
    assert alarms.alarms_in_short([], [], NOW) == "none firing"
    assert alarms.alarms_in_short([], [SILENCE], NOW) == "none firing, 1 silenced until 07:30 UTC"
    assert alarms.alarms_in_short([missing, BACKLOG], [], NOW) == "2 firing, 1 critical (31, 31)"
    found = alarms.worst([replace(missing, held=Holding.WINDOW), BACKLOG], NOW)
    assert found is not None
    assert found[0] == "🟡 *PROD lsstcam: 5 visits waiting 3 min and growing.* Alarm 31"
    assert found[1] == Button("I'm on it", "own", "31")
    assert alarms.worst([], NOW) is None


def test_what_a_silence_holds() -> None:
    missing = replace(incident("missing"), id=33)
    drawn = silenced(PROD, [SILENCE], [BACKLOG], [missing], NOW)
    assert lines(drawn) == [
        "🔧 *PROD: Ana silences alarms of lsstcam until 07:30 UTC (2 h).* Silence 34",
        "camera work",
        "*Held from now on:*",
        "      🟡 *PROD lsstcam: 5 visits waiting 3 min and growing.* Alarm 31",
        "*Shown all the same:*",
        "      🔴 *PROD lsstcam: missing, no group since 05:26 UTC.* Alarm 33",
        (
            "Never held: a missing stream or group (missing), a Redis that does not answer "
            "(unreachable), and visits that are about to be skipped (expiring)."
        ),
        "05:29:58 UTC",
    ]
    assert labels(drawn) == ["End this silence", "Alarms"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("missing", "*It holds nothing,* because what it names pierces every silence."),
        ("stalled", "When visits are about to be skipped (expiring), it is shown all the same."),
        ("pending", "Other alarms are shown as before."),
    ],
)
def test_what_a_silence_of_a_rule_holds(rule: str, expected: str) -> None:
    silence = replace(SILENCE, instrument="", rule=rule, ends=None)
    drawn = silenced(PROD, [silence], [], [], NOW)
    assert expected in lines(drawn)
    assert drawn[0] == (f"🔧 *PROD: Ana silences {rule} alarms until resolved.* Silence 34")


def test_a_silence_that_is_ended() -> None:
    drawn = unsilenced(PROD, SILENCE, "Ben", NOW)
    assert drawn[0] == "🔧 *PROD: Ben ends the silence of alarms of lsstcam.* Silence 34"


NIGHT = NightReport(
    "lsstcam",
    date(2026, 11, 23),
    742,
    127_624,
    longest_wait=timedelta(seconds=92),
    longest_at=at(0, 31),
    warnings=1,
    longest_alarm=timedelta(minutes=6),
    unconfirmed=1,
    removed=12_800,
)


def test_how_the_night_was() -> None:
    drawn = nights.summary(PROD, NIGHT, at(9, 6))
    assert lines(drawn) == [
        "🌅 *PROD lsstcam, night of 2026-11-23: 742 visits, none skipped.*",
        "Entries: 127,624, all read",
        "Longest wait: 1 min 32 s, at 00:31 UTC",
        "Alarms: 1 warning, resolved in 6 min",
        "Unconfirmed: 1 entry · 12,800 consumer names removed",
    ]


def test_how_a_bad_night_was() -> None:
    bad = replace(
        NIGHT,
        skipped_visits=6,
        skipped_entries=1032,
        criticals=2,
        firing=1,
        unread=172,
        watched=False,
        removed=None,
    )
    shown = lines(nights.summary(PROD, bad, at(9, 6)))
    assert shown == [
        "🌅 *PROD lsstcam, night of 2026-11-23: about 742 visits, about 6 skipped.*",
        "Entries: about 127,624, 172 entries still waiting",
        "Skipped: about 1,032 entries = 6 visits",
        "Longest wait: 1 min 32 s, at 00:31 UTC",
        "Alarms: 2 critical, 1 warning; 1 still firing",
        "Unconfirmed: 1 entry",
        "Images are safe; daytime catch-up can take what was skipped.",
        "The bot did not watch without a break, so figures say *about*.",
        "*Next:* 1 alarm still fires: `alarms`",
    ]


def test_the_check_before_dusk_speaks_only_when_something_is_wrong() -> None:
    now, dusk = at(23, 24), datetime(2026, 11, 25, 0, 24, tzinfo=UTC)
    assert nights.dusk(PROD, DuskReport(dusk), now) is None
    request = Request(
        id=42,
        environment="prod",
        command="clear",
        arguments="lsstcam",
        plan=Plan("PROD lsstcam", "discard it", (), (), {}),
        requester=ANA,
        reason="",
        asked=at(16, 0),
        expires=at(23, 59),
        needed=1,
        self_approval=False,
        state=State.OPEN,
        votes=(),
        key="k",
    )
    report = DuskReport(
        dusk,
        missing=("lsstcam",),
        silences=[replace(SILENCE, reason=HOSTILE)],
        windows=[(12, dusk + timedelta(hours=1))],
        read_only=True,
        requests=[request],
    )
    drawn = nights.dusk(PROD, report, now)
    assert drawn is not None
    shown = lines(drawn)
    assert shown[0] == "🔴 *PROD: 5 things to see to before the night, which begins at 00:24 UTC.*"
    assert shown[1] == (
        "lsstcam has no stream or no group, so no worker can read: `bootstrap lsstcam`"
    )
    assert "Request 42 by Ana has been open for 7 h 24 min: `clear lsstcam`" in shown
    assert _pings(drawn) == []
    _within_limits(drawn)


def test_every_button_is_a_command() -> None:
    known = {name for each in find_commands() for name in (each.name, *each.aliases)}
    for rule in RULES:
        for button in draw(incident(rule))[2]:
            assert button.command in known
    for button in nights.summary(PROD, NIGHT, NOW)[2]:
        assert button.command in known


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("transition", [None, *Transition])
def test_ten_million_of_anything_fit_into_a_first_line(
    rule: str, transition: Transition | None
) -> None:
    figures = replace(
        FIGURES,
        waiting=HUGE,
        visits=HUGE,
        capped=True,
        wait=timedelta(days=3650),
        unconfirmed=HUGE,
        consumers=HUGE,
        memory=HUGE * 2**20,
        memory_limit=HUGE * 2**20,
        first_skipped=NOW + timedelta(days=99),
    )
    shown = replace(
        incident(rule, figures=figures),
        id=999_999_999,
        instrument="" if rule_of(rule).whole else "lsstcamlsstcamlsstcamlsstcam",
        owner=Person("U1", "n" * 80),
        owned=NOW,
        began=NOW - timedelta(days=1000),
    )
    for one in (shown, replace(shown, resolved=NOW, skipped=SKIPPED)):
        assert len(draw(one)[0]) <= FIRST_LINE
        assert len(pages.page_words(one, PROD)[0]) <= FIRST_LINE
        if transition is not None:
            _within_limits(alarms.transition(one, transition, NOW))


def test_names_and_reasons_stay_inert() -> None:
    mallory = Person("U0MAL", HOSTILE)
    figures = replace(FIGURES, oldest_visit=HOSTILE, kind=HOSTILE, address=HOSTILE)
    hostile_skip = (Skipped(HOSTILE, 1, NOW), Skipped("", 1, NOW))
    plain = replace(PROD, links={})
    for rule in RULES:
        shown = replace(
            incident(rule, figures=figures), owner=mallory, owned=NOW, skipped=hostile_skip
        )
        for one in (shown, replace(shown, resolved=NOW)):
            drawn = draw(one, plain)
            assert _pings(drawn) == []
            _within_limits(drawn)
            for transition in Transition:
                mentions = transition in {Transition.ASKED, Transition.CALLED}
                expected = ["<@U0MAL>"] if mentions else []
                assert _pings(alarms.transition(one, transition, NOW, by=HOSTILE)) == expected
            silence = replace(SILENCE, by=mallory, reason=HOSTILE)
            for drawn in (
                list_alarms(plain, [shown], [silence], NOW, {}),
                (*history(plain, [one], NOW, {}), []),
                silenced(plain, [silence], [shown], [shown], NOW),
                unsilenced(plain, silence, HOSTILE, NOW),
            ):
                assert _pings(drawn) == []
                _within_limits(drawn)


TIMES = st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- they get their zone from the strategy
SPANS = st.timedeltas(timedelta(0), timedelta(days=400))
COUNTS = st.integers(0, HUGE)
RATES = st.none() | st.floats(0, 1e6, allow_nan=False)
PEOPLE = st.builds(Person, st.just("U0ANA"), st.text(max_size=90))
SOME_FIGURES = st.builds(
    Figures,
    at=TIMES,
    waiting=COUNTS,
    visits=COUNTS,
    capped=st.booleans(),
    wait=st.none() | SPANS,
    oldest_visit=st.text(max_size=80),
    first_skipped=st.none() | TIMES,
    arriving=RATES,
    read=RATES,
    read_last=st.none() | TIMES,
    between_visits=st.none() | SPANS,
    unconfirmed=COUNTS,
    consumers=COUNTS,
    lag_known=st.booleans(),
    answers_in=st.none() | SPANS,
    kind=st.text(max_size=80),
    address=st.text(max_size=80),
    tries=COUNTS,
    memory=st.integers(0, 2**50),
    memory_limit=st.none() | st.integers(0, 2**50),
)


@st.composite
def any_incident(draw_from: st.DrawFn) -> Incident:
    name = draw_from(st.sampled_from([rule for rule in RULES if rule_of(rule).head == rule]))
    own = [rule for rule in RULES if rule_of(rule).head == name]
    rules = draw_from(st.lists(st.sampled_from(own), min_size=1, unique=True))
    return Incident(
        id=draw_from(st.integers(1, 999_999_999)),
        environment=draw_from(st.sampled_from(["prod", "dev"])),
        name=name,
        instrument=""
        if rule_of(name).whole
        else draw_from(st.sampled_from(["lsstcam", "hsc" * 20])),
        began=draw_from(TIMES),
        opened=draw_from(TIMES),
        findings={
            rule: Finding(rule, draw_from(st.sampled_from(Severity)), draw_from(TIMES))
            for rule in rules
        },
        figures=draw_from(SOME_FIGURES),
        worst=draw_from(st.sampled_from(Severity)),
        highest_waiting=draw_from(COUNTS),
        highest_visits=draw_from(COUNTS),
        highest_capped=draw_from(st.booleans()),
        highest_wait=draw_from(st.none() | SPANS),
        skipped=tuple(
            draw_from(st.lists(st.builds(Skipped, st.text(max_size=60), COUNTS, TIMES), max_size=4))
        ),
        held=draw_from(st.none() | st.sampled_from(Holding)),
        owner=draw_from(st.none() | PEOPLE),
        owned=draw_from(st.none() | TIMES),
        critical_since=draw_from(st.none() | TIMES),
        told=draw_from(st.dictionaries(st.text(max_size=20), TIMES, max_size=3)),
        resolved=draw_from(st.none() | TIMES),
        relapses=draw_from(st.just(0) | COUNTS),
    )


_TARGETS = st.from_regex(r"[a-z][a-z0-9-]{0,60}", fullmatch=True)
REACHES = st.builds(
    Reach,
    st.dictionaries(_TARGETS, TIMES, max_size=20),
    st.lists(_TARGETS, max_size=20).map(tuple),
    st.dictionaries(_TARGETS, st.text(), max_size=20),
    st.dictionaries(_TARGETS, st.text(), max_size=20),
)


@given(
    any_incident(),
    TIMES,
    st.sampled_from(["", "prompt-oncall"]),
    st.sampled_from(Transition),
    REACHES,
)
def test_any_incident_can_be_drawn(
    shown: Incident, now: datetime, targets: str, transition: Transition, reach: Reach
) -> None:
    for said in (pages.reached, pages.not_reached):
        for about in (shown, None):
            of_pages = said(PROD, reach, about, "PROD: Ana calls for help", now)
            if of_pages is not None:
                _within_limits(of_pages)
    for environment in (PROD, DEV):
        drawn = draw(shown, environment, now=now, targets=targets, reach=reach)
        assert len(drawn[0]) <= FIRST_LINE
        _within_limits(drawn)
    _within_limits(alarms.transition(shown, transition, now))
    many = [replace(shown, id=number) for number in range(1, 31)]
    _within_limits(list_alarms(PROD, many, [], now, {}))
    _within_limits((*history(PROD, many, now, {}), []))
    assert len(pages.page_words(shown, PROD)[0]) <= FIRST_LINE
    assert all(label and text for label, text in pages.page_words(shown, PROD)[1])


def _within_limits(drawn: tuple[str, list[Block], list[Button]]) -> None:
    text, blocks, buttons = drawn
    assert len(buttons) <= BUTTONS_IN_MESSAGE
    made = message(text, blocks, made_by="alarms", buttons=buttons)
    check_message(made.text, made.blocks)
    assert len(made.blocks) <= BLOCKS_IN_MESSAGE
    assert len(made.blocks) == len(blocks) + bool(buttons), "nothing was left out"
    assert sum(len(line) for line in lines((text, blocks))) <= ALL_TEXT


def _pings(
    drawn: tuple[str, Sequence[Block], Any] | tuple[str, Sequence[Block]],
) -> list[str]:
    shown = [
        part["text"]
        for block in drawn[1]
        for part in (block.get("text", {}), *block.get("fields", ()), *block.get("elements", ()))
        if part.get("type") == "mrkdwn"
    ]
    return [mention for text in shown for mention in mentions(text)]
