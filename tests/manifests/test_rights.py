"""Each right that the bot uses in Kubernetes is granted, and nothing more."""

import json
from importlib import resources as files

import pytest
import yaml

from bot.domain.workloads import PERMISSIONS, RESTARTED_AT
from tests.clients.test_acl import ROOT, SELECTORS
from tests.manifests.rendering import (
    MANIFESTS,
    NAME,
    NAMESPACE,
    OVERLAYS,
    Resource,
    of_kind,
    overlay,
    render,
    the,
)

Grant = tuple[str, str, str, str, str]
"""Namespace, verb, API group, resource, and name; the name is empty for all of the resource."""


def granted(resources: list[Resource]) -> set[Grant]:
    return {
        (role["metadata"]["namespace"], verb, group, resource, name)
        for role in of_kind(resources, "Role")
        for rule in role["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
    }


def used(resources: list[Resource]) -> set[Grant]:
    (environment,) = yaml.safe_load(the(resources, "ConfigMap")["data"]["bot.yaml"])[
        "environments"
    ].values()
    its, found = environment["kubernetes"], set()
    for instrument in environment["instruments"]:
        jobs = its["jobs"].format(instrument=instrument)
        names = {
            "namespace": its["namespace"],
            "statefulset": its["statefulset"],
            "jobs": jobs,
            "argocd": its["argocd"]["namespace"],
            "application": its["argocd"]["application"],
        }
        for each in PERMISSIONS:
            name, namespace = each.name.format(**names), each.namespace.format(**names)
            found.add((namespace, each.verb, each.group, each.resource, name))
    return found


@pytest.mark.parametrize("name", OVERLAYS)
def test_each_right_that_is_used_is_granted_and_nothing_more(name: str) -> None:
    resources = overlay(name)
    assert granted(resources) == used(resources)


@pytest.mark.parametrize("name", OVERLAYS)
def test_each_role_is_bound_to_the_bot_alone(name: str) -> None:
    resources = overlay(name)
    bot = {"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}
    assert the(resources, "ServiceAccount")["metadata"]["namespace"] == NAMESPACE
    roles = {each["metadata"]["namespace"] for each in of_kind(resources, "Role")}
    bindings = of_kind(resources, "RoleBinding")
    assert {each["metadata"]["namespace"] for each in bindings} == roles
    for binding in bindings:
        assert binding["subjects"] == [bot]
        assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) == ("Role", NAME)
    assert not of_kind(resources, "ClusterRole") + of_kind(resources, "ClusterRoleBinding")


def test_the_admission_policy_is_about_the_bot_and_its_annotation() -> None:
    resources = render("optional/admission-policy")
    policy = the(resources, "ValidatingAdmissionPolicy")["spec"]
    binding = the(resources, "ValidatingAdmissionPolicyBinding")["spec"]
    (condition,) = policy["matchConditions"]
    assert f'"system:serviceaccount:{NAMESPACE}:{NAME}"' in condition["expression"]
    assert f'key == "{RESTARTED_AT}"' in policy["validations"][1]["expression"]
    assert (binding["policyName"], binding["validationActions"]) == (NAME, ["Deny"])
    labels = binding["matchResources"]["namespaceSelector"]["matchLabels"]
    assert labels == {"kubernetes.io/metadata.name": NAMESPACE}


@pytest.mark.parametrize(
    ("kind", "place", "free"),
    [
        ("statefulsetspec-apps-v1", "spec", {"template"}),
        (
            "objectmeta-meta-v1",
            "metadata",
            # The server's own, or nothing that an update can change.
            {
                "creationTimestamp",
                "deletionGracePeriodSeconds",
                "deletionTimestamp",
                "generateName",
                "generation",
                "managedFields",
                "name",
                "namespace",
                "resourceVersion",
                "selfLink",
                "uid",
            },
        ),
    ],
)
def test_the_admission_policy_guards_every_key_of_the_newest_kubernetes(
    kind: str, place: str, free: set[str]
) -> None:
    schemas = files.files("kubernetes_validate") / "kubernetes-json-schema"
    newest = max(
        (each for each in schemas.iterdir() if each.name.endswith("-local")),
        key=lambda each: [int(part) for part in each.name[1:].split("-")[0].split(".")],
    )
    keys = set(json.loads((newest / f"{kind}.json").read_text("utf-8"))["properties"]) - free
    policy = the(render("optional/admission-policy"), "ValidatingAdmissionPolicy")["spec"]
    expressions = " ".join(each["expression"] for each in policy["validations"])
    for key in keys:
        assert f"object.{place}.?{key} == oldObject.{place}.?{key}" in expressions
    assert "object.spec.template.spec == oldObject.spec.template.spec" in expressions


def test_the_rule_is_the_proven_one() -> None:
    text = (MANIFESTS / "optional" / "redis-acl.conf").read_text("utf-8")
    (rule,) = (line for line in text.splitlines() if not line.startswith("#"))
    selectors = " ".join(f"({selector})" for selector in SELECTORS)
    user = "user prompt-redis-bot on >PASSWORD resetkeys resetchannels"
    assert rule == f"{user} {ROOT} {selectors}"
