"""Pure rules and values: no I/O, no asyncio, time is an argument."""
