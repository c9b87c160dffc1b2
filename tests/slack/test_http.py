"""HTTP mode: what is genuine is answered, what is not is refused without a fuss."""

import asyncio
import io
import json
import logging
import random
import resource
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlencode

import aiohttp
import pytest

from tests.support.waits import LONGEST_WAIT
from tests.support.world import PROD, World, shown


@pytest.fixture
async def http(world: World, unused_tcp_port: int) -> AsyncIterator[World]:
    """The bot in HTTP mode."""
    world.settings = {"slack": {"mode": "http"}, "http": {"port": unused_tcp_port}}
    world.slack.request_url = f"http://127.0.0.1:{unused_tcp_port}/slack/events"
    async with world.bot():
        yield world


async def post(world: World, body: bytes | str, headers: dict[str, str] | None = None) -> int:
    data = body if isinstance(body, bytes) else body.encode()
    status, _ = await world.slack.post_raw(data, headers or world.slack.sign(data))
    return status


def slash(world: World, **values: str) -> str:
    fields = {
        "team_id": "T1",
        "channel_id": PROD,
        "user_id": "U0ANA",
        "command": "/prompt-redis",
        "text": "ping",
        "response_url": world.slack.api_url.replace("/api/", "/hooks/used-up"),
        "trigger_id": "1.2.3",
    }
    return urlencode(fields | values)


async def test_commands_buttons_and_forms(http: World) -> None:
    await http.group()
    answer = await http.type("stats")
    assert "PROD lsstcam: healthy" in answer.text
    await http.announce()
    again = await http.click(answer, "Refresh")
    assert "3 entries = 1 visit" in shown(again)
    form = await http.slack.submit("prompt-redis:ping", {}, user="U0ANA", private_metadata=PROD)
    assert form.acknowledged
    await http.slack.until(lambda: http.slack.calls_of("chat.postEphemeral"))


async def test_a_replay_is_acknowledged_and_not_run(http: World) -> None:
    delivery = await http.slack.command("ping", channel=PROD, user="U0ANA")
    await delivery.reply()
    again = await http.slack.redeliver(delivery)
    assert again.acknowledged
    await http.type("help")
    assert len(delivery.replies) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Slack-Signature": "v0=0", "X-Slack-Request-Timestamp": "{now}"},
        {"X-Slack-Signature": "v0=\xff", "X-Slack-Request-Timestamp": "{now}"},
        {"X-Slack-Signature": "v0=0", "X-Slack-Request-Timestamp": "soon"},
        {"X-Slack-Signature": "v0=0", "X-Slack-Request-Timestamp": "-1"},
        {"X-Slack-Signature": "v0=0", "X-Slack-Request-Timestamp": "²"},
        {"X-Slack-Signature": "v0=0", "X-Slack-Request-Timestamp": "9" * 5000},
    ],
)
async def test_what_slack_did_not_sign_is_401(http: World, headers: dict[str, str]) -> None:
    stamped = {name: value.format(now=int(time.time())) for name, value in headers.items()}
    assert await post(http, slash(http), stamped or {"X": "y"}) == 401


async def test_what_is_no_text_was_not_signed_by_slack(
    http: World, capsys: pytest.CaptureFixture[str]
) -> None:
    body = b"\xff\xfe"
    forged = {"X-Slack-Signature": "v0=forged", "X-Slack-Request-Timestamp": f"{int(time.time())}"}
    for headers in ({"X": "y"}, forged, http.slack.sign(body, 1), http.slack.sign(body)):
        assert await post(http, body, headers) == 401
        assert "not signed by Slack" in "".join(capsys.readouterr())


@pytest.mark.parametrize("age", [301, -301, 10**6])
async def test_what_is_stale_is_401(http: World, age: int) -> None:
    body = slash(http).encode()
    assert await post(http, body, http.slack.sign(body, int(time.time()) - age)) == 401


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no equals sign",
        b"payload=",
        b"payload=%7B",
        b"payload=[]",
        b"payload=null",
        b'payload={"type": "mystery"}',
        b'payload={"type": "block_actions"}',
        b'payload={"type": "block_actions", "actions": []}',
        b'payload={"type": "view_submission", "view": 7}',
        b"command=/prompt-redis",
        b'{"type": "event_callback"}',
        b"payload=" + b"[" * 100_000,
        b"a=b&" * 2000,
    ],
)
async def test_what_is_malformed_is_400(http: World, body: bytes) -> None:
    headers = {**http.slack.sign(body), "Content-Type": "application/x-www-form-urlencoded"}
    assert await post(http, body, headers) == 400


@pytest.mark.parametrize("content", ["application/json", "text/plain", "x", "multipart/form-data"])
async def test_odd_content_types_are_never_a_fault(http: World, content: str) -> None:
    body = slash(http).encode()
    status = await post(http, body, {**http.slack.sign(body), "Content-Type": content})
    assert status < 500


async def test_a_large_body_is_413(http: World) -> None:
    body = b"a=" + b"x" * 2**20
    async with aiohttp.ClientSession() as client:
        assert http.slack.request_url is not None
        answer = await client.post(
            http.slack.request_url, data=io.BytesIO(body), headers=http.slack.sign(body)
        )
    assert answer.status == 413


@pytest.mark.parametrize("size", [2**16 + 1, 10**5])
async def test_a_large_body_that_slack_signed_is_read(http: World, size: int) -> None:
    delivery = slash(http, text="ping " + "x" * size)
    assert await post(http, delivery) == 200


# --- who is not Slack costs little ------------------------------------------------------------


@dataclass
class Caller:
    """One connection of somebody who knows how a signature looks, and has none."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def status(self) -> int:
        line = await self.reader.readline()
        return int(line.split()[1]) if line else 0


def head(length: int, *more: str, path: str = "/slack/events") -> bytes:
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: bot",
        f"X-Slack-Request-Timestamp: {int(time.time())}",
        f"X-Slack-Signature: v0={'0' * 64}",
        f"Content-Length: {length}",
        *more,
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


@asynccontextmanager
async def calling(port: int, *sent: bytes) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for each in sent:
            writer.write(each)
        yield Caller(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def port_of(world: World) -> int:
    return int(world.settings["http"]["port"])


async def test_a_body_that_does_not_come_is_given_up_after_five_seconds(http: World) -> None:
    began = time.monotonic()
    async with calling(port_of(http), head(1000), b"a=b&") as caller:
        async with asyncio.timeout(LONGEST_WAIT):
            assert await caller.status() == 408
    assert time.monotonic() - began >= 4


@pytest.mark.parametrize(
    "line", ["X-Slack-Signature: v0=0", "X-Slack-Request-Timestamp: 1", "X-Nothing: here"]
)
async def test_what_cannot_be_signed_is_401_before_its_body_is_read(http: World, line: str) -> None:
    name = line.split(":", maxsplit=1)[0].encode()
    lines = [each for each in head(10**6).split(b"\r\n") if not each.startswith(name)]
    if b"Nothing" in name:
        lines = [each for each in lines if not each.startswith(b"X-Slack")]
    request = b"\r\n".join([lines[0], line.encode(), *lines[1:]])
    async with calling(port_of(http), request, b"x" * 1000) as caller:
        async with asyncio.timeout(4):
            assert await caller.status() == 401


async def test_what_is_half_sent_is_cut(http: World) -> None:
    """Many who announce a megabyte each, and send it but for the last byte."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    statuses: Counter[int] = Counter()

    async def one() -> None:
        async with calling(port_of(http), head(10**6)) as caller:
            with suppress(ConnectionError):
                for _ in range(10):
                    caller.writer.write(b"x" * 99_999)
                    await caller.writer.drain()
                statuses[await caller.status()] += 1

    async with asyncio.timeout(LONGEST_WAIT):
        await asyncio.gather(*(one() for _ in range(250)))
        assert "PONG" in (await http.type("ping")).text
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 100, f"{grown:.0f} MiB, {statuses}"
    assert set(statuses) <= {0, 408, 413, 503}, statuses


@cache
def a_gigabyte_of_zeros() -> bytes:
    """Squeeze it into a megabyte."""
    squeezed = zlib.compressobj(9)
    return b"".join(squeezed.compress(b"\0" * 2**20) for _ in range(1024)) + squeezed.flush()


@pytest.mark.parametrize("mode", ["http", "socket"])
@pytest.mark.parametrize("path", ["/slack/events", "/livez"])
async def test_nothing_is_inflated(
    world: World, unused_tcp_port: int, mode: str, path: str
) -> None:
    world.settings = {"slack": {"mode": mode}, "http": {"port": unused_tcp_port}}
    world.slack.request_url = f"http://127.0.0.1:{unused_tcp_port}/slack/events"
    zeros = a_gigabyte_of_zeros()
    request = head(len(zeros), "Content-Encoding: deflate", path=path).replace(
        b"POST /livez", b"GET /livez"
    )
    longest = 0.0

    async def turning() -> None:
        nonlocal longest
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - began)

    async with world.bot():
        turn = asyncio.create_task(turning())
        async with AsyncExitStack() as stack:
            callers = [
                await stack.enter_async_context(calling(unused_tcp_port, request, zeros))
                for _ in range(3)
            ]
            async with asyncio.timeout(LONGEST_WAIT):
                found = {await each.status() for each in callers}
        turn.cancel()
    expected = {200} if path == "/livez" else {415} if mode == "http" else {404}
    assert found == expected
    assert longest < 2, f"nothing else went on for {longest:.1f} s"


@pytest.mark.parametrize("mode", ["http", "socket"])
async def test_who_dawdles_does_not_keep_the_process(
    world: World, unused_tcp_port: int, mode: str
) -> None:
    world.settings = {"slack": {"mode": mode}, "http": {"port": unused_tcp_port}}
    sent = (
        (head(1000), b"a"),
        (head(1000)[:100],),
        (head(1000, path="/livez").replace(b"POST", b"GET"), b"a"),
        (head(10**6), b"a" * 70_000),
        (),
    )
    async with AsyncExitStack() as stack:
        async with world.bot():
            for each in sent * 5:
                await stack.enter_async_context(calling(unused_tcp_port, *each))
            async with aiohttp.ClientSession(f"http://127.0.0.1:{unused_tcp_port}") as client:
                assert (await client.get("/livez")).status == 200
            began = time.monotonic()
        assert time.monotonic() - began < 10


async def test_no_signed_body_is_a_fault(http: World) -> None:
    chance = random.Random(430)
    for length in range(0, 300, 5):
        body = chance.randbytes(length)
        for sent in (body, b"payload=" + body, b'payload={"type":"block_actions","x":' + body):
            assert await post(http, sent) in (200, 400, 401)


async def test_no_body_and_no_token_in_a_log(
    http: World, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    for headers in ({"X-Slack-Signature": "v0=bad"}, None):
        await post(http, slash(http, text="very private words"), headers)
        payload = json.dumps({"type": "view_submission", "x": "very private words"})
        await post(http, f"payload={payload}", headers)
    written = caplog.text + "".join(capsys.readouterr())
    assert "very private words" not in written
    assert http.slack.bot_token not in written
    assert http.slack.signing_secret not in written


async def test_livez_readyz_and_no_events_in_socket_mode(
    world: World, unused_tcp_port: int
) -> None:
    world.settings = {"http": {"port": unused_tcp_port}}
    async with (
        world.bot(),
        aiohttp.ClientSession(f"http://127.0.0.1:{unused_tcp_port}") as client,
    ):
        assert (await client.get("/livez")).status == 200
        assert (await client.get("/readyz")).status == 200
        assert (await client.post("/slack/events")).status == 404
        await world.slack.close_sockets()
        world.slack.refuse_sockets(1000)
        assert (await client.get("/livez")).status == 200
