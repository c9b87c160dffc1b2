"""Reads the Dockerfile, and runs the steps of its first stage in a bare folder."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

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
