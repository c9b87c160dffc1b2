"""A bot whose prod runs in a Kubernetes, with a Redis that a rollout really stops and starts."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bot.demo.processes import Processes
from bot.demo.servers import Server
from tests.support.kubernetes_server import Cluster, Phase
from tests.support.ports import rollout_port
from tests.support.two_people import two_people
from tests.support.world import PROD, World

CONTEXT = "usdf-prompt-processing"
KUBERNETES: dict[str, Any] = {
    "context": CONTEXT,
    "argocd": {"namespace": "argocd", "application": "prompt-redis"},
    "jobs": "prompt-keda-{instrument}",
}
ROLLOUT: Sequence[tuple[float, Phase]] = (
    (0.1, "old_pod_terminating"),
    (1.0, "no_pod"),
    (1.9, "new_pod_not_ready"),
    (2.8, "complete"),
)


@asynccontextmanager
async def a_rollout(world: World, folder: Path) -> AsyncIterator[Cluster]:
    """Let prod run on a server of its own, under a Kubernetes that restarts it in 3 s."""
    processes = Processes(folder)
    server = Server(processes, folder / "redis", first_port=rollout_port())
    await server.start()
    world.urls[PROD] = server.url
    world.redis = {**world.redis, PROD: server.redis}
    try:
        async with Cluster() as cluster:
            configure(world, cluster, folder)
            cluster.after_patch = ROLLOUT

            async def on_phase(phase: Phase) -> None:
                if phase == "no_pod":
                    await server.stop()
                elif phase == "complete" and not server.running:
                    await server.start()

            cluster.on_phase = on_phase
            yield cluster
    finally:
        await server.aclose()
        await processes.aclose()


def configure(world: World, cluster: Cluster, folder: Path, **prod: Any) -> None:
    """Tell the bot where prod runs."""
    world.environ["KUBECONFIG"] = str(cluster.kubeconfig(folder, contexts=(CONTEXT,)))
    world.settings = two_people(kubernetes=KUBERNETES, **prod)
