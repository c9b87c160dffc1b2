"""Two people change a stream: from the typed line to the card, the votes and what came of it."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.night import observing
from tests.support.slack_server import Fault, Message
from tests.support.world import DEV, PROD, World, shown

ANA, BEN, CARLA, DAN = "U0ANA", "U0BEN", "U0CARLA", "U0DAN"
HOSTILE = (
    "<!channel> <@U0BEN> <https://evil.example|click> `code` *bold* “curly” ‘quotes’ "
    "https://example.org 🔭 &amp; <!subteam^S1>\nsecond line"
)


def two_people(**changes: Any) -> dict[str, Any]:
    """Configure prod as it is: Ana asks, Ben and Carla approve, Carla may do both."""
    prod = {
        "approval": {"self_approval": False, "approvals": 1},
        "access": {
            "operators": {"users": [ANA, CARLA]},
            "approvers": {"users": [BEN, CARLA]},
        },
        **changes,
    }
    return {"environments": {"prod": prod}, **observing(night=False)}


@pytest.fixture
async def bot(world: World) -> AsyncIterator[World]:
    world.settings = two_people()
    async with world.bot():
        await world.group()
        yield world


async def asked(world: World, text: str = "clear lsstcam", user: str = ANA) -> Message:
    """Ask for a change, and wait for its card."""
    delivery = await world.slack.command(text, channel=PROD, user=user)
    answer = await delivery.reply()
    found = re.match(r"Request (\d+) is in the channel", answer.text)
    assert found, answer.text
    ending = re.compile(rf"Request {found.group(1)}(, by \w+)?$")
    return await world.slack.until(
        lambda: next((m for m in world.slack.messages(PROD) if ending.search(m.text)), None),
        what=f"the card of {text}",
    )


async def until(world: World, card: Message, words: str) -> None:
    await world.slack.until(lambda: words in card.text, what=f"{words!r} instead of {card.text!r}")


async def mention(world: World, words: str) -> Message:
    """Wait for what the requester is told in the card's thread."""
    return await world.slack.until(
        lambda: next(
            (
                message
                for message in world.slack.messages(PROD)
                if message.thread_ts and words in message.text
            ),
            None,
        ),
        what=f"a mention with {words!r}",
    )


def buttons(card: Message) -> list[str]:
    return [element["text"]["text"] for _, element in card.elements()]


async def waiting(world: World, channel: str = PROD) -> int:
    groups: Any = await world.redis[channel].xinfo_groups("instrument:lsstcam")
    return int(groups[0]["lag"])


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


@pytest.mark.parametrize(
    ("user", "words"),
    [
        (ANA, "You asked for this yourself, so another approver must decide. Request 1 is still"),
        (DAN, "You are not an approver of PROD, so this changed nothing. Approvers: ben"),
    ],
)
async def test_a_vote_that_does_not_count_says_why(bot: World, user: str, words: str) -> None:
    await bot.announce()
    card = await asked(bot)
    assert words in (await bot.click(card, "Approve", user)).text
    assert "Approve" in buttons(card)
    assert await waiting(bot) == 3
    audit = shown(await bot.type("audit"))
    assert "`approve 1`" in audit
    assert "*refused*" in audit


async def test_who_may_not_ask_is_told_who_may(bot: World) -> None:
    await bot.announce()
    answer = await bot.type("clear lsstcam", user=DAN)
    assert answer.text == (
        "You are not an operator of PROD, so this changed nothing. Operators: ana and carla."
    )
    assert "`clear lsstcam` by dan: *refused*" in shown(await bot.type("audit"))


async def test_a_person_of_another_workspace_is_refused(bot: World) -> None:
    await bot.announce()
    card = await asked(bot)
    bot.slack.workspace.team_id = "T0OTHER"
    answer = await bot.click(card, "Approve", BEN)
    assert "You are from another workspace" in answer.text
    answer = await bot.type("clear lsstcam")
    assert "You are from another workspace" in answer.text
    bot.slack.workspace.team_id = "T0TEAM"
    assert shown(await bot.type("audit")).count("*refused*") == 2
    assert await waiting(bot) == 3


async def test_a_vote_in_the_wrong_channel_is_refused(bot: World) -> None:
    await bot.announce()
    await asked(bot)
    answer = await bot.type("approve 1", channel=DEV, user=BEN)
    assert "Request 1 is about PROD, and this is the channel of dev" in answer.text
    assert "*refused*" in shown(await bot.type("audit", channel=DEV))
    assert await waiting(bot) == 3


@pytest.mark.parametrize("value", ["1 --alone", "2", "1; drop", "0x1", "1 <!channel>", "-1", ""])
async def test_a_forged_button_is_no_more_than_a_typed_command(bot: World, value: str) -> None:
    await bot.announce()
    card = await asked(bot)
    delivery = await bot.slack.click(
        card, "prompt-redis:approve", user=DAN, value=value, block_id="forged"
    )
    assert delivery.acknowledged
    # Clicked without a reason, going on alone opens a form; rights are checked when it is sent.
    if "alone" in value:
        view = await bot.slack.next_view("prompt-redis:approve")
        values = {"reason": {"reason": {"type": "plain_text_input", "value": "me, me"}}}
        delivery = await bot.slack.submit("prompt-redis:approve", values, user=DAN)
        assert view.closed
        answer = await bot.slack.until(
            lambda: next((m for m in bot.slack.messages(PROD) if m.ephemeral_to == DAN), None)
        )
    else:
        answer = await delivery.reply()
    assert answer.mentions() == []
    assert await waiting(bot) == 3
    assert "Approve" in buttons(card)


async def test_a_replayed_delivery_does_nothing_twice(bot: World) -> None:
    await bot.announce()
    card = await asked(bot)
    delivery = await bot.slack.click(card, "Approve", user=BEN, duplicate=True)
    await until(bot, card, "🟢")
    await bot.announce()
    await bot.slack.redeliver(delivery)
    again = await bot.slack.click(card, "prompt-redis:approve", user=BEN, value="1", block_id="x")
    assert "ben approved this before you" in (await again.reply()).text
    assert await waiting(bot) == 3
    audit = shown(await bot.type("audit"))
    assert audit.count("*done*") == 1


async def test_of_many_clicks_one_counts(bot: World) -> None:
    await bot.announce()
    card = await asked(bot)
    deliveries = await asyncio.gather(
        *(bot.slack.click(card, "Approve", user=user) for user in [BEN, CARLA] * 10)
    )
    await until(bot, card, "🟢")
    answers = [(await delivery.reply()).text for delivery in deliveries]
    assert sum("is approved and running" in text for text in answers) == 1
    assert all("approved this" in t or "is approved and running" in t for t in answers)


async def test_two_approvals_by_two_people(world: World) -> None:
    world.settings = two_people(approval={"approvals": 2, "self_approval": False})
    async with world.bot():
        await world.group()
        await world.announce()
        card = await asked(world, user=ANA)
        assert "Needs 2 approvals" in shown(card)
        assert "It needs 1 approval more" in (await world.click(card, "Approve", BEN)).text
        await world.slack.until(lambda: "1 of 2 approvals: ben" in shown(card))
        assert (
            "You have approved request 1 already" in (await world.click(card, "Approve", BEN)).text
        )
        await world.click(card, "Approve", CARLA)
        await until(world, card, "🟢")
        assert "approved by ben and carla" in shown(card)


async def test_groups_are_looked_up_by_id_and_fail_closed(world: World) -> None:
    world.settings = two_people(
        access={"operators": {"users": [ANA]}, "approvers": {"usergroups": ["S0APPROVE"]}}
    )
    world.slack.workspace.usergroups["S0APPROVE"] = [BEN]
    async with world.bot():
        await world.group()
        await world.announce()
        card = await asked(world)
        assert "from s0approve, not from ana" in shown(card)
        world.slack.fail("usergroups.users.list", Fault(error="fatal_error", times=4))
        for _ in range(2):
            answer = await world.click(card, "Approve", BEN)
            assert "I could not check who may do this" in answer.text
            assert "runbook approvals" in shown(answer)
        assert await waiting(world) == 3
        world.slack.heal()
        await world.click(card, "Approve", BEN)
        await until(world, card, "🟢")
        assert "*refused*" in shown(await world.type("audit"))


async def test_a_group_of_nobody_refuses(world: World) -> None:
    world.settings = two_people(
        access={"operators": {"users": [ANA]}, "approvers": {"usergroups": ["S0APPROVE"]}}
    )
    world.slack.workspace.usergroups["S0APPROVE"] = []
    async with world.bot():
        await world.group()
        await world.announce()
        card = await asked(world)
        assert "You are not an approver" in (await world.click(card, "Approve", BEN)).text
        assert await waiting(world) == 3


async def test_the_deciding_click_looks_everybody_up_once_more(world: World) -> None:
    groups = world.slack.workspace.usergroups
    groups |= {"S0OPER": [ANA], "S0APPROVE": [BEN, CARLA]}
    world.settings = two_people(
        access={
            "operators": {"usergroups": ["S0OPER"]},
            "approvers": {"usergroups": ["S0APPROVE"]},
        },
        approval={"approvals": 2, "self_approval": False},
    )
    async with world.bot():
        await world.group()
        await world.announce()
        card = await asked(world)
        await world.click(card, "Approve", BEN)
    groups["S0OPER"] = []
    async with world.bot():
        answer = await world.click(card, "Approve", CARLA)
        assert "ana is no longer an operator of PROD" in answer.text
    groups |= {"S0OPER": [ANA], "S0APPROVE": [CARLA]}
    async with world.bot():
        await world.click(card, "Approve", CARLA)
        assert await waiting(world) == 3, "Ben is no approver any more, so his vote does not count"
        assert "Approve" in buttons(card)


async def test_a_right_that_comes_back_lets_its_vote_decide(world: World) -> None:
    groups = world.slack.workspace.usergroups
    groups["S0APPROVE"] = [BEN, CARLA]
    world.settings = two_people(
        access={"operators": {"users": [ANA]}, "approvers": {"usergroups": ["S0APPROVE"]}},
        approval={"approvals": 2, "self_approval": False},
    )
    async with world.bot():
        await world.group()
        await world.announce()
        card = await asked(world)
        await world.click(card, "Approve", BEN)
    groups["S0APPROVE"] = [CARLA]
    async with world.bot():
        await world.click(card, "Approve", CARLA)
    groups["S0APPROVE"] = [BEN, CARLA]
    async with world.bot():
        await world.click(card, "Approve", BEN)
        await until(world, card, "🟢")


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
        assert HOSTILE in _typed_texts(message)
    assert set(told.mentions()) == {"<@U0ANA>"}
    assert card.mentions() == []
    assert buttons(card) == []
    assert await waiting(bot) == 3


@pytest.mark.parametrize("reason", [HOSTILE, "x" * 5000, "a `b` c > d # e ~f~ _g_", "🔭" * 1500])
async def test_a_reason_is_shown_as_typed_and_pings_nobody(bot: World, reason: str) -> None:
    await bot.announce()
    card = await asked(bot, f"clear lsstcam --reason {reason}")
    assert reason in "".join(_typed_texts(card))
    assert card.mentions() == []
    # The audit links to the card, and to nothing else.
    audit = await bot.type("audit")
    assert all("|request 1>" in each for each in audit.mentions())
    await bot.slack.click(card, "Withdraw", user=ANA)
    await until(bot, card, "withdrawn")
    assert reason in "".join(_typed_texts(card))
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
    world.settings = two_people(approval={"self_approval": False, "expires": "1s"})
    async with world.bot():
        await world.group()
        await world.announce()
        card = await asked(world)
        await until(world, card, "⚪ *PROD lsstcam: expired unanswered, nothing was changed.*")
        assert buttons(card) == []
        told = await mention(world, "<@U0ANA> request 1 has expired unanswered")
        assert "Request 1 expired unanswered" in (await world.type("approve 1", user=BEN)).text
        delivery = await world.slack.click(told, "Ask again", user=ANA)
        assert "Request 2 is in the channel" in (await delivery.reply()).text


async def test_a_request_that_expired_while_the_bot_was_away(world: World) -> None:
    world.settings = two_people(approval={"self_approval": False, "expires": "1s"})
    async with world.bot():
        await world.group()
        await world.announce()
        card = await asked(world)
    await asyncio.sleep(1)
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


async def test_at_night_an_approval_needs_a_reason(world: World) -> None:
    world.settings = two_people() | observing(night=True)
    async with world.bot():
        await world.group()
        await world.announce()
        card = await asked(world)
        assert "🔴 It is night until" in shown(card)
        typed = await world.type("approve 1", user=BEN)
        assert "It is night at the telescope" in typed.text
        await world.slack.click(card, "Approve", user=BEN)
        await world.slack.next_view("prompt-redis:approve")
        values = {"reason": {"reason": {"type": "plain_text_input", "value": "they block it all"}}}
        await world.slack.submit("prompt-redis:approve", values, user=BEN)
        await until(world, card, "🟢")
        assert "they block it all" in shown(await world.type("audit"))


async def test_at_night_without_protection_one_click_is_enough(world: World) -> None:
    world.settings = two_people(protect_observing=False) | observing(night=True)
    async with world.bot():
        await world.group()
        await world.announce()
        card = await asked(world)
        await world.click(card, "Approve", BEN)
        await until(world, card, "🟢")


async def test_the_glass_is_broken_with_a_reason_that_everybody_reads(bot: World) -> None:
    await bot.announce()
    card = await asked(bot, user=CARLA)
    assert "needs a reason" in (await bot.type("approve 1 --alone", user=CARLA)).text
    await bot.slack.click(card, "Nobody answers: go on alone…", user=CARLA)
    await bot.slack.next_view("prompt-redis:approve")
    values = {"reason": {"reason": {"type": "plain_text_input", "value": HOSTILE}}}
    await bot.slack.submit("prompt-redis:approve", values, user=CARLA)
    await until(bot, card, "🟢")
    page = await bot.slack.until(
        lambda: next((m for m in bot.slack.messages(PROD) if "went on alone" in m.text), None)
    )
    assert page.thread_ts is None
    assert HOSTILE in _typed_texts(page)
    assert page.mentions() == []
    assert "approved by carla, alone" in shown(await bot.type("audit"))
    assert await waiting(bot) == 0


async def test_the_glass_is_for_approvers_and_may_be_locked(world: World) -> None:
    world.settings = two_people(
        approval={"self_approval": False, "break_glass": False},
    )
    async with world.bot():
        await world.group()
        await world.announce()
        card = await asked(world, user=CARLA)
        assert buttons(card) == ["Approve", "Deny", "Withdraw", "Which visits?"]
        answer = await world.type("approve 1 --alone hurry", user=CARLA)
        assert "Nobody decides alone in PROD" in answer.text
        listed = await world.click(card, "Which visits?", DAN)
        assert "2026-11-24T05:27:00.118" in shown(listed)


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
        10,
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


def _typed_texts(message: Message) -> list[str]:
    return [
        block["text"]["text"]
        for block in message.blocks
        if block["type"] == "section" and block.get("text", {}).get("type") == "plain_text"
    ]
