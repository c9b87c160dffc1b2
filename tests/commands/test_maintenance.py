"""Maintenance from the typed line to the closing notice, through the front door."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.support.a_watch import listed
from tests.support.night import observing
from tests.support.slack_server import Message
from tests.support.waits import LONGEST_WAIT
from tests.support.world import DEV, ELSEWHERE, PROD, World, shown

OPERATORS = {
    "approval": {"self_approval": False},
    "access": {"operators": {"users": ["U0ANA"]}, "approvers": {"users": ["U0BEN"]}},
}


def by_day(**prod: Any) -> dict[str, Any]:
    """Configure prod with its people under a bright sky, and alarms that are quick."""
    return {
        "environments": {"prod": {**OPERATORS, **prod}},
        "alarms": {"poll": "1s"},
    }


@pytest.fixture
async def bot(world: World) -> AsyncIterator[World]:
    world.settings = by_day(mirrors=["coffee"])
    async with world.bot():
        await world.group()
        yield world


async def posted(world: World, words: str, channel: str = PROD) -> Message:
    def find() -> Message | None:
        messages = world.slack.messages(channel)
        return next((m for m in messages if words in m.text and not m.ephemeral_to), None)

    return await world.slack.until(find, LONGEST_WAIT, f"{words!r} in {channel}")


async def becomes(world: World, message: Message, words: str) -> None:
    await world.slack.until(
        lambda: words in message.text, LONGEST_WAIT, f"{words!r}, not {message.text!r}"
    )


def buttons(message: Message) -> list[str]:
    return [element["text"]["text"] for _, element in message.elements()]


async def test_a_window_from_its_announcement_to_its_end(bot: World) -> None:
    answer = await bot.type("maintenance schedule in 2h 1h Redis 8.10 upgrade")
    assert answer.ephemeral_to == "U0ANA"
    card = await posted(bot, "maintenance, ")
    assert card.text.startswith("📣 *PROD maintenance, ")
    assert card.text.endswith(": Redis 8.10 upgrade.* Window 1")
    for words in ("Chile", "SLAC", "Alarms of PROD are held during the window", "<!date^"):
        assert words in shown(card), words
    assert buttons(card) == ["Start now", "Change…", "Cancel window"]

    await bot.slack.click(card, "Start now", user="U0ANA")
    await becomes(bot, card, "maintenance has started")
    assert buttons(card) == ["+30 min", "Post an update…", "End now"]
    mirror = await posted(bot, "maintenance has started", ELSEWHERE)
    assert "PROD" in mirror.text

    await bot.slack.click(card, "Post an update…", user="U0ANA")
    await bot.slack.next_view("prompt-redis:maintenance-update")
    text = {"text": {"text": {"type": "plain_text_input", "value": "half way <!channel>"}}}
    await bot.slack.submit("prompt-redis:maintenance-update", text, user="U0ANA")
    update = await bot.slack.until(
        lambda: next(
            (m for m in bot.slack.messages(PROD) if "writes about window 1" in m.text), None
        )
    )
    assert update.thread_ts == card.ts
    assert "half way <!channel>" in str(update.blocks)
    assert "<!channel>" not in update.mentions()

    # An alarm during the window is held, and shown as soon as it is over.
    await bot.redis[PROD].xgroup_destroy("instrument:lsstcam", "lsstcam_consumer_group")
    await listed(bot, "PROD lsstcam: missing")
    assert not [m for m in bot.slack.messages(PROD) if "PROD lsstcam: missing" in m.text]
    await bot.slack.click(card, "End now", user="U0ANA")
    over = await posted(bot, "maintenance is over, but 1 alarm is firing")
    assert over.thread_ts is None
    await posted(bot, "maintenance is over", ELSEWHERE)
    await becomes(bot, card, "over")
    assert buttons(card) == []
    await posted(bot, "PROD lsstcam: missing, no stream or no group since")
    audit = shown(await bot.type("audit"))
    for action in ("maintenance schedule", "maintenance start 1", "maintenance end 1"):
        assert f"`{action}" in audit, action


async def test_a_window_starts_by_itself_and_holds_its_owner_to_it(bot: World) -> None:
    await bot.type("maintenance schedule in 1h 1h a short one")
    card = await posted(bot, "a short one")
    bot.ahead += timedelta(hours=1)
    await becomes(bot, card, "has started")
    line = await bot.slack.until(
        lambda: [m for m in bot.slack.messages(PROD) if "has started" in m.text and m is not card]
    )
    assert len(line) == 1
    assert "window 1 until" in shown(await bot.type(""))


async def test_requests_and_windows_know_of_each_other(bot: World) -> None:
    await bot.type("maintenance start 1h all-day clearing")
    assert "started by ana" in shown(await posted(bot, "all-day clearing")).lower()
    await bot.announce(2)
    await bot.type("clear lsstcam")
    card = await posted(bot, "asks to discard")
    assert "Inside window 1." in shown(card)
    await bot.slack.click(card, "Approve", user="U0BEN")
    await becomes(bot, card, "discarded")
    await bot.type("maintenance end 1 all done")
    over = await posted(bot, "Prompt processing is ready")
    assert "request 2" in shown(over)


async def test_a_window_that_touches_the_night_is_refused(world: World) -> None:
    world.settings = by_day() | observing(night=True)
    async with world.bot():
        await world.group()
        answer = await world.type("maintenance start 1h hurry")
        assert "night" in answer.text
        assert "--during-observing" in shown(answer)
        await world.type("maintenance start --during-observing 1h agreed with the summit")
        await posted(world, "agreed with the summit")
        # dev's nights are nobody's.
        await world.type("maintenance start 1h in dev at any hour", channel=DEV)
        await posted(world, "in dev at any hour", DEV)


async def test_windows_do_not_overlap(bot: World) -> None:
    await bot.type("maintenance schedule in 2h 1h the first")
    answer = await bot.type("maintenance schedule in 150m 1h the second")
    assert "That overlaps window 1 (the first). Extend that one?" in answer.text
    await bot.type("maintenance extend 1 30m")
    await bot.type("maintenance change 1 in 3h 1h")
    await bot.type("maintenance cancel 1")
    card = await posted(bot, "the first")
    await becomes(bot, card, "cancelled")
    await bot.type("maintenance schedule in 2h 1h the second")
    assert "Window 2" in (await posted(bot, "the second")).text


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("maintenance schedule 2020-01-01T10:00Z 1h long ago", "?"),
        ("maintenance schedule someday 1h maybe", "?"),
        ("maintenance schedule in 2h 1h \u200b", "There is no word in what you wrote"),
        ("maintenance start 1h ...", "There is no word in what you wrote"),
        ("maintenance announce ?", "There is no word in what you wrote"),
        ("maintenance end 7", "PROD has no maintenance window 7"),
        ("maintenance extend 7 1h", "PROD has no maintenance window 7"),
        ("maintenance start 8d soon", "It takes from 1m to 7d."),
    ],
)
async def test_what_is_unclear_gets_a_question(bot: World, typed: str, words: str) -> None:
    answer = await bot.type(typed)
    assert words in answer.text, answer.text
    assert not [m for m in bot.slack.messages(PROD) if "📣" in m.text]


async def test_who_is_no_operator_announces_nothing(bot: World) -> None:
    answer = await bot.type("maintenance start 1h mine", user="U0BEN")
    assert "You are not an operator of PROD" in answer.text
    listed = await bot.type("maintenance list", user="U0BEN")
    assert listed.ephemeral_to == "U0BEN"
    assert "Window" not in shown(listed)


async def test_an_announcement_without_a_window_is_said_once_everywhere(bot: World) -> None:
    await bot.type("maintenance announce New chart tomorrow, <!here> nothing to do")
    for channel in (PROD, ELSEWHERE):
        said = await posted(bot, "announces:", channel)
        assert "<!here>" in str(said.blocks)
        assert said.mentions() == []
    assert "none planned" in shown(await bot.type(""))


@pytest.mark.parametrize(
    "typed",
    [
        "maintenance start 1",
        "maintenance change 1 in 3h 1h",
        "maintenance extend 1 1h",
        "maintenance update 1 all is well",
        "maintenance end 1",
        "maintenance cancel 1",
    ],
)
async def test_a_window_is_changed_in_its_own_channel_alone(bot: World, typed: str) -> None:
    await bot.type("maintenance schedule in 2h 1h Redis upgrade")
    card = await posted(bot, "Redis upgrade")
    refused = await bot.type(typed, DEV)
    assert refused.text.startswith("dev has no maintenance window 1.")
    assert "Redis upgrade" in shown(await bot.type("maintenance list"))
    assert buttons(card) == ["Start now", "Change…", "Cancel window"]
