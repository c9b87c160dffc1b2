"""The pods hold the Pod Security Standard `restricted`, rule by rule."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.manifests.rendering import OVERLAYS, Resource, overlay, pod_of

VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
SELINUX = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
PROFILES = {"RuntimeDefault", "Localhost"}

OF_PODS: dict[str, Callable[[Resource], bool]] = {
    "hostNetwork": lambda pod: not pod.get("hostNetwork"),
    "hostPID": lambda pod: not pod.get("hostPID"),
    "hostIPC": lambda pod: not pod.get("hostIPC"),
    "volumes": lambda pod: all(VOLUMES & {*each} for each in pod.get("volumes", [])),
    "sysctls": lambda pod: not pod.get("securityContext", {}).get("sysctls"),
}
"""What a pod must hold."""

OF_CONTEXTS: dict[str, Callable[[Resource], bool]] = {
    "runAsNonRoot": lambda its: its.get("runAsNonRoot") is True,
    "runAsUser": lambda its: its.get("runAsUser") != 0,
    "seccompProfile": lambda its: (its.get("seccompProfile") or {}).get("type") in PROFILES,
    "appArmorProfile": lambda its: (
        its.get("appArmorProfile", {"type": "RuntimeDefault"})["type"] in PROFILES
    ),
    "seLinuxOptions": lambda its: (
        its.get("seLinuxOptions", {}).get("type") in SELINUX
        and not {"user", "role"} & {*its.get("seLinuxOptions", {})}
    ),
    "hostProcess": lambda its: not its.get("windowsOptions", {}).get("hostProcess"),
    "allowPrivilegeEscalation": lambda its: its.get("allowPrivilegeEscalation") is False,
    "privileged": lambda its: not its.get("privileged"),
    "procMount": lambda its: its.get("procMount", "Default") == "Default",
    "capabilities.drop": lambda its: "ALL" in its.get("capabilities", {}).get("drop", []),
    "capabilities.add": lambda its: (
        {*its.get("capabilities", {}).get("add", [])} <= {"NET_BIND_SERVICE"}
    ),
}
"""What a container's security context must hold, where it says nothing that of its pod."""


def violations(pod: Resource) -> Iterator[str]:
    """What of the standard a pod does not hold."""
    yield from (rule for rule, holds in OF_PODS.items() if not holds(pod))
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        context = pod.get("securityContext", {}) | container.get("securityContext", {})
        yield from (rule for rule, holds in OF_CONTEXTS.items() if not holds(context))
        if any(port.get("hostPort") for port in container.get("ports", [])):
            yield "hostPort"


@pytest.mark.parametrize("name", OVERLAYS)
def test_pods_are_restricted(name: str) -> None:
    pod = pod_of(overlay(name))
    assert list(violations(pod)) == []
    # More than the standard asks for.
    (container,) = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["enableServiceLinks"] is False


def _pod(**keys: Any) -> Callable[[Resource], None]:
    return lambda pod: pod.update(keys)


def _pods_context(**keys: Any) -> Callable[[Resource], None]:
    return lambda pod: pod["securityContext"].update(keys)


def _context(**keys: Any) -> Callable[[Resource], None]:
    return lambda pod: pod["containers"][0]["securityContext"].update(keys)


@pytest.mark.parametrize(
    ("rule", "breaks"),
    [
        ("hostNetwork", _pod(hostNetwork=True)),
        ("hostPID", _pod(hostPID=True)),
        ("hostIPC", _pod(hostIPC=True)),
        ("volumes", _pod(volumes=[{"name": "root", "hostPath": {"path": "/"}}])),
        ("sysctls", _pods_context(sysctls=[{"name": "kernel.msgmax", "value": "1"}])),
        ("runAsNonRoot", _pods_context(runAsNonRoot=False)),
        ("runAsNonRoot", _context(runAsNonRoot=False)),
        ("runAsUser", _pods_context(runAsUser=0)),
        ("seccompProfile", _pods_context(seccompProfile=None)),
        ("seccompProfile", _context(seccompProfile={"type": "Unconfined"})),
        ("appArmorProfile", _context(appArmorProfile={"type": "Unconfined"})),
        ("seLinuxOptions", _pods_context(seLinuxOptions={"type": "spc_t"})),
        ("seLinuxOptions", _context(seLinuxOptions={"role": "sysadm_r"})),
        ("hostProcess", _context(windowsOptions={"hostProcess": True})),
        ("allowPrivilegeEscalation", _context(allowPrivilegeEscalation=True)),
        ("privileged", _context(privileged=True)),
        ("procMount", _context(procMount="Unmasked")),
        ("capabilities.drop", _context(capabilities={"drop": ["NET_RAW"]})),
        ("capabilities.add", _context(capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN"]})),
    ],
)
def test_each_rule_is_looked_at(rule: str, breaks: Callable[[Resource], None]) -> None:
    pod = pod_of(overlay("prod"))
    breaks(pod)
    assert list(violations(pod)) == [rule]


def test_a_port_of_the_node_is_found() -> None:
    pod = pod_of(overlay("prod"))
    pod["containers"][0]["ports"][0]["hostPort"] = 8080
    assert list(violations(pod)) == ["hostPort"]
