"""Secrets come from the environment, as a variable or a file, and are never printed."""

from pathlib import Path

import pytest

from bot.clients.pagers import NOTIFIERS
from bot.config import ConfigurationError, Secrets, Settings, load, load_secrets
from bot.slack.paging import kinds

KINDS = kinds(NOTIFIERS)
TOKENS = {"SLACK_BOT_TOKEN": "xoxb-s3cret", "SLACK_APP_TOKEN": "xapp-s3cret"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "bot.yaml"
    file.write_text(
        """
        environments:
          prod:
            channel: a
            instruments: [a]
            redis: &redis {url: "redis://h"}
            approval: &approval {self_approval: true}
          dev-2: {channel: b, instruments: [a], redis: *redis, approval: *approval}
        oncall:
          heartbeat: https://hc.example/ping/{key}
          targets:
            - {name: shift-lead, kind: squadcast, url: "https://sq.example/{key}"}
            - {name: rota, kind: pagerduty}
            - {name: hook, kind: webhook, url: "https://hook.example/"}
            - {name: group, kind: slack, usergroup: S0123}
        """
    )
    return load(file, {}, KINDS)


@pytest.fixture
def environ() -> dict[str, str]:
    return {
        **TOKENS,
        "PROMPT_REDIS_HEARTBEAT_KEY": "heart-s3cret",
        "PROMPT_REDIS_ONCALL_SHIFT_LEAD_KEY": "lead-s3cret",
        "PROMPT_REDIS_ONCALL_ROTA_KEY": "rota-s3cret",
    }


def problems(settings: Settings, environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        load_secrets(settings, environ)
    return caught.value.problems


def in_http_mode(settings: Settings) -> Settings:
    return settings.model_copy(update={"slack": settings.slack.model_copy(update={"mode": "http"})})


def revealed(secrets: Secrets) -> dict[str, str]:
    """Give the keys of targets and environments."""
    return {**secrets.redis_passwords, **secrets.oncall_keys}


def test_what_is_needed_is_enough(settings: Settings, environ: dict[str, str]) -> None:
    secrets = load_secrets(settings, environ)
    assert secrets.slack_bot_token == "xoxb-s3cret"
    assert secrets.slack_app_token == "xapp-s3cret"
    assert secrets.slack_signing_secret == ""
    assert secrets.slack_api_url == "https://slack.com/api/"
    assert secrets.state_url == "sqlite+aiosqlite:///prompt-redis-bot.db"
    assert revealed(secrets) == {"shift-lead": "lead-s3cret", "rota": "rota-s3cret"}


def test_everything_may_be_set(settings: Settings, environ: dict[str, str]) -> None:
    secrets = load_secrets(
        settings,
        environ
        | {
            "SLACK_SIGNING_SECRET": "sign-s3cret",
            "SLACK_API_URL": "http://127.0.0.1:3000/api",
            "PROMPT_REDIS_PROD_PASSWORD": "prod-s3cret",
            "PROMPT_REDIS_DEV_2_PASSWORD": "dev-s3cret",
            "PROMPT_REDIS_STATE_URL": "postgresql+asyncpg://bot:s3cret@db/bot",
            "PROMPT_REDIS_ONCALL_HOOK_KEY": "hook-s3cret",
        },
    )
    assert secrets.slack_api_url == "http://127.0.0.1:3000/api/"
    assert secrets.state_url == "postgresql+asyncpg://bot:s3cret@db/bot"
    assert revealed(secrets) == {
        "prod": "prod-s3cret",
        "dev-2": "dev-s3cret",
        "shift-lead": "lead-s3cret",
        "rota": "rota-s3cret",
        "hook": "hook-s3cret",
    }
    assert "s3cret" not in repr(secrets) + str(secrets) + repr(settings)


def test_what_is_missing_is_said_at_once(settings: Settings) -> None:
    page = "from the Slack app's page"
    basic, permissions = f'{page} "Basic Information"', f'{page} "OAuth & Permissions"'
    lead = "the url of on-call target `shift-lead` holds {key}"
    assert problems(settings, {"SLACK_BOT_TOKEN": " "}) == (
        f"SLACK_BOT_TOKEN: is not set; it is the bot token (xoxb-…), {permissions}",
        f"SLACK_APP_TOKEN: is not set; it is the app-level token (xapp-…) for Socket Mode, {basic}",
        f"PROMPT_REDIS_ONCALL_SHIFT_LEAD_KEY: is not set; {lead}",
        "PROMPT_REDIS_ONCALL_ROTA_KEY: is not set; it is the routing key of on-call target `rota`",
        "PROMPT_REDIS_HEARTBEAT_KEY: is not set; `oncall.heartbeat` holds {key}",
    )


def test_http_mode_needs_the_signing_secret_instead(
    settings: Settings, environ: dict[str, str]
) -> None:
    settings = in_http_mode(settings)
    del environ["SLACK_APP_TOKEN"]
    (missing,) = problems(settings, environ)
    assert missing.startswith("SLACK_SIGNING_SECRET: is not set; it proves that requests come")
    secrets = load_secrets(settings, environ | {"SLACK_SIGNING_SECRET": "sign-s3cret"})
    assert secrets.slack_app_token == ""
    assert secrets.slack_signing_secret == "sign-s3cret"


def test_a_secret_may_stand_in_a_file(
    settings: Settings, environ: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text("  prod-s3cret\n")
    secrets = load_secrets(settings, environ | {"PROMPT_REDIS_PROD_PASSWORD_FILE": str(file)})
    assert revealed(secrets)["prod"] == "prod-s3cret"


@pytest.mark.parametrize("inside", ["\n", "\r", "\r\n", "\0", "\x1b"])
@pytest.mark.parametrize(
    "name",
    [
        "SLACK_BOT_TOKEN",
        "SLACK_APP_TOKEN",
        "SLACK_SIGNING_SECRET",
        "PROMPT_REDIS_PROD_PASSWORD",
        "PROMPT_REDIS_ONCALL_ROTA_KEY",
        "PROMPT_REDIS_HEARTBEAT_KEY",
        "PROMPT_REDIS_STATE_URL",
    ],
)
def test_a_line_break_within_a_secret_is_said(
    settings: Settings, environ: dict[str, str], tmp_path: Path, name: str, inside: str
) -> None:
    secret = f"sqlite://s3cret{inside}word"
    said = "holds a line break or another control character; set it anew, in one line"
    assert problems(settings, environ | {name: secret}) == (f"{name}: {said}",)
    if inside != "\0":
        file = tmp_path / "secret"
        file.write_text(secret)
        environ.pop(name, None)
        assert problems(settings, environ | {f"{name}_FILE": str(file)}) == (
            f"{name}_FILE: {said}",
        )


@pytest.mark.parametrize("token", ["xoxb-s3cret word", "xoxb-s3crét", "xoxb-\u200bs3cret"])
def test_a_token_is_of_characters_that_tokens_have(
    settings: Settings, environ: dict[str, str], token: str
) -> None:
    (problem,) = problems(settings, environ | {"SLACK_BOT_TOKEN": token})
    assert problem.startswith("SLACK_BOT_TOKEN: holds a ")
    assert "s3cr" not in problem


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "names a file that cannot be read (No such file or directory)"),
        (b"\n", "names an empty file"),
        (b"\xff", "names a file that is not text in UTF-8"),
    ],
)
def test_a_file_that_holds_no_secret_is_refused(
    settings: Settings,
    environ: dict[str, str],
    tmp_path: Path,
    content: bytes | None,
    problem: str,
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    del environ["SLACK_BOT_TOKEN"]
    found = problems(settings, environ | {"SLACK_BOT_TOKEN_FILE": str(file)})
    assert found == (f"SLACK_BOT_TOKEN_FILE: {problem}",)


def test_a_secret_where_its_file_belongs_is_not_repeated(
    settings: Settings, environ: dict[str, str]
) -> None:
    found = problems(settings, environ | {"PROMPT_REDIS_PROD_PASSWORD_FILE": "prod-s3cret"})
    assert "s3cret" not in str(found)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("SLACK_BOT_TOKEN_FILE", "/x", "SLACK_BOT_TOKEN: is set, and so is SLACK_BOT_TOKEN_FILE;"),
        ("SLACK_API_URL", "slack.com", "SLACK_API_URL: must be an address that begins with https"),
        ("PROMPT_REDIS_STATE_URL", "mysql://u:s3cret@h", "PROMPT_REDIS_STATE_URL: must begin with"),
    ],
)
def test_a_variable_is_refused(
    settings: Settings, environ: dict[str, str], name: str, value: str, problem: str
) -> None:
    found = problems(settings, environ | {name: value})
    assert len(found) == 1
    assert found[0].startswith(problem)
    assert "s3cret" not in found[0]
