"""Prompt Redis, for changing: each change is one atomic script with the proof that it was made.

What a change answers are `Facts`: ``result`` is ``done``; or ``stale`` and ``why``, when the plan
no longer holds, and then nothing was written; or ``fenced``, when somebody made sure that this
request can no longer change anything. Keys must match one selector of the bot's rights together.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from bot.clients.redis_connection import Script, translated
from bot.clients.redis_markers import MarkedRedis
from bot.domain.changes import RESULT, STALE, Facts, GroupStart, Marker, Pruned
from bot.domain.streams import EntryId

CHUNK = 5000
"""Most entries to count or to put back in one call: 18 ms of server time for counting."""

NAMES_AT_ONCE = 500
LEAST_IDLE = timedelta(hours=1)
"""A name that was idle for less may belong to a worker that still runs."""

_COUNTS = 5
"""How often to count before it is said that the stream changes all the time."""

_RECOUNT = "recount"


@dataclass(frozen=True)
class _Count:
    """Entries counted after one ID up to another, and what must not have changed since."""

    begin: str
    end: str
    entries: int
    first: str
    removed: str


class RedisChanges:
    """Changes one environment's Redis.

    Every method raises `RedisInDoubt` where nobody knows whether the change was made, and another
    `RedisError` where it was not.

    Parameters
    ----------
    url
        ``redis://`` or ``rediss://``, without a password.
    password
        From the environment; None where Redis asks for none.
    """

    def __init__(self, url: str, password: str | None = None) -> None:
        self._redis = MarkedRedis(url, password)
        self.address = self._redis.address
        self._clear = Script("clear", "ids", "stream", "marker")
        self._delete = Script("delete", "stream", "marker")
        self._bootstrap = Script("bootstrap", "stream", "counting", "marker")
        self._repair = Script("repair", "ids", "stream", "counting", "marker")
        self._settle = Script("settle", "stream", "marker")
        self._restore = Script("restore", "ids", "stream", "marker")
        self._figures = Script("figures", "stream", "counting")
        self._tally = Script("tally", "stream")
        self._idle_names = Script("idle_names", "stream")

    async def fence(self, marker: Marker) -> Facts | None:
        """Find out what a request did, or make sure that it can do nothing any more.

        Parameters
        ----------
        marker
            The request.

        Returns
        -------
        Facts or None
            What it recorded, else ``result`` fenced; None if nothing is recorded and Redis has no
            memory for a fence.
        """
        return await self._redis.fence(marker)

    async def clear(
        self,
        *,
        stream: str,
        group: str,
        archive: str,
        marker: Marker,
        last: EntryId,
        last_delivered: EntryId,
        added: int,
        had_waiting: bool,
        keep: timedelta,
        copy: bool,
    ) -> Facts:
        """Delete the entries that a plan showed, and move the group past them.

        Parameters
        ----------
        stream, group, marker
            What to clear, and for which request.
        archive
            Key that keeps a copy of the whole stream, without groups.
        last
            ID of the last entry that the plan showed; newer ones are not touched.
        last_delivered, added
            The group's last delivered ID and the entries ever added, as the plan had them.
        had_waiting
            Whether entries waited in the plan.
        keep
            How long the copy is kept.
        copy
            False for no copy, because Redis is out of memory. It works then, too.

        Returns
        -------
        Facts
            ``discarded`` (unread), ``tidied`` (read before), ``settled`` (unconfirmed), ``newer``
            (left in the stream), ``copied``, and ``length``, ``last_delivered`` and ``waiting``,
            each with ``_before`` and ``_after``. ``why``: no_stream, no_group, recreated,
            moved_back, all_read, waiting (entries wait that the plan did not show), memory,
            archive_exists.
        """
        return await self._redis.change(
            self._clear,
            [stream, archive],
            marker,
            group,
            last,
            last_delivered,
            added,
            int(had_waiting),
            _milliseconds(keep),
            int(copy),
        )

    async def delete(
        self, *, stream: str, group: str, marker: Marker, last_added: EntryId, added: int
    ) -> Facts:
        """Delete a stream with everything in it, and create it anew with its group.

        Parameters
        ----------
        stream, group, marker
            What to delete, and for which request.
        last_added, added
            ID of the last entry ever added and how many those were, as the plan had them.

        Returns
        -------
        Facts
            ``discarded``, ``length_before``, ``length_after``, ``last_delivered_before``,
            ``pending_before``, ``consumers_before``, ``groups_dropped``. ``why``: no_stream,
            arrived.
        """
        return await self._redis.change(self._delete, [stream], marker, group, last_added, added)

    async def bootstrap(self, starts: Sequence[GroupStart], marker: Marker) -> Facts:
        """Create the groups that are missing, and their streams; others are left as they are.

        Parameters
        ----------
        starts
            The groups.
        marker
            The request.

        Returns
        -------
        Facts
            ``created`` and ``existing``, streams joined by commas, and ``waiting_<stream>`` for
            each created. ``why``: changing (trimmed all the time while it was counted).
        """
        wanted = list({(start.stream, start.group): start for start in starts}.values())
        async with self._redis.connected() as redis:
            for _ in range(_COUNTS):
                arguments: list[object] = [CHUNK]
                for start in wanted:
                    count = await self._count(redis, start.stream, start.group, str(start.after))
                    arguments += [start.group, start.after, count.end, count.entries]
                    arguments += [count.first, count.removed]
                facts = await self._redis.change(
                    self._bootstrap,
                    [start.stream for start in wanted],
                    marker,
                    *arguments,
                    redis=redis,
                )
                if facts[RESULT] != _RECOUNT:
                    return facts
        return {RESULT: STALE, "why": "changing"}

    async def repair(self, *, stream: str, group: str, marker: Marker) -> Facts:
        """Make Redis' own lag right: nothing is read, skipped or deleted.

        Parameters
        ----------
        stream, group, marker
            What to repair, and for which request.

        Returns
        -------
        Facts
            ``lag_before`` and ``lag_after``, "nil" where Redis did not know; ``waiting``. ``why``:
            no_stream, no_group, changing (as in `bootstrap`).
        """
        async with self._redis.connected() as redis:
            for _ in range(_COUNTS):
                count = await self._count(redis, stream, group)
                facts = await self._redis.change(
                    self._repair,
                    [stream],
                    marker,
                    CHUNK,
                    group,
                    count.begin,
                    count.end,
                    count.entries,
                    count.first,
                    count.removed,
                    redis=redis,
                )
                if facts[RESULT] != _RECOUNT:
                    return facts
        return {RESULT: STALE, "why": "changing"}

    async def settle(
        self, *, stream: str, group: str, idle: timedelta, ids: Sequence[EntryId], marker: Marker
    ) -> Facts:
        """Acknowledge entries that were read long ago and never confirmed.

        Parameters
        ----------
        stream, group, marker
            Where, and for which request.
        idle
            Entries that were handed out again since are kept.
        ids
            The entries that the plan showed.

        Returns
        -------
        Facts
            ``settled``, ``kept`` (not idle any more), ``gone`` (not pending any more),
            ``pending_before``, ``pending_after``. ``why``: no_stream, no_group, none_left.
        """
        return await self._redis.change(
            self._settle, [stream], marker, group, _milliseconds(idle), *ids
        )

    async def restore(
        self,
        *,
        stream: str,
        group: str,
        archive: str,
        after: EntryId,
        last: EntryId,
        restored_key: str,
        marker: Marker,
        chunk: int = CHUNK,
    ) -> AsyncIterator[Facts]:
        """Put back what a clear discarded; a repeat goes on where another one stopped.

        Parameters
        ----------
        stream, group, marker
            Where, and for which request.
        archive
            What the clear kept: the whole stream.
        after, last
            The waiting entries in it: those after the group's last delivered ID, up to the last
            one of the clear's plan. What is newer is still in the stream.
        restored_key
            Where Redis keeps how far it came.
        chunk
            Entries in one call.

        Yields
        ------
        Facts
            On the way ``restored`` and ``total``, without ``result``. At the end ``restored``,
            ``same_ids``, ``length_before``, ``length_after``. ``why``: no_stream, no_group,
            no_archive; ``restored`` then tells how many were put back nevertheless.
        """
        async with self._redis.connected() as redis:
            total = str(await self._counted(redis, archive, str(after), str(last)))
        while True:
            # A connection for each: whoever shows progress may take longer than Redis keeps one.
            facts = await self._redis.change(
                self._restore,
                [stream, archive, restored_key],
                marker,
                group,
                after,
                last,
                chunk,
            )
            if RESULT in facts:
                yield facts
                return
            yield {**facts, "total": total}

    async def prune(self, *, stream: str, group: str, idle: timedelta) -> AsyncIterator[Pruned]:
        """Remove consumer names that workers left behind; needs no approval and no marker.

        Parameters
        ----------
        stream, group
            Where.
        idle
            Limit past which a name with nothing pending is left behind; at least an hour.

        Yields
        ------
        Pruned
            What was found, then how far it is.
        """
        limit = _milliseconds(max(idle, LEAST_IDLE))
        async with self._redis.connected() as redis:
            known, *names = await self._redis.ask(redis, self._idle_names, [stream], group, limit)
        pruned = Pruned(known, len(names))
        yield pruned
        for start in range(0, len(names), NAMES_AT_ONCE):
            batch = names[start : start + NAMES_AT_ONCE]
            async with self._redis.connected() as redis:
                pipeline = redis.pipeline(transaction=False)
                for name in batch:
                    pipeline.xgroup_delconsumer(stream, group, name)
                with translated(self.address):
                    answers = await pipeline.execute(raise_on_error=False)
                    if any(_is_gone(answer) for answer in answers):
                        return
                    for answer in answers:
                        if isinstance(answer, Exception):
                            raise answer
            dropped = tuple(pair for pair in zip(batch, answers, strict=True) if pair[1] > 0)
            pruned = replace(
                pruned,
                removed=pruned.removed + len(batch),
                dropped=pruned.dropped + dropped,
            )
            yield pruned

    async def _count(
        self, redis: Redis, stream: str, group: str, after: str | None = None
    ) -> _Count:
        """Count the entries after an ID, by default what waits for the group, in chunks."""
        first, removed, *rest = await self._redis.ask(redis, self._figures, [stream], group)
        if not rest:
            return _Count(after or "0-0", after or "0-0", 0, first, removed)
        length, ever, delivered = rest
        begin = after or delivered or ever
        if first == "empty" or EntryId.parse(begin) < EntryId.parse(first):
            # Nothing to read: all there is comes after it.
            return _Count(begin, max(begin, ever, key=EntryId.parse), length, first, removed)
        end = max(begin, ever, key=EntryId.parse)
        return _Count(begin, end, await self._counted(redis, stream, begin, end), first, removed)

    async def _counted(self, redis: Redis, key: str, begin: str, end: str) -> int:
        entries, found = 0, CHUNK
        while found == CHUNK:
            found, reached = await self._redis.ask(redis, self._tally, [key], begin, end, CHUNK)
            entries, begin = entries + found, reached or begin
        return entries


def _milliseconds(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)


def _is_gone(answer: object) -> bool:
    """Tell whether the group is gone, and its consumer names with it."""
    return isinstance(answer, ResponseError) and any(
        wording in str(answer) for wording in ("NOGROUP", "requires the key to exist")
    )
