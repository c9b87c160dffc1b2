"""What the guides name is what the program has: nothing in code style there goes unchecked.

Each span between backticks is of one kind, which its form tells, and is held against the program,
the manifests or the tree. Blocks of YAML are loaded, lines for a shell are read, the command in one
file is put into place and typed, and what alarms are said to say is drawn.
"""

import asyncio
import importlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

import commands
from bot import FAILED, INVALID, __version__
from bot.app import RENEW_EVERY, find_commands
from bot.domain.alarms import Incident
from bot.domain.errors import StateTrouble, Unreachable
from bot.domain.rules import RULES, Finding, Severity, rule_of
from bot.domain.runbook import topics
from bot.domain.samples import Figures
from bot.loops import NOT_YET
from bot.render import rules
from bot.storage.database import Database
from bot.storage.lease import LEASE
from tests.docs.knowledge import (
    BIN,
    EXAMPLE,
    EXTEND,
    FENCE,
    GUIDES,
    MINUTE,
    NOW,
    OPERATE,
    blocks,
    commands_of,
    is_right,
    problems,
    prose,
    runs,
    section,
    sentences,
    spans,
)
from tests.manifests.rendering import MANIFESTS, NAME, NAMESPACE, ROOT, overlay, pod_of
from tests.manifests.test_pod_security import violations
from tests.support.world import World, shown

each_guide = pytest.mark.parametrize("page", GUIDES, ids=lambda page: str(page.relative_to(ROOT)))
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule)


@each_guide
def test_all_that_is_in_code_style_is_known(page: Path) -> None:
    found = spans(page)
    assert len(found) > 10
    assert [each for each in found if not is_right(each, page)] == []


@each_guide
def test_it_does_not_shout(page: Path) -> None:
    assert re.findall(r".*!(?!\[).*", prose(page)) == []


@each_guide
def test_every_line_for_a_shell_can_be_run(page: Path) -> None:
    lines = [line for block in blocks(page, "sh") for line in commands_of(block)]
    assert lines or page == EXTEND
    assert [line for line in lines if not runs(line)] == []


@each_guide
def test_every_block_is_of_a_kind_that_is_checked(page: Path) -> None:
    kinds = {found for _, found, _ in FENCE.findall(page.read_text("utf-8"))}
    assert kinds <= {"sh", "yaml", "python"}
    assert page == EXTEND or "python" not in kinds


@each_guide
def test_blocks_of_the_configuration_are_accepted(page: Path) -> None:
    whole = (MANIFESTS / "overlays" / "prod" / "bot.yaml").read_text("utf-8")
    for block in blocks(page, "yaml"):
        if "apiVersion" not in block:
            assert problems(whole + block) == ""


def test_the_pod_that_restores_has_the_volume_and_holds_the_standard() -> None:
    (pod,) = (each for each in resources() if each["kind"] == "Pod")
    kubernetes_validate.validate(pod, kubernetes_validate.latest_version(), strict=True)
    assert [*violations(pod["spec"])] == []
    bot, spec = pod_of(overlay("prod")), pod["spec"]
    (mount,) = spec["containers"][0]["volumeMounts"]
    assert mount in bot["containers"][0]["volumeMounts"]
    assert spec["volumes"][0] in bot["volumes"]
    for key in ("runAsUser", "fsGroup"):
        assert spec["securityContext"][key] == bot["securityContext"][key]
    assert spec["containers"][0]["image"] == f"registry.example.org/{NAME}:{__version__}"


def test_the_application_names_an_overlay_and_its_image(tmp_path: Path) -> None:
    (application,) = (each for each in resources() if each["kind"] == "Application")
    source_, (image,) = (
        application["spec"]["source"],
        application["spec"]["source"]["kustomize"]["images"],
    )
    assert application["spec"]["destination"]["namespace"] == NAMESPACE
    name, _, wanted = image.partition("=")
    # Argo CD writes the image into the overlay as `kustomize edit set image` does.
    (tmp_path / "kustomization.yaml").write_text(
        yaml.safe_dump(
            {
                "resources": [os.path.relpath(ROOT / source_["path"], tmp_path.resolve())],
                "images": [
                    {
                        "name": name,
                        "newName": wanted.rpartition(":")[0],
                        "newTag": wanted.rpartition(":")[2],
                    }
                ],
            }
        ),
        "utf-8",
    )
    done = subprocess.run(
        [BIN / "kubectl", "kustomize", tmp_path], capture_output=True, check=True, text=True
    )
    container = pod_of([*yaml.safe_load_all(done.stdout)])["containers"][0]
    assert container["image"] == wanted == f"registry.example.org/{NAME}:{__version__}"


def resources() -> list[dict[str, Any]]:
    parts = (yaml.safe_load(block) for block in blocks(OPERATE, "yaml"))
    return [part for part in parts if "apiVersion" in part]


@each_guide
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8")):
        assert "://" not in target, target
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def anchors(page: Path) -> set[str]:
    """What headings are linked by."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in titles}


def test_every_picture_is_shown() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    told = "\n".join(page.read_text("utf-8") for page in pages)
    for picture in (ROOT / "docs").glob("*.png"):
        assert re.search(rf"\]\((?:docs/)?{picture.name}\)", told), picture.name


# What is said of alarms.


def incident(rule: str) -> Incident:
    """An alarm such as the guide shows for a rule."""
    now = NOW + 27 * MINUTE if rule == "expiring" else NOW
    began = now - (22 * MINUTE if rule == "silent" else 3 * MINUTE)
    waits = rule_of(rule).head == "backlog"
    figures = Figures(
        at=now,
        waiting=860 if waits else 0,
        visits=5 if waits else 0,
        wait=3 * MINUTE,
        first_skipped=now + 30 * MINUTE,
        arriving=4.6,
        read=0.0,
        lag_known=rule != "unknown_lag",
        unconfirmed=12,
        consumers=51_000,
        kind=Unreachable.REFUSED.value if rule == "unreachable" else "",
        memory=int(3.3 * 2**30),
        memory_limit=4 * 2**30,
    )
    critical = rule in ("expiring", "missing", "unreachable")
    found = Finding(rule, Severity.CRITICAL if critical else Severity.WARNING, began)
    whole = rule in ("unreachable", "memory")
    return Incident(
        id=31,
        environment="prod",
        name=rule_of(rule).head,
        instrument="" if whole else "lsstcam",
        began=began,
        opened=now,
        findings={rule: found},
        figures=figures,
    )


@each_rule
def test_what_an_alarm_says_is_what_it_is_said_to_say(rule: str) -> None:
    said = section(OPERATE, f"`{rule}`").lstrip()
    example = incident(rule)
    first = rules.first_line(example, example.figures.at).removesuffix(" Alarm 31")
    assert re.sub(r"\s+", " ", said).startswith(first)


@each_rule
def test_an_alarm_has_the_topic_of_the_runbook_that_it_points_to(rule: str) -> None:
    topic = incident(rule).diagnosis.topic
    assert topic in topics()
    assert f"`runbook {topic}`" in section(OPERATE, f"`{rule}`")


@each_rule
def test_an_alarm_has_its_limits_as_they_are_by_default(rule: str) -> None:
    said = re.sub(r"\s+", " ", section(OPERATE, f"`{rule}`"))
    for name, limit in vars(rule_of(rule).limits).items():
        assert written(limit) in said, name
    assert ("Off by default" in said) is rule_of(rule).off
    assert "Ends " in said
    assert re.search("skipped|[Nn]o visit|as `backlog`", said.partition(".*")[2])


def written(limit: timedelta | int) -> str:
    if isinstance(limit, int):
        return f"{limit:,}"
    seconds = int(limit.total_seconds())
    return f"{seconds} s" if seconds <= 60 else f"{seconds // 60} min"


def test_nothing_else_is_called_an_alarm() -> None:
    told = section(OPERATE, "12 What each alarm means")
    assert re.findall(r"^### `(\w+)`$", told, re.MULTILINE) == list(RULES)


# What is said of the process.


def test_exit_codes_are_those_of_the_program() -> None:
    told = section(OPERATE, "13 When the bot itself is not well")
    assert re.findall(r"^\| (\d) \|", told, re.MULTILINE) == ["0", str(FAILED), str(INVALID)]


def test_what_people_read_is_what_the_program_says() -> None:
    told = section(OPERATE, "13 When the bot itself is not well")
    quoted = re.findall(r'"([^"]+)"', told)
    assert len(quoted) > 10
    for each in quoted:
        # The name of a variable, a figure, and what stands for …, are put in.
        for piece in re.split(r"SLACK_APP_TOKEN|\d+ |…", each):
            assert any(piece.strip() in sentence for sentence in sentences()), each
    for trouble in StateTrouble:
        assert f'"{trouble.value}"' in told or trouble is StateTrouble.OTHER


def test_a_successor_leads_within_the_time_that_is_said() -> None:
    told = re.sub(r"\s+", " ", section(OPERATE, "5 Two replicas"))
    found = re.search(r"leads within (\d+) s, after a death within (\d+) s", told)
    assert found
    stopped, dead = (timedelta(seconds=int(each)) for each in found.groups())
    # The next one looks when it is its turn to renew, and then at its loops.
    assert stopped > RENEW_EVERY + NOT_YET
    assert dead > LEASE + RENEW_EVERY + NOT_YET


# What is said to be done, done.


async def test_the_backup_is_one(tmp_path: Path) -> None:
    lines = [line for block in blocks(OPERATE, "sh") for line in commands_of(block)]
    (line,) = (each for each in lines if " -- python -c " in each)
    script = shlex.split(line)[-1].replace("/data", str(tmp_path))
    live = await Database.open(f"sqlite+aiosqlite:///{tmp_path}/{NAME}.db")
    try:
        running = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
        assert await running.wait() == 0
    finally:
        await live.aclose()
    found = await Database.examine(f"sqlite+aiosqlite:///{tmp_path}/backup.db")
    assert found == "opens, and its tables are current"


def test_what_is_restored_takes_the_place_of_file_and_log(tmp_path: Path) -> None:
    lines = [line for block in blocks(OPERATE, "sh") for line in commands_of(block)]
    (line,) = (each for each in lines if " -- sh -c " in each)
    words = shlex.split(line)
    script = words[words.index("-c") + 1].replace("/data", str(tmp_path))
    for suffix in ("", "-wal", "-shm", ".lock"):
        (tmp_path / f"{NAME}.db{suffix}").write_text("old", "utf-8")
    subprocess.run(["/bin/sh", "-c", script], check=True, input="new", text=True)
    left = {file.name: file.read_text("utf-8") for file in tmp_path.iterdir()}
    assert left == {f"{NAME}.db": "new", f"{NAME}.db.lock": "old"}


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The command in one file, put where commands are found."""
    (text,) = blocks(EXTEND, "python")
    file = tmp_path / "commands" / Path(EXAMPLE).name
    file.parent.mkdir()
    file.write_text(text, "utf-8")
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(file.parent)])
    importlib.invalidate_caches()
    yield file
    sys.modules.pop(f"commands.{file.stem}", None)
    vars(commands).pop(file.stem, None)


async def test_the_command_in_one_file_answers(example: Path, world: World) -> None:
    assert example.stem in {command.name for command in find_commands()}
    async with world.bot():
        reply = await world.type("echo  Hello *there* <!channel>")
        assert reply.text == "*PROD:* Hello *there* &lt;!channel&gt;"
        assert reply.ephemeral_to == "U0ANA"
        assert [each for each in ("Refresh", "Share in channel") if each not in shown(reply)] == []
        assert "echo TEXT" in shown(await world.type("echo"))
        assert "say a text again" in shown(await world.type("help"))
        assert "Did you mean `echo`?" in shown(await world.type("ecko"))


def test_the_command_in_one_file_is_written_as_the_others_are(example: Path) -> None:
    for check in (["check"], ["format", "--check"]):
        options = ["--config", "pyproject.toml", "--no-cache", "--stdin-filename", EXAMPLE, "-"]
        ruff = [str(BIN / "ruff"), *check, *options]
        subprocess.run(ruff, check=True, cwd=ROOT, input=example.read_bytes())
