"""What becomes of a message that Slack does not take: it is told, shown another way, or bounded."""

import pytest

from tests.support.a_watch import MINUTE, SHORT, Alarmed, seen
from tests.support.slack_server import Fault, Message, rate_limited
from tests.support.two_people import asked
from tests.support.waits import LONGEST_WAIT
from tests.support.world import DEV, PROD, World, shown

REFUSALS = {
    "not_in_channel": "I am not in the channel",
    "channel_not_found": "I am not in the channel",
    "is_archived": "the channel is archived",
    "restricted_action": "not everybody may post in the channel",
    "restricted_action_read_only_channel": "not everybody may post in the channel",
    "msg_too_long": "Slack said msg_too_long",
}
HTML = Fault(status=200, body="<html><title>Sign in to the network</title></html>")


def closed_to_posts(world: World, code: str, times: int | None = None) -> None:
    world.slack.fail("chat.postMessage", Fault(error=code, times=times))


def roots(world: World, channel: str = PROD) -> list[Message]:
    """What stands in the channel itself, deleted or not."""
    return [
        each
        for each in world.slack.messages(channel, deleted=True)
        if each.thread_ts is None and each.ephemeral_to is None
    ]


# --- who asked is told ---------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "words"), REFUSALS.items())
async def test_a_card_that_the_channel_refuses_is_told_and_closes_the_request(
    bot: World, code: str, words: str
) -> None:
    await bot.group()
    await bot.announce(2)
    closed_to_posts(bot, code)
    answer = await bot.type("clear lsstcam")
    assert answer.ephemeral_to == "U0ANA"
    assert "request 1 is closed, nothing was changed" in answer.text.lower()
    assert words in shown(answer)
    assert "is in the channel" not in shown(answer)
    bot.slack.heal()
    assert "no request is open" in (await bot.type("requests")).text
    assert "failed" in shown(await bot.type("audit"))
    assert "already" not in (await bot.type("approve 1")).text
    # Nothing stands in the way of the next one, and the old one's card never comes.
    card = await asked(bot)
    assert roots(bot) == [card]
    assert [each for each in bot.slack.messages(PROD) if each.thread_ts] == []


@pytest.mark.parametrize(
    "typed", ["maintenance schedule in 2h 1h new disk", "maintenance start 1h new disk"]
)
async def test_a_window_that_cannot_be_announced_is_none(bot: World, typed: str) -> None:
    await bot.group()
    closed_to_posts(bot, "is_archived")
    answer = await bot.type(typed)
    assert "could not be announced: the channel is archived" in shown(answer)
    assert "no alarm is held" in shown(answer).lower()
    bot.slack.heal()
    assert "no maintenance is planned" in (await bot.type("maintenance list")).text
    await bot.type("maintenance schedule in 2h 1h new disk")
    assert [each.text for each in roots(bot) if "new disk" in each.text][1:] == []


async def test_what_could_not_be_announced_is_not_called_announced(world: World) -> None:
    world.settings = {"environments": {"prod": {"mirrors": ["coffee"]}}}
    async with world.bot():
        closed_to_posts(world, "is_archived")
        answer = await world.type("maintenance announce new disk at noon")
        assert "could not be announced in this channel" in shown(answer)
        assert "archived" in shown(answer)
        world.slack.heal()
        answer = await world.type("maintenance announce new disk at one")
        assert "It is announced in this channel" in answer.text
        said = " ".join(each.text for each in roots(world))
        assert "new disk at one" in said
        assert "new disk at noon" not in said


@pytest.mark.parametrize("typed", ["silence lsstcam 1h all-day check-out", "unsilence 1"])
async def test_what_was_done_and_cannot_be_shown_is_said_to_whoever_did_it(
    bot: World, typed: str
) -> None:
    await bot.group()
    if typed.startswith("unsilence"):
        await bot.type("silence lsstcam 1h all-day check-out")
    closed_to_posts(bot, "restricted_action")
    answer = await bot.type(typed)
    assert answer.ephemeral_to == "U0ANA"
    assert "The channel does not see this: not everybody may post" in shown(answer)


async def test_a_card_that_slack_has_not_taken_is_not_called_there(bot: World) -> None:
    await bot.group()
    await bot.announce(1)
    bot.slack.fail("chat.postMessage", rate_limited("20", times=None))
    answer = await bot.type("clear lsstcam")
    assert answer.text.startswith("Request 1 is asked for")
    assert "not taken it yet" in shown(answer)
    assert "is in the channel" not in shown(answer)


# --- what can no longer be edited ----------------------------------------------------------------


@pytest.fixture
async def quick(world: World) -> World:
    """The world before the bot, with every group; alarms come within seconds."""
    world.settings = {"alarms": SHORT}
    await world.group()
    for each in ("hsc", "latiss", "lsstcam"):
        await world.group(DEV, each)
    return world


async def alarm_of(world: World) -> Message:
    """Let workers stop, and wait for the alarm."""
    await seen(world, "reached AND there")
    await world.announce(2, detectors=20)
    return await Alarmed(world).root("PROD lsstcam: not reading")


async def edits(world: World, count: int) -> None:
    before = len(world.slack.calls_of("chat.update"))
    await world.slack.until(
        lambda: len(world.slack.calls_of("chat.update")) >= before + count, LONGEST_WAIT, "edits"
    )


@pytest.mark.parametrize("code", ["cant_update_message", "edit_window_closed", "message_not_found"])
async def test_a_refused_edit_costs_one_new_message(quick: World, code: str) -> None:
    channel = Alarmed(quick)
    async with quick.bot():
        first = await alarm_of(quick)
        quick.slack.fail("chat.update", Fault(error=code, times=None))
        answer = await quick.click(first, "I'm on it", user="U0BEN")
        assert "You are on alarm 1" in answer.text
        # The first costs a new message, and those after it do not.
        await edits(quick, 2)
        second = await channel.until(lambda: channel.roots[1:], "a new message")
        assert first.deleted
        quick.slack.heal()
        quick.ahead += MINUTE
        await channel.until(lambda: len(second[0].revisions) > 1, "an edit")
        assert len(channel.roots) == 2


async def test_what_can_be_neither_edited_nor_deleted_is_said_to_be_over(quick: World) -> None:
    channel = Alarmed(quick)
    async with quick.bot():
        first = await alarm_of(quick)
        quick.slack.fail("chat.update", Fault(error="edit_window_closed"))
        quick.slack.fail("chat.delete", Fault(error="cant_delete_message"))
        await quick.click(first, "I'm on it", user="U0BEN")
        await channel.told(first, "can no longer be edited, and is over")
        second = channel.roots[1]
        await channel.says(second, "ben")
        assert len(channel.roots) == 2


async def test_an_alarm_whose_answer_was_lost_is_shown_where_nobody_may_look(quick: World) -> None:
    scopes = quick.slack.workspace.scopes
    assert scopes is not None
    quick.slack.workspace.scopes = scopes.replace("channels:history,groups:history,", "")
    channel = Alarmed(quick)
    async with quick.bot():
        await seen(quick, "reached AND there")
        quick.slack.fail("chat.postMessage", Fault(lost=True))
        await quick.announce(2, detectors=20)
        await channel.until(lambda: len(channel.roots) == 2, "a second message")
        await channel.says(channel.roots[1], "🔴 *PROD")
        assert len(channel.roots) == 2
