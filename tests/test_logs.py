"""Log lines: complete enough to find a fault by, and without a secret."""

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

import commands
from bot import logs
from tests.support.world import World, shown

BROKEN = '''
"""`breakit`: made up by a test."""

from bot.command import Call, Purpose, Read, Reply
from bot.domain.environments import Right


async def run(call: Call) -> Reply:
    raise RuntimeError("no fuel at redis://bot:hunter2@host with xoxb-1-secret")


COMMANDS = (
    Read(
        name="breakit",
        usage="",
        summary="fails",
        purpose=Purpose.LOOK,
        right=Right.ANYBODY,
        run=run,
    ),
)
'''


@pytest.fixture
def _restored() -> Iterator[None]:
    """Put logging back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.usefixtures("_restored")
async def test_the_code_of_an_apology_leads_to_its_traceback(
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "breakit.py").write_text(BROKEN, "utf-8")
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    logs.configure(terminal=False)
    try:
        async with world.bot():
            answer = await world.type("breakit")
    finally:
        sys.modules.pop("commands.breakit", None)
    assert answer.text.startswith("Sorry, that did not work, and it is not your fault.")
    reference = shown(answer).partition("Ref ")[2][:4]
    written = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    about = [line for line in written if line.get("reference") == reference]
    assert [line["event"] for line in about] == ["command failed", "command answered"]
    for line in about:
        assert line["command"] == "breakit"
        assert line["person"] == "U0ANA"
        assert line["environment"] == "prod"
        assert line["timestamp"].endswith("Z")
    assert "RuntimeError: no fuel" in about[0]["exception"]
    assert "hunter2" not in str(written)
    assert "xoxb-1-secret" not in str(written)


@pytest.mark.usefixtures("_restored")
def test_a_terminal_gets_lines_to_read(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(terminal=True)
    structlog.get_logger().info("ready", environments=["prod"])
    logging.getLogger("some.library").warning("odd %s", "thing")
    lines = capsys.readouterr().err.splitlines()
    assert "ready" in lines[0]
    assert "environments=['prod']" in lines[0]
    assert "odd thing" in lines[1]
    assert not any(line.startswith("{") for line in lines)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("token xoxb-12-34-abc refused", "token x… refused"),
        ("xapp-1-A-2-b", "x…"),
        ("redis://user:s3cret@host:6379/0", "redis://user:…@host:6379/0"),
        (
            "wss://wss-primary.slack.com/link/?ticket=abc&app_id=1",
            "wss://wss-primary.slack.com/link/?…",
        ),
        ("https://hooks.slack.com/commands/T1/2/xyz", "https://hooks.slack.com/commands/…"),
        ("nothing to hide at 05:31:07", "nothing to hide at 05:31:07"),
    ],
)
def test_what_looks_like_a_secret_is_blanked(text: str, kept: str) -> None:
    assert logs.without_secrets(text) == kept
