"""How a Redis server is, drawn."""

from datetime import datetime, timedelta

from bot.domain.environments import Environment
from bot.domain.streams import Loading, ServerInfo
from bot.render.blocks import Block, Markup, context, mark, section
from bot.render.words import clock, duration, quick, size

SLOW = timedelta(milliseconds=250)
"""A healthy server answers in about a millisecond."""


def pong(environment: Environment, server: ServerInfo, now: datetime) -> tuple[Markup, list[Block]]:
    """Draw the answer to a ping."""
    first = _first_line(environment, server)
    return first, [
        section(
            first,
            [
                ("Version", mark("{} {}", server.product, server.version)),
                ("Up for", mark("{}", duration(server.up_for))),
                ("Memory", mark("{}", _memory(server))),
                ("Persistence", mark("{}", _persistence(server))),
            ],
        ),
        context(mark("{} UTC", clock(now, seconds=True))),
    ]


def _first_line(environment: Environment, server: ServerInfo) -> Markup:
    took = quick(server.answered_in)
    if server.loading is not None:
        return mark(
            "🔴 *{}: Redis is loading its data, {}.*", environment.label, _progress(server.loading)
        )
    if not server.last_write_ok:
        return mark(
            "🔴 *{}: PONG in {}, but Redis cannot write to its disk.* Workers stop soon.",
            environment.label,
            took,
        )
    if server.answered_in > SLOW:
        return mark(
            "🟡 *{}: PONG, but slowly: {} instead of 1 ms.*",
            environment.label,
            took,
        )
    return mark("🟢 *{}: PONG in {}.*", environment.label, took)


def _progress(loading: Loading) -> str:
    done = f"{loading.percent:.0f} % read"
    return done if loading.remaining is None else f"{done}, {duration(loading.remaining)} to go"


def _memory(server: ServerInfo) -> str:
    if server.memory_limit is None:
        return f"{size(server.memory)} resident, no maxmemory set"
    share = server.memory / server.memory_limit * 100
    return f"{size(server.memory)} resident, {share:.0f} % of {size(server.memory_limit)}"


def _persistence(server: ServerInfo) -> str:
    if server.append_only:
        return (
            "append-only file, last write ok"
            if server.last_write_ok
            else ("append-only file, last write FAILED: free space on its volume")
        )
    if not server.snapshot_ok:
        return "no append-only file, and the last snapshot FAILED"
    if server.last_snapshot is None:
        return "none: a restart loses everything"
    return f"no append-only file, last snapshot {clock(server.last_snapshot)} UTC"
