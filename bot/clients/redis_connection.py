"""What reading and changing Prompt Redis share: scripts, connections, translated errors."""

import hashlib
import socket
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
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from bot.domain.errors import (
    RedisError,
    RedisForbidden,
    RedisRefused,
    RedisUnreachable,
    Refusal,
    Unreachable,
)

CONNECT_SECONDS = 1.0
"""Whatever hangs must not hang the bot."""


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
    url: str, password: str | None, *, answer: float, retries: int, single: bool = False
) -> Redis:
    """Make a client; it connects when it is first used.

    Parameters
    ----------
    answer
        Seconds to wait for an answer.
    retries
        How often to send a command again whose answer did not come.
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
        retry=Retry(NoBackoff(), retries),
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
        If Redis does not answer.
    RedisForbidden
        If the bot's user may not do it.
    RedisRefused
        If Redis cannot do it as it is: a replica, out of memory, a key of another type.
    """
    # The order matters: a wrong password and a loading server are connection errors too.
    try:
        yield
    except AuthenticationError as error:
        raise RedisUnreachable(Unreachable.PASSWORD, address) from error
    except BusyLoadingError as error:
        raise RedisUnreachable(Unreachable.LOADING, address) from error
    except (RedisTimeoutError, TimeoutError) as error:
        raise RedisUnreachable(Unreachable.TIMED_OUT, address) from error
    except (RedisConnectionError, OSError) as error:
        raise RedisUnreachable(_how(error), address) from error
    except ResponseError as error:
        meaning = _meaning(error, address)
        if meaning is None:
            raise
        raise meaning from error


def milliseconds(duration: timedelta) -> int:
    """Give a duration as Redis takes it."""
    return int(duration.total_seconds() * 1000)


def facts_of(flat: list[Any]) -> dict[str, str]:
    """Read a flat list of name, value, as scripts answer it."""
    return {str(name): str(value) for name, value in zip(flat[::2], flat[1::2], strict=True)}


def _meaning(error: ResponseError, address: str) -> RedisError | None:
    if is_refusal(error):
        return RedisForbidden(address)
    if "MISCONF" in str(error):
        return RedisUnreachable(Unreachable.DISK_FULL, address)
    if isinstance(error, ReadOnlyError):
        return RedisRefused(Refusal.READ_ONLY, address)
    if isinstance(error, OutOfMemoryError):
        return RedisRefused(Refusal.MEMORY, address)
    if "WRONGTYPE" in str(error):
        return RedisRefused(Refusal.WRONG_TYPE, address)
    return None


def _how(error: BaseException) -> Unreachable:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError):
            return Unreachable.REFUSED
        if isinstance(cause, socket.gaierror):
            return Unreachable.UNRESOLVED
        if isinstance(cause, TimeoutError):
            return Unreachable.TIMED_OUT
        cause = cause.__cause__ or cause.__context__
    return Unreachable.DISCONNECTED
