"""The rule that is offered is the one that is proven on a server."""

from tests.clients.test_acl import ROOT, SELECTORS
from tests.manifests.rendering import MANIFESTS


def test_the_rule_is_the_proven_one() -> None:
    text = (MANIFESTS / "optional" / "redis-acl.conf").read_text("utf-8")
    (rule,) = (line for line in text.splitlines() if not line.startswith("#"))
    selectors = " ".join(f"({selector})" for selector in SELECTORS)
    user = "user prompt-redis-bot on >PASSWORD resetkeys resetchannels"
    assert rule == f"{user} {ROOT} {selectors}"
