"""Prompt Redis, for changing: each change is one atomic script with the proof that it was made.

Nothing is sent twice by itself: redis-py's retries made one command run twice. A script records
what it did under the request's marker. Where its answer is lost, the marker tells; and where the
marker tells nothing, it is fenced, so that a change that still lies in a buffer, or in a process
that stands still, can never be made any more.

What a change answers are `Facts`: ``result`` is ``done``; or ``stale`` and ``why``, when the plan
no longer holds, and then nothing was written; or ``fenced``, when somebody made sure that this
request can no longer change anything. Keys must match one selector of the bot's rights together.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from bot.clients.redis_connection import (
    CONNECT_SECONDS,
    Script,
    address_of,
    facts_of,
    milliseconds,
    redis_client,
    translated,
)
from bot.domain.changes import (
    FENCED,
    LEAST_IDLE,
    RESULT,
    STALE,
    Clearing,
    Facts,
    Marker,
    Pruned,
    Restoring,
    Settling,
    archive_key,
    restored_key,
)
from bot.domain.errors import (
    RedisError,
    RedisInDoubt,
    RedisUnreachable,
    Unreachable,
)
from bot.domain.streams import COUNT_CAP, EntryId

ANSWER_SECONDS = 5.0
NAMES_AT_ONCE = 500

_TRIES = 2
_COUNTS = 5
"""How often to count before it is said that the stream changes all the time."""

_RECOUNT = "recount"
_MAYBE_MADE = {Unreachable.TIMED_OUT, Unreachable.DISCONNECTED, Unreachable.OTHER}
"""No answer to what was sent, or one that nobody foresaw; all else is a no, or was never sent."""


class RedisChanges:
    """Changes one environment's Redis, each time on a connection that has just answered a PING.

    Every method but `prune` raises `RedisInDoubt` where nobody knows whether the change was made,
    and another `RedisError` where it was not, and cannot be made any more by what was sent.

    Parameters
    ----------
    url
        ``redis://`` or ``rediss://``, without a password.
    password
        From the environment; None where Redis asks for none.
    """

    def __init__(self, url: str, password: str | None = None) -> None:
        self._url, self._password = url, password
        self.address = address_of(redis_client(url, password, answer=ANSWER_SECONDS, retries=0))
        self._fence = Script("fence", "marker")
        self._recorded = Script("recorded", "marker")
        self._clear = Script("clear", "ids", "stream", "marker")
        self._delete = Script("delete", "stream", "marker")
        self._bootstrap = Script("bootstrap", "stream", "counting", "marker")
        self._repair = Script("repair", "ids", "stream", "counting", "marker")
        self._settle = Script("settle", "stream", "marker")
        self._restore = Script("restore", "ids", "stream", "marker")
        self._figures = Script("figures", "stream", "counting")
        self._tally = Script("tally", "stream")
        self._idle_names = Script("idle_names", "stream")

    async def clear(
        self, stream: str, group: str, bound: Clearing, marker: Marker, *, keep: timedelta
    ) -> Facts:
        """Delete the entries that a plan showed, and move the group past them.

        A copy of the whole stream is kept for a while, without groups, except where Redis is out of
        memory. Facts: ``discarded`` (unread), ``tidied`` (read before), ``settled`` (unconfirmed),
        ``newer`` (left in the stream), ``copied``, and ``length``, ``last_delivered`` and
        ``waiting``, each with ``_before`` and ``_after``. ``why``: no_stream, no_group, recreated,
        moved_back, all_read, waiting (entries wait that the plan did not show), memory,
        archive_exists.
        """
        return await self._change_once(
            self._clear,
            [stream, archive_key(stream, marker.request)],
            marker,
            group,
            bound.last,
            bound.last_delivered,
            bound.added,
            int(bound.waiting > 0),
            milliseconds(keep),
            int(bound.copy),
        )

    async def delete(self, stream: str, group: str, bound: Clearing, marker: Marker) -> Facts:
        """Delete a stream with everything in it, and create it anew with its group.

        Facts: ``discarded``, ``length_before``, ``length_after``, ``last_delivered_before``,
        ``pending_before``, ``consumers_before``, ``groups_dropped``. ``why``: no_stream, arrived.
        """
        return await self._change_once(
            self._delete, [stream], marker, group, bound.last_added, bound.added
        )

    async def bootstrap(self, starts: Mapping[tuple[str, str], EntryId], marker: Marker) -> Facts:
        """Create the groups that are missing, and their streams; others are left as they are.

        Each begins after the ID of the last entry that it need not see. Facts: ``created`` and
        ``existing``, streams joined by commas, and ``waiting_<stream>`` for each created. ``why``:
        changing (trimmed all the time while it was counted).
        """
        wanted = [(stream, group, str(after)) for (stream, group), after in starts.items()]
        return await self._count_and_change(self._bootstrap, wanted, marker)

    async def repair(self, stream: str, group: str, marker: Marker) -> Facts:
        """Make Redis' own lag right: nothing is read, skipped or deleted.

        Facts: ``lag_before`` and ``lag_after``, "nil" where Redis did not know; ``waiting``.
        ``why``: no_stream, no_group, changing (as in `bootstrap`).
        """
        return await self._count_and_change(self._repair, [(stream, group, None)], marker)

    async def settle(self, stream: str, group: str, bound: Settling, marker: Marker) -> Facts:
        """Acknowledge the entries that a plan showed; those handed out again since are kept.

        Facts: ``settled``, ``kept`` (not idle any more), ``gone`` (not pending any more),
        ``pending_before``, ``pending_after``. ``why``: no_stream, no_group, none_left.
        """
        return await self._change_once(
            self._settle, [stream], marker, group, milliseconds(bound.idle), *bound.ids
        )

    async def restore(
        self, stream: str, group: str, bound: Restoring, marker: Marker, *, chunk: int = COUNT_CAP
    ) -> AsyncIterator[Facts]:
        """Put back what a clear discarded; a repeat goes on where another one stopped.

        Facts on the way: ``restored`` and ``total``, without ``result``. At the end ``restored``,
        ``same_ids``, ``length_before``, ``length_after``. ``why``: no_stream, no_group, no_archive;
        ``restored`` then tells how many were put back nevertheless.
        """
        archive = archive_key(stream, bound.clear)
        async with self._connected() as redis:
            total = str(await self._counted(redis, archive, str(bound.after), str(bound.last)))
        while True:
            # A connection for each: whoever shows progress may take longer than Redis keeps one.
            facts = await self._change_once(
                self._restore,
                [stream, archive, restored_key(bound.clear)],
                marker,
                group,
                bound.after,
                bound.last,
                chunk,
            )
            if RESULT in facts:
                yield facts
                return
            yield {**facts, "total": total}

    async def prune(self, stream: str, group: str, idle: timedelta) -> AsyncGenerator[Pruned]:
        """Remove consumer names that workers left behind; needs no approval and no marker.

        Those are names with nothing pending, idle past the limit and for at least an hour. First
        comes what was found, then how far it is; also before what cuts it midway is raised. Asked
        again, it goes on with the others.
        """
        limit = milliseconds(max(idle, LEAST_IDLE))
        async with self._connected() as redis:
            known, *names = await self._ask(redis, self._idle_names, [stream], group, limit)
        pruned = Pruned(known, len(names))
        yield pruned
        for start in range(0, len(names), NAMES_AT_ONCE):
            batch = names[start : start + NAMES_AT_ONCE]
            async with self._connected() as redis:
                pipeline = redis.pipeline(transaction=False)
                for name in batch:
                    pipeline.xgroup_delconsumer(stream, group, name)
                try:
                    with translated(self.address):
                        answers = await pipeline.execute(raise_on_error=False)
                except RedisUnreachable:
                    yield replace(pruned, unsure=len(batch))
                    raise
            made = [pair for pair in zip(batch, answers, strict=True) if isinstance(pair[1], int)]
            dropped = tuple(pair for pair in made if pair[1] > 0)
            pruned = replace(
                pruned, removed=pruned.removed + len(made), dropped=pruned.dropped + dropped
            )
            yield pruned
            refused = [answer for answer in answers if isinstance(answer, Exception)]
            if any(map(_is_gone, refused)):
                return
            with translated(self.address):
                for answer in refused:
                    raise answer

    async def fence(self, marker: Marker) -> Facts | None:
        """Find out what a request did, or make sure that it can do nothing any more.

        Returns
        -------
        Facts or None
            What the change recorded, else ``result`` fenced. None if nothing is recorded and no
            fence can be set, for want of memory.
        """
        async with self._connected() as redis:
            try:
                return facts_of(await self._ask(redis, self._fence, [marker.name], marker.key))
            except RedisUnreachable as error:
                if error.kind is not Unreachable.MEMORY:
                    raise
            return (
                facts_of(await self._ask(redis, self._recorded, [marker.name], marker.key)) or None
            )

    async def _change_once(
        self, script: Script, keys: Sequence[str], marker: Marker, *arguments: object
    ) -> Facts:
        async with self._connected() as redis:
            return await self._change(redis, script, keys, marker, *arguments)

    async def _change(
        self, redis: Redis, script: Script, keys: Sequence[str], marker: Marker, *arguments: object
    ) -> Facts:
        """Make a change, unless the marker says that it was made."""
        try:
            answer = await self._ask(redis, script, [*keys, marker.name], marker.key, *arguments)
        except RedisUnreachable as error:
            if error.kind in _MAYBE_MADE:
                return await self._after_doubt(marker, error)
            raise
        return facts_of(answer)

    async def _after_doubt(self, marker: Marker, error: RedisUnreachable) -> Facts:
        for _ in range(_TRIES):
            try:
                facts = await self.fence(marker)
            except RedisUnreachable:
                continue
            except RedisError as refusal:
                raise RedisInDoubt(self.address) from refusal
            if facts is None:
                break
            if facts[RESULT] == FENCED:
                raise error
            return facts
        raise RedisInDoubt(self.address) from error

    async def _count_and_change(
        self, script: Script, wanted: Sequence[tuple[str, str, str | None]], marker: Marker
    ) -> Facts:
        """Count after an ID of each stream, and change them if what was counted still holds."""
        async with self._connected() as redis:
            for _ in range(_COUNTS):
                counts = [await self._count(redis, *each) for each in wanted]
                facts = await self._change(
                    redis,
                    script,
                    [stream for stream, *_ in wanted],
                    marker,
                    COUNT_CAP,
                    *chain.from_iterable(counts),
                )
                if facts[RESULT] != _RECOUNT:
                    return facts
        return {RESULT: STALE, "why": "changing"}

    async def _count(
        self, redis: Redis, stream: str, group: str, after: str | None
    ) -> tuple[object, ...]:
        """Count the entries after an ID, by default what waits for the group, in chunks.

        Gives what the scripts compare: the group, the ID counted after and the one counted to, how
        many entries, and the first entry and the number ever removed, as they were then.
        """
        first, removed, *rest = await self._ask(redis, self._figures, [stream], group)
        if not rest:
            return group, after or "0-0", after or "0-0", 0, first, removed
        length, ever, delivered = rest
        begin = after or delivered or ever
        end = max(begin, ever, key=EntryId.parse)
        if first == "empty" or EntryId.parse(begin) < EntryId.parse(first):
            # Nothing to read: all there is comes after it.
            return group, begin, end, length, first, removed
        counted = await self._counted(redis, stream, begin, end)
        return group, begin, end, counted, first, removed

    async def _counted(self, redis: Redis, key: str, begin: str, end: str) -> int:
        entries, found = 0, COUNT_CAP
        while found == COUNT_CAP:
            found, reached = await self._ask(redis, self._tally, [key], begin, end, COUNT_CAP)
            entries, begin = entries + found, reached or begin
        return entries

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Redis]:
        """Give a connection that works, or raise: nothing was sent then."""
        redis = redis_client(
            self._url, self._password, answer=ANSWER_SECONDS, retries=0, single=True
        )
        try:
            with translated(self.address):
                async with asyncio.timeout(CONNECT_SECONDS):
                    await redis.ping()
            yield redis
        finally:
            await redis.aclose()

    async def _ask(
        self, redis: Redis, script: Script, keys: Sequence[str], *arguments: object
    ) -> list[Any]:
        """Run a script once; without an answer it is not known whether it ran."""
        with translated(self.address):
            answer: Any = await redis.eval(script.text, len(keys), *keys, *map(str, arguments))
            return list(answer)


def _is_gone(answer: object) -> bool:
    """Tell whether the group is gone, and its consumer names with it."""
    return isinstance(answer, ResponseError) and any(
        wording in str(answer) for wording in ("NOGROUP", "requires the key to exist")
    )
