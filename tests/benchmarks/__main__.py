"""`make bench`: prints ratios, measured in one run, and never fails by time.

Everything runs on loopback, is bounded in count, and is ended by whoever started it.
"""

import asyncio

from tests.benchmarks import approving, clearing, commands, reading, starting, watching


async def main() -> None:
    """Run every benchmark, one after the other."""
    for subject in (reading, clearing, commands, approving, watching, starting):
        await subject.run()


if __name__ == "__main__":
    asyncio.run(main())
