"""The traps of Slack and its libraries, each walked into on purpose."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bot.slack.app import BUSY, TOO_MANY
from tests.support.a_watch import counted
from tests.support.slack_server import Delivery, Fault
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


async def crowd(world: World, people: int, each: int) -> list[Delivery]:
    """Let people ask a Redis that does not answer, all at once."""
    return await asyncio.gather(
        *(
            world.slack.command("stats", channel=PROD, user=f"U0CROWD{number % people}")
            for number in range(people * each)
        )
    )


async def test_a_bot_that_is_full_has_a_word_for_buttons_and_forms(world: World) -> None:
    async with hanging_server() as url:
        world.urls[PROD] = url
        await world.group(DEV, "hsc")
        await world.announce(1, channel=DEV, instrument="hsc")
        async with world.bot():
            await world.slack.command("clear hsc", channel=DEV, user="U0ANA")
            card = await world.slack.until(
                lambda: next((m for m in world.slack.messages(DEV) if "Approve" in m.buttons), None)
            )
            await world.slack.command("silence", channel=DEV, user="U0BEN")
            await world.slack.next_view("prompt-redis:silence")

            crowded = await crowd(world, 62, 10)
            assert all(one.acknowledged for one in crowded)
            assert any(BUSY in str(one.ack) for one in crowded)
            approved = await world.slack.click(card, "Approve", user="U0BEN")
            values = {"durationresolved": {"durationresolved": {"type": "static_select"}}}
            form = await world.slack.submit("prompt-redis:silence", values, user="U0BEN")
            assert form.ack["errors"] == {"durationresolved": BUSY}, "what was typed stays"
            bare = await world.slack.submit(
                "prompt-redis:ping", {}, user="U0BEN", private_metadata=DEV
            )
            assert approved.acknowledged
            assert bare.acknowledged
            word = await approved.reply()
            assert (word.text, word.ephemeral_to) == (BUSY, "U0BEN")
            assert "Approve" in card.buttons, "nothing was done, and nothing taken away"
            whispers = await world.slack.until(lambda: world.slack.calls_of("chat.postEphemeral"))
            assert whispers[0].args["text"] == BUSY


async def test_a_person_who_sends_hundreds_keeps_nobody_waiting(world: World) -> None:
    async with hanging_server() as url:
        world.urls[PROD] = url
        async with world.bot():
            crowded = await crowd(world, 1, 620)
            assert sum(TOO_MANY in str(one.ack) for one in crowded) > 400
            began = time.monotonic()
            assert "PONG" in (await world.type("ping", DEV, user="U0BEN")).text
            # Behind them all it would take a minute and more.
            assert time.monotonic() - began < 10


async def test_sixty_charts_of_one_person_slow_nobody_else(world: World) -> None:
    world.settings = {"alarms": {"poll": "1s"}}
    await world.group()
    async with world.bot():
        await counted(world, "SELECT count(*) > 3 FROM samples WHERE environment = 'prod'")
        charts = await asyncio.gather(
            *(world.slack.command("chart", channel=PROD, user="U0CARLA") for _ in range(60))
        )
        began = time.monotonic()
        assert "PONG" in (await world.type("ping", user="U0BEN")).text
        assert time.monotonic() - began < 5
        await world.slack.until(
            lambda: sum("under way" in reply.text for one in charts for reply in one.replies) > 40
        )
        await world.slack.until(lambda: len(world.slack.files) >= 3)


async def test_while_it_stops_buttons_and_forms_get_a_word(
    world: World, unused_tcp_port: int
) -> None:
    world.settings = {"slack": {"mode": "http"}, "http": {"port": unused_tcp_port}}
    world.slack.request_url = f"http://127.0.0.1:{unused_tcp_port}/slack/events"
    async with hanging_server() as url:
        world.urls[PROD] = url
        async with world.bot():
            answer = await world.type("help", DEV)
            await world.slack.command("stats", channel=PROD, user="U0ANA")

            async def click_at_the_end() -> tuple[Delivery, Delivery]:
                while "restarted" not in str(
                    (await world.slack.command("help", channel=DEV, user="U0BEN")).ack
                ):
                    pass
                form = await world.slack.submit(
                    "prompt-redis:ping", {}, user="U0BEN", private_metadata=DEV
                )
                return await world.slack.click(answer, answer.buttons[0], user="U0BEN"), form

            clicking = asyncio.create_task(click_at_the_end())
        click, form = await clicking
        assert click.acknowledged
        assert form.acknowledged
        assert (await click.reply(timeout=0.1)).text == BUSY
        assert world.slack.calls_of("chat.postEphemeral")[0].args["text"] == BUSY


async def test_what_runs_is_finished_before_the_end(world: World) -> None:
    async with hanging_server() as url:
        world.urls[PROD] = url
        async with world.bot():
            delivery = await world.slack.command("stats", channel=PROD, user="U0ANA")
            assert not delivery.replies
        assert "unreachable" in (await delivery.reply(timeout=0.1)).text
        assert world.slack.connections == 0
