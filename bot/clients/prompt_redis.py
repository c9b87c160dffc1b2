"""Prompt Redis, for reading: the only place that knows the redis library.

Reads time out after about a second and are tried twice, because whatever hangs must not hang the
bot. Errors leave here as `bot.domain.errors`, answers as `bot.domain.streams`.
"""

import hashlib
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from importlib.resources import files
from time import perf_counter
from typing import Any

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    NoScriptError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError as RedisLibraryError
from redis.exceptions import TimeoutError as RedisTimeoutError

from bot.clients.redis_answers import COUNT_CAP, Access, commands, facts, pending, server
from bot.domain.errors import RedisForbidden, RedisUnreachable, Unreachable
from bot.domain.streams import Consumers, Facts, NotAllowed, Pending, Server

LISTED_PENDING = 10
TIMEOUT = 1.0
"""Seconds to connect, and to answer. With the one more try, a hanging server costs twice that."""


_INFO_SECTIONS = ("server", "memory", "persistence")
"""Reading all of INFO took most of a ping's time. Several at once: Redis 7.0 and newer."""


class _Script:
    """A read-only script: sent whole once, then by its hash."""

    def __init__(self, name: str) -> None:
        self.text = (files("bot.clients") / "scripts" / f"{name}.lua").read_text("utf-8")
        # Redis names scripts by SHA-1.
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


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
        self._redis = Redis.from_url(
            url,
            password=password,
            client_name="prompt-redis-bot",
            decode_responses=True,
            # Bytes that are no UTF-8 were written by somebody else; they must not stop a look.
            encoding_errors="replace",
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            retry=Retry(NoBackoff(), 1),
            # Redis 7.0 does not know CLIENT SETINFO, and no one reads it.
            driver_info=None,
        )
        where = self._redis.connection_pool.connection_kwargs
        self.address = where.get("path") or f"{where.get('host')}:{where.get('port', 6379)}"
        self._look, self._pending, self._consumers = (
            _Script(name) for name in ("look", "pending", "consumers")
        )
        self._scripts_known = False

    async def aclose(self) -> None:
        """Close every connection."""
        await self._redis.aclose()

    async def look(self, streams: Sequence[tuple[str, str]]) -> list[Facts]:
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
            return [NotAllowed()] * len(streams)
        return [facts(answer) if isinstance(answer, list) else NotAllowed() for answer in answers]

    async def pending(self, key: str, group: str) -> Pending | None:
        """List what was read and never confirmed; None where stream or group is missing.

        Raises
        ------
        RedisUnreachable
            If Redis does not answer.
        RedisForbidden
            If the bot's user may not read it.
        """
        answer = await self._run_one(self._pending, key, group, str(LISTED_PENDING))
        if len(answer) < 2 or not answer[1]:  # noqa: PLR2004 -- a type alone, or no group
            return None
        return pending(*answer[1:])

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

    async def server(self) -> Server:
        """Ask the server how it is.

        Raises
        ------
        RedisUnreachable
            If Redis does not answer; a server that loads its data does answer, see
            `Server.loading`.
        RedisForbidden
            If the bot's user may not ask.
        """
        with self._translated():
            started = perf_counter()
            try:
                pipeline = self._redis.pipeline(transaction=False)
                pipeline.ping()
                pipeline.info(*_INFO_SECTIONS)
                _, info = await pipeline.execute()
            except BusyLoadingError:
                info = await self._redis.info(*_INFO_SECTIONS)
            return server(info, timedelta(seconds=perf_counter() - started))

    async def access(self, streams: Sequence[tuple[str, str]]) -> Access:
        """Find out what the bot's user may do, without doing it.

        Parameters
        ----------
        streams
            Key and group of each stream that it works on.

        Raises
        ------
        RedisUnreachable
            If Redis does not answer.
        RedisForbidden
            If the user may not ask.
        """
        with self._translated():
            user = str(await self._redis.acl_whoami())
            pipeline = self._redis.pipeline(transaction=False)
            needed = [command for key, group in streams for command in commands(key, group)]
            for command in needed:
                pipeline.execute_command("ACL DRYRUN", user, *command)
            answers = await pipeline.execute(raise_on_error=False)
        if any(isinstance(answer, Exception) for answer in answers):
            raise RedisForbidden(self.address)
        refused = dict.fromkeys(
            " ".join(command[:2]) if command[0] == "XINFO" else command[0]
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

    async def _run_one(self, script: _Script, *arguments: str) -> list[Any]:
        (answer,) = await self._run(script, [arguments])
        if isinstance(answer, Exception):
            raise RedisForbidden(self.address) from answer
        return answer

    async def _run(
        self, script: _Script, calls: Sequence[Sequence[str]]
    ) -> list[list[Any] | ResponseError]:
        """Run a script once for each call, in one round trip; a refusal is a value."""
        with self._translated():
            answers = await self._send(script, calls, whole=not self._scripts_known)
            if any(isinstance(answer, NoScriptError) for answer in answers):
                answers = await self._send(script, calls, whole=True)
            self._scripts_known = True
            for answer in answers:
                if isinstance(answer, Exception) and not _is_refusal(answer):
                    raise answer
            return answers

    async def _send(
        self, script: _Script, calls: Sequence[Sequence[str]], *, whole: bool
    ) -> list[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for arguments in calls:
            if whole:
                pipeline.eval_ro(script.text, 1, *arguments)
            else:
                pipeline.evalsha_ro(script.sha, 1, *arguments)
        return await pipeline.execute(raise_on_error=False)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        # The order matters: a wrong password and a loading server are connection errors too.
        try:
            yield
        except AuthenticationError as error:
            raise RedisUnreachable(Unreachable.PASSWORD, self.address) from error
        except BusyLoadingError as error:
            raise RedisUnreachable(Unreachable.LOADING, self.address) from error
        except (RedisTimeoutError, TimeoutError) as error:
            raise RedisUnreachable(Unreachable.TIMED_OUT, self.address) from error
        except (RedisConnectionError, OSError) as error:
            raise RedisUnreachable(_how(error), self.address) from error
        except NoPermissionError as error:
            raise RedisForbidden(self.address) from error
        except ResponseError as error:
            if "MISCONF" in str(error):
                raise RedisUnreachable(Unreachable.DISK_FULL, self.address) from error
            raise


def _is_refusal(error: Exception) -> bool:
    """Tell whether the bot's user lacks a right; inside a script it is worded without NOPERM."""
    return isinstance(error, NoPermissionError) or any(
        wording in str(error)
        # Redis 7.0 and Valkey, then later Redis.
        for wording in ("ACL failure in script", "user executing the script")
    )


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
