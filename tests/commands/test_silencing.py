"""People own, silence and escalate alarms: by command, by button, by form."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.a_watch import SHORT, Alarmed, listed
from tests.support.slack_server import Message
from tests.support.world import DEV, PROD, World, shown

ANA, BEN = "U0ANA", "U0BEN"


@pytest.fixture
async def bot(world: World) -> AsyncIterator[World]:
    """Ana is an operator of prod; in dev anybody may do anything."""
    people = {"operators": {"users": [ANA]}, "approvers": {"users": [BEN]}}
    prod = {"access": people, "approval": {"self_approval": False}}
    world.settings = {"alarms": SHORT, "environments": {"prod": prod}}
    await world.group()
    for each in ("hsc", "latiss", "lsstcam"):
        await world.group(DEV, each)
    async with world.bot():
        yield world


async def backlog(world: World, channel: str = PROD) -> tuple[Alarmed, Message]:
    await world.announce(2, detectors=172, channel=channel)
    alarmed = Alarmed(world, channel)
    return alarmed, await alarmed.root("lsstcam: not reading")


async def pressed(world: World, root: Message, button: str, user: str = ANA) -> str:
    delivery = await world.slack.click(root, button, user=user)
    return (await delivery.reply()).text


def fields(**typed: str) -> dict[str, Any]:
    """Fill in a form; all but the reason is chosen from a list."""
    chosen: dict[str, Any] = {
        name: {"type": "static_select", "selected_option": _option(value)}
        for name, value in typed.items()
    }
    chosen["reason"] = {"type": "plain_text_input", "value": typed["reason"]}
    return {name: {name: content} for name, content in chosen.items()}


def _option(value: str) -> dict[str, Any]:
    return {"text": {"type": "plain_text", "text": value}, "value": value}


async def test_owning(bot: World) -> None:
    prod, root = await backlog(bot)
    refused = await pressed(bot, root, "I'm on it", BEN)
    assert refused.startswith("You are not an operator of PROD")
    assert "nobody owns this" in shown(root)
    assert "You are on alarm 1" in await pressed(bot, root, "I'm on it")
    await prod.says(root, "ana is on it since")
    assert await prod.told(root, "ana is on it.")
    assert "ana is on it since" in shown(await bot.type("alarms"))
    audit = shown(await bot.type("audit"))
    assert "`own 1` by ana: *done*" in audit
    assert "`own 1` by ben: *refused*" in audit
    # What is no alarm, and what is over, is said so.
    assert "has no alarm 99" in (await bot.type("own 99")).text
    assert "has no alarm 1" in (await bot.type("ack 1", DEV)).text
    assert prod.roots == [root]
    # A message that somebody deletes is posted anew at the next change.
    bot.slack.workspace.delete(root)
    await prod.until(lambda: len(prod.roots) > 1, "another message")
    again = prod.roots[-1]
    await prod.says(again, "ana is on it since")
    await bot.type("own 1")
    await prod.until(lambda: len(prod.thread(again)) == 1, "its thread")
    assert prod.roots == [root, again]


async def test_in_dev_anybody_may(bot: World) -> None:
    dev, root = await backlog(bot, DEV)
    await bot.type("ack 1", DEV, BEN)
    await dev.says(root, "ben is on it since")
    await dev.done("silence stalled 1h known", "ben silences stalled alarms", BEN)
    await dev.told(root, "held by a silence")
    assert "has no on-call target" in (await bot.type("escalate 1", DEV, BEN)).text


async def test_a_silence_from_its_preview_to_its_end(bot: World) -> None:
    prod, root = await backlog(bot)
    refused = await bot.type("silence lsstcam 1h known", user=BEN)
    assert refused.text.startswith("You are not an operator of PROD")
    answer = await prod.done(
        "silence lsstcam 2h the shutdown <!channel> of today",
        "ana silences alarms of lsstcam until",
    )
    assert answer.ephemeral_to is None
    assert "(2 h)" in answer.text
    assert "*Held from now on:*" in shown(answer)
    assert "PROD lsstcam: not reading" in shown(answer)
    assert "Never held" in shown(answer)
    assert answer.mentions() == []
    await prod.told(root, "held by a silence")
    await prod.says(root, "held by a silence")
    assert "held by a silence" in shown(await bot.type("alarms"))

    # What begins to fire under it is listed, and in no channel.
    again = await pressed(bot, answer, "End this silence", BEN)
    assert again.startswith("You are not an operator")
    await bot.slack.click(answer, "End this silence", user=ANA)
    await prod.said("ana ends the silence of alarms of lsstcam")
    await prod.told(root, "no longer held, and still firing")
    assert "has ended already" in (await bot.type("unsilence 2")).text
    audit = shown(await bot.type("audit"))
    assert "`silence lsstcam` by ana: *done*" in audit
    assert "`unsilence 2` by ana: *done*" in audit
    assert prod.roots == [root]


async def test_what_begins_under_a_silence_is_shown_when_it_ends(bot: World) -> None:
    prod = Alarmed(bot)
    answer = await prod.done("silence lsstcam 1h known", "ana silences alarms of lsstcam")
    assert "*Nothing of it fires now.*" in shown(answer)
    await bot.announce(2, detectors=172)
    await listed(bot, "PROD lsstcam: not reading")
    assert prod.roots == []
    await prod.done("unsilence 1", "ana ends the silence")
    root = await prod.root("PROD lsstcam: not reading")
    await prod.says(root, "I'm on it")
    assert prod.roots == [root]


async def test_a_missing_group_pierces_every_silence(bot: World) -> None:
    answer = await Alarmed(bot).done("silence missing 1h known", "silences missing alarms")
    assert "*It holds nothing,* because what it names pierces every silence." in shown(answer)
    await bot.redis[PROD].delete("instrument:lsstcam")
    root = await Alarmed(bot).root("PROD lsstcam: missing")
    assert "Silence…" not in root.buttons


async def test_silencing_until_it_is_resolved_by_the_button_and_its_form(bot: World) -> None:
    prod, root = await backlog(bot)
    await bot.slack.click(root, "Silence…", user=ANA)
    await bot.slack.next_view("prompt-redis:silence")
    values = fields(durationresolved="resolved", reason="Ben looks at it")
    await bot.slack.submit("prompt-redis:silence", values, user=ANA)
    said = await prod.said("silences alarm 1")
    assert "until resolved" in said.text
    await prod.says(root, "held by a silence")
    assert "Silence…" not in root.buttons


async def test_the_form_without_arguments(bot: World) -> None:
    await bot.slack.command("silence", channel=PROD, user=ANA)
    view = await bot.slack.next_view("prompt-redis:silence")
    (what, *_) = [block["element"] for block in view.content["blocks"] if "element" in block]
    offered = [option["value"] for option in what["options"]]
    assert offered == ["lsstcam", "backlog", "pending", "memory", "consumers", "silent"]
    values = fields(instrumentruleid="pending", durationresolved="30m", reason="known")
    await bot.slack.submit("prompt-redis:silence", values, user=ANA)
    said = await Alarmed(bot).said("silences pending")
    assert "(30 min)" in said.text


async def test_what_cannot_be_silenced(bot: World) -> None:
    for typed, words in (
        ("silence lsstcm 1h x", "Did you mean `lsstcam`?"),
        ("silence lsstcam 8d x", "A silence lasts from 1m to 7d."),
        ("silence lsstcam soon x", "How long it lasts"),
        ("silence lsstcam resolved x", "would end at once"),
        ("silence 7 1h x", "has no alarm 7"),
        ("unsilence 7", "has no silence 7"),
    ):
        answer = await bot.type(typed)
        assert answer.ephemeral_to == ANA
        assert words in shown(answer)


async def test_a_silence_is_ended_in_its_own_channel_alone(bot: World) -> None:
    await bot.type("silence lsstcam 1h a known fault")
    await listed(bot, "a known fault")
    assert (await bot.type("unsilence 1", DEV)).text == "dev has no silence 1."
    await listed(bot, "a known fault")
    await bot.type("unsilence 1")
    assert "has ended already" in (await bot.type("unsilence 1")).text
