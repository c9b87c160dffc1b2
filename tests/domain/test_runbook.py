"""The runbook's files: each in its form, nothing in it passed over, each name in it known."""

import re
from pathlib import Path

import pytest

import bot
from bot.domain.environments import Environment
from bot.domain.runbook import REDIS_CLI, Step, topics
from tests.docs.knowledge import FENCE, types

FOLDER = Path(bot.__file__).parent / "domain" / "runbook"
FILES = sorted(FOLDER.glob("*.md"))
PAGES = [path for path in FILES if path.stem != "index"]
SECTIONS = ["Type here", "By hand", "Look at", "See also"]
PLACES = {
    *("safe", "not_repeated", "ready", "channel", "label", "age"),
    *("context", "stream", "group", "instrument"),
}
OF_REDIS = {
    *("lag", "pending", "consumers", "entries-read", "entries-added", "last-delivered-id"),
    *("aof_last_write_status", "DISCARD", "KEYS", "MONITOR", "XINFO CONSUMERS"),
    *("XINFO STREAM … FULL", "no such key", "$", "0"),
}
OF_OTHERS = {
    *("prompt-redis", "prompt-redis.prompt-redis:6379", "Chart.yaml"),
    *("access", "operators", "approvers", "U…", "S…", "usergroups:read"),
}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def text_of(page: Path) -> str:
    return page.read_text("utf-8")


def squeezed(text: str) -> str:
    return re.sub(r"[\s\\*`]+", "", text)


def test_every_file_is_a_topic_that_is_listed() -> None:
    assert {path.stem.replace("-", " ") for path in PAGES} == topics().keys()


@each_page
def test_a_file_has_its_headings_in_their_order(page: Path) -> None:
    [title, *sections] = re.findall(r"^#+ .*$", text_of(page), re.MULTILINE)
    assert title == f"# {page.stem.replace('-', ' ')}"
    found = [each.removeprefix("## ") for each in sections]
    assert found == [each for each in SECTIONS if each in found]


@each_page
def test_nothing_in_a_file_is_passed_over(page: Path) -> None:
    topic = topics()[page.stem.replace("-", " ")]
    read = [topic.name, topic.summary, topic.when]
    for line, why in topic.typed:
        read += ["-", line, ":", why]
    for step in topic.steps:
        assert "```" not in step.says
        read.append(step.says)
        if step.lines:
            read += ["redis" if step.redis else "sh", "apart" if step.apart else "", *step.lines]
    read += [",".join(link.name for link in topic.links), ",".join(topic.see)]
    written = re.sub(r"^#+ |^## (?:.*)$", "", text_of(page), flags=re.MULTILINE)
    for name, phrase in reversed(phrases().items()):
        written = written.replace(f"{{{name}}}", phrase)
    for each in SECTIONS:
        written = written.replace(f"\n{each}\n", "\n")
    assert squeezed(written) == squeezed("".join(read))


@pytest.mark.parametrize("page", FILES, ids=lambda page: page.stem)
def test_what_is_filled_in_is_known(page: Path) -> None:
    assert set(re.findall(r"\{(.*?)\}", text_of(page))) <= PLACES


@each_page
def test_what_is_named_exists(page: Path) -> None:
    """Commands of the bot, other topics, and words of Redis and of others."""
    topic = topics()[page.stem.replace("-", " ")]
    assert set(topic.see) <= topics().keys() - {topic.name}
    for line, _ in topic.typed:
        assert types(line), line
    prose = FENCE.sub("", text_of(page))
    for span in re.findall(r"`([^`]+)`", prose.replace("\n", " ")):
        assert span in OF_REDIS | OF_OTHERS or types(span), span


@each_page
def test_a_line_for_a_shell_says_in_which_cluster(page: Path) -> None:
    for step in topics()[page.stem.replace("-", " ")].steps:
        for line in step.lines:
            if not step.redis:
                assert line.startswith("kubectl ")
                assert "{context}" in line or "--context CONTEXT" in line
    assert "{context}" in REDIS_CLI


def test_links_have_an_address_or_are_configured() -> None:
    found = {link for topic in topics().values() for link in topic.links}
    configured = {link.name for link in found if not link.address}
    assert configured == {"argocd", "grafana", "jobs", "support", "downtime"}
    assert all(link.address.startswith("https://") for link in found if link.address)


def test_an_environment_of_another_name_gets_no_context() -> None:
    step = Step("", ("kubectl get pods -n prompt-redis{context}",))
    assert step.commands(Environment("test", ("hsc",))) == (("kubectl get pods -n prompt-redis",),)


def phrases() -> dict[str, str]:
    return dict(
        re.findall(
            r"^- (safe|not_repeated|ready): (.+)$", text_of(FOLDER / "index.md"), re.MULTILINE
        )
    )
