"""Prompt Redis, for reading: the only place that knows the redis library.

Reads time out after about a second and are tried twice, because whatever hangs must not hang the
bot. Errors leave here as `bot.domain.errors`, answers as `bot.domain.streams`.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from time import perf_counter
from typing import Any

from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import BusyLoadingError, NoScriptError
from redis.exceptions import RedisError as RedisLibraryError

from bot.clients import redis_answers
from bot.clients.redis_answers import COUNT_CAP, Access
from bot.clients.redis_connection import Script, address_of, connect, is_refusal, translated
from bot.domain.changes import Archive, Survey, VisitCount
from bot.domain.errors import RedisForbidden
from bot.domain.streams import (
    Consumers,
    EntryId,
    Forbidden,
    Memory,
    Pending,
    PendingEntry,
    ServerInfo,
    StreamState,
)

LISTED_PENDING = 10
TIMEOUT = 1.0
"""Seconds to connect, and to answer. With the one more try, a hanging server costs twice that."""

SURVEY_CAP = 100_000
"""Most entries that a survey counts, in calls of `COUNT_CAP`."""

_INFO_SECTIONS = ("server", "memory", "persistence")
"""Reading all of INFO took most of a ping's time. Several at once: Redis 7.0 and newer."""


class PromptRedis:
    """Reads one environment's Redis.

    Parameters
    ----------
    url
        ``redis://`` or ``rediss://``, without a password.
    password
        From the environment; None where Redis asks for none.
    """

    def __init__(self, url: str, password: str | None = None) -> None:
        self._redis = connect(url, password, answer=TIMEOUT, retries=1)
        self.address = address_of(self._redis)
        self._look = Script("look", "stream")
        self._pending, self._consumers = Script("pending"), Script("consumers")
        self._survey = Script("survey", "stream", "visits")
        self._archive = Script("archive", "ids", "stream", "visits", writes=True, keys=2)
        self._known: set[str] = set()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._redis.aclose()

    async def look(self, streams: Sequence[tuple[str, str]]) -> list[StreamState]:
        """Look at streams, all in one round trip.

        Parameters
        ----------
        streams
            Key and group of each.

        Returns
        -------
        list
            What was found, in the same order. A stream that may not be read, or is none, is an
            answer and not an error.

        Raises
        ------
        RedisUnreachable
            If Redis does not answer.
        """
        calls = [(key, group, str(COUNT_CAP)) for key, group in streams]
        try:
            answers = await self._run(self._look, calls)
        except RedisForbidden:
            return [Forbidden()] * len(streams)
        return [
            redis_answers.facts(answer) if isinstance(answer, list) else Forbidden()
            for answer in answers
        ]

    async def watch(
        self, streams: Sequence[tuple[str, str]]
    ) -> tuple[list[StreamState], Memory | None]:
        """Look at streams and at the server's memory, all in one round trip.

        Parameters
        ----------
        streams
            Key and group of each.

        Returns
        -------
        tuple
            What was found, as in `look`, and the memory; None where that may not be asked.

        Raises
        ------
        RedisUnreachable
            If Redis does not answer.
        """
        calls = [(key, group, str(COUNT_CAP)) for key, group in streams]
        *answers, info = await self._run(self._look, calls, and_memory=True)
        facts = [
            redis_answers.facts(answer) if isinstance(answer, list) else Forbidden()
            for answer in answers
        ]
        return facts, redis_answers.memory(info) if isinstance(info, dict) else None

    async def pending(self, key: str, group: str) -> Pending | None:
        """List what was read and never confirmed; None where stream or group is missing.

        Raises
        ------
        RedisUnreachable
            If Redis does not answer.
        RedisForbidden
            If the bot's user may not read it.
        """
        return await self._read_pending(key, group, LISTED_PENDING, timedelta(0))

    async def unconfirmed(
        self, key: str, group: str, idle: timedelta, most: int
    ) -> list[PendingEntry] | None:
        """List the oldest entries that were read long ago and never confirmed.

        Parameters
        ----------
        key, group
            Stream and group.
        idle
            Least time since each was read.
        most
            How many to list.

        Returns
        -------
        list or None
            The oldest first; None where stream or group is missing.

        Raises
        ------
        RedisUnreachable
            If Redis does not answer.
        RedisForbidden
            If the bot's user may not read it.
        """
        found = await self._read_pending(key, group, most, idle)
        return None if found is None else list(found.oldest)

    async def survey(self, key: str, group: str, after: EntryId | None = None) -> Survey | None:
        """Look at a stream with all that a plan shows; None where there is no such stream.

        Up to 5000 entries it is one atomic look. More are counted in further calls, up to the
        entry that was the last one at the first call.

        Parameters
        ----------
        key, group
            Stream and group.
        after
            Where to begin to count; None for the group's last delivered ID.

        Raises
        ------
        RedisUnreachable
            If Redis does not answer.
        RedisForbidden
            If the bot's user may not read it.
        RedisRefused
            If the key holds something else than a stream.
        """
        begin, to = str(after or ""), ""
        chunks: list[list[Any]] = []
        counted, found = 0, COUNT_CAP
        while found == COUNT_CAP and counted < SURVEY_CAP:
            answer = await self._run_one(self._survey, key, group, begin, to, str(COUNT_CAP))
            if not answer[0]:
                # Missing, or deleted while it was counted.
                return None
            chunks.append(answer)
            to, found, newest = answer[2], answer[5], answer[7]
            counted += found
            begin = newest[0] if newest else begin
        survey = redis_answers.survey(chunks, capped=found == COUNT_CAP)
        if survey.group is None or survey.group.last_delivered == survey.after:
            return survey
        # It was counted from elsewhere, so what waits for the group is another count.
        (looked,) = await self.look([(key, group)])
        return redis_answers.with_group_of(survey, looked)

    async def archive(
        self, key: str, after: EntryId, restored_key: str, *, last: EntryId
    ) -> Archive | None:
        """Look at what a clear kept; None where it is kept no longer.

        Parameters
        ----------
        key
            The copy of the stream as it was.
        after, last
            The entries that waited in it: those after the group's last delivered ID, up to the
            last one of the clear's plan. What is newer is still in the stream.
        restored_key
            Where Redis keeps how much was put back.

        Raises
        ------
        RedisUnreachable
            If Redis does not answer.
        RedisForbidden
            If the bot's user may not read it.
        """
        begin, entries, found = str(after), 0, COUNT_CAP
        visits: list[VisitCount] = []
        seconds = restored = 0
        while found == COUNT_CAP:
            answer = await self._run_one(
                self._archive, key, restored_key, begin, str(last), str(COUNT_CAP)
            )
            if not answer[0]:
                return None
            seconds, restored, found, counted, newest = answer
            entries += found
            visits = redis_answers.merged(visits, redis_answers.visits(counted))
            begin = newest or begin
        return Archive(key, entries, tuple(visits), redis_answers.in_seconds(seconds), restored)

    async def consumers(self, key: str, group: str, idle: timedelta) -> Consumers | None:
        """Count a group's consumer names; None where stream or group is missing.

        Parameters
        ----------
        key, group
            Stream and group.
        idle
            Limit past which a name without anything pending counts as left behind.

        Raises
        ------
        RedisUnreachable
            If Redis does not answer.
        RedisForbidden
            If the bot's user may not read it.
        """
        limit = str(int(idle.total_seconds() * 1000))
        answer = await self._run_one(self._consumers, key, group, limit)
        if len(answer) < 2 or not isinstance(answer[1], int):  # noqa: PLR2004 -- as in pending
            return None
        names, left_behind, busy, longest = answer[1:]
        return Consumers(names, left_behind, busy, timedelta(milliseconds=longest))

    async def server(self) -> ServerInfo:
        """Ask the server how it is.

        Raises
        ------
        RedisUnreachable
            If Redis does not answer; a server that loads its data does answer, see
            `ServerInfo.loading`.
        RedisForbidden
            If the bot's user may not ask.
        """
        with translated(self.address):
            started = perf_counter()
            try:
                pipeline = self._redis.pipeline(transaction=False)
                pipeline.ping()
                pipeline.info(*_INFO_SECTIONS)
                _, info = await pipeline.execute()
            except BusyLoadingError:
                info = await self._redis.info(*_INFO_SECTIONS)
            return redis_answers.server(info, timedelta(seconds=perf_counter() - started))

    async def access(self, streams: Sequence[tuple[str, str]], *, changes: bool = False) -> Access:
        """Find out what the bot's user may do, without doing it.

        Parameters
        ----------
        streams
            Key and group of each stream that it works on.
        changes
            True if it has to change them as well.

        Raises
        ------
        RedisUnreachable
            If Redis does not answer.
        RedisForbidden
            If the user may not ask.
        """
        with translated(self.address):
            user = str(await self._redis.acl_whoami())
            pipeline = self._redis.pipeline(transaction=False)
            asked = [redis_answers.commands, *([redis_answers.changing] if changes else [])]
            needed = [each for key, group in streams for of in asked for each in of(key, group)]
            for command in needed:
                pipeline.execute_command("ACL DRYRUN", user, *command)
            answers = await pipeline.execute(raise_on_error=False)
        if any(isinstance(answer, Exception) for answer in answers):
            raise RedisForbidden(self.address)
        refused = dict.fromkeys(
            " ".join(command[:2]) if command[0] in {"XINFO", "XGROUP"} else command[0]
            for command, answer in zip(needed, answers, strict=True)
            if str(answer) != "OK"
        )
        return Access(user, tuple(refused), await self._open_to_all())

    async def _open_to_all(self) -> bool:
        """Tell whether a client without a name or password may do something."""
        settings = self._redis.connection_pool.connection_kwargs
        pool = ConnectionPool(
            connection_class=self._redis.connection_pool.connection_class,
            **{**settings, "username": None, "password": None},
        )
        nobody = Redis.from_pool(pool)
        try:
            await nobody.ping()
        except RedisLibraryError:
            return False
        else:
            return True
        finally:
            await nobody.aclose()

    async def _read_pending(
        self, key: str, group: str, most: int, idle: timedelta
    ) -> Pending | None:
        limit = str(int(idle.total_seconds() * 1000))
        answer = await self._run_one(self._pending, key, group, str(most), limit)
        if len(answer) < 2 or not answer[1]:  # noqa: PLR2004 -- a type alone, or no group
            return None
        return redis_answers.pending(*answer[1:])

    async def _run_one(self, script: Script, *arguments: str) -> list[Any]:
        answer: list[Any] | Exception
        (answer,) = await self._run(script, [arguments])
        if isinstance(answer, Exception):
            raise RedisForbidden(self.address) from answer
        return answer

    async def _run(
        self, script: Script, calls: Sequence[Sequence[str]], *, and_memory: bool = False
    ) -> list[Any]:
        """Run a script once for each call, in one round trip; a refusal is a value."""
        send = partial(self._send, script, calls, and_memory=and_memory)
        with translated(self.address):
            answers = await send(whole=script.sha not in self._known)
            if any(isinstance(answer, NoScriptError) for answer in answers):
                answers = await send(whole=True)
            self._known.add(script.sha)
            for answer in answers:
                if isinstance(answer, Exception) and not is_refusal(answer):
                    raise answer
            return answers

    async def _send(
        self, script: Script, calls: Sequence[Sequence[str]], *, whole: bool, and_memory: bool
    ) -> list[Any]:
        """Send a script whole, or by its hash once it is known; last comes INFO's memory."""
        name = ("EVAL" if whole else "EVALSHA") + ("" if script.writes else "_RO")
        pipeline = self._redis.pipeline(transaction=False)
        for arguments in calls:
            text = script.text if whole else script.sha
            pipeline.execute_command(name, text, script.keys, *arguments)
        if and_memory:
            pipeline.info("memory")
        answers: list[Any] = await pipeline.execute(raise_on_error=False)
        return answers
