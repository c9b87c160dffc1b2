"""What the bot watches in the demo, and what people can do to it.

Two environments, each with its server, its producer of visits and its workers. `stall`,
`break_group` and `kill_redis` make trouble in prod; `recover` undoes all of it.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from redis.exceptions import RedisError

from bot.demo import groups, history
from bot.demo.cluster import EmbeddedCluster
from bot.demo.processes import Processes
from bot.demo.producer import Producer
from bot.demo.servers import FIRST_PORT, Server
from bot.demo.visits import DETECTORS
from bot.demo.workers import Workers
from bot.domain.environments import Environment

TROUBLED = "prod"
"""The environment in which things go wrong."""


class Pace(NamedTuple):
    """How fast the world turns, in seconds.

    Parameters
    ----------
    visits
        Shortest and longest time between visits.
    poll
        Between two looks of the scaler.
    processing
        Shortest and longest time that a worker spends on an entry.
    """

    visits: tuple[float, float] = (20, 60)
    poll: float = 2
    processing: tuple[float, float] = (0.2, 0.6)


class World:
    """Both environments.

    Parameters
    ----------
    processes
        Starts the servers.
    folder
        For their data.
    pace
        How fast it all goes.
    first_port
        The first that its servers try.
    """

    def __init__(
        self, processes: Processes, folder: Path, pace: Pace, *, first_port: int = FIRST_PORT
    ) -> None:
        self._pace = pace
        self.environments = {
            name: Environment(name, tuple(detectors)) for name, detectors in DETECTORS.items()
        }
        self.servers: Mapping[str, Server] = {
            name: Server(processes, folder / name, first_port=first_port) for name in DETECTORS
        }
        self.clusters: Mapping[str, EmbeddedCluster] = {
            name: EmbeddedCluster(server, partial(self._jobs, name))
            for name, server in self.servers.items()
        }
        self._workers: dict[tuple[str, str], Workers] = {}
        self._stood_at: dict[str, str] = {}

    async def start(self) -> None:
        """Start the servers, and give them a past.

        Raises
        ------
        FatalError
            If one does not start.
        """
        # One after the other: both look for a free port.
        for name, server in self.servers.items():
            await server.start()
            await history.write(server.redis, self.environments[name], DETECTORS[name])

    async def run(self) -> None:
        """Announce visits and read them until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for name, environment in self.environments.items():
                redis = self.servers[name].redis
                producer = Producer(redis, environment, DETECTORS[name], self._pace.visits)
                tasks.create_task(producer.run())
                for instrument, detectors in DETECTORS[name].items():
                    workers = Workers(
                        redis,
                        stream=environment.stream(instrument),
                        group=environment.group(instrument),
                        # A burst is then taken within some 10 s, as the real ones take it.
                        most=max(1, detectors // 8),
                        poll=self._pace.poll,
                        processing=self._pace.processing,
                    )
                    tasks.create_task(workers.run())
                    self._workers[name, instrument] = workers

    async def aclose(self) -> None:
        """Close the world's own connections; the processes end by themselves."""
        for cluster in self.clusters.values():
            await cluster.aclose()
        for server in self.servers.values():
            await server.aclose()

    def _jobs(self, environment: str, instrument: str) -> tuple[int, int]:
        """Count the workers of an instrument that work, and how many there may be."""
        workers = self._workers.get((environment, instrument))
        return (0, 0) if workers is None else (workers.working, workers.most)

    def _troubled(self) -> list[Workers]:
        return [each for (name, _), each in self._workers.items() if name == TROUBLED]

    async def stall(self) -> str:
        """Make prod's workers stop reading."""
        for workers in self._troubled():
            workers.reading = False
        return "PROD's workers have stopped. Visits will wait: `stats` turns yellow in a minute."

    async def break_group(self) -> str:
        """Destroy prod's consumer groups."""
        environment, redis = self.environments[TROUBLED], self.servers[TROUBLED].redis
        for instrument in environment.instruments:
            try:
                stood_at = await groups.destroy(
                    redis, environment.stream(instrument), environment.group(instrument)
                )
            except RedisError:
                return "PROD's Redis is not there, so nothing was broken. `recover` first."
            if stood_at is not None:
                self._stood_at[instrument] = stood_at
        return "PROD's consumer group is gone. No worker can read: `stats` says missing."

    async def kill_redis(self) -> str:
        """Kill prod's server."""
        await self.servers[TROUBLED].kill()
        return "PROD's Redis was killed. `stats` says unreachable, and visits are not announced."

    async def recover(self) -> str:
        """Undo everything: server, group, workers."""
        environment, server = self.environments[TROUBLED], self.servers[TROUBLED]
        await self.clusters[TROUBLED].settled()
        if not server.running:
            await server.start()
        for instrument, stood_at in self._stood_at.items():
            await groups.recreate(
                server.redis,
                environment.stream(instrument),
                environment.group(instrument),
                stood_at,
            )
        self._stood_at.clear()
        for workers in self._troubled():
            workers.reading = True
        return "All is as it was. What waits is read within some seconds."
