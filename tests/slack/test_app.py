"""The traps of Slack and its libraries, each walked into on purpose."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest

from bot.app import serve
from bot.domain.errors import FatalError
from bot.slack.api import Proxy, SlackApi
from bot.slack.directory import RETRY_SECONDS, Channels
from bot.slack.sockets import LONGEST_ABSENCE, Sockets
from tests.support.proxy import ProxyServer
from tests.support.slack_server import Fault, rate_limited
from tests.support.world import DEV, PROD, World, shown


@asynccontextmanager
async def hanging_server() -> AsyncIterator[str]:
    """A server that takes connections and never answers."""
    held: list[asyncio.StreamWriter] = []

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        for writer in held:
            writer.close()
        server.close()


async def test_a_hanging_redis_delays_no_acknowledgement_and_no_neighbour(world: World) -> None:
    async with hanging_server() as url:
        world.urls[PROD] = url
        await world.group(DEV, "hsc")
        async with world.bot():
            hanging = [
                await world.slack.command("stats", channel=PROD, user="U0ANA") for _ in range(20)
            ]
            assert all(one.seconds is not None and one.seconds < 3 for one in hanging)
            # One after the other, those before it would take a minute.
            async with asyncio.timeout(50):
                assert "dev hsc: healthy" in (await world.type("stats hsc", DEV)).text
            for one in hanging:
                reply = await one.reply()
                assert "PROD lsstcam: unreachable, Redis does not answer" in reply.text


@pytest.mark.parametrize(
    ("action", "value"),
    [
        ("prompt-redis:nonsense", "x"),
        ("prompt-redis:", None),
        ("prompt-redis:stats:share:share", "lsstcam"),
        ("prompt-redis:stats", "<!channel> lsstcam"),
        ("prompt-redis:stats", "x" * 2000),
    ],
)
async def test_a_forged_button_is_a_typed_command(
    bot: World, action: str, value: str | None
) -> None:
    answer = await bot.type("stats")
    delivery = await bot.slack.click(answer, action, user="U0BEN", value=value, block_id="forged")
    assert delivery.acknowledged
    reply = await delivery.reply()
    assert reply.mentions() == []
    assert reply.text


async def test_a_form_is_a_typed_command(bot: World) -> None:
    await bot.group()
    values = {"where": {"instrument": {"type": "plain_text_input", "value": "lsstcam"}}}
    delivery = await bot.slack.submit(
        "prompt-redis:stats", values, user="U0ANA", private_metadata=PROD
    )
    assert delivery.acknowledged
    reply = await bot.slack.until(
        lambda: next((m for m in bot.slack.messages(PROD) if m.ephemeral_to == "U0ANA"), None)
    )
    assert "PROD lsstcam: healthy" in reply.text


async def test_what_is_no_delivery_of_ours_is_survived(bot: World) -> None:
    await bot.slack.send_raw({"type": "interactive", "payload": {"type": "block_actions"}})
    await bot.slack.send_raw({"envelope_id": "e1", "type": "slash_commands", "payload": {}})
    await bot.slack.send_raw("not even JSON")
    assert "PONG" in (await bot.type("ping")).text


@pytest.mark.parametrize(
    ("token", "sentence"),
    [
        ("SLACK_BOT_TOKEN", "Slack refuses SLACK_BOT_TOKEN (invalid_auth). It must be the bot"),
        ("SLACK_APP_TOKEN", "Slack refuses SLACK_APP_TOKEN (invalid_auth). It must be an app"),
    ],
)
async def test_a_bad_token_ends_the_start_with_a_sentence(
    world: World, capsys: pytest.CaptureFixture[str], token: str, sentence: str
) -> None:
    world.environ[token] = "xoxb-revoked"
    async with asyncio.timeout(60):
        code = await serve(world.configuration(), world.secrets, asyncio.Event(), asyncio.Event())
    assert code == 1
    assert sentence in capsys.readouterr().err


async def test_the_end_is_heard_while_slack_is_still_waited_for(world: World) -> None:
    world.slack.refuse_sockets(1000)
    stop = asyncio.Event()
    running = asyncio.create_task(
        serve(world.configuration(), world.secrets, stop, asyncio.Event())
    )
    await world.slack.until(lambda: world.slack.calls_of("apps.connections.open"))
    stop.set()
    async with asyncio.timeout(60):
        assert await running == 0


async def test_slack_in_trouble_at_the_start_is_waited_for(world: World) -> None:
    world.slack.fail("auth.test", Fault(status=503, times=1))
    async with world.bot():
        assert "PONG" in (await world.type("ping")).text


async def test_auth_test_is_asked_once(bot: World) -> None:
    await asyncio.gather(*(bot.type("help") for _ in range(30)))
    assert len(bot.slack.calls_of("auth.test")) == 1


@pytest.mark.parametrize("bypass", [True, False])
async def test_the_proxy_is_for_all_or_for_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, *, bypass: bool
) -> None:
    async with ProxyServer() as proxy:
        settings = {"HTTP_PROXY": proxy.url, "HTTPS_PROXY": proxy.url}
        if bypass:
            settings["NO_PROXY"] = "127.0.0.1,localhost"
        for name, value in settings.items():
            # The libraries read the process' environment behind our back.
            monkeypatch.setenv(name, value)
        world.environ |= settings
        async with world.bot():
            await world.type("ping")
            await world.slack.command("ping share", channel=PROD, user="U0ANA")
            await world.slack.next_message(PROD)
        targets = " ".join(proxy.targets)
    if bypass:
        assert targets == ""
    else:
        for part in ("auth.test", "apps.connections.open", "chat.postMessage", "/hooks/"):
            assert part in targets
        assert len(proxy.hosts) >= 1
        redis_port = world.urls[PROD].rpartition(":")[2]
        assert f":{redis_port}" not in targets, "Redis never goes through the proxy"


async def test_a_post_whose_answer_was_lost_is_not_made_twice(bot: World) -> None:
    bot.slack.fail("chat.postMessage", Fault(lost=True))
    await bot.slack.command("ping share", channel=PROD, user="U0ANA")
    await bot.slack.next_message(PROD)
    await bot.slack.until(lambda: bot.slack.calls_of("conversations.history"))
    # The next share proves that the first has come to its end.
    await bot.slack.command("help share", channel=PROD, user="U0ANA")
    await bot.slack.until(lambda: len(_posts(bot)) > 1)
    assert sum("PONG" in post.text for post in _posts(bot)) == 1
    assert len(bot.slack.calls_of("chat.postMessage")) == 2


@pytest.mark.parametrize(
    "fault",
    [rate_limited("1.5"), Fault(status=503), Fault(status=502, body="<html>"), Fault(dropped=True)],
)
async def test_a_post_that_was_not_made_is_made_again(bot: World, fault: Fault) -> None:
    bot.slack.fail("chat.postMessage", fault)
    await bot.slack.command("ping share", channel=PROD, user="U0ANA")
    await bot.slack.next_message(PROD)
    assert len(_posts(bot)) == 1
    assert len(bot.slack.calls_of("chat.postMessage")) == 2


@pytest.mark.parametrize("error", ["invalid_blocks", "msg_blocks_too_long"])
async def test_refused_blocks_fall_back_to_text(bot: World, error: str) -> None:
    await bot.group()
    bot.slack.fail("chat.postMessage", Fault(error=error))
    await bot.slack.command("stats share", channel=PROD, user="U0ANA")
    shared = await bot.slack.next_message(PROD)
    assert not shared.blocks
    assert "PROD lsstcam: healthy" in shared.text
    assert "*Waiting*" in shared.text, "the figures survive"

    bot.slack.fail("hooks", Fault(status=400, body=error))
    answer = await bot.type("stats")
    assert not answer.blocks
    assert "*Waiting*" in answer.text


async def test_not_being_in_the_channel_is_said_in_private(bot: World) -> None:
    bot.slack.fail("chat.postMessage", Fault(error="not_in_channel"))
    delivery = await bot.slack.command("ping share", channel=PROD, user="U0ANA")
    assert "I am not in this channel" in (await delivery.reply()).text


async def test_a_private_answer_survives_lost_answers_and_a_used_up_url(bot: World) -> None:
    bot.slack.fail("hooks", rate_limited("0.1"), Fault(status=500), Fault(dropped=True))
    assert "PONG" in (await bot.type("ping")).text
    bot.slack.fail("hooks", Fault(status=404, body="used_url"))
    await bot.slack.command("help", channel=PROD, user="U0ANA")
    await bot.slack.until(lambda: bot.slack.calls_of("chat.postEphemeral"))


async def test_copies_of_a_delivery_are_acknowledged_and_not_run(bot: World) -> None:
    delivery = await bot.slack.command("ping", channel=PROD, user="U0ANA", duplicate=True)
    await delivery.reply()
    again = await bot.slack.redeliver(delivery)
    assert again.acknowledged
    await bot.type("help")
    assert len(delivery.replies) == 1
    assert sum("PONG" in message.text for message in bot.slack.messages(PROD)) == 1


async def test_what_runs_is_finished_before_the_end(world: World) -> None:
    async with hanging_server() as url:
        world.urls[PROD] = url
        async with world.bot():
            delivery = await world.slack.command("stats", channel=PROD, user="U0ANA")
            assert not delivery.replies
        assert "unreachable" in (await delivery.reply(timeout=0.1)).text
        assert world.slack.connections == 0


async def test_a_disconnect_of_one_socket_loses_nothing(bot: World) -> None:
    for reason in ("refresh_requested", "warning"):
        await bot.slack.disconnect(reason)
        deliveries = await asyncio.gather(
            *(bot.slack.command("ping", channel=PROD, user="U0ANA") for _ in range(20))
        )
        for delivery in deliveries:
            assert "PONG" in (await delivery.reply()).text


async def test_too_many_websockets_is_met_with_patience(bot: World) -> None:
    bot.slack.too_many_websockets(on=True)
    before = len(bot.slack.calls_of("apps.connections.open"))
    began = monotonic()
    await bot.slack.close_sockets()
    # Each of the two asks at once, after about 1 s, and after about 2 s more.
    await bot.slack.until(
        lambda: len(bot.slack.calls_of("apps.connections.open")) - before >= 6, timeout=60
    )
    assert monotonic() - began > 1, "the library alone would ask hundreds of times in a second"
    bot.slack.too_many_websockets(on=False)
    await bot.slack.connected(1, timeout=60)
    assert "PONG" in (await bot.type("ping")).text


async def test_half_open_sockets_are_noticed_and_replaced(bot: World) -> None:
    before = bot.slack.handshakes
    bot.slack.freeze_sockets()
    await bot.slack.until(lambda: bot.slack.handshakes >= before + 2, timeout=60)
    await bot.slack.until(lambda: bot.slack.connections == 2, timeout=60)
    assert "PONG" in (await bot.type("ping")).text


async def test_three_minutes_without_slack_end_the_process() -> None:
    counts: list[int] = []
    sockets = Sockets(None, None, "", None, connected=counts.append)  # type: ignore[arg-type]
    now = datetime(2026, 11, 24, tzinfo=UTC)
    await sockets.tick(now)
    await sockets.tick(now + LONGEST_ABSENCE)
    with pytest.raises(FatalError, match="No connection to Slack for 3 min"):
        await sockets.tick(now + LONGEST_ABSENCE + timedelta(seconds=1))
    assert counts == [0, 0, 0]


async def test_a_channel_that_the_bot_is_not_in_is_said(world: World) -> None:
    channel = world.slack.workspace.channel(DEV)
    assert channel is not None
    channel.members = []
    async with world.bot():
        answer = await world.type("stats", DEV)
        assert "This channel has no environment." in answer.text
        assert "I am not in #dm-prompt-processing (dev), or it does not exist." in shown(answer)


async def test_a_channel_that_was_not_found_is_looked_for_again(world: World) -> None:
    channel = world.slack.workspace.channel(DEV)
    assert channel is not None
    members, channel.members = channel.members, []
    api = SlackApi(world.slack.bot_token, world.slack.api_url, Proxy({}))
    try:
        channels = Channels(api, {"dev": "dm-prompt-processing"})
        assert await channels.environment(DEV, 0) is None
        channel.members = members
        assert await channels.environment(DEV, RETRY_SECONDS - 1) is None, "not at every command"
        assert await channels.environment(DEV, RETRY_SECONDS) == "dev"
        assert channels.unknown == {}
    finally:
        await api.aclose()


async def test_two_environments_in_one_channel_are_refused(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.settings = {"environments": {"dev": {"channel": PROD}}}
    code = await serve(world.configuration(), world.secrets, asyncio.Event(), asyncio.Event())
    assert code == 1
    assert "prod and dev have one and the same channel" in capsys.readouterr().err


def _posts(bot: World) -> list:  # type: ignore[type-arg]
    return [message for message in bot.slack.messages(PROD) if message.ephemeral_to is None]
