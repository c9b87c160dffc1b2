"""`ping`: does Redis answer, and how is the server itself."""

from datetime import timedelta

from bot.command import Call, Purpose, Read, Reply
from bot.domain.environments import Environment
from bot.domain.streams import ServerInfo
from bot.render.blocks import context, join, section
from bot.render.errors import tried
from bot.render.words import clock, duration, quick, size

SLOW = timedelta(milliseconds=250)
"""A healthy server answers in about a millisecond."""


async def run(call: Call) -> Reply:
    """Ask the server."""
    server = await call.services.streams.server()
    text = _verdict(call.environment, server)
    figures = [
        ("Version", server.named),
        ("Up for", duration(server.up_for)),
        ("Memory", _memory(server)),
        ("Persistence", _persistence(server)),
    ]
    blocks = [section(text, figures)]
    if server.refuses is not None:
        blocks.append(section(join("\n", [tried(server.refuses), "*Next:* `runbook unreachable`"])))
    at = context(f"{clock(call.now, seconds=True)} UTC")
    return Reply(text, [*blocks, at], call.reading_buttons)


def _verdict(environment: Environment, server: ServerInfo) -> str:
    took = quick(server.answered_in)
    if server.loading is not None:
        done, left = f"{server.loading.percent:.0f} % read", server.loading.remaining
        progress = done if left is None else f"{done}, {duration(left)} to go"
        return f"🔴 *{environment.label}: Redis is loading its data, {progress}.*"
    if server.refuses is not None:
        return f"🔴 *{environment.label}: {server.refuses.says}.*"
    if not server.last_write_ok:
        return (
            f"🔴 *{environment.label}: PONG in {took}, but Redis cannot write to its disk.* "
            "Workers stop soon."
        )
    if server.answered_in > SLOW:
        return f"🟡 *{environment.label}: PONG, but slowly: {took} instead of 1 ms.*"
    return f"🟢 *{environment.label}: PONG in {took}.*"


def _memory(server: ServerInfo) -> str:
    if server.memory_limit is None:
        return f"{size(server.memory)} resident, no maxmemory set"
    share = server.memory / server.memory_limit * 100
    return f"{size(server.memory)} resident, {share:.0f} % of {size(server.memory_limit)}"


def _persistence(server: ServerInfo) -> str:
    if server.append_only:
        well = "ok" if server.last_write_ok else "FAILED: free space on its volume"
        return f"append-only file, last write {well}"
    if not server.snapshot_ok:
        return "no append-only file, and the last snapshot FAILED"
    if server.last_snapshot is None:
        return "none: a restart loses everything"
    return f"no append-only file, last snapshot {clock(server.last_snapshot)} UTC"


COMMANDS = (
    Read(
        name="ping",
        summary="does Redis answer, how fast, which version, memory, persistence",
        purpose=Purpose.LOOK,
        run=run,
    ),
)
