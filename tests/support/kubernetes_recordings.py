"""What a real Kubernetes API server answered, from `tests/data/kubernetes`.

`recorded` reads one exchange; `failure` makes an answer that was not recorded, in the same shape.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

Json = dict[str, Any]

_FOLDER = Path(__file__).parents[1] / "data" / "kubernetes"


@dataclass(frozen=True)
class Recording:
    """One request, and its answer.

    `status` is None where the connection was closed without an answer; `lines` is None but for a
    watch. Body and lines are this Recording's own: a test may change them.
    """

    method: str
    path: str
    query: Mapping[str, str]
    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    lines: list[Json] | None = None


def recorded(name: str) -> Recording:
    """Read a recording by its file's name, without `.json`."""
    exchange = json.loads(_text(name))
    request, response = exchange["request"], exchange["response"]
    return Recording(
        method=request["method"],
        path=request["path"],
        query=request.get("query", {}),
        status=None if response["status"] == "none" else response["status"],
        headers=response.get("headers", {}),
        body=response.get("body"),
        lines=response.get("lines"),
    )


def failure(
    code: int,
    reason: str,
    message: str,
    *,
    details: Json | None = None,
    headers: Mapping[str, str] | None = None,
) -> Recording:
    """Make an answer that refuses, as a `Status`: 500 InternalError, 503 ServiceUnavailable."""
    body: Json = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    body |= {"message": message, "reason": reason}
    if details is not None:
        body["details"] = details
    return Recording("", "", {}, code, headers or {}, body | {"code": code})


@cache
def _text(name: str) -> str:
    return (_FOLDER / f"{name}.json").read_text("utf-8")


@dataclass(frozen=True)
class Call:
    """One request, whatever became of it."""

    method: str
    path: str
    query: Mapping[str, str]
    content_type: str
    body: Any
    authorization: str

    @property
    def target(self) -> str:
        """Path and query, for a fault to look into."""
        return f"{self.path}?{urlencode(self.query, safe='=,')}" if self.query else self.path
