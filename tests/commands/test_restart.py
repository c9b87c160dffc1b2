"""`restart` from the typed line to the proof: the API as recorded, a Redis that really restarts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from bot.domain.errors import Unreachable
from bot.domain.streams import Loading
from bot.domain.workloads import Pod, Progress
from commands import restart
from tests.support.a_rollout import a_rollout
from tests.support.kubernetes_server import RESTARTED_AT, TOKEN, Cluster, Phase, recorded
from tests.support.slack_server import Message
from tests.support.two_people import ANA, BEN, asked, buttons, mention, until
from tests.support.waits import LONGEST_WAIT
from tests.support.world import PROD, World, shown

BACK = "🟢 *PROD: Redis is back after "
NOT_BACK = "🔴 *PROD: Redis has not come back after 10 min.*"
NOTHING = "🟡 *PROD: nothing was restarted.*"


@pytest.fixture
async def cluster(world: World, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with a_rollout(world, tmp_path) as server:
        yield server


@pytest.fixture
async def bot(world: World, cluster: Cluster) -> AsyncIterator[World]:
    del cluster
    async with world.bot():
        await world.group()
        await world.announce(1)
        await world.read(3)
        yield world


async def approved(bot: World, card: Message) -> None:
    await bot.slack.click(card, "Approve", user=BEN)


def patches(cluster: Cluster) -> list[str]:
    return [
        call.body["spec"]["template"]["metadata"]["annotations"][RESTARTED_AT]
        for call in cluster.calls
        if call.method == "PATCH"
    ]


async def somebody_restarts(cluster: Cluster, stamp: str) -> None:
    body = {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: stamp}}}}}
    path = "/apis/apps/v1/namespaces/prompt-redis/statefulsets/prompt-redis"
    headers = {
        "Authorization": f"Bearer {TOKEN}",
        "Content-Type": "application/strategic-merge-patch+json",
    }
    async with (
        aiohttp.ClientSession() as session,
        session.patch(cluster.url + path, json=body, headers=headers) as answer,
    ):
        assert answer.status == 200


def channel(bot: World) -> str:
    return "\n".join(message.all_text for message in bot.slack.messages(PROD))


async def test_from_the_request_to_the_proof(bot: World, cluster: Cluster) -> None:
    card = await asked(bot, "restart --reason it hangs")
    assert card.text == "🔧 *PROD: ana asks to restart Redis.* Request 1"
    for words in (
        "it hangs",
        "*Pods*\n1 of 1 replica ready",
        "*Image*\nredis:8.10.0 from redis-1.2.0",
        "*Data*\nappend-only file on a volume (100Gi on wekafs--sdf-k8s01)",
        "*Strategy*\nRollingUpdate",
        "*Waiting*\nlsstcam: 0 entries",
        "Visits announced while Redis is away are skipped: the fan-out service does not repeat",
        "*Observing*\nno, by day. Last visit announced",
        "No maintenance window is open: `maintenance start 30m REASON` announces it.",
        "Needs 1 approval from ben and carla, not from ana.",
    ):
        assert words in shown(card), words
    await approved(bot, card)
    await until(bot, card, BACK)
    progress = [f"{text} {blocks}" for text, blocks in card.revisions]
    for words in (
        "🔧 *PROD: Redis is restarting, 0 s so far.* Request 1",
        "restart asked of Kubernetes",
        "the old pod is stopping",
        "then: new pod started, answers PING, streams and groups are there",
        "old pod stopped",
        "new pod started",
        "held until this ends, at most 10 min",
        "asked by ana, approved by ben",
    ):
        assert any(words in each for each in progress), words
    for words in (
        "*Away*\n",
        "*Streams*\ninstrument:lsstcam and its group are there, 0 waiting",
        "*Visits*\nlast one before ",
        ", none since",
        "unchanged",
        "a visit announced while Redis was away is not in the stream",
    ):
        assert words in shown(card), words
    assert buttons(card) == ["Stats"]
    assert len(patches(cluster)) == 1
    told = await mention(bot, "<@U0ANA> request 1 is done: Redis is back")
    assert told.thread_ts == card.ts
    assert "Redis does not answer" not in channel(bot)
    audit = shown(await bot.type("audit"))
    assert "`restart` by ana: *done*" in audit


async def test_inside_a_window(bot: World) -> None:
    await bot.type("maintenance start 30m Redis upgrade")
    card = await asked(bot, "restart")
    assert "Inside window 1." in shown(card)
    assert "No maintenance window is open" not in shown(card)
    await approved(bot, card)
    await until(bot, card, BACK)
    assert buttons(card) == ["Stats", "End maintenance"]
    upgrade = await bot.type("upgrade")
    assert "|window 1>, until" in shown(upgrade)
    await bot.click(card, "End maintenance", ANA)
    closing = await bot.slack.until(
        lambda: next(
            (
                m
                for m in bot.slack.messages(PROD)
                if "PROD maintenance is over" in m.text and m.ts > card.ts
            ),
            None,
        )
    )
    assert "request 2" in shown(closing)


async def test_a_visit_that_comes_after_it_is_told(bot: World, cluster: Cluster) -> None:
    again = cluster.on_phase
    assert again is not None

    async def on_phase(phase: Phase) -> None:
        await again(phase)
        if phase == "complete":
            await bot.announce(1)

    cluster.on_phase = on_phase
    card = await asked(bot, "restart")
    await approved(bot, card)
    await until(bot, card, BACK)
    assert "first one since " in shown(card)
    assert "3 waiting" in shown(card)


# --- how far it has come ---------------------------------------------------------------------


ASKED_AT = datetime(2026, 11, 24, 16, 4, 2, tzinfo=UTC)
POD = Pod("prompt-redis-0", "2", ready=True, created=ASKED_AT)


def at(seconds: int) -> datetime:
    return ASKED_AT + timedelta(seconds=seconds)


STOPPED = Progress(ASKED_AT, at(4), known=True, stopped=at(3), pod=POD)
STARTED = replace(STOPPED, at=at(24), started=at(17))


@pytest.mark.parametrize(
    ("seen", "lines"),
    [
        (
            Progress(ASKED_AT, at(1), known=True, pod=replace(POD, leaving=True)),
            [
                "✓ 16:04:02  restart asked of Kubernetes",
                "… 16:04:03  the old pod is stopping",
                "    then: new pod started, answers PING, streams and groups are there",
            ],
        ),
        (
            replace(STOPPED, pod=replace(POD, ready=False, waiting="ContainerCreating")),
            [
                "✓ 16:04:02  restart asked of Kubernetes",
                "✓ 16:04:05  old pod stopped",
                "… 16:04:06  the new pod is starting: ContainerCreating",
                "    then: answers PING, streams and groups are there",
            ],
        ),
        (
            replace(STARTED, loading=Loading(40.4, None)),
            [
                "✓ 16:04:02  restart asked of Kubernetes",
                "✓ 16:04:05  old pod stopped",
                "✓ 16:04:19  new pod started (14 s)",
                "… 16:04:26  Redis is loading its data, 40 % read",
                "    then: streams and groups are there",
            ],
        ),
        (
            replace(STARTED, redis=Unreachable.REFUSED.value),
            [
                "✓ 16:04:02  restart asked of Kubernetes",
                "✓ 16:04:05  old pod stopped",
                "✓ 16:04:19  new pod started (14 s)",
                "… 16:04:26  Redis refuses the connection",
                "    then: streams and groups are there",
            ],
        ),
        (
            replace(STARTED, answered=at(22)),
            [
                "✓ 16:04:02  restart asked of Kubernetes",
                "✓ 16:04:05  old pod stopped",
                "✓ 16:04:19  new pod started (14 s)",
                "✓ 16:04:24  answers PING",
                "… 16:04:26  looking for streams and groups",
            ],
        ),
        (
            replace(STOPPED, cluster="Kubernetes does not answer", other="2026-11-24T16:04:04Z"),
            [
                "✓ 16:04:02  restart asked of Kubernetes",
                "… 2026-11-24T16:04:04Z  somebody else has asked for another restart",
                "✓ 16:04:05  old pod stopped",
                "… 16:04:06  the new pod is starting",
                "    then: answers PING, streams and groups are there",
                "… 16:04:06  Kubernetes does not answer; Redis is watched all the same",
            ],
        ),
    ],
)
def test_each_step_has_its_time(seen: Progress, lines: list[str]) -> None:
    held = "Alarms about Redis away or a missing group are held until this ends, at most 10 min."
    assert restart.so_far(seen).split("\n") == [*lines, held]


# --- what is refused in the plan -------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "words"),
    [
        ("replicas0", "it is scaled to 0 replicas"),
        ("ondelete", "its update strategy is OnDelete"),
        ("partition", "its update strategy has a partition"),
        ("pull_error", "its pod does not start, and a restart replaces no pod that does not start"),
        ("crashloop", "CrashLoopBackOff"),
        ("unschedulable", "0/1 nodes are available: 1 Insufficient cpu."),
    ],
)
async def test_what_would_replace_no_pod_is_not_asked_for(
    bot: World, cluster: Cluster, phase: Phase, words: str
) -> None:
    cluster.phase = phase
    answer = await bot.type("restart")
    assert answer.ephemeral_to == ANA
    assert words in shown(answer)
    assert patches(cluster) == []


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("error-401-bad-token", "Kubernetes does not accept the bot's token"),
        (
            "error-403-get-statefulset",
            "does not allow the bot to get statefulsets.apps prompt-redis in prompt-redis",
        ),
        (
            "error-404-statefulset",
            "Kubernetes has no statefulsets.apps prompt-redis in prompt-redis",
        ),
        ("error-etcd-hang-patch", "Kubernetes is not well itself"),
    ],
)
async def test_a_kubernetes_that_refuses_costs_one_sentence(
    bot: World, cluster: Cluster, file: str, words: str
) -> None:
    cluster.fault("GET", "statefulsets", answer=recorded(file), times=None)
    answer = await bot.type("restart")
    assert words in shown(answer)
    assert "Nothing was changed" in answer.text
    assert "healthy" in (await bot.type("stats")).text


async def test_a_frozen_kubernetes_delays_nothing_else(bot: World, cluster: Cluster) -> None:
    for path in ("statefulsets", "pods", "jobs", "scaledjobs"):
        cluster.fault("GET", path, hang=True, times=None)
    # Whoever needs Kubernetes waits longest for it; the others are answered meanwhile.
    restart, stats, ping = [
        await bot.slack.command(typed, channel=PROD, user=ANA)
        for typed in ("restart", "stats", "ping")
    ]
    assert "PONG" in (await ping.reply()).text
    assert "healthy" in (await stats.reply()).text
    assert restart.replies == []
    assert "Kubernetes does not answer" in shown(await restart.reply())


async def test_a_rollout_that_is_under_way_is_on_the_card(bot: World, cluster: Cluster) -> None:
    cluster.phase = "old_pod_terminating"
    card = await asked(bot, "restart")
    assert "a rollout is under way already, asked" in shown(card)
    assert "this replaces the pod once more" in shown(card)


# --- what goes wrong after the approval ------------------------------------------------------


async def test_a_plan_that_no_longer_holds(bot: World, cluster: Cluster) -> None:
    card = await asked(bot, "restart")
    # Somebody else was quicker, with kubectl.
    await cluster.move("complete")
    await approved(bot, card)
    await until(bot, card, NOTHING)
    assert "Somebody else changed or restarted the StatefulSet after the card." in shown(card)
    assert patches(cluster) == []


async def test_a_patch_that_is_forbidden(bot: World, cluster: Cluster) -> None:
    cluster.fault("PATCH", "statefulsets", answer=recorded("error-403-patch-statefulset"))
    card = await asked(bot, "restart")
    await approved(bot, card)
    await until(bot, card, "🟡 *PROD: nothing was changed")
    words = "Kubernetes does not allow the bot to patch statefulsets.apps prompt-redis"
    assert words in shown(card)
    told = await mention(bot, "<@U0ANA> request 1 is closed")
    assert words in shown(told)


async def test_a_patch_that_validation_refuses(bot: World, cluster: Cluster) -> None:
    cluster.fault("PATCH", "statefulsets", answer=recorded("error-422-invalid"))
    card = await asked(bot, "restart")
    await approved(bot, card)
    await until(bot, card, "🟡 *PROD: nothing was changed")
    assert "HTTP 422" in shown(card)


async def test_a_status_that_changed_in_between_is_no_conflict(
    bot: World, cluster: Cluster
) -> None:
    cluster.fault("PATCH", "", answer=recorded("error-409-patch-stale-resourceversion"))
    card = await asked(bot, "restart")
    await approved(bot, card)
    await until(bot, card, BACK)
    assert len(patches(cluster)) == 2
    assert len(set(patches(cluster))) == 1


async def test_a_conflict_that_stays_ends_after_ten_minutes(bot: World, cluster: Cluster) -> None:
    conflict = recorded("error-409-patch-stale-resourceversion")
    cluster.fault("PATCH", "", answer=conflict, times=None)
    card = await asked(bot, "restart")
    await approved(bot, card)
    await cluster.until(lambda: len(patches(cluster)) > 1)
    bot.ahead += timedelta(minutes=9)
    seen = len(patches(cluster))
    await cluster.until(lambda: len(patches(cluster)) > seen + 1)
    assert "nothing was changed" not in shown(card)
    bot.ahead += timedelta(minutes=1)
    await until(bot, card, "🟡 *PROD: nothing was changed: ")
    assert "has changed it at the same moment, again and again for 10 min" in shown(card)
    told = await mention(bot, "<@U0ANA> request 1 is closed")
    assert "10 min" in told.text
    # Nothing is locked by it any more.
    cluster.heal()
    card = await asked(bot, "restart")
    await approved(bot, card)
    await until(bot, card, BACK)


@pytest.mark.parametrize("late", [0.0, 1.5])
async def test_a_patch_without_an_answer_is_looked_up(
    bot: World, cluster: Cluster, late: float
) -> None:
    cluster.fault("PATCH", "", cut=True, late=late)
    card = await asked(bot, "restart")
    await approved(bot, card)
    await until(bot, card, BACK)
    await cluster.settled()
    # Whether asked once or more often: it is one and the same restart.
    assert len(set(patches(cluster))) == 1
    assert cluster.generation == 2


async def test_a_504_is_looked_up(bot: World, cluster: Cluster) -> None:
    cluster.fault("PATCH", "", answer=recorded("error-etcd-hang-patch"), times=2)
    card = await asked(bot, "restart")
    await approved(bot, card)
    await until(bot, card, BACK)
    assert len(patches(cluster)) == 3
    assert cluster.generation == 2


async def test_an_api_that_is_gone_in_the_middle(bot: World, cluster: Cluster) -> None:
    card = await asked(bot, "restart")
    await approved(bot, card)
    await cluster.until(lambda: bool(patches(cluster)))
    await cluster.stop()
    await bot.slack.until(lambda: "Redis is watched all the same" in shown(card))
    await cluster.settled()
    await cluster.start_again()
    await until(bot, card, BACK)


async def test_an_api_that_stays_away(bot: World, cluster: Cluster) -> None:
    card = await asked(bot, "restart")
    await approved(bot, card)
    await cluster.until(lambda: bool(patches(cluster)))
    await cluster.stop()
    await cluster.settled()
    await bot.slack.until(lambda: "answers PING" in shown(card))
    bot.ahead += timedelta(minutes=3)
    await until(bot, card, "🟡 *PROD: Redis is back after ")
    assert "nobody knows whether its pod is as wanted" in shown(card)


@pytest.mark.parametrize(
    ("phase", "words"),
    [
        ("pull_error", "ImagePullBackOff (redis:8.10.0): Back-off pulling image"),
        ("crashloop", "CrashLoopBackOff (redis:8.10.0): back-off 10s restarting failed container"),
        ("unschedulable", "0/1 nodes are available: 1 Insufficient cpu."),
    ],
)
async def test_a_pod_that_does_not_start(
    bot: World, cluster: Cluster, phase: Phase, words: str
) -> None:
    cluster.after_patch = [(0.1, "old_pod_terminating"), (0.3, "no_pod"), (0.5, phase)]
    card = await asked(bot, "restart")
    await approved(bot, card)
    await bot.slack.until(lambda: "the new pod does not start: " in shown(card))
    bot.ahead += timedelta(minutes=10)
    await until(bot, card, NOT_BACK)
    assert words in shown(card)
    assert "Restarting again will not help." in shown(card)
    assert buttons(card) == ["Stats"]
    told = await mention(bot, "<@U0ANA> request 1 has failed")
    assert "Last events:" in shown(told)
    assert "SuccessfulCreate" in shown(told)
    assert "`restart` by ana: *failed*" in shown(await bot.type("audit"))


async def test_another_rollout_in_between(bot: World, cluster: Cluster) -> None:
    card = await asked(bot, "restart")
    await approved(bot, card)
    await cluster.until(lambda: bool(patches(cluster)))
    other = "2026-11-25T23:59:59Z"
    annotations = cluster.statefulset["spec"]["template"]["metadata"]["annotations"]
    assert annotations[RESTARTED_AT] == patches(cluster)[0]
    await somebody_restarts(cluster, other)
    await until(bot, card, BACK)
    assert f"Somebody else asked for another restart in between ({other})." in shown(card)


async def test_a_group_that_did_not_come_back(bot: World, cluster: Cluster) -> None:
    again = cluster.on_phase
    assert again is not None

    async def on_phase(phase: Phase) -> None:
        await again(phase)
        if phase == "complete":
            await bot.redis[PROD].xgroup_destroy("instrument:lsstcam", "lsstcam_consumer_group")

    cluster.on_phase = on_phase
    card = await asked(bot, "restart")
    await approved(bot, card)
    await until(bot, card, "but lsstcam has no group")
    assert card.text.startswith("🟡")
    assert "It stood, as last seen: lsstcam at " in shown(card)
    assert buttons(card) == ["Ask to bootstrap", "Stats"]
    await bot.slack.click(card, "Ask to bootstrap", user=ANA)
    bootstrap = await bot.slack.until(
        lambda: next(
            (m for m in bot.slack.messages(PROD) if "the group is missing" in m.text), None
        )
    )
    assert "0 visits" in shown(bootstrap) or "nothing" in shown(bootstrap)


# --- the bot itself --------------------------------------------------------------------------


async def test_the_next_process_watches_it_further(world: World, cluster: Cluster) -> None:
    cluster.after_patch = [(0.1, "old_pod_terminating"), (0.4, "no_pod"), (6.0, "complete")]
    async with world.bot():
        await world.group()
        card = await asked(world, "restart")
        await approved(world, card)
        await world.slack.until(lambda: "old pod stopped" in shown(card))
    async with world.bot():
        await world.slack.until(lambda: BACK in card.text, LONGEST_WAIT, f"an end of {card.text!r}")
    assert len(patches(cluster)) == 1
    assert len([m for m in world.slack.messages(PROD) if "request 1 is done" in m.text]) == 1


async def test_read_only(world: World, cluster: Cluster) -> None:
    world.settings["environments"]["prod"]["read_only"] = True
    async with world.bot():
        assert "read-only" in (await world.type("restart")).text
    assert patches(cluster) == []


async def test_where_kubernetes_is_not_configured(world: World) -> None:
    async with world.bot():
        answer = await world.type("restart")
        assert "its configuration has no environments.prod.kubernetes" in shown(answer)
        assert "`runbook restart`" in shown(answer)
        upgrade = await world.type("upgrade")
        assert "unknown: the bot's configuration does not say where it runs" in shown(upgrade)


async def test_a_redis_of_no_use_can_be_restarted(bot: World) -> None:
    """What somebody set on the running server is gone with its process."""
    await bot.redis[PROD].config_set("min-replicas-to-write", "1")
    card = await asked(bot, "restart --reason workers cannot read")
    assert card.text == "🔧 *PROD: ana asks to restart Redis.* Request 1"
    await approved(bot, card)
    await until(bot, card, BACK)


async def test_a_redis_that_serves_nobody_can_be_restarted(bot: World) -> None:
    redis = bot.redis[PROD]
    await redis.config_set("busy-reply-threshold", "1")
    settings = redis.connection_pool.connection_kwargs
    async with Redis(host=settings["host"], port=settings["port"]) as other:
        running = asyncio.ensure_future(other.eval("while true do end", 0))
        while "busy" not in (await bot.type("ping")).text:
            pass
        card = await asked(bot, "restart --reason busy")
        assert card.text == "🔧 *PROD: ana asks to restart Redis.* Request 1"
        await redis.execute_command("SCRIPT KILL")  # type: ignore[no-untyped-call]
        with suppress(ResponseError):
            await running
