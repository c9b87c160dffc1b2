"""The database's clock, in its own words: replicas need not agree on theirs."""

from datetime import datetime
from typing import Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import FunctionElement

from bot.storage.schema import Time


class Clock(FunctionElement[datetime]):
    """The database's own time, some seconds from now."""

    type = Time()
    inherit_cache = False

    def __init__(self, seconds: float = 0) -> None:
        super().__init__()
        self.seconds = seconds


@compiles(Clock, "postgresql")
def _postgresql_clock(clock: Clock, _: Any, **__: Any) -> str:
    return f"(clock_timestamp() + interval '{clock.seconds:.3f} seconds')"


@compiles(Clock, "sqlite")
def _sqlite_clock(clock: Clock, _: Any, **__: Any) -> str:
    # The text that SQLAlchemy stores for a time, so that the two compare.
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '{clock.seconds:+.3f} seconds')"
