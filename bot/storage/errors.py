"""What is the matter with the database, told from what its libraries and the system report."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from bot.domain.errors import StateError, StateTrouble

_SQLITE = {
    "SQLITE_FULL": StateTrouble.FULL,
    "SQLITE_BUSY": StateTrouble.LOCKED,
    "SQLITE_LOCKED": StateTrouble.LOCKED,
    "SQLITE_READONLY": StateTrouble.READ_ONLY,
    "SQLITE_PERM": StateTrouble.READ_ONLY,
    "SQLITE_CANTOPEN": StateTrouble.READ_ONLY,
    # Growing the index of the write-ahead log is what fails first on a full disk.
    "SQLITE_IOERR_SHMSIZE": StateTrouble.FULL,
    "SQLITE_IOERR": StateTrouble.DAMAGED,
    "SQLITE_CORRUPT": StateTrouble.DAMAGED,
    "SQLITE_NOTADB": StateTrouble.DAMAGED,
}
"""By name of the result code; an extended code counts as the one that it begins with."""

_POSTGRESQL = {
    "53100": StateTrouble.FULL,
    "55P03": StateTrouble.LOCKED,
    "40P01": StateTrouble.LOCKED,
    "25006": StateTrouble.READ_ONLY,
    "28": StateTrouble.REFUSED,
    "42501": StateTrouble.REFUSED,
    "3D000": StateTrouble.MISSING,
    # A pooler takes none of the settings that a session begins with, and a prepared statement is
    # another session's there.
    "08P01": StateTrouble.POOLED,
    "26000": StateTrouble.POOLED,
    "42P05": StateTrouble.POOLED,
    "XX001": StateTrouble.DAMAGED,
    "XX002": StateTrouble.DAMAGED,
    "58": StateTrouble.DAMAGED,
    "08": StateTrouble.UNREACHABLE,
    "53": StateTrouble.UNREACHABLE,
    "57": StateTrouble.UNREACHABLE,
}
"""By SQLSTATE, or by its class of two characters."""

_SYSTEM = {
    errno.ENOSPC: StateTrouble.FULL,
    errno.EDQUOT: StateTrouble.FULL,
    errno.EROFS: StateTrouble.READ_ONLY,
    errno.EACCES: StateTrouble.READ_ONLY,
    errno.EPERM: StateTrouble.READ_ONLY,
    errno.EIO: StateTrouble.DAMAGED,
}


@contextmanager
def state_errors() -> Iterator[None]:
    """Raise what the database reports as a `StateError`; let everything else pass."""
    try:
        yield
    except Exception as error:
        kind = _trouble(error)
        if kind is None:
            raise
        raise StateError(kind) from error


def _trouble(error: BaseException) -> StateTrouble | None:
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return StateTrouble.UNREACHABLE
        return (_trouble(error.orig) if error.orig else None) or StateTrouble.OTHER
    if isinstance(error, PoolTimeoutError | DisconnectionError):
        return StateTrouble.UNREACHABLE
    if isinstance(error, sqlite3.Error):
        return _of_sqlite(getattr(error, "sqlite_errorname", ""))
    if isinstance(error, OSError):
        # Refused, timed out, no such host, a broken TLS session.
        return _SYSTEM.get(error.errno or 0, StateTrouble.UNREACHABLE)
    # asyncpg's errors, and SQLAlchemy's copies of them: there is no common base to import.
    code = getattr(error, "sqlstate", None)
    if code is None:
        return None
    return _POSTGRESQL.get(code) or _POSTGRESQL.get(code[:2]) or StateTrouble.OTHER


def _of_sqlite(name: str) -> StateTrouble:
    while name:
        if name in _SQLITE:
            return _SQLITE[name]
        name = name.rpartition("_")[0]
    return StateTrouble.OTHER
