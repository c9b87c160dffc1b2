"""Calls to Slack: which way they take, what is tried again, and what is never done twice."""

import asyncio

import pytest

from bot.app import serve
from bot.slack.api import Proxy
from tests.support.proxy import ProxyServer
from tests.support.slack_server import Fault, rate_limited
from tests.support.world import PROD, World

PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("environ", "url", "proxy"),
    [
        ({}, "https://slack.com/api/", None),
        ({"HTTPS_PROXY": PROXY}, "https://slack.com/api/", PROXY),
        ({"https_proxy": PROXY, "HTTPS_PROXY": "http://other:1"}, "https://slack.com/", PROXY),
        ({"HTTPS_PROXY": PROXY}, "wss://wss-primary.slack.com/link?ticket=1", PROXY),
        ({"HTTPS_PROXY": PROXY}, "http://localhost:3000/api/", None),
        ({"HTTP_PROXY": PROXY}, "ws://localhost:3000/socket", PROXY),
        ({"HTTPS_PROXY": "proxy:3128"}, "https://slack.com/", PROXY),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, "https://slack.com/", None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": ".slack.com"}, "https://hooks.slack.com/x", None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "lack.com"}, "https://slack.com/", PROXY),
        ({"HTTPS_PROXY": PROXY, "no_proxy": "10.0.0.0/8, slack.com"}, "https://slack.com/", None),
        ({"HTTPS_PROXY": ""}, "https://slack.com/", None),
    ],
)
def test_the_proxy_for_a_url(environ: dict[str, str], url: str, proxy: str | None) -> None:
    assert Proxy(environ).for_url(url) == proxy


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
    [
        rate_limited("1.5"),
        Fault(status=503),
        Fault(status=502, body="<html>"),
        Fault(status=200, body="<html>Sign in to the network</html>"),
        Fault(status=200, body="fine", headers={"Content-Type": "text/plain"}),
        Fault(status=200, body="[]", headers={"Content-Type": "application/json"}),
        Fault(status=200, body="<html>", headers={"Content-Type": "application/json"}),
        Fault(dropped=True),
    ],
)
async def test_a_post_that_was_not_made_is_made_again(bot: World, fault: Fault) -> None:
    bot.slack.fail("chat.postMessage", fault)
    await bot.slack.command("ping share", channel=PROD, user="U0ANA")
    assert "PONG" in (await bot.slack.next_message(PROD)).text
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


async def test_a_look_that_cannot_be_made_hides_no_refusal(bot: World) -> None:
    await bot.group()
    bot.slack.fail("conversations.history", Fault(error="missing_scope", times=None))
    # Nothing was made where Slack only had too much to do, so there is nothing to look for.
    bot.slack.fail("chat.postMessage", rate_limited("0.1"), Fault(error="invalid_blocks"))
    await bot.slack.command("stats share", channel=PROD, user="U0ANA")
    shared = await bot.slack.next_message(PROD)
    assert "*Waiting*" in shared.text
    assert not bot.slack.calls_of("conversations.history")


async def test_a_private_answer_survives_lost_answers_and_a_used_up_url(bot: World) -> None:
    bot.slack.fail("hooks", rate_limited("0.1"), Fault(status=500), Fault(dropped=True))
    assert "PONG" in (await bot.type("ping")).text
    bot.slack.fail("hooks", Fault(status=404, body="used_url"))
    await bot.slack.command("help", channel=PROD, user="U0ANA")
    await bot.slack.until(lambda: bot.slack.calls_of("chat.postEphemeral"))


async def test_a_page_is_no_success_of_a_private_answer(bot: World) -> None:
    page = Fault(status=200, body="<html>Sign in to the network</html>", times=2)
    bot.slack.fail("hooks", page, Fault(status=200, body='{"ok":false,"error":"used_url"}'))
    await bot.slack.command("ping", channel=PROD, user="U0ANA")
    whispered = await bot.slack.until(lambda: bot.slack.calls_of("chat.postEphemeral"))
    assert "PONG" in str(whispered[0].args)
    assert len(bot.slack.calls_of("hooks")) == 3


async def test_who_may_not_look_for_a_post_makes_it_twice_at_worst(bot: World) -> None:
    bot.slack.fail("conversations.history", Fault(error="missing_scope", times=None))
    bot.slack.fail("chat.postMessage", Fault(lost=True))
    await bot.slack.command("ping share", channel=PROD, user="U0ANA")
    await bot.slack.until(lambda: len(_posts(bot)) == 2)
    await bot.slack.command("help share", channel=PROD, user="U0ANA")
    await bot.slack.until(lambda: len(_posts(bot)) > 2)
    assert sum("PONG" in post.text for post in _posts(bot)) == 2


def _posts(bot: World) -> list:  # type: ignore[type-arg]
    return [message for message in bot.slack.messages(PROD) if message.ephemeral_to is None]
