"""From start to ready, and resident memory, beside the bare app."""

import tempfile
from pathlib import Path
from statistics import median

from tests.benchmarks.apps import BARE, a_world, bot, running
from tests.benchmarks.figures import ratio, row, title
from tests.support.world import PROD

RUNS = 5


async def run() -> None:
    """Start both in turn, some times."""
    title("Start to ready, and resident memory after one command")
    taken: dict[str, tuple[list[float], list[int]]] = {"bare": ([], []), "bot": ([], [])}
    with tempfile.TemporaryDirectory() as folder:
        async with a_world(Path(folder)) as world:
            for _ in range(RUNS):
                for name, arguments in (("bare", BARE), ("bot", bot(world))):
                    async with running(world, arguments) as app:
                        delivery = await world.slack.command("stats", channel=PROD, user="U0ANA")
                        await delivery.reply(timeout=30)
                        taken[name][0].append(app.ready_after)
                        taken[name][1].append(app.resident)
    row("", "ready after", "resident")
    for name, (seconds, resident) in taken.items():
        row(name, f"{median(seconds):.2f} s", f"{median(resident) / 1024:.0f} MiB")
    ratio("start to ready", median(taken["bot"][0]) / median(taken["bare"][0]), 2.0)
    ratio("resident memory", median(taken["bot"][1]) / median(taken["bare"][1]), 1.7)
