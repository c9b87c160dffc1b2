"""Log lines: JSON in a cluster, readable in a terminal, and nothing secret in either."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

_SECRETS = (
    (re.compile(r"\bx(?:ox[a-z]|app)-[\w-]+"), "x…"),
    (re.compile(r"(wss?://[^\s'\"?]+\?)[^\s'\")]+"), r"\1…"),
    (
        re.compile(
            r"(https?://[^\s'\"/]*slack[^\s'\"/]*/(?:commands|actions|services|hooks)/)[^\s'\")]+"
        ),
        r"\1…",
    ),
    (re.compile(r"(\w+://[^\s:@/]*:)[^\s@]+@"), r"\1…@"),
)

# At DEBUG they write tokens, response URLs and whole messages; at INFO, every reconnect twice.
_QUIET = ("slack_bolt", "slack_sdk", "aiohttp.access", "asyncio")


def without_secrets(text: str) -> str:
    """Blank out what looks like a token, a ticket, a response URL or a password in a URL."""
    # Most texts hold neither; the patterns were a tenth of the cost of a log line.
    if "://" in text or "xox" in text or "xapp" in text:
        for pattern, replacement in _SECRETS:
            text = pattern.sub(replacement, text)
    return text


def _redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = without_secrets(value)
    return event


def configure(*, terminal: bool | None = None, to: TextIO | None = None) -> None:
    """Send every log line, ours and the libraries', to one place in one form.

    Parameters
    ----------
    terminal
        True for lines to read, False for JSON; None to look whether anybody reads along.
    to
        Where to write; None for standard error.
    """
    stream = to or sys.stderr
    if terminal is None:
        terminal = stream.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    drawn: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, _redact, structlog.dev.ConsoleRenderer(colors=False)]
        if terminal
        else [
            structlog.processors.format_exc_info,
            _redact,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *drawn],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
