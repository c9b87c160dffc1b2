"""The runbook, drawn: the list of its topics, or one topic with this environment's commands."""

from collections.abc import Iterator
from itertools import chain

from bot.domain.environments import Environment
from bot.domain.runbook import TOPICS, Chapter, Topic
from bot.render.blocks import Block, Markup, code, join, link, mark, section
from bot.render.words import duration

_LINKS = {
    "phalanx": ("application in Phalanx", "https://phalanx.lsst.io/applications/prompt-redis/"),
    "releases": ("releases of the Redis chart", "https://github.com/lsst-sqre/charts/releases"),
    "chart": (
        "chart version in Phalanx",
        "https://github.com/lsst-sqre/phalanx/blob/main/applications/prompt-redis/Chart.yaml",
    ),
    "playbook": (
        "Prompt Processing playbook",
        "https://github.com/lsst-dm/prompt_processing/blob/main/doc/playbook.rst",
    ),
}
_CONFIGURED = {
    "argocd": "Argo CD",
    "grafana": "Grafana",
    "jobs": "KEDA jobs",
    "support": "USDF support",
    "downtime": "downtime form",
}


def contents(environment: Environment, slash: str) -> tuple[Markup, list[Block]]:
    """Draw the list of topics.

    Parameters
    ----------
    environment
        Whose commands the topics will show.
    slash
        The slash command of this deployment.
    """
    first = mark("*{} runbook: {} topics.*", environment.label, len(TOPICS))
    hint = mark("{} opens one of them.", code(f"{slash} runbook clear"))
    blocks = [section(mark("{} {}", first, hint))]
    for chapter in Chapter:
        lines = [
            mark("{}  {}", code(topic.name), topic.summary)
            for topic in TOPICS.values()
            if topic.chapter is chapter
        ]
        blocks.append(section(mark("*{}*\n{}", chapter.value, join("\n", lines))))
    return first, blocks


def page(
    environment: Environment, topic: Topic, channel: Markup, slash: str
) -> tuple[Markup, list[Block]]:
    """Draw one topic: what and when, the bot's own commands, those by hand, links.

    Parameters
    ----------
    environment
        Whose streams, groups and kubectl context the commands name.
    topic
        What to draw.
    channel
        The environment's channel, as Slack shows it.
    slash
        The slash command of this deployment.
    """
    places = {
        "channel": channel,
        "label": mark("{}", environment.label),
        "age": _age(environment),
    }
    first = mark("*{} runbook: {}.* {}", environment.label, topic.name, topic.summary)
    blocks = [section(mark("{}\n{}", first, _prose(topic.when, places)))]
    if topic.typed:
        typed = [mark("{}  {}", code(f"{slash} {each.command}"), each.why) for each in topic.typed]
        blocks.append(section(mark("*Type here:*\n{}", join("\n", typed))))
    inside = False
    for step in topic.steps:
        pasted = [_pasted(lines) for lines in step.commands(environment, inside=inside)]
        blocks.append(section(join("\n", [_prose(step.says, places), *pasted])))
        inside = inside or bool(step.redis)
    more = list(_more(environment, topic, slash))
    if more:
        blocks.append(section(join("\n", more)))
    return first, blocks


def _prose(text: str, places: dict[str, Markup]) -> Markup:
    """Fill our own prose, which is markup already, with markup."""
    return Markup(text.format_map(places))


def _age(environment: Environment) -> Markup:
    if environment.expiration is None:
        return Markup("Workers here drop no entry for its age, so what waits is not yet skipped.")
    return mark(
        "Entries older than {} are dropped by the workers, so their visits are skipped.",
        duration(environment.expiration),
    )


def _pasted(lines: tuple[str, ...]) -> Markup:
    """Show commands letter by letter, as one block to copy."""
    return mark("```\n{}\n```", "\n".join(lines).replace("`", "'"))


def _more(environment: Environment, topic: Topic, slash: str) -> Iterator[Markup]:
    """Say where else to look."""
    links = dict(chain.from_iterable(_addresses(environment, name) for name in topic.links))
    if links:
        yield mark("*Look at:* {}", join(", ", (link(url, label) for url, label in links.items())))
    if topic.see:
        see = (code(f"{slash} runbook {name}") for name in topic.see)
        yield mark("*See also:* {}", join(", ", see))


def _addresses(environment: Environment, name: str) -> Iterator[tuple[str, str]]:
    """Give address and label of a link: one for each instrument where they differ."""
    if name in _LINKS:
        label, url = _LINKS[name]
        yield url, label
        return
    label = _CONFIGURED[name]
    found = {one: environment.link(name, one) for one in environment.instruments}
    different = len(set(found.values())) > 1
    for instrument, address in found.items():
        if address is not None:
            yield address, f"{label} of {instrument}" if different else label
