"""From a request to its card, and from the deciding click to the result, beside the bare app.

The bare app posts a message and changes it, and does nothing in between.
"""

import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from tests.benchmarks.apps import BARE, a_world, bot, running
from tests.benchmarks.figures import ms, p50, p99, ratio, row, title
from tests.support.slack_server import Message, SlackServer
from tests.support.world import PROD, World

ROUNDS = 60


async def run() -> None:
    """Measure both apps round by round, in turn."""
    title("A change: request to card, click to result, beside a bare Bolt app")
    async with AsyncExitStack() as stack:
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2)]
        ours = await stack.enter_async_context(a_world(folders[0]))
        bares = await stack.enter_async_context(a_world(folders[1]))
        await stack.enter_async_context(running(ours, bot(ours)))
        await stack.enter_async_context(running(bares, BARE))
        times: dict[str, tuple[list[float], list[float]]] = {"bare": ([], []), "clear": ([], [])}
        for number in range(ROUNDS + 5):
            for name, (cards, results) in times.items():
                card, result = await (_bare(bares) if name == "bare" else _clear(ours))
                if number >= 5:
                    cards.append(card)
                    results.append(result)
    row("", "card p50", "card p99", "result p50", "result p99")
    for name, (cards, results) in times.items():
        row(name, *map(ms, (p50(cards), p99(cards), p50(results), p99(results))))
    (bare_cards, bare_results), (cards, results) = times.values()
    ratio("request to card, p50 to bare", p50(cards) / p50(bare_cards))
    ratio("click to result, p50 to bare", p50(results) / p50(bare_results))


async def _bare(world: World) -> tuple[float, float]:
    return await _round(world.slack, "card", "approve", "done")


async def _clear(world: World) -> tuple[float, float]:
    await world.announce(detectors=172)
    return await _round(world.slack, "clear lsstcam", "prompt-redis:approve", "discarded")


async def _round(slack: SlackServer, text: str, button: str, words: str) -> tuple[float, float]:
    known = len(_cards(slack))
    started = time.perf_counter()
    await slack.command(text, channel=PROD, user="U0ANA")
    card = await slack.until(lambda: _cards(slack)[known:] or None)
    shown = time.perf_counter()
    await slack.click(card[0], button, user="U0ANA")
    await slack.until(lambda: words in card[0].text)
    return shown - started, time.perf_counter() - shown


def _cards(slack: SlackServer) -> list[Message]:
    posts = slack.messages(PROD)
    return [each for each in posts if each.ephemeral_to is None and each.thread_ts is None]
