"""What Redis answers, read into values; and which commands are asked. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain.changes import Survey, VisitCount
from bot.domain.streams import (
    Entry,
    EntryId,
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

COUNT_CAP = 5000
"""Most waiting entries to count. 5000 cost 18 ms of server time, a million 0.6 to 3.7 s."""


@dataclass(frozen=True)
class Access:
    """What a Redis user may do.

    Parameters
    ----------
    user
        Its name.
    missing
        Commands that the bot needs and the user may not run.
    open_to_all
        True if Redis asks nobody for a password.
    """

    user: str
    missing: tuple[str, ...]
    open_to_all: bool


def commands(key: str, group: str) -> list[tuple[str, ...]]:
    """List every command that is sent, or run by a script, for one stream."""
    return [
        ("PING",),
        ("INFO",),
        ("EVAL_RO", "return 1", "1", key),
        ("EVALSHA_RO", "0" * 40, "1", key),
        ("TYPE", key),
        ("XINFO", "STREAM", key),
        ("XINFO", "GROUPS", key),
        ("XINFO", "CONSUMERS", key, group),
        ("XRANGE", key, "-", "+"),
        ("XPENDING", key, group),
    ]


def changing(key: str, group: str) -> list[tuple[str, ...]]:
    """List every command that changes of one stream send, or run by a script."""
    archive, marker = f"cleared:{key}:0", "prompt-redis-bot:done:0"
    keys = ("3", key, archive, marker)
    return [
        ("EVAL", "return 1", *keys),
        ("EVALSHA", "0" * 40, *keys),
        ("XLEN", key),
        ("XACK", key, group, "0-1"),
        ("XTRIM", key, "MINID", "0"),
        ("XADD", key, "*", "field", "value"),
        ("XGROUP", "CREATE", key, group, "$"),
        ("XGROUP", "SETID", key, group, "$"),
        ("XGROUP", "DELCONSUMER", key, group, "name"),
        ("DEL", key),
        ("COPY", key, archive),
        ("XRANGE", archive, "-", "+"),
        ("XINFO", "GROUPS", archive),
        ("XGROUP", "DESTROY", archive, group),
        ("EXISTS", archive),
        ("TTL", archive),
        ("PEXPIRE", archive, "1"),
        ("DEL", archive),
        ("GET", marker),
        ("SET", marker, "value"),
        ("EXPIRE", marker, "1"),
    ]


def facts(answer: list[Any]) -> StreamState:
    """Read what look.lua answers."""
    kind, *rest = answer
    if kind == "none":
        return NoStream()
    if kind != "stream":
        return OtherKey(kind)
    length, last_added, newest, added = rest[:4]
    group = None
    if len(rest) > 4:  # noqa: PLR2004 -- the group and what waits for it
        (last_delivered, pending, consumers, lag), (entries, visits, oldest) = rest[4:]
        group = Group(
            waiting=Waiting(entries, visits, entries >= COUNT_CAP, _entry(oldest)),
            pending=pending,
            consumers=consumers,
            last_delivered=EntryId.parse(last_delivered),
            lag=lag,
        )
    return Stream(length, EntryId.parse(last_added), _entry(newest), group, added)


def pending(summary: list[Any], listed: list[list[Any]]) -> Pending:
    """Read what pending.lua answers where there is a group."""
    total, _, newest, consumers = summary
    counts = ((name, int(count)) for name, count in consumers or ())
    return Pending(
        total=total,
        consumers=tuple(sorted(counts, key=lambda each: (-each[1], each[0]))),
        oldest=tuple(
            PendingEntry(
                entry=Entry(EntryId.parse(entry_id), visit, survey, detector),
                consumer=consumer,
                idle=timedelta(milliseconds=idle),
                deliveries=deliveries,
            )
            for entry_id, consumer, idle, deliveries, visit, survey, detector in listed
        ),
        newest=EntryId.parse(newest) if newest else None,
    )


def survey(chunks: Sequence[list[Any]], *, capped: bool) -> Survey:
    """Read what survey.lua answers, call by call; the first one has the figures."""
    figures, after, _, of_group, others, *_ = chunks[0]
    length, first, last, last_added, added = figures
    counted: list[VisitCount] = []
    for chunk in chunks:
        counted = merged(counted, visits(chunk[6]))
    entries = sum(chunk[5] for chunk in chunks)
    group = None
    if of_group:
        last_delivered, pending, consumers, lag = of_group
        known = sum(each.oldest.visit is not None for each in counted)
        oldest = counted[0].oldest if counted else None
        group = Group(
            waiting=Waiting(entries, known, capped, oldest),
            pending=pending,
            consumers=consumers,
            last_delivered=EntryId.parse(last_delivered),
            lag=lag,
        )
    newest = next((chunk[7] for chunk in reversed(chunks) if chunk[7]), None)
    return Survey(
        length=length,
        first=EntryId.parse(first) if first else None,
        last=EntryId.parse(last) if last else None,
        last_added=EntryId.parse(last_added),
        added=added,
        group=group,
        others=tuple(others),
        after=EntryId.parse(after),
        entries=entries,
        capped=capped,
        newest=_entry(newest),
        visits=tuple(counted),
    )


def with_group_of(survey: Survey, looked: StreamState) -> Survey:
    """Give a survey the group of a look."""
    return replace(survey, group=looked.group if isinstance(looked, Stream) else None)


def visits(counted: list[Any]) -> list[VisitCount]:
    """Read what visits.lua counts."""
    found = ((_entry(oldest), entries) for oldest, entries in counted)
    return [VisitCount(oldest, entries) for oldest, entries in found if oldest is not None]


def merged(counted: Iterable[VisitCount], more: Iterable[VisitCount]) -> list[VisitCount]:
    """Add further counts, whose visits may have begun in the earlier ones."""
    by_visit = {each.oldest.visit: each for each in counted}
    for each in more:
        known = by_visit.get(each.oldest.visit)
        by_visit[each.oldest.visit] = (
            each if known is None else replace(known, entries=known.entries + each.entries)
        )
    return list(by_visit.values())


def in_seconds(seconds: int) -> datetime | None:
    """Say when so many seconds will have passed; None where Redis sets no end."""
    return datetime.now(UTC) + timedelta(seconds=seconds) if seconds >= 0 else None


def _entry(answer: list[Any] | None) -> Entry | None:
    if not answer:
        return None
    entry_id, visit, survey, detector, stamp = answer
    return Entry(EntryId.parse(entry_id), visit, survey, detector, sent_in_utc(stamp))


def memory(info: Mapping[str, Any]) -> Memory:
    """Read what INFO answers about memory."""
    return Memory(info.get("used_memory_rss", 0), info.get("maxmemory") or None)


def server(info: Mapping[str, Any], answered_in: timedelta) -> ServerInfo:
    """Read what INFO answers."""
    loading = None
    if info.get("loading"):
        eta = info.get("loading_eta_seconds")
        loading = Loading(
            float(info.get("loading_loaded_perc", 0)),
            timedelta(seconds=float(eta)) if eta is not None else None,
        )
    saved = info.get("rdb_last_save_time")
    return ServerInfo(
        answered_in=answered_in,
        product=info.get("server_name", "redis"),
        version=str(info.get("valkey_version", info.get("redis_version", "unknown"))),
        up_for=timedelta(seconds=info.get("uptime_in_seconds", 0)),
        memory=info.get("used_memory_rss", 0),
        memory_limit=info.get("maxmemory") or None,
        # What Redis compares: used, not resident.
        memory_full=0 < info.get("maxmemory", 0) <= info.get("used_memory", 0),
        append_only=bool(info.get("aof_enabled")),
        last_write_ok=info.get("aof_last_write_status", "ok") == "ok",
        snapshot_ok=info.get("rdb_last_bgsave_status", "ok") == "ok",
        last_snapshot=datetime.fromtimestamp(saved, UTC) if saved else None,
        run_id=str(info.get("run_id", "")),
        loading=loading,
    )
