"""What Redis answers, read into values; and which commands are asked. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain.streams import (
    Entry,
    EntryId,
    Facts,
    Group,
    Loading,
    NoStream,
    OtherKey,
    Pending,
    PendingEntry,
    Server,
    Stream,
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


def facts(answer: list[Any]) -> Facts:
    """Read what look.lua answers."""
    kind, *rest = answer
    if kind == "none":
        return NoStream()
    if kind != "stream":
        return OtherKey(kind)
    length, last_added, newest = rest[:3]
    group = None
    if len(rest) > 3:  # noqa: PLR2004 -- the group and what waits for it
        (last_delivered, pending, consumers, lag), (entries, visits, oldest) = rest[3:]
        group = Group(
            waiting=Waiting(entries, visits, entries >= COUNT_CAP, _entry(oldest)),
            pending=pending,
            consumers=consumers,
            last_delivered=EntryId.parse(last_delivered),
            lag=lag,
        )
    return Stream(length, EntryId.parse(last_added), _entry(newest), group)


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


def _entry(answer: list[Any] | None) -> Entry | None:
    if not answer:
        return None
    entry_id, visit, survey, detector, stamp = answer
    return Entry(EntryId.parse(entry_id), visit, survey, detector, sent_in_utc(stamp))


def server(info: Mapping[str, Any], answered_in: timedelta) -> Server:
    """Read what INFO answers."""
    loading = None
    if info.get("loading"):
        eta = info.get("loading_eta_seconds")
        loading = Loading(
            float(info.get("loading_loaded_perc", 0)),
            timedelta(seconds=float(eta)) if eta is not None else None,
        )
    saved = info.get("rdb_last_save_time")
    return Server(
        answered_in=answered_in,
        product=info.get("server_name", "redis"),
        version=str(info.get("valkey_version", info.get("redis_version", "unknown"))),
        up_for=timedelta(seconds=info.get("uptime_in_seconds", 0)),
        memory=info.get("used_memory_rss", 0),
        memory_limit=info.get("maxmemory") or None,
        append_only=bool(info.get("aof_enabled")),
        last_write_ok=info.get("aof_last_write_status", "ok") == "ok",
        snapshot_ok=info.get("rdb_last_bgsave_status", "ok") == "ok",
        last_snapshot=datetime.fromtimestamp(saved, UTC) if saved else None,
        run_id=str(info.get("run_id", "")),
        loading=loading,
    )
