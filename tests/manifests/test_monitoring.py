"""The dashboard and the alert rules name only metrics, labels and words that the program has."""

import json
import re
from itertools import combinations
from typing import Any

import pytest
import yaml

from bot.domain.oncall import Told
from bot.metrics import Metrics
from tests.manifests.rendering import MANIFESTS, render, the

SCRAPED = {"cluster", "namespace", "pod"}
"""Labels that Prometheus adds."""

FOLDER = MANIFESTS / "optional" / "monitoring"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
TARGETS = [target for panel in PANELS for target in panel.get("targets", [])]
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text("utf-8"))["spec"]["groups"]
    for rule in group["rules"]
]


def known() -> dict[str, set[str]]:
    """The labels of each metric, as the program makes it."""
    names = Metrics()._registry._names_to_collectors
    return {
        name: set(collector._labelnames) | ({"le"} if name.endswith("_bucket") else set())  # type: ignore[attr-defined]
        for name, collector in names.items()
    }


def metrics(expression: str) -> set[str]:
    return set(re.findall(r"\bprompt_redis_\w+", expression))


def matched(expression: str) -> set[str]:
    """Labels that an expression looks at."""
    return set(re.findall(r"[{,]\s*(\w+)\s*(?:=|!)", expression))


def grouped(expression: str) -> set[str]:
    """Labels that an expression keeps."""
    groups = re.findall(r"\bby\s*\(([^)]*)\)", expression)
    return {label for group in groups for label in re.findall(r"\w+", group)}


def expressions() -> list[tuple[str, str]]:
    """Each expression, with the text that is shown beside it."""
    variables = [each for each in DASHBOARD["templating"]["list"] if each["type"] == "query"]
    labelled = (
        re.sub(r"label_values\((\w+), (\w+)\)", r"max by (\2) (\1)", each["query"]["query"])
        for each in variables
    )
    return [
        *((rule["expr"], " ".join(rule["annotations"].values())) for rule in RULES),
        *((target["expr"], target["legendFormat"]) for target in TARGETS),
        *((each, "") for each in labelled),
    ]


@pytest.mark.parametrize(("expression", "text"), expressions())
def test_metrics_and_labels_exist(expression: str, text: str) -> None:
    program = known()
    named = metrics(expression)
    assert named
    assert named <= set(program)
    there = set.union(*(program[name] for name in named)) | SCRAPED
    assert matched(expression) | grouped(expression) <= there
    # What is shown must have come through.
    shown = set(re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", text))
    assert shown <= (grouped(expression) or there)


def test_the_reader_of_expressions_sees_what_is_wrong() -> None:
    expression = 'sum by (a, b) (prompt_redis_x{c="1", d=~"2"} unless prompt_redis_y{e!="3"})'
    assert metrics(expression) == {"prompt_redis_x", "prompt_redis_y"}
    assert matched(expression) == {"c", "d", "e"}
    assert grouped(expression) == {"a", "b"}
    assert not {"prompt_redis_x", "prompt_redis_y"} & set(known())


def test_every_metric_of_the_program_is_on_the_dashboard() -> None:
    shown = set.union(*(metrics(target["expr"]) for target in TARGETS))
    collectors = Metrics()._registry._names_to_collectors
    assert {collectors[name] for name in shown} == set(collectors.values())


def test_outcomes_that_are_matched_exist() -> None:
    pages = {each.value for each in Told}
    # As the dispatcher counts what is no person's mistake.
    commands = {"failed", "timeout"}
    for rule in RULES:
        for metric, matched in re.findall(r"(\w+)\{outcome=~\"([\w|]+)\"\}", rule["expr"]):
            its = pages if metric == "prompt_redis_bot_notifications_total" else commands
            assert set(matched.split("|")) <= its


def test_each_alert_says_how_bad_it_is_and_what_to_do() -> None:
    for rule in RULES:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "description"}
        assert all(text.endswith(".") for text in rule["annotations"].values())
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names))


def test_panels_have_a_place_and_a_number_of_their_own() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    places = [panel["gridPos"] for panel in PANELS]
    assert all(each["x"] >= 0 and each["x"] + each["w"] <= 24 for each in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below


def test_the_dashboard_reads_from_whatever_prometheus_is_chosen() -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    for panel in PANELS:
        if panel["type"] != "row":
            assert [each["datasource"] for each in [panel, *panel["targets"]]] == [chosen] * (
                1 + len(panel["targets"])
            )


def test_what_is_deployed_are_these_files() -> None:
    resources = render("optional/monitoring")
    dashboard = the(resources, "ConfigMap", "prompt-redis-bot-dashboard")
    assert json.loads(dashboard["data"]["dashboard.json"]) == DASHBOARD
    assert dashboard["metadata"]["labels"] == {"grafana_dashboard": "1"}
    groups = the(resources, "PrometheusRule")["spec"]["groups"]
    assert [rule for group in groups for rule in group["rules"]] == RULES
