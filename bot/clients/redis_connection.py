"""What reading and changing Prompt Redis share: scripts, connections, translated errors."""

import hashlib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterError,
    InvalidResponse,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError as RedisLibraryError
from redis.exceptions import TimeoutError as RedisTimeoutError

from bot.domain.errors import (
    RedisError,
    RedisForbidden,
    RedisUnreachable,
    Unreachable,
    WrongType,
)

CONNECT_SECONDS = 1.0
"""Whatever hangs must not hang the bot."""

MOST_WORDS = 200
"""Letters that are kept of what Redis says."""

_SAID = (ResponseError, AuthenticationError, BusyLoadingError, InvalidResponse)
"""Errors whose text is Redis' own."""

_CLASSES: dict[type[Exception], Unreachable] = {
    AuthenticationError: Unreachable.PASSWORD,
    BusyLoadingError: Unreachable.LOADING,
    # A cluster error of the library's, too.
    MasterDownError: Unreachable.NO_PRIMARY,
    ClusterError: Unreachable.CLUSTER,
    ReadOnlyError: Unreachable.READ_ONLY,
    OutOfMemoryError: Unreachable.MEMORY,
}
"""What the library's classes mean; they overlap, so the order matters."""

_WORDINGS = {
    "MISCONF": Unreachable.DISK_FULL,
    "NOREPLICAS": Unreachable.FEW_REPLICAS,
    "BUSY ": Unreachable.BUSY,
    "DENIED": Unreachable.DENIED,
    "max number of clients": Unreachable.CLIENTS,
    # Of a command itself, then of one inside a script.
    "unknown command": Unreachable.UNKNOWN_COMMAND,
    "nknown Redis command": Unreachable.UNKNOWN_COMMAND,
    "nknown command called": Unreachable.UNKNOWN_COMMAND,
    # Inside a script Redis words these without the library's classes.
    "READONLY": Unreachable.READ_ONLY,
    "OOM ": Unreachable.MEMORY,
    "MASTERDOWN": Unreachable.NO_PRIMARY,
    "CLUSTERDOWN": Unreachable.CLUSTER,
    "LOADING": Unreachable.LOADING,
    "NOAUTH": Unreachable.PASSWORD,
}
"""What an error says where the library has no class for it."""

_SOCKETS: dict[type[Exception], Unreachable] = {
    ConnectionRefusedError: Unreachable.REFUSED,
    socket.gaierror: Unreachable.UNRESOLVED,
    ssl.SSLCertVerificationError: Unreachable.CERTIFICATE,
    ssl.SSLEOFError: Unreachable.DISCONNECTED,
    ssl.SSLZeroReturnError: Unreachable.DISCONNECTED,
    ssl.SSLError: Unreachable.TLS,
    TimeoutError: Unreachable.TIMED_OUT,
}
"""What errors of sockets mean, the narrower class first."""

_LOST: tuple[type[RedisLibraryError], ...] = (RedisConnectionError,)
_LATE: tuple[type[RedisLibraryError], ...] = (RedisTimeoutError,)


class Script:
    """A Lua script, by its file's name, with the `parts` that it stands on, in their order.

    Parameters
    ----------
    writes
        True if it has to be sent as EVAL, because it writes or because of the bot's rights.
    keys
        How many of its arguments are keys, where that is always the same.
    """

    def __init__(self, name: str, *parts: str, writes: bool = False, keys: int = 1) -> None:
        folder = files("bot.clients") / "scripts"
        paths = [*(folder / "parts" / f"{part}.lua" for part in parts), folder / f"{name}.lua"]
        self.text = "\n".join(path.read_text("utf-8") for path in paths)
        # Redis names scripts by SHA-1.
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        self.writes = writes
        self.keys = keys


def redis_client(
    url: str,
    password: str | None,
    *,
    answer: float,
    retries: int,
    patient: bool = True,
    single: bool = False,
) -> Redis:
    """Make a client; it connects when it is first used.

    Parameters
    ----------
    answer
        Seconds to wait for an answer.
    retries
        How often to send a command again whose answer did not come.
    patient
        False to send none again that was not answered in time, but only after a lost connection.
    single
        True for one connection, instead of a pool.
    """
    client: Redis = Redis.from_url(
        url,
        password=password,
        client_name="prompt-redis-bot",
        decode_responses=True,
        # Bytes that are no UTF-8 were written by somebody else; they must not stop a look.
        encoding_errors="replace",
        socket_timeout=answer,
        socket_connect_timeout=CONNECT_SECONDS,
        retry=Retry(NoBackoff(), retries, _LOST + (_LATE if patient else ())),
        # Redis 7.0 does not know CLIENT SETINFO, and no one reads it.
        driver_info=None,
        single_connection_client=single,
    )
    return client


def address_of(client: Redis) -> str:
    """Give host and port, or the path of a socket: never the URL."""
    where = client.connection_pool.connection_kwargs
    return str(where.get("path") or f"{where.get('host')}:{where.get('port', 6379)}")


def is_refusal(error: BaseException) -> bool:
    """Tell whether the bot's user lacks a right; inside a script it is worded without NOPERM."""
    return isinstance(error, NoPermissionError) or any(
        wording in str(error)
        # Redis 7.0 and Valkey, then later Redis.
        for wording in ("ACL failure in script", "user executing the script")
    )


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Turn the library's errors into the domain's, which name the address.

    Raises
    ------
    RedisUnreachable
        If Redis is of no use to workers. Whatever it says that nobody foresaw is that, too.
    RedisForbidden
        If it refuses the bot.
    WrongType
        If the key holds something else than a stream.
    """
    try:
        yield
    except (RedisLibraryError, OSError) as error:
        raise _meaning(error, address) from error


def milliseconds(duration: timedelta) -> int:
    """Give a duration as Redis takes it."""
    return int(duration.total_seconds() * 1000)


def facts_of(flat: list[Any]) -> dict[str, str]:
    """Read a flat list of name, value, as scripts answer it."""
    return {str(name): str(value) for name, value in zip(flat[::2], flat[1::2], strict=True)}


def _meaning(error: BaseException, address: str) -> RedisError:
    words = _words(error)
    if "WRONGTYPE" in words:
        return WrongType(address)
    kind = _kind(error, words)
    # The library's own sentences about sockets say nothing that the kind does not.
    said = words if isinstance(error, _SAID) else ""
    return (RedisForbidden if kind.blind else RedisUnreachable)(kind, address, said)


def _kind(error: BaseException, words: str) -> Unreachable:
    """Tell what an error means: by its class, by Redis' words, by what the socket did."""
    if is_refusal(error):
        return Unreachable.FORBIDDEN
    known = (kind for one, kind in _CLASSES.items() if isinstance(error, one))
    worded = (kind for wording, kind in _WORDINGS.items() if wording in words)
    found = next(known, None) or next(worded, None)
    if found is not None:
        return found
    if isinstance(error, RedisTimeoutError | TimeoutError):
        return Unreachable.TIMED_OUT
    if isinstance(error, RedisConnectionError | OSError):
        return _how(error)
    return Unreachable.OTHER


def _words(error: BaseException) -> str:
    """Give what Redis said, with the code that the library may have taken off."""
    code = getattr(error, "status_code", None) or ""
    said = str(error)
    return (said if said.startswith(code) else f"{code} {said}")[:MOST_WORDS]


def _how(error: BaseException) -> Unreachable:
    cause: BaseException | None = error
    while cause is not None:
        found = next((kind for one, kind in _SOCKETS.items() if isinstance(cause, one)), None)
        if found is not None:
            return found
        cause = cause.__cause__ or cause.__context__
    return Unreachable.DISCONNECTED
