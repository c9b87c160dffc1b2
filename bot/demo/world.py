"""What the bot watches in the demo, and what people can do to it.

Two environments, each with its server, its producer of visits and its workers. `stall`,
`break_group` and `kill_redis` make trouble in prod; `recover` undoes all of it.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from bot.demo.processes import Processes
from bot.demo.servers import FIRST_PORT, EmbeddedCluster, Server
from bot.demo.visits import DETECTORS, REAL_PACE, Pace, Producer, Workers, write_past
from bot.domain.environments import Environment

_TROUBLED = "prod"
"""The environment in which things go wrong."""


class World:
    """Both environments; their servers keep their data in the folder, from the first port on."""

    def __init__(
        self,
        processes: Processes,
        folder: Path,
        *,
        pace: Pace = REAL_PACE,
        first_port: int = FIRST_PORT,
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
            await write_past(server.redis, self.environments[name], DETECTORS[name])

    async def run(self) -> None:
        """Announce visits and read them until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for name, environment in self.environments.items():
                redis = self.servers[name].redis
                producer = Producer(redis, environment, DETECTORS[name], self._pace)
                tasks.create_task(producer.run())
                for instrument, detectors in DETECTORS[name].items():
                    workers = Workers(
                        redis,
                        environment.stream(instrument),
                        environment.group(instrument),
                        # A burst is then taken within some 10 s, as the real ones take it.
                        max(1, detectors // 8),
                        self._pace,
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
        return [each for (name, _), each in self._workers.items() if name == _TROUBLED]

    async def stall(self) -> str:
        """Make prod's workers stop reading."""
        for workers in self._troubled():
            workers.reading = False
        return "PROD's workers have stopped. Visits will wait: `stats` turns yellow in a minute."

    async def break_group(self) -> str:
        """Destroy prod's consumer groups."""
        environment, redis = self.environments[_TROUBLED], self.servers[_TROUBLED].redis
        for instrument in environment.instruments:
            try:
                stood_at = await _destroy(
                    redis, environment.stream(instrument), environment.group(instrument)
                )
            except RedisError:
                return "PROD's Redis is not there, so nothing was broken. `recover` first."
            if stood_at is not None:
                self._stood_at[instrument] = stood_at
        return "PROD's consumer group is gone. No worker can read: `stats` says missing."

    async def kill_redis(self) -> str:
        """Kill prod's server."""
        await self.servers[_TROUBLED].kill()
        return "PROD's Redis was killed. `stats` says unreachable, and visits are not announced."

    async def recover(self) -> str:
        """Undo everything: server, group, workers."""
        environment, server = self.environments[_TROUBLED], self.servers[_TROUBLED]
        await self.clusters[_TROUBLED].settled()
        if not server.running:
            await server.start()
        for instrument, stood_at in self._stood_at.items():
            await _recreate(
                server.redis,
                environment.stream(instrument),
                environment.group(instrument),
                stood_at,
            )
        self._stood_at.clear()
        for workers in self._troubled():
            workers.reading = True
        return "All is as it was. What waits is read within some seconds."


async def _destroy(redis: Redis, stream: str, group: str) -> str | None:
    """Destroy a group; give the ID of the entry that it was given last, None for no such group."""
    # One transaction: no worker can read between the look and the end.
    change = redis.pipeline(transaction=True)
    change.xinfo_groups(stream)
    change.xgroup_destroy(stream, group)
    groups, _ = await change.execute()
    return next((each["last-delivered-id"] for each in groups if each["name"] == group), None)


async def _recreate(redis: Redis, stream: str, group: str, after: str) -> None:
    """Create a group behind an entry; one that somebody has created meanwhile is left as it is.

    A group that begins inside a stream is created with the number of entries before its start.
    Without it Redis does not know the lag, and the scaler would start nobody.
    """
    look = redis.pipeline(transaction=True)
    look.xinfo_stream(stream)
    look.xrange(stream, f"({after}", "+")
    about, waiting = await look.execute()
    # What is added from here on counts in both figures.
    read = about["entries-added"] - len(waiting)
    try:
        await redis.xgroup_create(stream, group, after, entries_read=read)
    except ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise
