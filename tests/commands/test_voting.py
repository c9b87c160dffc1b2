"""Who may vote on a request, which votes count, and what the others are told."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.support.night import observing
from tests.support.slack_server import Fault
from tests.support.two_people import (
    ANA,
    BEN,
    CARLA,
    DAN,
    HOSTILE,
    asked,
    buttons,
    mention,
    two_people,
    typed_texts,
    until,
    waiting,
)
from tests.support.world import DEV, PROD, World, shown


@pytest.fixture
async def bot(world: World) -> AsyncIterator[World]:
    world.settings = two_people()
    async with world.bot():
        await world.group()
        yield world


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


async def test_only_votes_that_counted_are_named(world: World) -> None:
    groups = world.slack.workspace.usergroups
    groups["S0APPROVE"] = [BEN, CARLA, DAN]
    world.settings = two_people(
        access={"operators": {"users": [ANA]}, "approvers": {"usergroups": ["S0APPROVE"]}},
        approval={"approvals": 2, "self_approval": False},
    )
    async with world.bot():
        await world.group()
        await world.announce()
        card = await asked(world)
        await world.click(card, "Approve", BEN)
        await world.slack.until(lambda: "1 of 2 approvals: ben" in shown(card))
    groups["S0APPROVE"] = [CARLA, DAN]
    async with world.bot():
        assert "It needs 1 approval more" in (await world.click(card, "Approve", CARLA)).text
        await world.slack.until(lambda: "1 of 2 approvals: carla" in shown(card))
        assert "ben" not in shown(card)
        await world.click(card, "Approve", DAN)
        await until(world, card, "🟢")
        assert "approved by carla and dan " in shown(card)
        told = await mention(world, "request 1 is done")
        assert "Approved by carla and dan." in told.text
        audit = shown(await world.type("audit"))
        assert "approved by carla, dan" in audit
        assert "ben" not in audit


@pytest.mark.parametrize("reason", ["\u200b", "...", "?!", "\u3164", "42"])
async def test_a_reason_has_letters(world: World, reason: str) -> None:
    world.settings = two_people() | observing(night=True)
    async with world.bot():
        await world.group()
        await world.announce()
        card = await asked(world)
        for line in (f"approve 1 {reason}", f"approve 1 --alone {reason}", f"deny 1 {reason}"):
            assert "There is no word in what you wrote" in (await world.type(line, user=CARLA)).text
        await world.slack.click(card, "Approve", user=BEN)
        await world.slack.next_view("prompt-redis:approve")
        values = {"reason": {"reason": {"type": "plain_text_input", "value": reason}}}
        await world.slack.submit("prompt-redis:approve", values, user=BEN)
        await world.slack.until(
            lambda: [m for m in world.slack.messages(PROD) if "There is no word" in m.text][3:]
        )
        assert await waiting(world) == 3
        assert "Approve" in buttons(card)


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
    assert HOSTILE in typed_texts(page)
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


@pytest.mark.parametrize("user", [DAN, ANA])
async def test_who_is_no_approver_denies_nothing(bot: World, user: str) -> None:
    await bot.announce()
    card = await asked(bot)
    refused = await bot.type("deny 1 because", user=user)
    assert "You are not an approver of PROD" in refused.text
    assert "Approve" in buttons(card)
    await bot.type("deny 1 because", user=BEN)
    await until(bot, card, "denied by ben")


async def test_a_request_that_slack_delivers_again_is_not_made_again(world: World) -> None:
    """The second time it comes to a process that has not seen the first."""
    world.settings = two_people()
    await world.group()
    async with world.bot():
        await world.announce()
        delivery = await world.slack.command("clear lsstcam", channel=PROD, user=ANA)
        assert "Request 1 is in the channel" in (await delivery.reply()).text
        await world.type("withdraw 1")
    world.ahead += timedelta(minutes=1)
    async with world.bot():
        await world.slack.redeliver(delivery)
        again = await delivery.reply(nth=2)
        assert again.text == "I have had this one before, so nothing was done twice."
        assert "no request is open" in (await world.type("requests")).text
