"""Who is told of alarms: by the clock, by hand, and what is said of it."""

import asyncio
import re
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import aiohttp
import pytest

from tests.support.a_watch import SHORT, Alarmed, a_minute_passes, seen
from tests.support.a_watch import counted as counted_rows
from tests.support.faults import Fault
from tests.support.pager_servers import (
    ROUTING_KEY,
    SQUADCAST_KEY,
    WEBHOOK_KEY,
    PagerServers,
)
from tests.support.waits import LONGEST_WAIT
from tests.support.world import DEV, PROD, World, shown

ANA, BEN = "U0ANA", "U0BEN"
WELL = "reached AND there AND waiting = 0"


@pytest.fixture
async def pagers() -> AsyncIterator[PagerServers]:
    async with PagerServers() as servers:
        yield servers


@pytest.fixture
async def world(world: World, pagers: PagerServers) -> World:
    """A webhook and a user group are told late, PagerDuty at once, and only of prod."""
    late = {"environments": ["prod"], "on": "escalate"}
    hook = {"name": "hook", "kind": "webhook", "url": pagers.webhook, **late}
    group = {"name": "group", "kind": "slack", "usergroup": "S0ONCALL", **late}
    duty = {"name": "duty", "kind": "pagerduty", "url": pagers.pagerduty, "on": "fire"}
    people = {"operators": {"users": [ANA]}, "approvers": {"users": [BEN]}}
    world.settings = {
        "alarms": {**SHORT, "escalate": "3s"},
        "oncall": {"targets": [hook, group, {**duty, "environments": ["prod"]}]},
        "environments": {"prod": {"access": people, "approval": {"self_approval": False}}},
    }
    world.environ["PROMPT_REDIS_ONCALL_HOOK_KEY"] = WEBHOOK_KEY
    world.environ["PROMPT_REDIS_ONCALL_DUTY_KEY"] = ROUTING_KEY
    await world.group()
    for each in ("hsc", "latiss", "lsstcam"):
        await world.group(DEV, each)
    return world


def mentions(world: World) -> list[str]:
    """Everything that mentioned the on-call's group in prod's channel."""
    texts = [each.all_text for each in world.slack.messages(PROD) if not each.ephemeral_to]
    return [text for text in texts if "<!subteam^S0ONCALL" in text]


def steps(pagers: PagerServers, to: str) -> list[str]:
    key = "step" if to == "webhook" else "event_action"
    return [str(each.content[key]) for each in pagers.sent_to(to)]


def reached(pagers: PagerServers, to: str, times: int) -> bool:
    return len(steps(pagers, to)) == times


async def metrics(port: int) -> str:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        return await answer.text()


async def counted(port: int) -> Counter[tuple[str, str]]:
    line = re.compile(r'notifications_total{(?=.*outcome="(\w+)")(?=.*target="(\w+)").*} ([\d.]+)')
    found = line.finditer(await metrics(port))
    return Counter({(each[2], each[1]): int(float(each[3])) for each in found})


async def firing(port: int) -> list[str]:
    found = re.findall(r"prompt_redis_bot_alarms_firing{(.*)} (\S+)", await metrics(port))
    return [labels for labels, number in found if float(number)]


async def arrived(find: Callable[[], Any]) -> None:
    async with asyncio.timeout(LONGEST_WAIT):
        while not find():  # noqa: ASYNC110 -- a pager tells nobody
            await asyncio.sleep(0.02)


async def missing(world: World) -> None:
    await world.redis[PROD].xgroup_destroy("instrument:lsstcam", "lsstcam_consumer_group")


async def test_each_is_told_once_and_of_the_end(world: World, pagers: PagerServers) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    world.settings["http"] = {"port": port}
    prod = Alarmed(world)
    async with world.bot():
        await seen(world, WELL)
        await missing(world)
        root = await prod.root("PROD lsstcam: missing")
        await prod.told(root, "on-call told: duty ")
        assert steps(pagers, "webhook") == []
        await prod.told(root, "on-call told: ")
        await arrived(lambda: mentions(world))
        await arrived(lambda: steps(pagers, "webhook"))
        await prod.says(root, "on-call told: ")
        await seen(world, "environment = 'dev' OR NOT there")
        sent = {("duty", "sent"): 1, ("group", "sent"): 1, ("hook", "sent"): 1}
        assert await counted(port) == sent
        assert await firing(port) == ['rule="missing",severity="critical"']
        await world.group()
        await seen(world, WELL)
    a_minute_passes(world)
    async with world.bot():
        await prod.told(root, "resolved after")
        await arrived(lambda: len(steps(pagers, "webhook")) > 1)
        assert await firing(port) == []
    assert steps(pagers, "webhook") == ["trigger", "resolve"]
    assert steps(pagers, "pagerduty") == ["trigger", "resolve"]
    assert list(pagers.alerts.values()) == ["resolved"]
    (key,) = {each.content["key"] for each in pagers.sent_to("webhook")}
    assert list(pagers.alerts) == [key], "one key for everybody"
    (mention,) = mentions(world)
    assert "PROD lsstcam: missing" in mention
    page = pagers.sent_to("webhook")[0].content
    assert page["summary"].startswith("PROD lsstcam: missing, no")
    assert page["link"].endswith(f"/archives/{PROD}/p{root.ts.replace('.', '')}")
    assert prod.roots == [root]


async def test_an_owner_stops_the_clock_and_a_person_does_not_wait_for_it(
    world: World, pagers: PagerServers
) -> None:
    prod = Alarmed(world)
    async with world.bot():
        await world.announce(2)
        root = await prod.root("PROD lsstcam: not reading")
        await world.type("own 1")
        await prod.says(root, "🔴 *PROD")
        assert "Tell on-call now" not in root.buttons, "duty knows"
        await seen(world, "environment = 'dev' OR wait > 9000000 OR unconfirmed > 0 OR waiting > 0")
        refused = await world.type("escalate 1", user=BEN)
        assert refused.text.startswith("You are not an operator of PROD")
        assert mentions(world) == []
        assert steps(pagers, "webhook") == []
        await prod.done("escalate 1", "ana calls on-call for alarm 1")
        await arrived(lambda: mentions(world))
        await arrived(lambda: steps(pagers, "webhook"))
        assert await prod.told(root, "ana calls on-call: ")
    assert prod.roots == [root]
    assert len(mentions(world)) == 1
    assert len(pagers.alerts) == 1


async def test_the_button(world: World, pagers: PagerServers) -> None:
    targets = world.settings["oncall"]["targets"]
    world.settings["oncall"] = {"targets": targets[:1]}
    world.settings["alarms"] = {**SHORT, "escalate": "1h"}
    prod = Alarmed(world)
    async with world.bot():
        await world.announce(2)
        root = await prod.root("PROD lsstcam: not reading")
        assert root.buttons == ["I'm on it", "Silence…", "Tell on-call now", "Figures now"]
        await world.slack.click(root, "Tell on-call now", user=ANA)
        await prod.said("ana calls on-call for alarm 1")
        await arrived(lambda: steps(pagers, "webhook"))
        await prod.says(root, "on-call told: ")
        assert "Tell on-call now" not in root.buttons
        assert "`escalate 1` by ana: *done*" in shown(await world.type("audit"))


async def test_by_hand(world: World, pagers: PagerServers) -> None:
    prod = Alarmed(world)
    async with world.bot():
        answer = await world.type("oncall", user=BEN)
        assert "on-call is told through 3 of 3 targets, now by day" in answer.text
        assert "group S0ONCALL" in shown(answer)
        assert pagers.webhook not in shown(answer)
        assert "has no on-call target" in (await world.type("oncall page help", DEV)).text
        for typed in ("oncall page help", "oncall test"):
            refused = await world.type(typed, user=BEN)
            assert refused.text.startswith("You are not an operator of PROD")

        said = await prod.done("oncall page All is <!channel> dark", "🔴 *PROD: ana calls for")
        assert said.mentions() == []
        await arrived(lambda: mentions(world))
        await arrived(lambda: steps(pagers, "webhook"))
        page = pagers.sent_to("webhook")[0].content
        assert page["summary"] == "PROD: ana calls for help: All is <!channel> dark"
        (mention,) = mentions(world)
        assert "All is &lt;!channel&gt; dark" in mention

        await prod.done("oncall test", "ana tries 3 on-call targets")
        await arrived(lambda: len(mentions(world)) > 1)
        await arrived(lambda: len(steps(pagers, "pagerduty")) > 1)
        assert "a test by ana, nothing is wrong" in mentions(world)[1]
    assert len(pagers.alerts) == 2
    assert prod.roots == []


def failing(pagers: PagerServers) -> list[dict[str, Any]]:
    """Five targets, none of which can be told, each for another reason."""
    pagers.fail("webhook", Fault(status=404, times=None))
    pagers.fail("pagerduty", Fault(status=400, times=None))
    pagers.fail("squadcast", Fault(dropped=True, times=None))
    pagers.fail("bell", Fault(status=302, headers={"Location": pagers.webhook}, times=None))
    return [
        {"name": name, "kind": kind, "url": url, "on": "fire", "environments": ["prod"]}
        for name, kind, url in (
            ("hook", "webhook", pagers.webhook),
            ("duty", "pagerduty", pagers.pagerduty),
            ("cast", "squadcast", pagers.squadcast),
            ("moved", "webhook", pagers.bell.replace("{key}", "moved")),
            ("away", "webhook", "http://127.0.0.1:1/"),
        )
    ]


async def test_nobody_is_told_before_a_target_took_it(world: World, pagers: PagerServers) -> None:
    world.settings["oncall"]["targets"] = failing(pagers)
    world.settings["alarms"]["links"] = {"support": "https://help.example/"}
    world.environ["PROMPT_REDIS_ONCALL_CAST_KEY"] = SQUADCAST_KEY
    prod = Alarmed(world)
    async with world.bot():
        await seen(world, WELL)
        await missing(world)
        root = await prod.root("PROD lsstcam: missing")
        failed = await prod.said("on-call could not be told of alarm 1: ")
        for reason in ("(HTTP 404)", "(HTTP 400)", "was lost", "(HTTP 302)", "no connection"):
            assert reason in shown(failed)
        assert "call whoever is on call by phone (<https://help.example/|support>)" in shown(failed)
        assert "It is tried again, for up to 24 h." in shown(failed)
        assert failed.buttons == ["I'm on it", "On-call"]
        for key in (WEBHOOK_KEY, SQUADCAST_KEY, ROUTING_KEY):
            assert key not in shown(failed)
        await prod.says(root, "on-call could not be told: ")
        await prod.says(root, "call whoever is on call by phone (<https://help.example/|support>)")
        assert root.buttons == ["I'm on it", "Ask to bootstrap", "Tell on-call now", "Figures now"]
        assert prod.thread(root) == []
        assert "on-call told" not in shown(root)

        pagers.faults.clear()
        world.ahead += timedelta(seconds=20)
        await prod.told(root, "on-call told: ")
        await prod.says(root, "on-call told: ")
        for name in ("hook", "duty", "cast", "moved"):
            await prod.says(root, name)
        await prod.says(root, "could not be told: away")
        assert "by phone" not in shown(root)
    assert sum("could not be told" in each.text for each in prod.roots) == 0
    for to in ("webhook", "pagerduty"):
        assert steps(pagers, to) == ["trigger"] * 2


async def test_one_target_that_cannot_be_told_is_said_once(
    world: World, pagers: PagerServers
) -> None:
    pagers.fail("webhook", Fault(status=403, times=None))
    prod = Alarmed(world)
    async with world.bot():
        await missing(world)
        failed = await prod.said("on-call target hook could not be told of alarm 1")
        assert "hook refuses our key (HTTP 403)" in shown(failed)
        await arrived(lambda: mentions(world))
        world.ahead += timedelta(minutes=5)
        await arrived(lambda: len(steps(pagers, "webhook")) > 1)
        await seen(world, "environment = 'dev' OR NOT there")
    said = [each for each in world.slack.messages(PROD) if each.thread_ts is None]
    assert sum("could not be told" in each.text for each in said) == 1


GROUP_TRIED = """
SELECT count(*) = 1 FROM outbox
WHERE lane = 'page' AND attempts > 0 AND content LIKE '%"target":"group"%'
"""


async def settled(world: World) -> None:
    """Wait until there is nothing more to say, or to tell."""
    await counted_rows(world, "SELECT count(*) = 0 FROM outbox WHERE closed IS NULL")
    await counted_rows(world, "SELECT count(*) = 0 FROM posts WHERE shown < wanted")


async def test_nobody_is_mentioned_for_what_ended_while_slack_was_away(world: World) -> None:
    prod = Alarmed(world)
    async with world.bot():
        await seen(world, WELL)
        world.slack.fail("chat.postMessage", Fault(dropped=True, times=None))
        await missing(world)
        await counted_rows(world, GROUP_TRIED)
        await world.group()
        await seen(world, WELL)
        world.ahead += timedelta(seconds=15)
        await counted_rows(world, "SELECT resolved IS NOT NULL FROM alarms")
        world.slack.heal("chat.postMessage")
        world.ahead += timedelta(minutes=2)
        root = await prod.root("resolved after")
        await prod.told(root, "resolved after")
        await settled(world)
    assert mentions(world) == []
    assert prod.roots == [root]
    assert sum("resolved after" in each for each in prod.thread(root)) == 1


async def test_nobody_is_called_for_what_ends_or_is_over(
    world: World, pagers: PagerServers
) -> None:
    """Who could not be told in time hears nothing of it any more, not of its end either."""
    pagers.fail("webhook", Fault(status=503))
    prod = Alarmed(world)

    def of_the_alarm() -> list[str]:
        sent = [each.content for each in pagers.sent_to("webhook")]
        return [each["step"] for each in sent if each["incident"]]

    async with world.bot():
        await seen(world, WELL)
        await missing(world)
        root = await prod.root("PROD lsstcam: missing")
        await prod.said("on-call target hook could not be told of alarm 1")
        await world.group()
        await seen(world, WELL)
        await prod.says(root, "Resolved if it stays so until")
        refused = await world.type("escalate 1")
        assert refused.text.startswith(("Alarm 1 is ending", "Alarm 1 is resolved"))
        # Its next try is due.
        world.ahead += timedelta(seconds=5)
        for number in (1, 2):
            await prod.done("oncall test", "ana tries 3 on-call targets")
            await arrived(partial(reached, pagers, "webhook", 1 + number))
        assert of_the_alarm() == ["trigger"]
        assert "could not" not in shown(root)
        world.ahead += timedelta(seconds=15)
        await prod.told(root, "resolved after")
        await settled(world)
    assert of_the_alarm() == ["trigger"]
    assert "hook" not in "".join(prod.thread(root)).replace("could not be told: hook", "")
    assert "hook" not in shown(root)


async def test_a_page_is_next_in_line_where_slack_limits_the_channel(world: World) -> None:
    prod = Alarmed(world)

    def announced() -> int:
        return sum("announces" in each.all_text for each in world.slack.messages(PROD))

    async with world.bot():
        await prod.done("maintenance announce number 0", "number 0")
        world.slack.limit("chat.postMessage")
        for number in range(1, 31):
            await world.slack.command(
                f"maintenance announce number {number}", channel=PROD, user=ANA
            )
        await counted_rows(world, "SELECT count(*) >= 31 FROM outbox WHERE lane = 'talk'")
        before = announced()
        await world.slack.command("oncall page All is dark", channel=PROD, user=ANA)
        await arrived(lambda: mentions(world))
        assert announced() - before <= 3
        assert before + 3 < 31, "there were some to wait for"
        world.slack.heal("chat.postMessage")
