"""Renders the manifests with the kubectl that pip installs, and finds things in them."""

import re
import subprocess
import sysconfig
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
MANIFESTS = ROOT / "manifests"
OVERLAYS = sorted(path.name for path in (MANIFESTS / "overlays").iterdir())
OPTIONAL = sorted(path.parent.name for path in MANIFESTS.glob("optional/*/kustomization.yaml"))
NAME = "prompt-redis-bot"
NAMESPACE = "prompt-redis"

Resource = dict[str, Any]


@cache
def _rendered(folder: str) -> str:
    kubectl = Path(sysconfig.get_path("scripts")) / "kubectl"
    done = subprocess.run(
        [kubectl, "kustomize", MANIFESTS / folder], capture_output=True, check=False, text=True
    )
    # Warnings, of what a later kustomize will drop, are errors too.
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def render(folder: str) -> list[Resource]:
    """Render a folder of manifests/; gives resources that the caller may change."""
    return list(yaml.safe_load_all(_rendered(folder)))


def overlay(name: str) -> list[Resource]:
    return render(f"overlays/{name}")


def of_kind(resources: list[Resource], kind: str) -> list[Resource]:
    return [each for each in resources if each["kind"] == kind]


def the(resources: list[Resource], kind: str, name: str = NAME) -> Resource:
    """The one of a kind and name, to which kustomize may have put a hash."""
    named = re.compile(rf"{name}(-[a-z0-9]{{10}})?")
    (found,) = (
        each for each in of_kind(resources, kind) if named.fullmatch(each["metadata"]["name"])
    )
    return found


def pod_of(resources: list[Resource]) -> Resource:
    """What the Deployment's pods are."""
    spec: Resource = the(resources, "Deployment")["spec"]["template"]["spec"]
    return spec


def variables(resources: list[Resource]) -> dict[str, str]:
    """Every environment variable of the container."""
    (container,) = pod_of(resources)["containers"]
    found = {each["name"]: each["value"] for each in container["env"]}
    for source in container["envFrom"]:
        name = source["configMapRef"]["name"]
        found |= the(resources, "ConfigMap", name)["data"]
    return found
