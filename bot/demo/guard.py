"""Ends the demo's processes when the demo itself could not.

It runs as a script beside the demo and reads process IDs from a pipe: ``+12`` was started, ``-12``
has ended. The pipe closes however the demo ends, SIGKILL included; then what is left is killed, and
the demo's folder for this run is removed.
"""

import contextlib
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TextIO


def watch(pipe: TextIO, run_folder: Path) -> None:
    """Wait for the pipe to close, then clean up.

    Parameters
    ----------
    pipe
        Lines of a sign and a process ID; each process leads a session of its own.
    run_folder
        What the demo wrote for this run alone.
    """
    alive: set[int] = set()
    for line in pipe:
        sign, process_id = line[0], int(line[1:])
        if sign == "+":
            alive.add(process_id)
        else:
            alive.discard(process_id)
    for process_id in alive:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process_id, signal.SIGKILL)
    shutil.rmtree(run_folder, ignore_errors=True)


if __name__ == "__main__":
    watch(sys.stdin, Path(sys.argv[1]))
