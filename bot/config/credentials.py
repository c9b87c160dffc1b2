"""Secrets, from the environment only: as a variable, or as a file that a variable names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from bot.config.document import ConfigurationError
from bot.config.settings import Settings, Target
from bot.config.values import STATE_SCHEMES


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """What comes from the environment only; printing it shows no secret.

    Parameters
    ----------
    slack_bot_token
        The bot token (``xoxb-…``).
    slack_app_token
        The app-level token (``xapp-…``); always there in Socket Mode.
    slack_signing_secret
        Always there in HTTP mode.
    slack_api_url
        Base of the Web API; no secret.
    state_url
        Address of the database: the environment's, else the file's.
    redis_passwords
        By environment, for those that have one.
    oncall_keys
        By target, for those that have one.
    heartbeat_key
        For ``{key}`` in the heartbeat's address.
    kubeconfig
        Path of kubectl's own configuration, where environments name a context of it; None for its
        usual place.
    """

    slack_bot_token: SecretStr
    slack_app_token: SecretStr | None
    slack_signing_secret: SecretStr | None
    slack_api_url: str
    state_url: SecretStr
    redis_passwords: Mapping[str, SecretStr]
    oncall_keys: Mapping[str, SecretStr]
    heartbeat_key: SecretStr | None
    kubeconfig: str | None = None


def load_secrets(settings: Settings, environ: Mapping[str, str]) -> Secrets:
    """Take the secrets from the environment.

    Parameters
    ----------
    settings
        The configuration, which says what is needed.
    environ
        Environment variables; ``NAME_FILE`` holds the path of a file with the value of ``NAME``.

    Raises
    ------
    ConfigurationError
        With every variable that is missing or unusable.
    """
    variables = _Variables(environ)
    socket_mode = settings.slack.mode == "socket"
    page = "from the Slack app's page"
    bot_token = variables.secret(
        "SLACK_BOT_TOKEN", f'it is the bot token (xoxb-…), {page} "OAuth & Permissions"'
    )
    app_token = variables.secret(
        "SLACK_APP_TOKEN",
        f'it is the app-level token (xapp-…) for Socket Mode, {page} "Basic Information"'
        if socket_mode
        else None,
    )
    signing_secret = variables.secret(
        "SLACK_SIGNING_SECRET",
        None
        if socket_mode
        else f'it proves that requests come from Slack, {page} "Basic Information"',
    )
    passwords = {name: variables.secret(redis_variable(name)) for name in settings.environments}
    keys = {
        target.name: variables.secret(oncall_variable(target.name), _why_key(target))
        for target in settings.oncall.targets
    }
    heartbeat = settings.oncall.heartbeat
    heartbeat_key = variables.secret(
        "PROMPT_REDIS_HEARTBEAT_KEY",
        "`oncall.heartbeat` holds {key}" if heartbeat and "{key}" in heartbeat else None,
    )
    state_url = variables.secret("PROMPT_REDIS_STATE_URL") or SecretStr(settings.state.url)
    if state_url.get_secret_value().partition(":")[0] not in STATE_SCHEMES:
        variables.problem(
            "PROMPT_REDIS_STATE_URL", f"must begin with one of {', '.join(STATE_SCHEMES)}"
        )
    api_url = environ.get("SLACK_API_URL", "").strip() or "https://slack.com/api/"
    if not re.match(r"https?://[^/\s]", api_url):
        variables.problem("SLACK_API_URL", "must be an address that begins with https://")
    if variables.problems or bot_token is None:
        raise ConfigurationError(variables.problems)
    return Secrets(
        slack_bot_token=bot_token,
        slack_app_token=app_token,
        slack_signing_secret=signing_secret,
        slack_api_url=api_url.rstrip("/") + "/",
        state_url=state_url,
        redis_passwords={name: value for name, value in passwords.items() if value},
        oncall_keys={name: value for name, value in keys.items() if value},
        heartbeat_key=heartbeat_key,
        kubeconfig=environ.get("KUBECONFIG", "").strip() or None,
    )


def redis_variable(environment: str) -> str:
    """Name of the variable that holds an environment's Redis password."""
    return f"PROMPT_REDIS_{_upper(environment)}_PASSWORD"


def oncall_variable(target: str) -> str:
    """Name of the variable that holds an on-call target's key."""
    return f"PROMPT_REDIS_ONCALL_{_upper(target)}_KEY"


def _upper(name: str) -> str:
    return name.upper().replace("-", "_")


def _why_key(target: Target) -> str | None:
    if target.url is not None and "{key}" in target.url:
        return f"the url of on-call target `{target.name}` holds {{key}}"
    if target.kind.key:
        return f"it is the {target.kind.key} of on-call target `{target.name}`"
    return None


class _Variables:
    """Reads variables, and collects what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]):
        self._environ = environ
        self.problems: list[str] = []

    def problem(self, name: str, text: str) -> None:
        self.problems.append(f"{name}: {text}")

    def secret(self, name: str, why: str | None = None) -> SecretStr | None:
        """Value of a variable; `why` says what it is for where it must be there."""
        value = self._environ.get(name, "").strip()
        file = self._environ.get(f"{name}_FILE", "").strip()
        if value and file:
            self.problem(name, f"is set, and so is {name}_FILE; set one of them")
        elif file:
            value = self._content(f"{name}_FILE", file)
        elif not value and why:
            self.problem(name, f"is not set; {why}")
        return SecretStr(value) if value else None

    def _content(self, name: str, file: str) -> str:
        # No message repeats the path: somebody may have put the secret itself there.
        try:
            content = Path(file).read_text("utf-8").strip()
        except OSError as error:
            self.problem(name, f"names a file that cannot be read ({error.strerror})")
        except ValueError:
            self.problem(name, "names a file that is not text in UTF-8")
        else:
            if not content:
                self.problem(name, "names an empty file")
            return content
        return ""
