"""Acknowledgement and answer of commands, 1, 50 and 200 at once, beside the bare app."""

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from tests.benchmarks.apps import BARE, a_world, bot, running
from tests.benchmarks.figures import ms, p50, p99, ratio, row, title
from tests.support.slack_server import SlackServer
from tests.support.world import PROD

ROUNDS = {1: 60, 50: 6, 200: 3}
"""Rounds by commands at once: bounded, and enough for a median."""

Times = tuple[list[float], list[float]]


async def run() -> None:
    """Measure both apps round by round, in turn."""
    title("Commands over Socket Mode, beside a bare Bolt app that only echoes")
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ours = await stack.enter_async_context(a_world(folder))
        bares = await stack.enter_async_context(a_world(folder))
        await stack.enter_async_context(running(ours, bot(ours)))
        await stack.enter_async_context(running(bares, BARE))
        for slack, text in ((ours.slack, "stats"), (bares.slack, "x")):
            await _round(slack, text, 10)
        row("", "ack p50", "ack p99", "answer p50", "answer p99")
        for at_once, rounds in ROUNDS.items():
            times: dict[str, Times] = {name: ([], []) for name in ("bare echo", "ping", "stats")}
            for _ in range(rounds):
                for name, (acks, answers) in times.items():
                    slack = bares.slack if name == "bare echo" else ours.slack
                    more_acks, more_answers = await _round(slack, name, at_once)
                    acks.extend(more_acks)
                    answers.extend(more_answers)
            for name, (acks, answers) in times.items():
                figures = (p50(acks), p99(acks), p50(answers), p99(answers))
                row(f"{name}, {at_once} at once", *map(ms, figures))
            bare_acks, bare_answers = times["bare echo"]
            for name in ("ping", "stats"):
                acks, answers = times[name]
                ratio(f"{name}: acknowledgement p99 to bare", p99(acks) / p99(bare_acks), 1.2)
                goal = 2.0 if name == "stats" else None
                ratio(f"{name}: answer p50 to bare", p50(answers) / p50(bare_answers), goal)


async def _round(slack: SlackServer, text: str, at_once: int) -> Times:
    async def one() -> tuple[float, float]:
        started = time.perf_counter()
        delivery = await slack.command(text, channel=PROD, user="U0ANA")
        await delivery.reply(timeout=60)
        return delivery.seconds or 60.0, time.perf_counter() - started

    taken = await asyncio.gather(*(one() for _ in range(at_once)))
    return [ack for ack, _ in taken], [answer for _, answer in taken]
