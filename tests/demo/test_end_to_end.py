"""The demo as people start it: real local-slack, real servers, the bot, a terminal."""

import asyncio
import json
import os
import re
import signal
import sys
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.waits import LONGEST_WAIT

PROD, DEV = "C0LSSTCAM1", "C0DMPP0002"
ANA, BEN = "U0ANA0001", "U0BEN0002"
ROOT = Path(__file__).parent.parent.parent


@dataclass
class Demo:
    """A demo at work, its terminal, and its Slack's control API."""

    process: Process
    http: aiohttp.ClientSession
    printed: list[str] = field(default_factory=list)
    url: str = ""

    async def until_printed(self, words: str) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(LONGEST_WAIT):
            while words not in (self.printed[-1] if self.printed else ""):
                line = await self.process.stdout.readline()
                assert line, f"the demo ended: {self.printed}"
                self.printed.append(line.decode())
        return self.printed[-1]

    async def enter(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n".encode())
        await self.process.stdin.drain()

    async def messages(self, channel: str) -> list[dict[str, Any]]:
        async with self.http.get(f"{self.url}/_control/messages/{channel}") as answer:
            found: list[dict[str, Any]] = (await answer.json())["messages"]
            return found

    async def type(self, text: str, channel: str = PROD, user: str = ANA) -> dict[str, Any]:
        before = len(await self.messages(channel))
        body = {"channel": channel, "user": user, "command": "/prompt-redis", "text": text}
        async with self.http.post(f"{self.url}/_control/command", json=body) as answer:
            assert answer.status == 200
        return await self.until(channel, lambda found: found[-1] if len(found) > before else None)

    async def until(
        self, channel: str, find: Callable[[list[dict[str, Any]]], Any]
    ) -> dict[str, Any]:
        async with asyncio.timeout(LONGEST_WAIT):
            # local-slack offers nothing to wait for.
            while not (found := find(await self.messages(channel))):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        message: dict[str, Any] = found
        return message

    async def verdict(self, words: str) -> dict[str, Any]:
        """Type `stats` until it says so."""
        async with asyncio.timeout(LONGEST_WAIT):
            while words not in (answer := await self.type("stats"))["text"]:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        return answer

    async def click(self, channel: str, message: dict[str, Any], label: str) -> None:
        (actions,) = [block for block in message["blocks"] if block["type"] == "actions"]
        (button,) = [each for each in actions["elements"] if each["text"]["text"] == label]
        action = {**button, "block_id": actions["block_id"]}
        body = {"channel": channel, "messageTs": message["ts"], "user": BEN, "action": action}
        async with self.http.post(f"{self.url}/_control/interact", json=body) as answer:
            assert answer.status == 200


async def start(tmp: Path, *arguments: str, folder: Path | None = None) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        "demo",
        "--folder",
        str(folder or ROOT / ".demo"),
        "--port",
        "3100",
        *arguments,
        stdin=PIPE,
        stdout=PIPE,
        stderr=STDOUT,
        cwd=ROOT,
        # Every process of this demo can be told by it.
        env={**os.environ, "TMPDIR": str(tmp)},
    )


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    process = await start(tmp_path)
    async with aiohttp.ClientSession() as http:
        one = Demo(process, http)
        try:
            line = await one.until_printed("Open http://")
            one.url = line.split()[1]
            yield one
        finally:
            await end(process, tmp_path)


async def end(process: Process, tmp: Path) -> None:
    """Press Ctrl-C; nothing may be left."""
    if process.returncode is None:
        process.send_signal(signal.SIGINT)
    async with asyncio.timeout(60):
        await process.communicate()
    assert process.returncode == 0
    assert left_behind(tmp) == []
    assert list(tmp.iterdir()) == []  # noqa: ASYNC240


def left_behind(tmp: Path) -> list[str]:
    """Processes that still work in a demo's folder."""
    if not Path("/proc").exists():
        return []
    commands = (_command(folder) for folder in Path("/proc").glob("[0-9]*"))
    return [command for command in commands if str(tmp) in command]


def _command(folder: Path) -> str:
    try:
        return (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


async def test_a_person_reads_how_the_streams_are_doing(demo: Demo) -> None:
    assert "PROD lsstcam: healthy" in (await demo.verdict("healthy"))["text"]
    stats = await demo.type("stats")
    assert stats["ephemeral_to"] == ANA
    text = json.dumps(stats["blocks"], ensure_ascii=False)
    assert re.search(r"BLOCK-4\d\d", text)
    assert "entries in the stream" in text

    for typed, words in (
        ("", "PROD lsstcam: "),
        ("ping", "PONG"),
        ("pending", "confirmed"),
        ("consumers", "consumer names"),
        ("about", "prompt-redis-bot 0."),
        ("help", "What you can type here"),
        ("runbook clear", "runbook: clear"),
        ("stast", "Did you mean `stats`?"),
    ):
        assert words in (await demo.type(typed))["text"], typed
    assert "3 streams" in (await demo.type("stats", DEV))["text"]

    # Two sockets get every command here, and one answer is given.
    answers = [m for m in await demo.messages(PROD) if "PONG" in m["text"]]
    assert len(answers) == 1

    await demo.click(PROD, stats, "Share in channel")
    shared = await demo.until(
        PROD, lambda found: next((m for m in found if "Shared by ben" in str(m["blocks"])), None)
    )
    assert shared.get("ephemeral_to") is None
    # The time of the look changes every second.
    async with asyncio.timeout(LONGEST_WAIT):
        while await _blocks(demo, stats) == stats["blocks"]:
            await demo.click(PROD, stats, "Refresh")
            await asyncio.sleep(0.2)


async def _blocks(demo: Demo, message: dict[str, Any]) -> object:
    found = await demo.messages(PROD)
    return next(each["blocks"] for each in found if each["ts"] == message["ts"])


async def test_trouble_is_seen_and_recovered_from(demo: Demo) -> None:
    await demo.verdict("healthy")
    await demo.enter("break group")
    await demo.until_printed("> break group:")
    assert "there is no group to read its" in (await demo.verdict("missing"))["text"]
    alarm = await demo.until(
        PROD, lambda found: next((m for m in found if "Alarm 1" in m["text"]), None)
    )
    await demo.enter("recover")
    await demo.until_printed("> recover:")
    await demo.verdict("healthy")
    await demo.until(
        PROD,
        lambda found: [m for m in found if m["ts"] == alarm["ts"] and "resolved" in m["text"]],
    )

    # Pasted lines are done in their order.
    await demo.enter("kill redis\nrecover\nkill redis")
    await demo.until_printed("> kill redis:")
    await demo.until_printed("> recover:")
    await demo.until_printed("> kill redis:")
    await demo.verdict("unreachable, Redis refuses the connection")
    assert "healthy" in (await demo.type("stats", DEV))["text"]
    await demo.enter("recover")
    await demo.until_printed("> recover:")
    await demo.verdict("healthy")

    await demo.enter("dance")
    await demo.until_printed("Type one of: stall, break group, kill redis, recover, quit.")
    await demo.enter("quit")


async def test_two_people_clear_a_stream(demo: Demo) -> None:
    await demo.verdict("healthy")
    await demo.type("clear lsstcam")
    card = await demo.until(
        PROD, lambda found: next((m for m in found if "ana asks to" in m["text"]), None)
    )
    # Typed, with a reason: at PROD's night, which comes at its own hour, the button asks for one.
    await demo.type("approve 1 as agreed", user=BEN)
    await demo.until(
        PROD,
        lambda found: [m for m in found if m["ts"] == card["ts"] and m["text"].startswith("🟢")],
    )
    await demo.until(
        PROD, lambda found: [m for m in found if f"<@{ANA}> request 1 is done" in m["text"]]
    )
    await demo.type("audit")
    audit = await demo.until(
        PROD, lambda found: next((m for m in found if "the last" in m["text"]), None)
    )
    assert "*done*" in json.dumps(audit["blocks"], ensure_ascii=False)


async def test_stall_by_the_clock(tmp_path: Path) -> None:
    process = await start(tmp_path, "--script", "stall@0.5,recover@2")
    assert process.stdin is not None
    process.stdin.close()
    async with aiohttp.ClientSession() as http:
        demo = Demo(process, http)
        await demo.until_printed("> stall: PROD's workers have stopped.")
        began = time.monotonic()
        await demo.until_printed("> recover:")
        assert time.monotonic() - began > 0.5
    await end(process, tmp_path)


@pytest.mark.parametrize("script", ["stall", "stall@soon", "explode@3", "stall@3;recover@4"])
async def test_a_bad_script_is_refused_before_anything_starts(tmp_path: Path, script: str) -> None:
    process = await start(tmp_path, "--script", script)
    out, _ = await process.communicate()
    assert process.returncode == 2
    assert "the actions are stall, break group, kill redis, recover" in out.decode()


async def test_npm_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    tmp = tmp_path / "tmp"
    tmp.mkdir()
    process = await start(tmp, folder=tmp_path / "demo")
    out, _ = await process.communicate()
    assert process.returncode == 1
    assert "Install Node.js with npm" in out.decode()
    assert left_behind(tmp) == []


async def test_a_registry_that_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:1")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    tmp = tmp_path / "tmp"
    tmp.mkdir()
    process = await start(tmp, folder=tmp_path / "demo")
    out, _ = await process.communicate()
    assert process.returncode == 1
    assert "check the network and its proxy" in out.decode()
    assert left_behind(tmp) == []


async def test_a_restart_restarts_the_embedded_server(demo: Demo) -> None:
    before = (await demo.type("ping", DEV))["blocks"]
    await demo.type("restart --reason to see it", DEV)
    card = await demo.until(
        DEV,
        lambda found: next(
            (each for each in found if "asks to restart Redis" in each["text"]), None
        ),
    )
    number = card["text"].rpartition(" ")[2]
    # Typed with a reason: the demo's nights are the telescope's.
    await demo.type(f"approve {number} everybody watches", DEV, BEN)
    card = await demo.until(
        DEV,
        lambda found: next((each for each in found if "Redis is back after" in each["text"]), None),
    )
    assert "is there" in str(card["blocks"]) or "are there" in str(card["blocks"])
    assert (await demo.type("ping", DEV))["blocks"] != before


async def test_a_slack_that_ends_is_noticed(tmp_path: Path) -> None:
    process = await start(tmp_path)
    demo = Demo(process, None)  # type: ignore[arg-type]
    await demo.until_printed("Open http://")
    for folder in Path("/proc").glob("[0-9]*"):  # noqa: ASYNC240
        command = _command(folder)
        if "local-slack.json" in command and str(tmp_path) in command:
            os.kill(int(folder.name), signal.SIGKILL)
    out, _ = await process.communicate()
    assert process.returncode == 1
    assert "The local Slack has ended" in out.decode()
    assert left_behind(tmp_path) == []


async def test_ctrl_c_while_it_starts(tmp_path: Path) -> None:
    process = await start(tmp_path)
    demo = Demo(process, None)  # type: ignore[arg-type]
    await demo.until_printed("starting the local Slack")
    await end(process, tmp_path)


async def test_a_killed_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    process = await start(tmp_path)
    demo = Demo(process, None)  # type: ignore[arg-type]
    await demo.until_printed("Open http://")
    assert left_behind(tmp_path)
    process.kill()
    await process.wait()
    async with asyncio.timeout(60):
        while left_behind(tmp_path):  # noqa: ASYNC110 -- they are nobody's children now
            await asyncio.sleep(0.05)
