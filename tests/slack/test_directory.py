"""Which channel speaks for which environment."""

import asyncio

import pytest

from bot.app import serve
from bot.domain.errors import FatalError
from bot.slack.api import Proxy, SlackApi
from bot.slack.directory import RETRY_SECONDS, Channels
from tests.support.slack_server import Channel, SlackServer
from tests.support.slack_workspace import BOT
from tests.support.world import DEV, ELSEWHERE, PROD, World, shown


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


@pytest.mark.parametrize("by_mirror", [True, False])
async def test_a_channel_found_out_to_be_shared_stays_with_its_owner(
    world: World, *, by_mirror: bool
) -> None:
    """The name of one turns out to be the other's channel after the start."""
    api = SlackApi(world.slack.bot_token, world.slack.api_url, Proxy({}))
    try:
        channels = Channels(api, {"dev": "lsstcam-prompt-processing", "prod": PROD})
        if by_mirror:
            assert await channels.named("dm-prompt-processing", 0) == DEV
        with pytest.raises(FatalError, match="dev and prod have one and the same channel"):
            await channels.environment(ELSEWHERE, RETRY_SECONDS)
        assert await channels.environment(PROD, RETRY_SECONDS) == "prod"
        assert channels.speaks_for(PROD) == "prod"
        assert channels.id_of("dev") is None
        assert channels.alarms_of("dev") is None
    finally:
        await api.aclose()


async def test_a_name_keeps_its_channel_and_a_shared_channel_speaks_for_none() -> None:
    night = Channel("C0ALARMS01", "night-alarms", [BOT])
    async with SlackServer(channels=[night]) as slack:
        api = SlackApi(slack.bot_token, slack.api_url, Proxy({}))
        wanted = {"prod": "C0PROD0001", "dev": "C0DEV00001"}
        one = Channels(api, wanted, {"prod": "night-alarms"})
        both = Channels(api, wanted, {"prod": "night-alarms", "dev": "night-alarms"})
        try:
            assert one.alarms_of("prod") == "C0PROD0001", "not known yet: where it is seen at least"
            await one.resolve()
            await both.resolve()
            assert one.alarms_of("prod") == night.id
            assert one.alarms_of("dev") == "C0DEV00001"
            assert await one.environment(night.id, 0) == "prod"
            assert await both.environment(night.id, 0) is None
            assert await one.environment("C0DEV00001", 0) == "dev"

            assert await one.named("night-alarms", 0) == night.id
            assert await one.named("mirror", 0) is None
            night.name = "mirror"
            assert await one.named("mirror", RETRY_SECONDS - 1) is None, "not at every notice"
            assert await one.named("mirror", RETRY_SECONDS) == night.id
            assert one.alarms_of("prod") == night.id, "a channel is known by its ID"
            assert one.alarms_of("no such environment") is None
        finally:
            await api.aclose()
