"""Socket Mode, and what may happen to its connections."""

import asyncio
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest

from bot.domain.errors import FatalError
from bot.slack.sockets import LONGEST_ABSENCE, Sockets
from tests.support.world import PROD, World


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
    await bot.slack.connected(1)
    assert "PONG" in (await bot.type("ping")).text


async def test_half_open_sockets_are_noticed_and_replaced(bot: World) -> None:
    before = bot.slack.handshakes
    bot.slack.freeze_sockets()
    await bot.slack.until(lambda: bot.slack.handshakes >= before + 2)
    await bot.slack.until(lambda: bot.slack.connections == 2)
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
