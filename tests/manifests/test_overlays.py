"""Every overlay is what Kubernetes takes, hangs together, and configures the bot."""

import json
import re
from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped]
import pytest

from bot import __version__, config
from bot.app import END_SECONDS
from bot.clients.pagers import NOTIFIERS
from bot.slack.paging import kinds
from tests.manifests.rendering import (
    MANIFESTS,
    NAME,
    NAMESPACE,
    OPTIONAL,
    OVERLAYS,
    Resource,
    of_kind,
    overlay,
    pod_of,
    render,
    the,
    variables,
)

OLDEST = "1.30"
"""The first Kubernetes that has all of it."""

NO_SCHEMA = {"PrometheusRule"}
"""Kinds that another program brings."""

FOLDERS = [f"overlays/{each}" for each in OVERLAYS] + [f"optional/{each}" for each in OPTIONAL]
SECRETS = "/run/secrets/prompt-redis-bot"

each_overlay = pytest.mark.parametrize("name", OVERLAYS)


def settings_of(resources: list[Resource], tmp_path: Path) -> config.Settings:
    file = tmp_path / "bot.yaml"
    file.write_text(the(resources, "ConfigMap")["data"]["bot.yaml"], "utf-8")
    return config.load(file, {}, kinds(NOTIFIERS))


def mounts(resources: list[Resource]) -> dict[str, Resource]:
    """Volumes by the path where the container sees them."""
    pod = pod_of(resources)
    volumes = {each["name"]: each for each in pod["volumes"]}
    (container,) = pod["containers"]
    found = {each["mountPath"]: volumes.pop(each["name"]) for each in container["volumeMounts"]}
    assert not volumes, "every volume is used"
    return found


def test_there_are_the_overlays_that_are_asked_for() -> None:
    assert OVERLAYS == ["dev", "prod", "prod-ha"]


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
@pytest.mark.parametrize("folder", FOLDERS)
def test_kubernetes_takes_every_resource(folder: str, version: str) -> None:
    checked = 0
    for resource in render(folder):
        if resource["kind"] in NO_SCHEMA:
            assert folder.startswith("optional/")
            continue
        kubernetes_validate.validate(resource, version, strict=True)
        checked += 1
    assert checked


@pytest.mark.parametrize("kind", ["Deployment", "NetworkPolicy", "Role"])
def test_a_key_that_kubernetes_does_not_know_is_found(kind: str) -> None:
    resource = of_kind(overlay("prod"), kind)[0]
    resource["invented"] = True
    with pytest.raises(kubernetes_validate.ValidationError, match="invented"):
        kubernetes_validate.validate(resource, OLDEST, strict=True)


@each_overlay
def test_every_resource_is_there_once_and_in_a_namespace(name: str) -> None:
    found = [
        (each["kind"], each["metadata"]["namespace"], each["metadata"]["name"])
        for each in overlay(name)
    ]
    assert len(found) == len(set(found))
    elsewhere = {namespace for kind, namespace, _ in found if kind not in {"Role", "RoleBinding"}}
    assert elsewhere == {NAMESPACE}


@each_overlay
def test_what_a_pod_refers_to_is_there(name: str) -> None:
    resources = overlay(name)
    pod = pod_of(resources)
    assert pod["serviceAccountName"] == the(resources, "ServiceAccount")["metadata"]["name"]
    kinds = {
        "configMap": ("ConfigMap", "name"),
        "persistentVolumeClaim": ("PersistentVolumeClaim", "claimName"),
    }
    for volume in pod["volumes"]:
        for key, (kind, reference) in kinds.items():
            if key in volume:
                the(resources, kind, volume[key][reference])
    # The Secret alone is made by hand, or by whatever brings secrets there.
    assert [each["secret"]["secretName"] for each in pod["volumes"] if "secret" in each] == [NAME]
    assert not of_kind(resources, "Secret")


@each_overlay
def test_selectors_mean_the_bot_alone(name: str) -> None:
    resources = overlay(name)
    own = {"app.kubernetes.io/name": NAME}
    labels = the(resources, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert labels == {**own, "prompt-redis-client": "true"}
    assert the(resources, "Deployment")["spec"]["selector"]["matchLabels"] == own
    assert the(resources, "Service")["spec"]["selector"] == own
    assert the(resources, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == own
    for policy in of_kind(resources, "NetworkPolicy"):
        assert policy["spec"]["podSelector"]["matchLabels"] == own


@each_overlay
def test_the_network_policies_let_through_what_the_bot_needs_and_no_more(name: str) -> None:
    ways: set[tuple[str, int, str]] = set()
    for policy in of_kind(overlay(name), "NetworkPolicy"):
        for rule in policy["spec"].get("ingress", []):
            ways |= {("in", each["port"], each["protocol"]) for each in rule["ports"]}
        for rule in policy["spec"].get("egress", []):
            to = json.dumps(rule.get("to", "anywhere"))
            ways |= {(to, each["port"], each["protocol"]) for each in rule["ports"]}
    # As the chart labels it, see tests/data/kubernetes.
    redis = json.dumps([{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "redis"}}}])
    anywhere = {(53, "UDP"), (53, "TCP"), (443, "TCP"), (6443, "TCP")}
    if name == "prod-ha":
        anywhere.add((5432, "TCP"))
    assert ways == {
        ("in", 8080, "TCP"),
        (redis, 6379, "TCP"),
        *(('"anywhere"', port, protocol) for port, protocol in anywhere),
    }


@each_overlay
def test_every_key_of_the_configuration_is_accepted(name: str, tmp_path: Path) -> None:
    settings = settings_of(overlay(name), tmp_path)
    environment = "dev" if name == "dev" else "prod"
    assert list(settings.environments) == [environment]
    there = settings.environments[environment]
    assert (settings.slack.command, there.channel, there.instruments) == {
        "dev": ("/prompt-redis-dev", "dm-prompt-processing", ("hsc", "latiss", "lsstcam")),
        "prod": ("/prompt-redis", "lsstcam-prompt-processing", ("lsstcam",)),
    }[environment]
    assert there.redis.url == "redis://prompt-redis.prompt-redis:6379"
    assert there.kubernetes is not None
    assert there.kubernetes.namespace == NAMESPACE
    # Only where people may approve what they ask for themselves is nobody named.
    assert there.approval.self_approval == (environment == "dev") == (there.access is None)


@each_overlay
def test_every_secret_that_the_bot_asks_for_is_a_file(name: str, tmp_path: Path) -> None:
    resources = overlay(name)
    environ = variables(resources)
    files = {key: value for key, value in environ.items() if key.endswith("_FILE")}
    for key, path in files.items():
        assert path == f"{SECRETS}/{key.removesuffix('_FILE')}"
        secret = tmp_path / Path(path).name
        secret.write_text("postgresql+asyncpg://secret" if "URL" in key else key, "utf-8")
        environ[key] = str(secret)
    assert "secret" in mounts(resources)[SECRETS]
    secrets = config.load_secrets(settings_of(resources, tmp_path), environ)
    assert secrets.slack_bot_token == "SLACK_BOT_TOKEN_FILE"
    assert secrets.slack_app_token is not None
    kept_in = secrets.state_url.partition(":")[0]
    assert kept_in == ("postgresql+asyncpg" if name == "prod-ha" else "sqlite+aiosqlite")
    # Whatever else is set is known too.
    assert set(environ) == {*files, "PROMPT_REDIS_BOT_CONFIG"}


@each_overlay
def test_files_are_where_the_bot_looks_for_them(name: str, tmp_path: Path) -> None:
    resources = overlay(name)
    settings, mounted = settings_of(resources, tmp_path), mounts(resources)
    configuration = Path(variables(resources)["PROMPT_REDIS_BOT_CONFIG"])
    assert configuration.name in the(resources, "ConfigMap")["data"]
    volume = mounted[str(configuration.parent)]
    assert volume["configMap"]["name"] == the(resources, "ConfigMap")["metadata"]["name"]
    assert "emptyDir" in mounted["/tmp"]  # noqa: S108 -- the container's own
    file = Path(settings.state.url.removeprefix("sqlite+aiosqlite:///"))
    assert ("persistentVolumeClaim" in mounted.get(str(file.parent), {})) == (name != "prod-ha")


@each_overlay
def test_ports_probes_and_scraping_agree(name: str, tmp_path: Path) -> None:
    resources = overlay(name)
    port = settings_of(resources, tmp_path).http.port
    (container,) = pod_of(resources)["containers"]
    assert container["ports"] == [{"name": "http", "containerPort": port}]
    assert [each["targetPort"] for each in the(resources, "Service")["spec"]["ports"]] == ["http"]
    asked = {
        key: container[f"{key}Probe"]["httpGet"] for key in ("startup", "liveness", "readiness")
    }
    assert asked == {
        "startup": {"path": "/livez", "port": "http"},
        "liveness": {"path": "/livez", "port": "http"},
        "readiness": {"path": "/readyz", "port": "http"},
    }
    annotations = the(resources, "Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(port),
        "prometheus.io/path": "/metrics",
    }


@each_overlay
def test_a_stop_has_the_time_it_takes(name: str) -> None:
    grace = pod_of(overlay(name))["terminationGracePeriodSeconds"]
    assert grace == 30
    assert grace >= END_SECONDS + 5


@each_overlay
def test_the_image_is_of_this_version(name: str) -> None:
    (container,) = pod_of(overlay(name))["containers"]
    assert container["image"] == f"prompt-redis-bot:{__version__}"


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_one_sqlite_file_is_never_used_by_two(name: str) -> None:
    resources = overlay(name)
    deployment = the(resources, "Deployment")["spec"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    claim = the(resources, "PersistentVolumeClaim", f"{NAME}-state")
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    kept = claim["metadata"]["annotations"]["argocd.argoproj.io/sync-options"]
    assert kept == "Prune=false,Delete=false"


def test_two_replicas_are_never_both_away_and_share_no_volume() -> None:
    resources = overlay("prod-ha")
    deployment = the(resources, "Deployment")["spec"]
    assert deployment["replicas"] == 2
    assert deployment["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }
    assert the(resources, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert not of_kind(resources, "PersistentVolumeClaim")
    apart = pod_of(resources)["affinity"]["podAntiAffinity"]
    (term,) = apart["preferredDuringSchedulingIgnoredDuringExecution"]
    labels = deployment["template"]["metadata"]["labels"].items()
    assert term["podAffinityTerm"]["labelSelector"]["matchLabels"].items() <= labels
    # Alike in everything else.
    assert the(resources, "ConfigMap") == the(overlay("prod"), "ConfigMap")


def test_the_readme_names_files_that_are_there() -> None:
    readme = (MANIFESTS / "README.md").read_text("utf-8")
    named = set(re.findall(r"(?:base|overlays|rights|optional)/[\w*./-]*\w", readme))
    assert {f"overlays/{name}" for name in OVERLAYS} < named
    assert {each for each in named if not list(MANIFESTS.glob(each))} == set()
    assert len(readme.splitlines()) <= 60
