"""The form of maintenance: hours in three zones and the night, before anything is posted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.app import find_commands
from bot.command import Registry
from bot.domain.environments import Environment
from bot.domain.night import next_dusk
from bot.render.forms import LONGEST_INPUT, METADATA, Checked, Filled, Form, Found, view
from bot.slack.app import from_form, look_over
from tests.support.slack_blocks import check_view
from tests.support.slack_server import Delivery
from tests.support.world import DEV, PROD, World

FORM = "prompt-redis:maintenance-schedule"
SITE = Environment("prod", ("lsstcam",))
DEVELOPMENT = Environment("dev", ("hsc",))
MARGIN = timedelta(minutes=30)
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
REASON = "Redis  8.10 <!channel>\nand more"


@pytest.fixture(scope="module")
def registry() -> Registry:
    return find_commands()


def filled(**values: str) -> dict[str, str]:
    """Give what somebody fills in who wants an hour at four in the afternoon."""
    common = {"date": "2026-11-24", "time": "16:00", "zone": "UTC", "duration": "1h"}
    return {**common, "other": "", "reason": REASON, **values}


def look(
    registry: Registry,
    values: dict[str, str],
    *,
    name: str = "maintenance schedule",
    environment: Environment = SITE,
    typed: str = "",
) -> Found:
    form = registry[name].form
    assert isinstance(form, Checked)
    return form.check(Filled(values, typed, environment, NOW))


def second(found: Found) -> Form:
    assert isinstance(found, Form), found
    check_view(view(found, PROD))
    return found


# --- the look at what was filled in ----------------------------------------------------------


def test_the_second_page_is_what_would_be_typed(registry: Registry) -> None:
    page = second(look(registry, filled()))
    assert (page.command, page.submit) == ("maintenance schedule", "Announce it")
    assert page.fields == ()
    assert page.explained == (
        "📣 *PROD maintenance, Tue 24 Nov 16:00–17:00 UTC* (1 h)\n"
        "*UTC*  16:00 to 17:00\n"
        "*Chile*  13:00 to 14:00\n"
        "*SLAC*  08:00 to 09:00\n"
        "*Observing*  ends 08:36, starts again 00:24 UTC: 7 h 24 min to spare\n"
        "Nothing is posted yet."
    )
    assert page.repeated == REASON
    assert page.typed == f"2026-11-24T16:00Z 1h {REASON}"


@pytest.mark.parametrize(
    ("values", "typed"),
    [
        ({"zone": "Chile", "time": "10:30"}, "2026-11-24T13:30Z 1h"),
        ({"zone": "SLAC", "time": "05:00"}, "2026-11-24T13:00Z 1h"),
        ({"other": "1h30m"}, "2026-11-24T16:00Z 1h30m"),
        ({"time": "", "clock": " 15:30"}, "2026-11-24T15:30Z 1h"),
        ({"date": "", "clock": "15:30"}, "2026-11-24T15:30Z 1h"),
        ({"other": "90m", "duration": ""}, "2026-11-24T16:00Z 1h30m"),
        (
            {"time": "23:50", "during-observing": "during-observing"},
            "--during-observing 2026-11-24T23:50Z 1h",
        ),
    ],
)
def test_hours_are_carried_in_utc(registry: Registry, values: dict[str, str], typed: str) -> None:
    assert second(look(registry, filled(**values))).typed == f"{typed} {REASON}"


@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        (
            {"date": "2026-11-25", "time": "00:04"},
            "time",
            (
                "It will be night at the telescope from 00:24 UTC. This window runs 40 min into "
                'it. Shorten it, or tick "during observing" and say who agreed.'
            ),
        ),
        ({"time": "11:00"}, "time", "has passed: now it is 2026-11-24 12:00 UTC"),
        ({"date": "2026-11-23"}, "time", "has passed"),
        ({"date": "2029-01-01"}, "time", "more than a year ahead"),
        ({"time": ""}, "time", "When is"),
        (
            {"date": "2027-03-14", "time": "02:30", "zone": "SLAC"},
            "time",
            "does not come, because clocks are put forward",
        ),
        ({"other": "soon"}, "other", "How long it takes must be a duration such as"),
        ({"other": "30s"}, "other", "It takes from 1m to 7d."),
        ({"other": "8d"}, "other", "It takes from 1m to 7d."),
        ({"duration": ""}, "duration", "How long it takes must be a duration such as"),
    ],
)
def test_mistakes_stand_beside_their_field(
    registry: Registry, values: dict[str, str], field: str, said: str
) -> None:
    if values.get("date") == "2026-11-25":
        values = {**values, "duration": "1h", "other": "1h"}
    found = look(registry, filled(**values))
    assert isinstance(found, dict), found
    assert list(found) == [field]
    assert said in found[field]
    assert "`" not in found[field], "fields show no formatting"


def test_of_prod_alone_the_nights_are_kept_free(registry: Registry) -> None:
    values = filled(date="2026-11-25", time="02:00")
    assert isinstance(look(registry, values), dict)
    page = second(look(registry, values, environment=DEVELOPMENT))
    assert "📣 *dev maintenance" in page.explained


def test_the_margin_is_kept_free_as_well(registry: Registry) -> None:
    dusk = next_dusk(SITE.site, NOW)
    assert dusk is not None
    starts = dusk - MARGIN - timedelta(minutes=59)
    found = look(registry, filled(time=f"{starts:%H:%M}"))
    assert isinstance(found, dict)
    assert "and 30 min are kept free" in found["time"]


def test_a_change_keeps_its_number_and_asks_no_reason(registry: Registry) -> None:
    values = filled()
    del values["reason"]
    page = second(look(registry, values, name="maintenance change", typed="12"))
    assert (page.submit, page.typed) == ("Change it", "12 2026-11-24T16:00Z 1h")
    values["during-observing"] = "during-observing"
    page = second(look(registry, values, name="maintenance change", typed="12"))
    assert page.typed == "--during-observing 12 2026-11-24T16:00Z 1h"


@pytest.mark.parametrize("reason", ["\u200b", "...", "42"])
def test_a_reason_without_a_letter_is_said_at_its_field(registry: Registry, reason: str) -> None:
    found = look(registry, filled(reason=reason))
    assert isinstance(found, dict)
    assert list(found) == ["reason"]
    assert "There is no word in what you wrote" in found["reason"]


def test_a_last_look_has_nothing_left_to_look_over(registry: Registry) -> None:
    assert look(registry, {}, typed="2026-11-24T16:00Z 1h x") is None


@pytest.mark.parametrize(
    "reason", ["x" * 2500, "ok" + "🔭" * 1249, "a\nb  c", "--during-observing"]
)
def test_the_submitted_second_page_is_the_typed_command(registry: Registry, reason: str) -> None:
    page = second(look(registry, filled(reason=reason)))
    content = view(page, PROD)
    assert len(content["private_metadata"]) <= METADATA
    body = {"view": {**content, "state": {"values": {}}}, "user": {"id": "U0ANA", "name": "ana"}}
    assert look_over(body, registry, SITE, now=NOW) is None
    delivery = from_form(body, registry)
    assert delivery.line == f"maintenance schedule 2026-11-24T16:00Z 1h {reason}"
    assert delivery.channel == PROD
    command, rest = registry.find(delivery.line)
    arguments = command.grammar.parse(rest)
    assert arguments.line == f"2026-11-24T16:00Z 1h {reason}"
    assert arguments.options == {}, "what is in a reason is no option"


def test_forms_without_a_look_are_left_alone(registry: Registry) -> None:
    body = {
        "view": {
            "callback_id": "prompt-redis:clear",
            "private_metadata": PROD,
            "state": {"values": {}},
        }
    }
    assert look_over(body, registry, SITE, now=NOW) is None


# --- through Slack ---------------------------------------------------------------------------


def state(starts: datetime, **more: dict[str, Any]) -> dict[str, Any]:
    """Give the state of the form, as Slack tells it."""

    def option(value: str) -> dict[str, Any]:
        return {"text": {"type": "plain_text", "text": value}, "value": value}

    fields: dict[str, Any] = {
        "date": {"type": "datepicker", "selected_date": f"{starts:%Y-%m-%d}"},
        "time": {"type": "timepicker", "selected_time": f"{starts:%H:%M}"},
        "zone": {"type": "static_select", "selected_option": option("UTC")},
        "duration": {"type": "static_select", "selected_option": option("30m")},
        "other": {"type": "plain_text_input", "value": None},
        "reason": {"type": "plain_text_input", "value": REASON},
        "during-observing": {"type": "checkboxes", "selected_options": []},
        **more,
    }
    return {name: {name: field} for name, field in fields.items()}


async def submitted(world: World, values: dict[str, Any]) -> Delivery:
    return await world.slack.submit(FORM, values, user="U0ANA")


@pytest.mark.parametrize("typed", ["maintenance", "maintenance schedule"])
async def test_the_form_opens(bot: World, typed: str) -> None:
    await bot.slack.command(typed, channel=PROD, user="U0ANA")
    opened = await bot.slack.next_view(FORM)
    fields = {
        block["element"]["action_id"]: block["element"]
        for block in opened.content["blocks"]
        if block["type"] == "input"
    }
    assert list(fields) == [
        "date",
        "time",
        "clock",
        "zone",
        "duration",
        "other",
        "reason",
        "during-observing",
    ]
    assert fields["date"]["type"] == "datepicker"
    assert fields["time"]["type"] == "timepicker"
    assert fields["zone"]["initial_option"]["value"] == "UTC"
    assert fields["reason"]["max_length"] < LONGEST_INPUT
    assert opened.content["private_metadata"] == PROD


async def test_before_anything_is_posted_the_hours_are_shown(bot: World) -> None:
    await bot.slack.command("maintenance", channel=DEV, user="U0ANA")
    opened = await bot.slack.next_view(FORM)
    starts = (datetime.now(UTC) + timedelta(hours=2)).replace(second=0, microsecond=0)
    delivery = await submitted(bot, state(starts))
    assert delivery.error is None
    assert delivery.seconds is not None
    assert delivery.seconds < 0.5
    assert delivery.ack["response_action"] == "update"
    assert not opened.closed
    content = opened.content
    assert content["submit"]["text"] == "Announce it"
    shown, reason = content["blocks"]
    for words in ("📣 *dev maintenance, ", "*UTC*", "*Chile*", "*SLAC*", "Nothing is posted yet."):
        assert words in shown["text"]["text"]
    assert reason["text"] == {"type": "plain_text", "text": REASON, "emoji": False}
    assert content["private_metadata"] == f"{DEV} {starts:%Y-%m-%dT%H:%MZ} 30m {REASON}"
    assert bot.slack.messages(DEV) == []


async def test_a_mistake_stands_in_the_acknowledgement(bot: World) -> None:
    await bot.slack.command("maintenance", channel=PROD, user="U0ANA")
    opened = await bot.slack.next_view(FORM)
    now = datetime.now(UTC)
    delivery = await submitted(bot, state(now - timedelta(days=1)))
    assert delivery.error is None
    assert delivery.ack["response_action"] == "errors"
    assert "has passed" in delivery.ack["errors"]["time"]
    # The telescope of this test sees noon now, so in twelve hours it is night.
    delivery = await submitted(bot, state(now + timedelta(hours=12)))
    assert delivery.error is None
    assert "This window is all at night." in delivery.ack["errors"]["time"]
    assert not opened.closed
    agreed = {"text": {"type": "plain_text", "text": "x"}, "value": "during-observing"}
    tick = {"type": "checkboxes", "selected_options": [agreed]}
    delivery = await submitted(bot, state(now + timedelta(hours=12), **{"during-observing": tick}))
    assert delivery.ack["response_action"] == "update"
    assert opened.content["private_metadata"].startswith(f"{PROD} --during-observing ")


async def test_an_unknown_word_gets_the_nearest(bot: World) -> None:
    answer = await bot.type("maintenance shedule tomorrow 15:00")
    assert answer.text == "I don't know `maintenance shedule`. Did you mean `schedule`?"
