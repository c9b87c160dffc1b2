"""From start to ready, and resident memory, beside the bare app and the limits that were set."""

import tempfile
from pathlib import Path
from statistics import median

from tests.benchmarks.apps import BARE, App, a_world, bot, running
from tests.benchmarks.figures import ratio, row, title
from tests.support.a_rollout import configure
from tests.support.kubernetes_server import Cluster
from tests.support.world import PROD, World

RUNS = 5
MOST_SECONDS, MOST_MEBIBYTES = 2.5, 140


async def run() -> None:
    """Start both in turn, some times; then everything that takes memory, once."""
    title("Start to ready, and resident memory after one command")
    taken: dict[str, tuple[list[float], list[int]]] = {"bare": ([], []), "bot": ([], [])}
    with tempfile.TemporaryDirectory() as folder:
        async with a_world(Path(folder)) as world:
            for _ in range(RUNS):
                for name, arguments in (("bare", BARE), ("bot", bot(world))):
                    async with running(world, arguments) as app:
                        await _answered(app, "stats")
                        taken[name][0].append(app.ready_after)
                        taken[name][1].append(app.resident)
            most = await _everything(world, Path(folder))
    row("", "ready after", "resident")
    for name, (seconds, resident) in taken.items():
        row(name, f"{median(seconds):.2f} s", f"{median(resident) / 1024:.0f} MiB")
    ratio("start to ready", median(taken["bot"][0]) / median(taken["bare"][0]), 2.0)
    ratio("resident memory", median(taken["bot"][1]) / median(taken["bare"][1]), 1.7)
    row("the slowest start", f"{max(taken['bot'][0]):.2f} s", f"of {MOST_SECONDS} s")
    row("with Kubernetes and 4 charts", f"{most / 1024:.0f} MiB", f"of {MOST_MEBIBYTES} MiB")


async def _everything(world: World, folder: Path) -> int:
    """Use all that is imported when it is needed, and give the resident memory after it, in KiB."""
    async with Cluster() as cluster:
        configure(world, cluster, folder)
        async with running(world, bot(world)) as app:
            for text in (
                "stats",
                "upgrade",
                "chart",
                "chart",
                "chart --since 12h",
                "chart",
                "audit",
            ):
                await _answered(app, text)
            return app.resident


async def _answered(app: App, text: str) -> None:
    delivery = await app.slack.command(text, channel=PROD, user="U0ANA")
    await delivery.reply(timeout=30)
