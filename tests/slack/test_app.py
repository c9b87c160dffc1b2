"""The traps of Slack and its libraries, each walked into on purpose."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.slack_server import Fault
from tests.support.waits import LONGEST_WAIT
from tests.support.world import DEV, PROD, World


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
            first = False
            async with asyncio.timeout(LONGEST_WAIT):
                # A busy machine may take longer for one answer than the bot waits for Redis.
                while not first:
                    hanging = [
                        await world.slack.command("stats", channel=PROD, user="U0ANA")
                        for _ in range(20)
                    ]
                    # Slack gives 3 s, the bot a Redis that hangs as much.
                    assert all(one.seconds is not None and one.seconds < 3 for one in hanging)
                    assert "dev hsc: healthy" in (await world.type("stats hsc", DEV)).text
                    first = not any(one.replies for one in hanging)
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


async def test_not_being_in_the_channel_is_said_in_private(bot: World) -> None:
    bot.slack.fail("chat.postMessage", Fault(error="not_in_channel"))
    delivery = await bot.slack.command("ping share", channel=PROD, user="U0ANA")
    assert "I am not in the channel; invite me" in (await delivery.reply()).text


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
