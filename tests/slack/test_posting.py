"""What becomes of a message that Slack does not take: it is told, shown another way, or bounded."""

import sqlite3
import time
from contextlib import closing

import pytest

from tests.support.a_watch import MINUTE, SHORT, Alarmed, seen
from tests.support.slack_server import Fault, Message, rate_limited
from tests.support.two_people import asked
from tests.support.waits import LONGEST_WAIT
from tests.support.world import DEV, ELSEWHERE, PROD, World, shown

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


async def test_who_asked_is_told_of_a_refusal_that_comes_later(bot: World) -> None:
    await bot.group()
    await bot.announce(1)
    # Longer than anybody is kept waiting for an answer.
    bot.slack.fail("chat.postMessage", rate_limited("12", times=None))
    window = await bot.slack.command("maintenance start 1h new disk", channel=PROD, user="U0ANA")
    answer = await bot.type("clear lsstcam", user="U0BEN")
    assert "is asked for" in answer.text
    assert "does not say so yet: Slack has not taken it yet" in shown(await window.reply())
    bot.slack.heal()
    # Each of the two is tried once more in the channel; the rest is for people alone.
    bot.slack.fail("chat.postMessage", Fault(error="is_archived", times=2))
    bot.ahead += MINUTE
    for person, what in (("D0BEN", "request 2"), ("D0ANA", "window 1")):
        await bot.slack.until(
            lambda person=person, what=what: any(  # type: ignore[misc]
                f"{what} could not be shown" in m.text for m in bot.slack.messages(person)
            ),
            LONGEST_WAIT,
            f"word for {person}",
        )
    assert "no request is open" in (await bot.type("requests")).text
    assert "no maintenance is planned" in (await bot.type("maintenance list")).text


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


# --- alarms that nobody sees ---------------------------------------------------------------------


async def test_an_alarm_that_the_channel_refuses_is_said_to_whoever_looks(quick: World) -> None:
    async with quick.bot():
        await seen(quick, "reached AND there")
        closed_to_posts(quick, "is_archived")
        await quick.announce(2, detectors=20)
        await quick.slack.until(lambda: quick.slack.calls_of("chat.postMessage"))
        listed = shown(await quick.type("alarms"))
        assert "the channel does not see it: the channel is archived" in listed
        quick.slack.heal()
        await Alarmed(quick).root("PROD lsstcam: not reading")


async def test_an_alarm_that_its_own_channel_refuses_is_shown_in_the_environments(
    quick: World,
) -> None:
    quick.settings = {**quick.settings, "alarms": {**SHORT, "channel": "coffee"}}
    async with quick.bot():
        await seen(quick, "reached AND there")
        quick.slack.workspace.channels[ELSEWHERE].is_archived = True
        await quick.announce(2, detectors=20)
        await Alarmed(quick).root("PROD lsstcam: not reading")
        assert len(Alarmed(quick).roots) == 1
        assert Alarmed(quick, ELSEWHERE).roots == []


# --- nobody waits behind another's edits ---------------------------------------------------------

SIX = ("one", "two", "three", "four", "five", "six")


@pytest.mark.parametrize(
    "fault", [rate_limited("40", times=None), Fault(hang=40, times=None)], ids=["429", "hanging"]
)
async def test_a_new_alarm_waits_for_no_edits_of_others(world: World, fault: Fault) -> None:
    world.settings = {"alarms": SHORT, "environments": {"dev": {"instruments": list(SIX)}}}
    await world.group()
    for each in SIX:
        await world.group(DEV, each)
    channel, other = Alarmed(world), Alarmed(world, DEV)
    async with world.bot():
        for each in SIX:
            await world.announce(2, detectors=20, channel=DEV, instrument=each)
        await other.until(lambda: len(other.roots) == 6, "six alarms")
        world.slack.fail("chat.update", fault)
        for root in other.roots:
            await world.slack.click(root, "I'm on it", user="U0BEN")
        await world.slack.until(lambda: world.slack.calls_of("chat.update"))
        began = time.monotonic()
        await world.redis[PROD].xgroup_destroy("instrument:lsstcam", "lsstcam_consumer_group")
        await channel.root("PROD lsstcam: missing")
        # The fault is seen within a poll. Behind the edits it would take 40 s and more.
        assert time.monotonic() - began < 20


# --- what the log says ---------------------------------------------------------------------------


async def test_a_database_that_refuses_is_a_line_and_no_traceback(
    quick: World, capsys: pytest.CaptureFixture[str]
) -> None:
    channel = Alarmed(quick)
    async with quick.bot():
        root = await alarm_of(quick)
        # As its disk is full: nothing is written for a while.
        with closing(sqlite3.connect(quick.folder / "state.db", isolation_level=None)) as file:
            file.execute("BEGIN IMMEDIATE")
            quick.slack.fail("chat.update", Fault(hang=1, times=3))
            refused = await quick.type("own 1", user="U0BEN")
            assert "The bot's database" in refused.text
            await quick.type("ping")
            file.execute("ROLLBACK")
        await quick.click(root, "I'm on it", user="U0BEN")
        await channel.says(root, "ben")
    said = "".join(capsys.readouterr())
    assert "a delivery was not answered" not in said
    assert "reason='The bot's database" in said.replace('"', "'")
    about_it = [line for line in said.splitlines() if line.startswith("Traceback")]
    assert len(about_it) <= 1, said
