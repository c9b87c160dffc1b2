"""Two people change a stream: from the typed line to the card and what came of it."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.support.slack_server import Fault
from tests.support.two_people import (
    ANA,
    BEN,
    CARLA,
    HOSTILE,
    asked,
    buttons,
    mention,
    two_people,
    typed_texts,
    until,
    waiting,
)
from tests.support.waits import LONGEST_WAIT
from tests.support.world import PROD, World, shown


@pytest.fixture
async def bot(world: World) -> AsyncIterator[World]:
    world.settings = two_people()
    async with world.bot():
        await world.group()
        yield world


async def test_a_clear_from_the_request_to_the_undo(bot: World) -> None:
    await bot.announce(7, detectors=172)
    card = await asked(bot, "clear lsstcam --reason All-day clearing visits, nobody needs them")
    assert card.text == (
        "🔧 *PROD lsstcam: ana asks to discard 1,204 waiting entries = 7 visits.* Request 1"
    )
    for words in (
        "All-day clearing visits, nobody needs them",
        "*Discarded*",
        "*Untouched*",
        "`restore 1` until",
        "*Observing*\nno, by day. Last visit announced",
        "Needs 1 approval from ben and carla, not from ana.",
        "(30 min)",
    ):
        assert words in shown(card), words
    assert buttons(card) == ["Approve", "Deny", "Withdraw", "Nobody answers: go on alone…"]
    ((_, approve), *_) = card.elements()
    assert approve["style"] == "danger"
    assert approve["confirm"]["title"]["text"] == "Discard 7 visits of PROD lsstcam?"
    assert approve["confirm"]["confirm"]["text"] == "Discard them"

    await bot.announce(2, detectors=172)
    answer = await bot.click(card, "Approve", BEN)
    assert answer.ephemeral_to == BEN
    await until(bot, card, "🟢 *PROD lsstcam: 1,204 entries = 7 visits discarded.* Request 1")
    for words in ("344 entries = 2 visits, arrived after the card, kept", "approved by ben"):
        assert words in shown(card), words
    assert buttons(card) == ["Undo…", "Stats"]
    assert await waiting(bot) == 344
    told = await mention(bot, "<@U0ANA> request 1 is done")
    assert told.thread_ts == card.ts

    audit = shown(await bot.type("audit"))
    assert "`clear lsstcam` by ana: *done*" in audit
    assert "approved by ben" in audit
    assert "waiting 1548 → 344" in audit

    delivery = await bot.slack.click(card, "Undo…", user=ANA)
    assert "Request 2 is in the channel" in (await delivery.reply()).text
    undo = await bot.slack.until(
        lambda: next((m for m in bot.slack.messages(PROD) if "asks to put" in m.text), None)
    )
    assert "asks to put back 1,204 entries = 7 visits" in undo.text
    await bot.slack.click(undo, "Approve", user=BEN)
    await until(bot, undo, "🟢 *PROD lsstcam: ")
    assert await waiting(bot) == 344 + 1204


async def test_what_changes_streams_is_told_apart_by_the_short_status(bot: World) -> None:
    await bot.announce()
    await asked(bot)
    assert "1 open until" in shown(await bot.type(""))
    listed = await bot.type("requests")
    assert listed.text == "🔧 *PROD: 1 request open.*"
    one = await bot.type("requests 1")
    assert "2026-11-24T05:27:00.118" in shown(one), "every visit is listed"
    assert [label for label in buttons(one) if label == "Approve"] == []


async def test_one_request_for_a_stream_at_a_time(bot: World) -> None:
    await bot.announce()
    card = await asked(bot)
    answer = await bot.type("clear lsstcam --delete", user=CARLA)
    assert "One at a time: request 1 (`clear lsstcam`, by ana) is open until" in answer.text
    await bot.slack.click(card, "Withdraw", user=ANA)
    await until(bot, card, "withdrawn by ana, nothing was changed")
    second = await asked(bot, user=CARLA)
    assert "Request 2" in second.text, "a refusal uses no number up"


async def test_a_denial_with_its_reason_as_typed(bot: World) -> None:
    await bot.announce()
    card = await asked(bot)
    await bot.slack.click(card, "Deny", user=BEN)
    view = await bot.slack.next_view("prompt-redis:deny")
    assert view.user == BEN
    values = {"reason": {"reason": {"type": "plain_text_input", "value": HOSTILE}}}
    await bot.slack.submit("prompt-redis:deny", values, user=BEN)
    await until(bot, card, "⚪ *PROD lsstcam: denied by ben, nothing was changed.* Request 1")
    told = await mention(bot, "<@U0ANA> ben denied request 1.")
    for message in (card, told):
        assert HOSTILE in typed_texts(message)
    assert set(told.mentions()) == {"<@U0ANA>"}
    assert card.mentions() == []
    assert buttons(card) == []
    assert await waiting(bot) == 3


@pytest.mark.parametrize(
    "reason", [HOSTILE, "x" * 5000, "a `b` c > d # e ~f~ _g_", "o" + "🔭" * 1500]
)
async def test_a_reason_is_shown_as_typed_and_pings_nobody(bot: World, reason: str) -> None:
    await bot.announce()
    card = await asked(bot, f"clear lsstcam --reason {reason}")
    assert reason in "".join(typed_texts(card))
    assert card.mentions() == []
    # The audit links to the card, and to nothing else.
    audit = await bot.type("audit")
    assert all("|request 1>" in each for each in audit.mentions())
    await bot.slack.click(card, "Withdraw", user=ANA)
    await until(bot, card, "withdrawn")
    assert reason in "".join(typed_texts(card))
    assert card.mentions() == []


async def test_a_reason_that_no_card_could_show_is_refused(bot: World) -> None:
    await bot.announce()
    answer = await bot.type(f"clear lsstcam --reason {'x' * 6001}")
    assert "A reason may have 6,000 characters" in answer.text


async def test_only_the_requester_withdraws(bot: World) -> None:
    await bot.announce()
    card = await asked(bot)
    answer = await bot.click(card, "Withdraw", BEN)
    assert "Only ana, who asked, can withdraw request 1." in answer.text
    await bot.slack.click(card, "Withdraw", user=ANA)
    await until(bot, card, "withdrawn by ana")
    assert (await mention(bot, "<@U0ANA> request 1 is withdrawn")).thread_ts == card.ts
    assert "ana withdrew request 1" in (await bot.type("approve 1", user=BEN)).text


async def test_a_request_expires_and_says_so(world: World) -> None:
    world.settings = two_people()
    async with world.bot():
        await world.group()
        await world.announce()
        card = await asked(world)
        world.ahead += timedelta(minutes=30)
        await until(world, card, "⚪ *PROD lsstcam: expired unanswered, nothing was changed.*")
        assert buttons(card) == []
        told = await mention(world, "<@U0ANA> request 1 has expired unanswered")
        assert "Request 1 expired unanswered" in (await world.type("approve 1", user=BEN)).text
        delivery = await world.slack.click(told, "Ask again", user=ANA)
        assert "Request 2 is in the channel" in (await delivery.reply()).text


async def test_a_request_that_expired_while_the_bot_was_away(world: World) -> None:
    world.settings = two_people()
    async with world.bot():
        await world.group()
        await world.announce()
        card = await asked(world)
    world.ahead += timedelta(minutes=30)
    async with world.bot():
        await until(world, card, "expired unanswered")
        assert buttons(card) == []
        await mention(world, "<@U0ANA> request 1 has expired")


async def test_a_request_outlives_a_restart(world: World) -> None:
    world.settings = two_people()
    async with world.bot():
        await world.group()
        await world.announce()
        card = await asked(world)
    async with world.bot():
        await world.click(card, "Approve", BEN)
        await until(world, card, "🟢")
        await mention(world, "request 1 is done")


async def test_read_only_changes_nothing(world: World) -> None:
    world.settings = two_people(read_only=True)
    async with world.bot():
        await world.group()
        await world.announce()
        for text in ("clear lsstcam", "settle", "bootstrap", "repair", "prune", "restore 1"):
            answer = await world.type(text)
            assert "PROD is read-only" in answer.text, text
        assert await waiting(world) == 3


async def test_what_became_read_only_is_not_carried_out(world: World) -> None:
    world.settings = two_people()
    async with world.bot():
        await world.group()
        await world.announce()
        card = await asked(world)
    world.settings = two_people(read_only=True)
    async with world.bot():
        answer = await world.click(card, "Approve", BEN)
        assert "PROD is read-only" in answer.text
        assert await waiting(world) == 3


async def test_the_form_of_clear_is_a_typed_clear(bot: World) -> None:
    await bot.announce()
    await bot.slack.command("clear", channel=PROD, user=ANA)
    view = await bot.slack.next_view("prompt-redis:clear")
    fields = [
        block["element"]["action_id"] for block in view.content["blocks"] if "element" in block
    ]
    assert fields == ["instrument", "delete", "reason"]
    option = {"text": {"type": "plain_text", "text": "lsstcam"}, "value": "lsstcam"}
    await bot.slack.submit(
        "prompt-redis:clear",
        {
            "instrument": {"instrument": {"type": "static_select", "selected_option": option}},
            "delete": {"delete": {"type": "checkboxes", "selected_options": []}},
            "reason": {"reason": {"type": "plain_text_input", "value": "daytime checks"}},
        },
        user=ANA,
    )
    card = await bot.slack.until(
        lambda: next((m for m in bot.slack.messages(PROD) if "asks to discard" in m.text), None)
    )
    assert "ana asks to discard 3 waiting entries" in card.text
    assert "daytime checks" in shown(card)


async def test_a_plan_that_no_longer_holds_changes_nothing(bot: World) -> None:
    await bot.announce(2)
    card = await asked(bot)
    await bot.read(6)
    await bot.announce()
    await bot.click(card, "Approve", BEN)
    await until(bot, card, "🟡 *PROD lsstcam: nothing was discarded.* Request 1")
    assert "Workers had read all 2 visits by the time ben approved." in shown(card)
    assert await waiting(bot) == 3
    assert await bot.redis[PROD].xlen("instrument:lsstcam") == 9


async def test_a_card_that_somebody_deleted_is_posted_anew(bot: World) -> None:
    await bot.announce()
    card = await asked(bot)
    bot.slack.workspace.delete(card)
    await bot.type("approve 1", user=BEN)
    anew = await bot.slack.until(
        lambda: next((m for m in bot.slack.messages(PROD) if "visit discarded" in m.text), None),
        LONGEST_WAIT,
    )
    assert anew.ts != card.ts


async def test_slack_in_trouble_delays_a_card_and_doubles_none(bot: World) -> None:
    await bot.announce()
    bot.slack.fail("chat.postMessage", Fault(status=503), Fault(lost=True))
    card = await asked(bot)
    bot.slack.fail("chat.update", Fault(status=503), Fault(dropped=True))
    await bot.type("approve 1", user=BEN)
    await until(bot, card, "🟢")
    await mention(bot, "request 1 is done")
    cards = [m for m in bot.slack.messages(PROD) if "Request 1" in m.text and not m.ephemeral_to]
    assert len(cards) == 1
