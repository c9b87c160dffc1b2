"""The fake Slack's deliveries, sockets and proxy, with a Bolt app at the other end."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.support.proxy import ProxyServer
from tests.support.slack_server import SlackServer

BUTTON = {
    "type": "button",
    "action_id": "approve",
    "text": {"type": "plain_text", "text": "Approve & go"},
    "value": "42",
}
ACTIONS = {"type": "actions", "block_id": "choice", "elements": [BUTTON]}
FORM = {
    "type": "modal",
    "callback_id": "silence",
    "private_metadata": "dev",
    "title": {"type": "plain_text", "text": "Silence"},
    "submit": {"type": "plain_text", "text": "Silence"},
    "blocks": [
        {
            "type": "input",
            "block_id": "reason",
            "label": {"type": "plain_text", "text": "Reason"},
            "element": {"type": "plain_text_input", "action_id": "text"},
        }
    ],
}


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer() as server:
        yield server


def client(slack: SlackServer, **more: Any) -> AsyncWebClient:
    token = more.pop("token", slack.bot_token)
    return AsyncWebClient(token=token, base_url=slack.api_url, **more)


def section(text: str = "Hello") -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def button(**values: Any) -> dict[str, Any]:
    return {"type": "actions", "elements": [BUTTON | values]}


async def refusal(call: Awaitable[Any]) -> Any:
    with pytest.raises(SlackApiError) as caught:
        await call
    return caught.value.response


# --- Bolt over Socket Mode and HTTP --------------------------------------------------------------


def echo_app(slack: SlackServer) -> AsyncApp:
    """Build a bot that repeats commands, and answers clicks and forms."""
    logging.getLogger("slack_bolt.AsyncApp").setLevel(logging.CRITICAL)
    app = AsyncApp(
        client=client(slack), signing_secret=slack.signing_secret, process_before_response=False
    )

    @app.command("/prompt-redis")
    async def command(ack: Any, body: Any, respond: Any, client: AsyncWebClient) -> None:
        if body["text"] == "ignore":
            return
        if body["text"] == "inline":
            await ack("in the acknowledgement")
            return
        await ack()
        if body["text"] == "form":
            await client.views_open(trigger_id=body["trigger_id"], view=FORM)
        elif body["text"] == "post":
            await client.chat_postMessage(
                channel=body["channel_id"], text="Plan", blocks=[section("a &amp; b"), ACTIONS]
            )
        else:
            await respond(text=f"{body['channel_name']}: {body['text']}", blocks=[ACTIONS])

    @app.action("approve")
    async def action(ack: Any, body: Any, respond: Any) -> None:
        await ack()
        pressed = body["actions"][0]
        said = f"{body['user']['id']} pressed {pressed['value']} of {pressed['block_id']}"
        await respond(text=said, replace_original=True)

    @app.view("silence")
    async def view(ack: Any, view: Any) -> None:
        if not view["state"]["values"]["reason"]["text"]["value"]:
            await ack(response_action="errors", errors={"reason": "Say why"})
        else:
            await ack()

    return app


@asynccontextmanager
async def socket_bot(
    slack: SlackServer, *, ping_interval: float = 5, proxy: str | None = None
) -> AsyncIterator[None]:
    handler = AsyncSocketModeHandler(
        echo_app(slack), app_token=slack.app_token, ping_interval=ping_interval, proxy=proxy
    )
    before = slack.connections
    await handler.connect_async()  # type: ignore[no-untyped-call]
    await slack.connected(before + 1)
    try:
        yield
    finally:
        await handler.close_async()  # type: ignore[no-untyped-call]


@asynccontextmanager
async def http_bot(slack: SlackServer) -> AsyncIterator[None]:
    app = echo_app(slack)

    async def events(request: web.Request) -> web.Response:
        headers: dict[str, str | Sequence[str]] = {
            name: [value] for name, value in request.headers.items()
        }
        body = await request.text()
        answer = await app.async_dispatch(AsyncBoltRequest(body=body, headers=headers))
        kind = answer.first_headers().get("content-type", "text/plain").partition(";")[0]
        return web.Response(status=answer.status, text=answer.body, content_type=kind)

    server = web.Application()
    server.router.add_post("/slack/events", events)
    runner = web.AppRunner(server, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    slack.request_url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    try:
        yield
    finally:
        await runner.cleanup()


Bot = Callable[[SlackServer], AbstractAsyncContextManager[None]]


@pytest.fixture(params=[socket_bot, http_bot])
async def bot(request: pytest.FixtureRequest, slack: SlackServer) -> AsyncIterator[None]:
    start: Bot = request.param
    async with start(slack):
        yield


@pytest.mark.usefixtures("bot")
async def test_a_command_is_acknowledged_and_answered(slack: SlackServer) -> None:
    delivery = await slack.command("status <!channel>", channel="C0PRIVATE")
    assert delivery.acknowledged
    assert delivery.seconds is not None
    reply = await delivery.reply()
    assert reply.text == "privategroup: status <!channel>"
    assert reply.mentions() == ["<!channel>"]
    assert (reply.channel, reply.ephemeral_to) == ("C0PRIVATE", "U0ALICE")
    assert reply.buttons == ["Approve & go"]


@pytest.mark.usefixtures("bot")
async def test_an_acknowledgement_may_carry_the_reply(slack: SlackServer) -> None:
    delivery = await slack.command("inline")
    assert delivery.ack["text"] == "in the acknowledgement"
    assert (await delivery.reply()).ephemeral_to == "U0ALICE"


@pytest.mark.usefixtures("bot")
async def test_a_button_on_an_ephemeral_message(slack: SlackServer) -> None:
    reply = await (await slack.command("status")).reply()
    click = await slack.click(reply, "Approve & go", user="U0ALICE")
    assert "message" not in click.payload
    assert click.payload["container"]["is_ephemeral"] is True
    await slack.until(lambda: reply.edited)
    assert reply.text == "U0ALICE pressed 42 of choice"
    assert reply.ephemeral_to == "U0ALICE"


@pytest.mark.usefixtures("bot")
async def test_a_button_in_the_channel_and_a_forged_one(slack: SlackServer) -> None:
    await slack.command("post")
    message = await slack.next_message("C0OPS")
    click = await slack.click(message, "approve", user="U0EVE", value="666", block_id="other")
    assert click.payload["message"]["blocks"][0]["text"]["text"] == "a &amp;amp; b"
    assert (
        click.payload["message"]["blocks"][1]["elements"][0]["text"]["text"] == "Approve &amp; go"
    )
    await slack.until(lambda: message.edited)
    assert message.text == "U0EVE pressed 666 of other"
    with pytest.raises(LookupError, match="No element 'missing'"):
        await slack.click(message, "missing")


@pytest.mark.usefixtures("bot")
async def test_a_form(slack: SlackServer) -> None:
    opened = await slack.command("form", user="U0BOB")
    view = await slack.next_view("silence")
    again = await refusal(client(slack).views_open(trigger_id=opened.trigger_id, view=FORM))
    assert again["error"] == "exchanged_trigger_id"
    refused = await slack.submit("silence", {"reason": {"text": {"value": ""}}}, user="U0BOB")
    assert refused.ack["errors"] == {"reason": "Say why"}
    assert not view.closed
    taken = await slack.submit("silence", {"reason": {"text": {"value": "x"}}}, user="U0BOB")
    assert taken.payload["view"]["private_metadata"] == "dev"
    assert taken.ack == {}
    assert view.closed


async def test_a_form_needs_a_fresh_trigger_and_short_titles(slack: SlackServer) -> None:
    async with socket_bot(slack):
        old = await slack.command("status")
        new = await slack.command("status")
    slack.expire(old)
    api = client(slack)
    late = await refusal(api.views_open(trigger_id=old.trigger_id, view=FORM))
    assert late["error"] == "expired_trigger_id"
    long = FORM | {"title": {"type": "plain_text", "text": "x" * 25}}
    refused = await refusal(api.views_open(trigger_id=new.trigger_id, view=long))
    assert refused["error"] == "invalid_arguments"
    opened = await api.views_open(trigger_id=new.trigger_id, view=FORM)
    key = opened["view"]["id"]
    stale = await refusal(api.views_update(view_id=key, view=FORM, hash="other"))
    assert stale["error"] == "hash_conflict"
    await api.views_update(view_id=key, view=FORM | {"callback_id": "changed"})
    assert slack.views[0].callback_id == "changed"


async def test_an_ignored_command_times_out(slack: SlackServer) -> None:
    slack.ack_seconds = 0.2
    async with socket_bot(slack):
        delivery = await slack.command("ignore")
    assert (delivery.acknowledged, delivery.error) == (False, "operation_timeout")
    assert (await slack.command("nobody")).error == "dispatch_failed"


async def test_duplicates_reach_every_connection_and_retries_come_again(
    slack: SlackServer,
) -> None:
    async with socket_bot(slack), socket_bot(slack):
        delivery = await slack.command("status", duplicate=True)
        await slack.until(lambda: len(delivery.replies) == 2)
        assert {ack.connection for ack in delivery.acks} == {1, 2}
        await slack.redeliver(delivery)
        assert (await delivery.reply(nth=3)).text == "prompt-ops: status"
        envelopes = [sent for socket in slack.sockets for sent in socket.sent]
        assert [e["retry_attempt"] for e in envelopes if "retry_attempt" in e] == [1]


async def test_connections_take_turns(slack: SlackServer) -> None:
    async with socket_bot(slack), socket_bot(slack):
        deliveries = [await slack.command(str(n)) for n in range(4)]
        assert [d.acks[0].connection for d in deliveries] in ([1, 2, 1, 2], [2, 1, 2, 1])
        for delivery in deliveries:
            await delivery.reply()


async def test_http_requests_are_signed(slack: SlackServer) -> None:
    async with http_bot(slack):
        body = urlencode({"command": "/prompt-redis", "text": "status"}).encode()
        old = int(time.time()) - 3600
        assert (await slack.post_raw(body, slack.sign(body, old)))[0] == 401
        assert (await slack.post_raw(body + b"x", slack.sign(body)))[0] == 401


async def test_nothing_is_left_behind() -> None:
    before = asyncio.all_tasks()
    async with SlackServer() as slack, aiohttp.ClientSession() as session:
        opened = await client(slack).apps_connections_open(app_token=slack.app_token)
        await session.ws_connect(opened["url"])
        slack.freeze_sockets()
        await slack.connected()
    assert asyncio.all_tasks() == before


# --- connections that break ----------------------------------------------------------------------


async def test_reconnects_when_asked_to(slack: SlackServer) -> None:
    async with socket_bot(slack):
        await slack.disconnect("warning")
        await slack.until(lambda: slack.handshakes == 2 and slack.connections == 1)
        assert (await (await slack.command("status")).reply()).text == "prompt-ops: status"
        await slack.close_sockets()
        await slack.until(lambda: slack.handshakes == 3 and slack.connections == 1)
        assert (await slack.command("status")).acknowledged


async def test_reconnects_after_a_reset_and_a_refusal(slack: SlackServer) -> None:
    logging.getLogger("slack_bolt.AsyncApp").setLevel(logging.CRITICAL)
    async with socket_bot(slack, ping_interval=0.1):
        slack.refuse_sockets(1)
        await slack.close_sockets(abrupt=True)
        await slack.until(lambda: slack.handshakes == 3 and slack.connections == 1)


async def test_a_frozen_socket_takes_commands_and_never_answers(slack: SlackServer) -> None:
    slack.ack_seconds = 0.2
    async with socket_bot(slack, ping_interval=60):
        slack.freeze_sockets()
        assert (await slack.command("status")).error == "operation_timeout"
        assert slack.connections == 1
        slack.sockets[0].abort()


async def test_a_frozen_socket_is_noticed_by_its_pings(slack: SlackServer) -> None:
    async with socket_bot(slack, ping_interval=0.2):
        slack.freeze_sockets()
        await slack.until(lambda: slack.handshakes >= 2 and slack.connections == 1)
        assert (await slack.command("status")).acknowledged


async def test_too_many_websockets_spins_the_library(slack: SlackServer) -> None:
    async with socket_bot(slack):
        slack.too_many_websockets()
        await slack.disconnect()
        await slack.until(lambda: slack.handshakes >= 4)
        slack.too_many_websockets(on=False)
        await slack.connected()


async def test_a_slow_handshake_and_an_eleventh_connection(slack: SlackServer) -> None:
    slack.slow_handshake(0.05)
    async with aiohttp.ClientSession() as session:
        opened = await client(slack).apps_connections_open(app_token=slack.app_token)
        sockets = [await session.ws_connect(opened["url"]) for _ in range(11)]
        said = [await socket.receive_json() for socket in sockets]
        assert [each["type"] for each in said] == ["hello"] * 10 + ["disconnect"]
        assert said[-1]["reason"] == "too_many_websockets"
        await slack.send_raw("not json {")
        assert await sockets[0].receive_str() == "not json {"
        for socket in sockets:
            await socket.close()
        await slack.connected(0)


# --- the proxy -----------------------------------------------------------------------------------


async def test_the_proxy_records_who_went_through_it(slack: SlackServer) -> None:
    async with ProxyServer() as proxy:
        await client(slack, proxy=proxy.url).auth_test()
        assert proxy.targets == [f"{slack.api_url}auth.test"]
        async with socket_bot(slack, proxy=proxy.url):
            assert proxy.requests[-1].target.partition("?")[0].endswith("/link/")
            assert (await slack.command("status")).acknowledged
        assert proxy.hosts == {slack.workspace.base_url.removeprefix("http://")}


async def test_the_proxy_tunnels_and_refuses(slack: SlackServer) -> None:
    host = slack.workspace.base_url.removeprefix("http://")
    async with ProxyServer() as proxy:
        reader, writer = await asyncio.open_connection(*proxy.url[7:].split(":"))
        writer.write(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"GET /api/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"unknown_method" in await reader.read()
        writer.close()
        assert (proxy.requests[0].method, proxy.targets) == ("CONNECT", [host])
        proxy.refuse_with = 407
        with pytest.raises(SlackApiError):
            await client(slack, proxy=proxy.url, retry_handlers=[]).auth_test()
