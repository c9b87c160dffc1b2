"""Prompt Redis, for reading: what is asked of it, and what it answers.

Reads time out after about a second and are tried twice, because whatever hangs must not hang the
bot. Errors leave here as `bot.domain.errors`, answers as `bot.domain.streams`.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

import structlog
from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import BusyLoadingError, NoScriptError
from redis.exceptions import RedisError as RedisLibraryError

from bot.clients.redis_connection import (
    MOST_WORDS,
    Script,
    address_of,
    milliseconds,
    redis_client,
    translated,
)
from bot.domain.changes import Archive, Marker, Survey, VisitCount, archive_key, restored_key
from bot.domain.errors import (
    RedisError,
    RedisForbidden,
    RedisUnreachable,
    Unreachable,
    WrongType,
)
from bot.domain.streams import (
    COUNT_CAP,
    Consumers,
    Entry,
    EntryId,
    Forbidden,
    Group,
    Loading,
    Memory,
    NoStream,
    OtherKey,
    Pending,
    PendingEntry,
    ServerInfo,
    Stream,
    StreamState,
    Waiting,
    sent_in_utc,
)

_log = structlog.get_logger()

LISTED_PENDING = 10
TIMEOUT = 1.0
"""Seconds to connect, and to answer. With the one more try, a hanging server costs twice that."""

SURVEY_CAP = 100_000
"""Most entries that a survey counts, in calls of `COUNT_CAP`."""

_INFO_SECTIONS = ("server", "memory", "persistence")
"""Reading all of INFO took most of a ping's time. Several at once: Redis 7.0 and newer."""


_PROBE = "#!lua\nreturn 1"
"""A script that writes nothing, and does not say so: refused wherever a write would be."""

_READING = """
PING
INFO
EVAL script 0
EVAL_RO script 1 {key}
EVALSHA_RO sha 1 {key}
TYPE {key}
XINFO STREAM {key}
XINFO GROUPS {key}
XINFO CONSUMERS {key} {group}
XRANGE {key} - +
XPENDING {key} {group}
"""
"""Every command that is sent, or run by a script, to read one stream."""

_CHANGING = """
EVAL script 3 {key} {archive} {marker}
EVALSHA sha 3 {key} {archive} {marker}
XLEN {key}
XACK {key} {group} 0-1
XTRIM {key} MINID 0
XADD {key} * field value
XGROUP CREATE {key} {group} $
XGROUP SETID {key} {group} $
XGROUP DELCONSUMER {key} {group} name
DEL {key}
COPY {key} {archive}
XRANGE {archive} - +
XINFO GROUPS {archive}
XGROUP DESTROY {archive} {group}
EXISTS {archive}
TTL {archive}
PEXPIRE {archive} 1
DEL {archive}
GET {marker}
SET {marker} value
EXPIRE {marker} 1
"""
"""And those that changes of one stream send, or run by a script."""


@dataclass(frozen=True)
class RedisUser:
    """What a Redis user may do.

    Parameters
    ----------
    missing
        Commands that the bot needs and the user may not run.
    open_to_all
        True if Redis asks nobody for a password.
    """

    name: str
    missing: tuple[str, ...]
    open_to_all: bool


class PromptRedis:
    """Reads one environment's Redis.

    Every method raises `RedisUnreachable` where Redis is of no use, and `RedisForbidden` where it
    refuses the bot.

    Parameters
    ----------
    url
        ``redis://`` or ``rediss://``, without a password.
    password
        From the environment; None where Redis asks for none.
    """

    def __init__(self, url: str, password: str | None = None) -> None:
        self._redis = redis_client(url, password, answer=TIMEOUT, retries=1)
        # Paused writes would hold up whatever stands behind the probe on one connection.
        self._writes = redis_client(url, password, answer=TIMEOUT, retries=1, patient=False)
        self.address = address_of(self._redis)
        self._look = Script("look", "stream")
        self._pending, self._consumers = Script("pending"), Script("consumers")
        self._survey = Script("survey", "stream", "visits")
        self._archive = Script("archive", "ids", "stream", "visits", writes=True, keys=2)
        self._known: set[str] = set()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._redis.aclose()
        await self._writes.aclose()

    async def takes_writes(self) -> RedisError | None:
        """Try whether workers could read and visits be announced, without writing anything.

        Returns
        -------
        RedisError or None
            What keeps them from it; `RedisForbidden` where the bot may not try, so nobody knows.
        """
        try:
            with translated(self.address):
                answer = await self._writes.eval(_PROBE, 0)
        except RedisUnreachable as error:
            late = error.kind is Unreachable.TIMED_OUT
            # What is wrong if all else is answered; if not, the look says it.
            return RedisUnreachable(Unreachable.PAUSED, self.address) if late else error
        except RedisError as error:
            return error
        return None if answer == 1 else self._not_asked(answer)

    async def look(
        self, streams: Sequence[tuple[str, str]]
    ) -> tuple[list[StreamState], Memory | None]:
        """Look at streams, by key and group, and at the server's memory, in one round trip.

        Returns
        -------
        tuple
            What was found, in the same order: a stream that may not be read, or is none, is an
            answer and not an error. The memory is None where it may not be asked.
        """
        calls = [(key, group, str(COUNT_CAP)) for key, group in streams]
        with self._understood():
            try:
                *answers, info = await self._run(self._look, calls, and_memory=True)
            except RedisForbidden as error:
                return [Forbidden(error)] * len(streams), None
            states = [
                Forbidden(each) if isinstance(each, RedisForbidden) else _state(each)
                for each in answers
            ]
            return states, _memory(info) if isinstance(info, dict) else None

    async def pending(
        self, key: str, group: str, *, most: int = LISTED_PENDING, idle: timedelta = timedelta(0)
    ) -> Pending | None:
        """List the oldest that were read, at least so long ago, and never confirmed.

        None where stream or group is missing.
        """
        with self._understood():
            match await self._run_one(
                self._pending, key, group, str(most), str(milliseconds(idle))
            ):
                case [_, list(summary), listed]:
                    return _pending_of(summary, listed)
                case _:
                    return None

    async def consumers(self, key: str, group: str, idle: timedelta) -> Consumers | None:
        """Count a group's consumer names; None where stream or group is missing.

        A name with nothing pending that is idle past the limit counts as left behind.
        """
        with self._understood():
            match await self._run_one(self._consumers, key, group, str(milliseconds(idle))):
                case [_, names, left_behind, busy, longest]:
                    return Consumers(names, left_behind, busy, timedelta(milliseconds=longest))
                case _:
                    return None

    async def survey(self, key: str, group: str, after: EntryId | None = None) -> Survey | None:
        """Look at a stream with all that a plan shows; None where there is no such stream.

        It counts after an ID, by default the group's last delivered one. Up to 5000 entries it is
        one atomic look. More are counted in further calls, up to the entry that was the last one at
        the first call.

        Raises
        ------
        WrongType
            If the key holds something else than a stream.
        """
        with self._understood():
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
            survey = _survey_of(chunks, capped=found == COUNT_CAP)
            if survey.group is None or survey.group.last_delivered == survey.after:
                return survey
            # It was counted from elsewhere, so what waits for the group is another count.
            (looked,), _ = await self.look([(key, group)])
            return replace(survey, group=looked.group if isinstance(looked, Stream) else None)

    async def archive(self, key: str, clear: int, after: EntryId, last: EntryId) -> Archive | None:
        """Look at what a clear, by its request's ID, kept; None where it is kept no longer.

        It keeps the stream as it was. What waited are the entries after the group's last delivered
        ID, up to the last one of the clear's plan; what is newer is still in the stream.
        """
        with self._understood():
            archive = archive_key(key, clear)
            begin, entries, found = str(after), 0, COUNT_CAP
            visits: list[VisitCount] = []
            seconds = restored = 0
            while found == COUNT_CAP:
                answer = await self._run_one(
                    self._archive, archive, restored_key(clear), begin, str(last), str(COUNT_CAP)
                )
                if not answer[0]:
                    return None
                seconds, restored, found, counted, newest = answer
                entries += found
                visits = _merged(visits, counted)
                begin = newest or begin
            # Redis answers less than 0 where it sets no end.
            expires = datetime.now(UTC) + timedelta(seconds=seconds) if seconds >= 0 else None
            return Archive(entries, tuple(visits), expires, restored)

    async def server(self) -> ServerInfo:
        """Ask the server how it is; one that is of no use to workers may answer all the same."""
        with self._understood():
            refused, (took, pong, info) = await asyncio.gather(self.takes_writes(), self._info())
            return replace(_server_info(info, took), refuses=_refusal(pong or refused))

    async def _info(self) -> tuple[timedelta, RedisError | None, Mapping[str, Any]]:
        with translated(self.address):
            started = perf_counter()
            try:
                pipeline = self._redis.pipeline(transaction=False)
                pipeline.ping()
                pipeline.info(*_INFO_SECTIONS)
                pong, info = await pipeline.execute(raise_on_error=False)
            except BusyLoadingError as error:
                # The library takes it for a lost connection; INFO answers all the while.
                pong, info = error, await self._redis.info(*_INFO_SECTIONS)
            took = timedelta(seconds=perf_counter() - started)
            if isinstance(info, Exception):
                raise info
        if "run_id" not in info:
            raise self._not_asked(info)
        return took, self._translation(pong), {**info}

    async def access(
        self, streams: Sequence[tuple[str, str]], *, changes: bool = False
    ) -> RedisUser:
        """Find out what the bot's user may do to streams, by key and group, without doing it.

        Raises
        ------
        RedisForbidden
            If the user may not ask.
        """
        with self._understood():
            with translated(self.address):
                user = str(await self._redis.acl_whoami())
                pipeline = self._redis.pipeline(transaction=False)
                table = (_READING + _CHANGING if changes else _READING).split("\n")
                needed = []
                for key, group in streams:
                    names = {"archive": archive_key(key, 0), "marker": Marker(0, "").name}
                    filled = (each.format(key=key, group=group, **names).split() for each in table)
                    needed += [command for command in filled if command]
                for command in needed:
                    pipeline.execute_command("ACL DRYRUN", user, *command)
                answers = await pipeline.execute(raise_on_error=False)
            if any(isinstance(answer, Exception) for answer in answers):
                raise RedisForbidden(Unreachable.FORBIDDEN, self.address)
            refused = dict.fromkeys(
                " ".join(command[:2]) if command[0] in {"XINFO", "XGROUP"} else command[0]
                for command, answer in zip(needed, answers, strict=True)
                if str(answer) != "OK"
            )
            return RedisUser(user, tuple(refused), await self._open_to_all())

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

    def _translation(self, answer: object) -> RedisError | None:
        """Give the domain's error for an answer that is one."""
        try:
            with translated(self.address):
                if isinstance(answer, Exception):
                    raise answer
        except RedisError as error:
            return error
        return None

    @contextmanager
    def _understood(self) -> Iterator[None]:
        """Take whatever is no answer to what was asked for a Redis that is of no use."""
        try:
            yield
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            # A fault of ours would look alike, so the log has more of it.
            _log.error("Redis answers what was not asked", address=self.address, error=repr(error))
            raise RedisUnreachable(Unreachable.OTHER, self.address) from error

    async def _run_one(self, script: Script, *arguments: str) -> list[Any]:
        (answer,) = await self._run(script, [arguments])
        if isinstance(answer, RedisError):
            raise answer
        if not isinstance(answer, list):
            raise self._not_asked(answer)
        return answer

    def _not_asked(self, answer: object) -> RedisUnreachable:
        """Whatever answers like this is no Redis, or one that nobody foresaw."""
        return RedisUnreachable(Unreachable.OTHER, self.address, str(answer)[:MOST_WORDS])

    async def _run(
        self, script: Script, calls: Sequence[Sequence[str]], *, and_memory: bool = False
    ) -> list[Any]:
        """Run a script once for each call, in one round trip; where one is refused, it is a value.

        It is sent whole, or by its hash once the server knows it; last comes INFO's memory.
        """

        async def send(*, whole: bool) -> list[Any]:
            name = ("EVAL" if whole else "EVALSHA") + ("" if script.writes else "_RO")
            pipeline = self._redis.pipeline(transaction=False)
            for arguments in calls:
                text = script.text if whole else script.sha
                pipeline.execute_command(name, text, script.keys, *arguments)
            if and_memory:
                pipeline.info("memory")
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
            return answers

        with translated(self.address):
            answers = await send(whole=script.sha not in self._known)
            if any(isinstance(answer, NoScriptError) for answer in answers):
                answers = await send(whole=True)
        self._known.add(script.sha)
        found = [self._translation(answer) or answer for answer in answers]
        for each in found:
            if isinstance(each, RedisError) and not isinstance(each, RedisForbidden | WrongType):
                raise each
        return found


def _state(answer: Any) -> StreamState:
    """Read what look.lua answers."""
    match answer:
        case ["none"]:
            return NoStream()
        case ["stream", length, last_added, newest, added, *rest]:
            group = None
            if rest:
                figures, (entries, visits, oldest) = rest
                waiting = Waiting(entries, visits, entries >= COUNT_CAP, _entry(oldest))
                group = _group(figures, waiting)
            return Stream(length, EntryId.parse(last_added), _entry(newest), group, added)
        case [str(kind)]:
            return OtherKey(kind)
        case _:
            raise TypeError(f"no look: {answer!r}"[:MOST_WORDS])


def _survey_of(chunks: Sequence[list[Any]], *, capped: bool) -> Survey:
    """Read what survey.lua answers, call by call; the first one has the figures."""
    (length, last, last_added, added), after, _, figures, others, *_ = chunks[0]
    visits: list[VisitCount] = []
    for chunk in chunks:
        visits = _merged(visits, chunk[6])
    entries = sum(chunk[5] for chunk in chunks)
    group = None
    if figures:
        known = sum(each.oldest.visit is not None for each in visits)
        oldest = visits[0].oldest if visits else None
        group = _group(figures, Waiting(entries, known, capped, oldest))
    newest = next((chunk[7] for chunk in reversed(chunks) if chunk[7]), None)
    return Survey(
        length=length,
        last=EntryId.parse(last) if last else None,
        last_added=EntryId.parse(last_added),
        added=added,
        group=group,
        others=tuple(others),
        after=EntryId.parse(after),
        entries=entries,
        capped=capped,
        newest=_entry(newest),
        visits=tuple(visits),
    )


def _pending_of(summary: list[Any], listed: list[list[Any]]) -> Pending:
    """Read what pending.lua answers where there is a group."""
    total, _, newest, consumers = summary
    counts = ((name, int(count)) for name, count in consumers or ())
    return Pending(
        total=total,
        consumers=tuple(sorted(counts, key=lambda each: (-each[1], each[0]))),
        oldest=tuple(
            PendingEntry(
                Entry(EntryId.parse(entry_id), *fields),
                consumer,
                timedelta(milliseconds=idle),
                deliveries,
            )
            for entry_id, consumer, idle, deliveries, *fields in listed
        ),
        newest=EntryId.parse(newest) if newest else None,
    )


def _group(figures: list[Any], waiting: Waiting) -> Group:
    last_delivered, pending, consumers, lag = figures
    return Group(waiting, pending, consumers, EntryId.parse(last_delivered), lag)


def _entry(answer: list[Any] | None) -> Entry | None:
    if not answer:
        return None
    entry_id, visit, survey, detector, stamp = answer
    return Entry(EntryId.parse(entry_id), visit, survey, detector, sent_in_utc(stamp))


def _merged(counted: Iterable[VisitCount], more: list[Any]) -> list[VisitCount]:
    """Add what visits.lua counts; a visit may have begun in the earlier counts."""
    by_visit = {each.oldest.visit: each for each in counted}
    for raw, entries in more:
        oldest = _entry(raw)
        if oldest is not None:
            known = by_visit.get(oldest.visit, VisitCount(oldest, 0))
            by_visit[oldest.visit] = replace(known, entries=known.entries + entries)
    return list(by_visit.values())


def _refusal(error: RedisError | None) -> RedisUnreachable | None:
    """Leave out what only the bot may not do."""
    return error if isinstance(error, RedisUnreachable) else None


def _memory(info: Mapping[str, Any]) -> Memory:
    return Memory(info.get("used_memory_rss", 0), info.get("maxmemory") or None)


def _server_info(info: Mapping[str, Any], answered_in: timedelta) -> ServerInfo:
    loading = None
    if info.get("loading"):
        eta = info.get("loading_eta_seconds")
        loading = Loading(
            float(info.get("loading_loaded_perc", 0)),
            timedelta(seconds=float(eta)) if eta is not None else None,
        )
    saved = info.get("rdb_last_save_time")
    memory, memory_limit = _memory(info)
    return ServerInfo(
        answered_in=answered_in,
        product=info.get("server_name", "redis"),
        version=str(info.get("valkey_version", info.get("redis_version", "unknown"))),
        up_for=timedelta(seconds=info.get("uptime_in_seconds", 0)),
        memory=memory,
        memory_limit=memory_limit,
        # What Redis compares: used, not resident.
        memory_full=0 < info.get("maxmemory", 0) <= info.get("used_memory", 0),
        append_only=bool(info.get("aof_enabled")),
        last_write_ok=info.get("aof_last_write_status", "ok") == "ok",
        snapshot_ok=info.get("rdb_last_bgsave_status", "ok") == "ok",
        last_snapshot=datetime.fromtimestamp(saved, UTC) if saved else None,
        run_id=str(info.get("run_id", "")),
        loading=loading,
    )
