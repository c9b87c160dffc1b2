"""What the bot watches: two servers, the visits that come in, who reads them, and their faults."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from redis.exceptions import RedisError

from bot.demo import groups, history
from bot.demo.processes import Processes
from bot.demo.producer import Producer
from bot.demo.servers import Server
from bot.demo.visits import DETECTORS
from bot.demo.workers import Workers
from bot.domain.environments import Environment

ACTIONS: Mapping[str, str] = {
    "stall": "workers stop reading, and no new ones are started",
    "break group": "destroys lsstcam's consumer group in prod",
    "kill redis": "kills prod's server",
    "recover": "undoes them all",
}
"""What can be done to the world, with its explanation."""


@dataclass(frozen=True)
class Pace:
    """How fast the world turns, in seconds; the real pace unless a test is in a hurry.

    Parameters
    ----------
    between_visits
        Shortest and longest.
    poll
        Between two looks of the scaler.
    processing
        Shortest and longest time of a worker for one entry.
    """

    between_visits: tuple[float, float] = (20.0, 60.0)
    poll: float = 2.0
    processing: tuple[float, float] = (0.7, 1.7)


class World:
    """Both environments.

    Parameters
    ----------
    processes
        Starts and ends the servers.
    run_folder
        For their data.
    pace
        How fast it turns.

    Attributes
    ----------
    servers
        By environment.
    """

    def __init__(self, processes: Processes, run_folder: Path, pace: Pace) -> None:
        self._pace = pace
        self._workers: list[Workers] = []
        self._environments = {
            name: Environment(name, tuple(detectors)) for name, detectors in DETECTORS.items()
        }
        self._broken_after: str | None = None
        self.servers = {name: Server(processes, run_folder / name) for name in DETECTORS}

    async def start(self) -> None:
        """Start the servers and fill them with what happened before.

        Raises
        ------
        FatalError
            If a server does not start.
        """
        for name, server in self.servers.items():
            await server.start()
            await history.write(server.redis, self._environments[name], DETECTORS[name])

    async def run(self) -> None:
        """Let visits come in and workers read them, until cancelled."""
        pace = self._pace
        async with asyncio.TaskGroup() as everybody:
            for name, environment in self._environments.items():
                redis = self.servers[name].redis
                producer = Producer(redis, environment, DETECTORS[name], pace.between_visits)
                everybody.create_task(producer.run())
                for instrument, detectors in DETECTORS[name].items():
                    workers = Workers(
                        redis,
                        stream=environment.stream(instrument),
                        group=environment.group(instrument),
                        # A burst is taken in about ten seconds.
                        most=max(2, detectors // 6),
                        poll=pace.poll,
                        processing=pace.processing,
                    )
                    self._workers.append(workers)
                    everybody.create_task(workers.run())

    async def act(self, action: str) -> str:
        """Do one of the actions, one at a time.

        Parameters
        ----------
        action
            A key of `ACTIONS`.

        Returns
        -------
        str
            What people will see of it.

        Raises
        ------
        FatalError
            If the server does not come back.
        """
        match action:
            case "stall":
                return self._stall()
            case "break group":
                return await self._break_group()
            case "kill redis":
                return await self._kill_redis()
            case "recover":
                return await self._recover()
            case _:
                raise ValueError(action)

    async def aclose(self) -> None:
        """Close the connections; the servers end with the processes."""
        for server in self.servers.values():
            await server.aclose()

    def _stall(self) -> str:
        for workers in self._workers:
            workers.reading = False
        return (
            "Nobody reads any more, in prod and dev. With the next visit `/prompt-redis stats` "
            "shows entries waiting, and after two minutes that they are not being read."
        )

    async def _break_group(self) -> str:
        prod, stream, group = self._prod()
        try:
            last_delivered = await groups.destroy(prod.redis, stream, group)
        except RedisError as error:
            return f"Prod's Redis cannot do that now ({error}); type `recover` first."
        if last_delivered is None:
            return f"{group} is missing already; `recover` brings it back."
        self._broken_after = last_delivered
        return (
            f"{group} is gone: `/prompt-redis stats` in prod says that the group is missing. "
            "Visits still arrive, and every worker that is started dies."
        )

    async def _kill_redis(self) -> str:
        prod, _, _ = self._prod()
        if not prod.running:
            return "Prod's Redis is away already; `recover` brings it back."
        await prod.kill()
        return (
            "Prod's Redis is away: every command in prod says that it cannot be reached, dev goes "
            "on. Visits announced now never reach the stream."
        )

    async def _recover(self) -> str:
        prod, stream, group = self._prod()
        if not prod.running:
            await prod.start()
        if self._broken_after is not None:
            try:
                await groups.recreate(prod.redis, stream, group, self._broken_after)
            except RedisError as error:
                return f"Prod's Redis does not let the group be created: {error}"
            self._broken_after = None
        for workers in self._workers:
            workers.reading = True
        return (
            "Redis is there with its data, the group stands where it stood, workers read: within "
            "half a minute `/prompt-redis stats` says healthy."
        )

    def _prod(self) -> tuple[Server, str, str]:
        environment = self._environments["prod"]
        return self.servers["prod"], environment.stream("lsstcam"), environment.group("lsstcam")
