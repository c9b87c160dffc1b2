"""Whether a task was asked to end.

A cancellation that arrives while redis-py looks whether a connection still has data to read can be
taken for that look's own timeout, and is lost: seen once in some hundred ends of the demo, which
then did not end. A loop around Redis therefore also asks.
"""

import asyncio


def asked_to_end() -> bool:
    """Tell whether the current task was cancelled, although it still runs."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
