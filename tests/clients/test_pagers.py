"""Targets elsewhere, each with what it documents and with what goes wrong on the way."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
import structlog

from bot import logs
from bot.clients.pagers import (
    NOTIFIERS,
    Calls,
    Heartbeat,
    HttpNotifier,
    PagerDuty,
    Squadcast,
    Webhook,
    connect,
    retry_after,
)
from bot.domain.oncall import Page, PageEvent, PageFailed, Target
from bot.domain.rules import Severity
from tests.support.an_oncall import A_PAGE
from tests.support.faults import Fault, rate_limited
from tests.support.pager_servers import (
    HEARTBEAT_KEY,
    KEYS,
    ROUTING_KEY,
    SQUADCAST_KEY,
    WEBHOOK_KEY,
    PagerServers,
    signed,
)
from tests.support.proxy import ProxyServer

NOW = datetime(2026, 11, 24, 5, 57, tzinfo=UTC)
PAGE = A_PAGE
END = replace(PAGE, step=PageEvent.RESOLVE)
BY_HAND = replace(
    PAGE, rule=None, instrument="", details=(), link="", incident=0, severity=Severity.WARNING
)


def webhook_at(url: str, calls: Calls) -> HttpNotifier:
    return Webhook(Target("somebody", Webhook.kind, url=url), WEBHOOK_KEY, calls)


Make = Callable[[PagerServers, Calls], HttpNotifier]


def pagerduty(servers: PagerServers, calls: Calls, key: str = ROUTING_KEY) -> HttpNotifier:
    return PagerDuty(Target("pagerduty", PagerDuty.kind, url=servers.pagerduty), key, calls)


def squadcast(servers: PagerServers, calls: Calls, key: str = SQUADCAST_KEY) -> HttpNotifier:
    return Squadcast(Target("squadcast", Squadcast.kind, url=servers.squadcast), key, calls)


def webhook(servers: PagerServers, calls: Calls, key: str = WEBHOOK_KEY) -> HttpNotifier:
    return Webhook(Target("webhook", Webhook.kind, url=servers.webhook), key, calls)


ALL = (pagerduty, squadcast, webhook)


@pytest.fixture
async def servers() -> AsyncIterator[PagerServers]:
    async with PagerServers() as servers:
        yield servers


@pytest.fixture
async def calls() -> AsyncIterator[Calls]:
    async with Calls(lambda _: None, clock=lambda: NOW, seconds=0.3) as calls:
        yield calls


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """Every log line so far, as it would be written."""
    written = StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure(terminal=False, to=written)
    root.addHandler(caplog.handler)
    root.setLevel(logging.DEBUG)
    yield lambda: written.getvalue() + caplog.text
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


async def failure(notifier: HttpNotifier, page: Page = PAGE) -> PageFailed:
    with pytest.raises(PageFailed) as caught:
        await notifier.notify(page, key="row")
    return caught.value


# --- the documented shapes -------------------------------------------------------------------


async def test_pagerduty_gets_its_event(servers: PagerServers, calls: Calls) -> None:
    await pagerduty(servers, calls).notify(PAGE)
    [received] = servers.received
    assert received.content == {
        "routing_key": ROUTING_KEY,
        "event_action": "trigger",
        "dedup_key": PAGE.key,
        "payload": {
            "summary": PAGE.summary,
            "source": "prompt-redis PROD",
            "severity": "critical",
            "timestamp": "2026-11-24T05:56:58.000Z",
            "component": "lsstcam",
            "group": "prod",
            "class": "expiring",
            "custom_details": {"Waiting": "8,428 entries = 49 visits", "Read": "0.0 “entries”/s"},
        },
        "client": "prompt-redis-bot",
        "links": [{"href": PAGE.link, "text": "The alarm in Slack"}],
    }
    assert servers.alerts == {PAGE.key: "triggered"}
    await pagerduty(servers, calls).notify(replace(PAGE, step=PageEvent.ACKNOWLEDGE))
    assert servers.alerts == {PAGE.key: "acknowledged"}
    await pagerduty(servers, calls).notify(END)
    assert servers.alerts == {PAGE.key: "resolved"}


async def test_squadcast_gets_its_incident(servers: PagerServers, calls: Calls) -> None:
    await squadcast(servers, calls).notify(PAGE)
    [received] = servers.received
    assert received.content == {
        "message": PAGE.summary,
        "description": f"Waiting: 8,428 entries = 49 visits\nRead: 0.0 “entries”/s\n{PAGE.link}",
        "tags": {
            "environment": "prod",
            "instrument": "lsstcam",
            "rule": "expiring",
            "severity": "critical",
        },
        "status": "trigger",
        "event_id": PAGE.key,
    }
    await squadcast(servers, calls).notify(END)
    assert [each["status"] for each in servers.incidents] == ["resolve"]


async def test_a_webhook_gets_the_page(servers: PagerServers, calls: Calls) -> None:
    await webhook(servers, calls).notify(PAGE, key="row")
    [received] = servers.received
    assert received.content == {
        "version": 1,
        "delivery": "row",
        "step": "trigger",
        "key": PAGE.key,
        "target": PAGE.target,
        "incident": 31,
        "environment": "prod",
        "label": "PROD",
        "instrument": "lsstcam",
        "rule": "expiring",
        "severity": "critical",
        "summary": PAGE.summary,
        "details": [
            {"label": "Waiting", "text": "8,428 entries = 49 visits"},
            {"label": "Read", "text": "0.0 “entries”/s"},
        ],
        "link": PAGE.link,
        "found_at": "2026-11-24T05:56:58.000Z",
        "sent_at": "2026-11-24T05:57:00.000Z",
    }
    header = received.headers["X-Prompt-Redis-Signature"]
    assert header.startswith(f"t={int(NOW.timestamp())},v1=")
    assert signed(header, received.body, WEBHOOK_KEY)
    assert not signed(header, received.body + b" ", WEBHOOK_KEY)
    assert not signed(header, received.body, "another key")


async def test_a_webhook_without_a_key_is_unsigned(servers: PagerServers, calls: Calls) -> None:
    await failure(webhook(servers, calls, ""))
    assert "X-Prompt-Redis-Signature" not in servers.received[0].headers


@pytest.mark.parametrize("make", ALL)
async def test_a_page_by_hand_needs_no_alarm(
    servers: PagerServers, calls: Calls, make: Make
) -> None:
    await make(servers, calls).notify(BY_HAND)


@pytest.mark.parametrize("make", ALL)
async def test_long_and_odd_texts_are_taken(
    servers: PagerServers, calls: Calls, make: Make
) -> None:
    details = ((f"Waiting {'🔭' * 4000}", "🔭" * 20_000),) if make is squadcast else ()
    await make(servers, calls).notify(
        replace(PAGE, summary="🔭\ud83d\x00\n" * 4000, details=details)
    )


def test_every_class_is_listed() -> None:
    """A class without its place in the list could not be configured."""
    classes = HttpNotifier.__subclasses__()
    assert set(NOTIFIERS) == {
        each for each in classes if each.__module__ == HttpNotifier.__module__
    }
    assert len({each.kind.name for each in NOTIFIERS}) == len(NOTIFIERS)


# --- what goes wrong -------------------------------------------------------------------------


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize(
    ("status", "slow"),
    [
        (302, True),
        (400, True),
        (401, True),
        (403, True),
        (404, True),
        (408, False),
        (409, False),
        (410, True),
        (413, True),
        (425, False),
        (429, False),
        (500, False),
        (503, False),
    ],
)
async def test_a_refusal_says_whether_somebody_must_put_it_right(
    servers: PagerServers, calls: Calls, make: Make, *, status: int, slow: bool
) -> None:
    notifier = make(servers, calls)
    elsewhere = {"Location": servers.webhook} if status == 302 else {}
    servers.fail(notifier.name, Fault(status=status, headers=elsewhere))
    failed = await failure(notifier)
    assert failed.slow is slow
    assert notifier.name in str(failed)
    assert f"(HTTP {status})" in str(failed)
    assert len(servers.received) == 1, "the key goes nowhere else"


@pytest.mark.parametrize("make", ALL)
async def test_a_wrong_key_is_for_somebody_to_put_right(
    servers: PagerServers, calls: Calls, make: Make
) -> None:
    failed = await failure(make(servers, calls, "0123456789abcdef0123456789abcdef"))  # type: ignore[call-arg]
    assert failed.slow
    assert "refuses our key" in failed.reason


async def test_a_routing_key_of_another_kind(servers: PagerServers, calls: Calls) -> None:
    failed = await failure(pagerduty(servers, calls, "short"))
    assert failed.slow
    assert str(failed) == "pagerduty refuses it (HTTP 400)"


async def test_only_pagerduty_itself_takes_an_event(servers: PagerServers, calls: Calls) -> None:
    servers.fail("pagerduty", Fault(status=200, body="<h1>Please log in</h1>"))
    failed = await failure(pagerduty(servers, calls))
    assert not failed.slow
    assert "something else answers in place of pagerduty (HTTP 200)" in failed.reason


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30),
        ("1.5", 1.5),
        ("0", 0),
        (" 7 ", 7),
        ("Tue, 24 Nov 2026 05:58:30 GMT", 90),
        ("Tue, 24 Nov 2026 05:58:30", 90),
        ("Tue, 24 Nov 2026 05:58:30 +0100", 0),
        ("Tue, 24 Nov 2020 05:58:30 GMT", 0),
        ("99999999999999999999999999", 86400),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86400),
        ("9" * 5000, 86400),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("nan", None),
        ("1e9", None),
        ("Tue, 99 Nov 2026 05:58:30 GMT", None),
        ("٣٠", None),
        (None, None),
    ],
)
def test_retry_after_is_read(value: str | None, seconds: float | None) -> None:
    read = retry_after(value, NOW)
    assert read == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize("make", ALL)
async def test_retry_after_is_handed_on(servers: PagerServers, calls: Calls, make: Make) -> None:
    notifier = make(servers, calls)
    servers.fail(notifier.name, rate_limited("17"))
    assert (await failure(notifier)).retry_after == timedelta(seconds=17)
    servers.fail(notifier.name, rate_limited("in a while"))
    assert (await failure(notifier)).retry_after is None
    # By the clock of whoever answers, which is not ours.
    dates = {"Date": "Mon, 01 Jan 2024 00:00:00 GMT"}
    until = {"Retry-After": "Mon, 01 Jan 2024 00:00:40 GMT"}
    servers.fail(notifier.name, Fault(status=503, headers=dates | until))
    assert (await failure(notifier)).retry_after == timedelta(seconds=40)


@pytest.mark.parametrize("make", ALL)
async def test_no_answer_is_waited_for_briefly(
    servers: PagerServers, calls: Calls, make: Make
) -> None:
    notifier = make(servers, calls)
    servers.fail(notifier.name, Fault(hang=20))
    failed = await failure(notifier)
    assert str(failed) == f"{notifier.name} has not answered within 0.3 s"
    assert not failed.slow


@pytest.mark.parametrize("make", ALL)
async def test_a_lost_answer_is_repeated_without_harm(
    servers: PagerServers, calls: Calls, make: Make
) -> None:
    notifier = make(servers, calls)
    servers.fail(notifier.name, Fault(lost=True))
    failed = await failure(notifier)
    assert str(failed) == f"the connection to {notifier.name} was lost"
    assert not failed.slow
    await notifier.notify(PAGE, key="row", perhaps_since=NOW)
    first, second = (each.content for each in servers.received)
    assert first == second
    if make is pagerduty:
        assert servers.alerts == {PAGE.key: "triggered"}
    await notifier.notify(END, key="row2")
    assert all(each["status"] == "resolve" for each in servers.incidents)


@pytest.mark.parametrize(
    ("url", "reason", "slow"),
    [
        ("http://127.0.0.1:1/{key}", "somebody takes no connection", False),
        ("http://no-such-host.invalid/{key}", "the host of somebody has no address", False),
        ("http://[{key}]/", "the address of somebody is not one that can be called", True),
        ("gopher://127.0.0.1/{key}", "the address of somebody is not one that can be called", True),
        ("http://127.0.0.1:port{key}/", "the address of somebody is not one that can be", True),
    ],
)
async def test_an_address_that_leads_nowhere(
    calls: Calls, url: str, reason: str, *, slow: bool
) -> None:
    failed = await failure(webhook_at(url, calls))
    assert failed.reason.startswith(reason)
    assert failed.slow is slow
    assert WEBHOOK_KEY not in "".join(traceback.format_exception(failed))


@asynccontextmanager
async def no_tls() -> AsyncIterator[int]:
    """A server that speaks something else."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"what do you mean?\r\n" * 10)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_no_certificate(calls: Calls) -> None:
    async with no_tls() as port:
        url = f"https://127.0.0.1:{port}/{{key}}"
        failed = await failure(webhook_at(url, calls))
        assert str(failed) == "somebody shows no certificate that can be trusted"
        with pytest.raises(PageFailed, match="no certificate that can be trusted"):
            await connect("somebody", url)


async def test_what_is_not_http(calls: Calls) -> None:
    async with no_tls() as port:
        url = f"http://127.0.0.1:{port}/{{key}}"
        failed = await failure(webhook_at(url, calls))
        assert not failed.slow
        assert WEBHOOK_KEY not in "".join(traceback.format_exception(failed))


# --- the way there ---------------------------------------------------------------------------


async def test_the_proxy_that_is_decided_is_taken(
    servers: PagerServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with ProxyServer() as proxy:

        def decided(url: str) -> str | None:
            return proxy.url if "enqueue" in url else None

        async with Calls(decided, clock=lambda: NOW) as calls:
            for make in ALL:
                await make(servers, calls).notify(PAGE)
        assert len(proxy.requests) == 1
        assert len(servers.received) == 3


@pytest.mark.parametrize(
    ("scheme", "said"),
    [("https", "the proxy lets nothing through to somebody (HTTP 407)"), ("http", "(HTTP 407)")],
)
async def test_a_proxy_that_refuses(scheme: str, said: str) -> None:
    async with (
        ProxyServer(refuse_with=407) as proxy,
        Calls(lambda _: proxy.url, clock=lambda: NOW) as calls,
    ):
        url = f"{scheme}://example.com/{{key}}"
        failed = await failure(webhook_at(url, calls))
        assert said in failed.reason


async def test_a_proxy_that_is_away() -> None:
    async with Calls(lambda _: "http://127.0.0.1:1", clock=lambda: NOW) as calls:
        failed = await failure(webhook_at("http://x.org", calls))
        assert str(failed) == "the proxy on the way to somebody cannot be reached"
        assert not failed.slow


async def test_looking_at_the_way_tells_nobody(servers: PagerServers) -> None:
    await connect("somebody", servers.pagerduty)
    assert servers.received == []
    for url, reason in (
        ("http://127.0.0.1:1", "takes no connection"),
        ("http://no-such-host.invalid", "has no address"),
        (f"http://{'x' * 70}.org", "is not one that can be called"),
    ):
        with pytest.raises(PageFailed, match=reason):
            await connect("somebody", url)


# --- secrets ---------------------------------------------------------------------------------


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=403),
        Fault(status=500),
        Fault(status=302, headers={"Location": "/elsewhere"}),
        Fault(status=429, headers={"Retry-After": "soon"}),
        Fault(dropped=True),
        Fault(hang=20),
    ],
)
async def test_no_error_and_no_log_line_holds_a_key(
    servers: PagerServers, calls: Calls, log: Callable[[], str], make: Make, fault: Fault
) -> None:
    notifier = make(servers, calls)
    servers.fail(notifier.name, fault)
    failed = await failure(notifier)
    structlog.get_logger().error("a page failed", exc_info=failed)
    servers.fail("heartbeat", replace(fault, times=None))
    assert not await Heartbeat(servers.heartbeat, HEARTBEAT_KEY, calls).beat()
    told = [log(), str(failed), repr(failed), repr(failed.__context__), repr(failed.__cause__)]
    told += [*traceback.format_exception(failed), repr(notifier), str(notifier)]
    assert "a page failed" in told[0]
    assert "the heartbeat does not arrive" in told[0]
    for text in told:
        assert not [key for key in KEYS if key in text], text
        assert "127.0.0.1" not in text


# --- the heartbeat ---------------------------------------------------------------------------


async def test_the_heartbeat_is_heard(
    servers: PagerServers, calls: Calls, log: Callable[[], str]
) -> None:
    heartbeat = Heartbeat(servers.heartbeat, HEARTBEAT_KEY, calls)
    assert await heartbeat.beat()
    assert log() == ""
    servers.fail("heartbeat", Fault(status=503))
    assert not await heartbeat.beat()
    assert "the heartbeat cannot take it now (HTTP 503)" in log()
    assert await heartbeat.beat()
    assert "the heartbeat arrives again" in log()
    assert servers.beats == 2
    assert not await Heartbeat(servers.heartbeat, "wrong", calls).beat()
