"""The Slack apps: what Slack takes, and exactly what the bot wants."""

from typing import Any

import pytest
import yaml

from bot.slack.api import SCOPES
from tests.manifests.rendering import MANIFESTS

FILES = sorted((MANIFESTS / "overlays").glob("*/slack-app.yaml"))
PRIVATE = {"groups:history"}
"""Wanted only where a channel is private, so no start fails without it."""


def read(overlay: str) -> dict[str, Any]:
    file = MANIFESTS / "overlays" / overlay / "slack-app.yaml"
    manifest: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    return manifest


def test_there_is_one_for_each_command_name() -> None:
    assert [file.parent.name for file in FILES] == ["dev", "prod"]


@pytest.mark.parametrize("overlay", ["dev", "prod"])
def test_scopes_are_those_that_the_bot_wants(overlay: str) -> None:
    scopes = read(overlay)["oauth_config"]["scopes"]
    assert set(scopes) == {"bot"}
    assert set(scopes["bot"]) == SCOPES | PRIVATE
    assert len(set(scopes["bot"])) == len(scopes["bot"])


@pytest.mark.parametrize("overlay", ["dev", "prod"])
def test_the_command_is_the_one_of_the_configuration(overlay: str) -> None:
    file = MANIFESTS / "overlays" / overlay / "bot.yaml"
    configured = yaml.safe_load(file.read_text("utf-8"))["slack"]["command"]
    (command,) = read(overlay)["features"]["slash_commands"]
    assert command["command"] == configured
    assert command["should_escape"] is False
    # In Socket Mode there is no address.
    assert set(command) == {"command", "description", "usage_hint", "should_escape"}


@pytest.mark.parametrize("overlay", ["dev", "prod"])
def test_the_app_is_set_to_what_the_bot_uses(overlay: str) -> None:
    manifest = read(overlay)
    assert manifest["_metadata"]["major_version"] == 2
    assert manifest["settings"] == {
        "interactivity": {"is_enabled": True},
        "org_deploy_enabled": False,
        "socket_mode_enabled": True,
        # The bot does not renew its token.
        "token_rotation_enabled": False,
    }
    assert set(manifest["features"]) == {"bot_user", "slash_commands"}


@pytest.mark.parametrize("overlay", ["dev", "prod"])
def test_texts_are_as_short_as_slack_wants_them(overlay: str) -> None:
    manifest = read(overlay)
    (command,) = manifest["features"]["slash_commands"]
    limits = [
        (manifest["display_information"]["name"], 35),
        (manifest["display_information"]["description"], 140),
        (manifest["features"]["bot_user"]["display_name"], 80),
        (command["command"], 32),
        (command["description"], 2000),
        (command["usage_hint"], 1000),
    ]
    assert [text for text, limit in limits if not 0 < len(text) <= limit] == []


def test_the_apps_differ_in_their_names_alone() -> None:
    dev, prod = read("dev"), read("prod")
    assert dev != prod
    for app in (dev, prod):
        del app["display_information"]["name"], app["features"]["bot_user"]["display_name"]
        del app["features"]["slash_commands"][0]["command"]
    assert dev == prod
