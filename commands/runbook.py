"""`runbook`: the written procedures, with the commands of this channel's environment."""

from collections.abc import Iterator
from itertools import chain, groupby
from operator import attrgetter

from bot.command import Call, Purpose, Read, Registry, Reply
from bot.domain.environments import Environment
from bot.domain.runbook import Link, Topic, topics
from bot.grammar import did_you_mean, quoted
from bot.render.blocks import (
    BUTTONS_IN_MESSAGE,
    Block,
    Button,
    Markup,
    code,
    escape,
    join,
    link,
    mark,
    section,
)
from bot.render.words import duration

_LIKELIEST = ("not reading", "unreachable", "statistics", "clear")


async def run(call: Call) -> Reply:
    """List the topics, or open one."""
    name = " ".join(call.arguments.words).lower()
    slash = call.deployment.slash
    if not name:
        return Reply(*_contents(call.environment, slash), [_opens(each) for each in _LIKELIEST])
    known = topics()
    if name not in known:
        raise call.mistake(
            # Words are joined by a space, which `quoted` would drop from within one.
            f"There is no runbook on `{' '.join(map(quoted, name.split()))[:40]}`."
            + did_you_mean(name, tuple(known)),
            suggestion="runbook",
        )
    topic = known[name]
    channel = next(
        place.channel
        for place in call.deployment.places
        if place.environment.name == call.environment.name
    )
    return Reply(*_page(call.environment, topic, channel, slash), _buttons(topic, call.registry))


def _opens(name: str) -> Button:
    return Button(name.capitalize(), "runbook", name, word=name.replace(" ", "-"))


def _buttons(topic: Topic, registry: Registry) -> list[Button]:
    """Offer what only looks; a change is typed, with a thought."""
    looks = [line for line, _ in topic.typed if isinstance(registry.find(line)[0], Read)]
    own = [Button(command.capitalize(), command) for command in looks]
    return [*own[: BUTTONS_IN_MESSAGE - 1], Button("All topics", "runbook")]


def _contents(environment: Environment, slash: str) -> tuple[str, list[Block]]:
    """Draw the list of topics."""
    known = topics().values()
    first = f"*{environment.label} runbook: {len(known)} topics.*"
    hint = mark("{} opens one of them.", code(f"{slash} runbook clear"))
    blocks = [section(mark("{} {}", first, hint))]
    for chapter, listed in groupby(known, key=attrgetter("chapter")):
        lines = [mark("{}  {}", code(topic.name), topic.summary) for topic in listed]
        blocks.append(section(mark("*{}*\n{}", chapter, join("\n", lines))))
    return first, blocks


def _page(
    environment: Environment, topic: Topic, channel: Markup, slash: str
) -> tuple[str, list[Block]]:
    """Draw one topic: what and when, the bot's own commands, those by hand, links."""
    places = {
        "channel": channel,
        "label": escape(environment.label),
        "age": escape(_age(environment)),
    }
    first = f"*{environment.label} runbook: {topic.name}.* {topic.summary}"
    blocks = [section(mark("{}\n{}", first, _prose(topic.when, places)))]
    if topic.typed:
        typed = [mark("{}  {}", code(f"{slash} {line}"), why) for line, why in topic.typed]
        blocks.append(section(mark("*Type here:*\n{}", join("\n", typed))))
    inside = False
    for step in topic.steps:
        pasted = [_pasted(lines) for lines in step.commands(environment, inside=inside)]
        blocks.append(section(join("\n", [_prose(step.says, places), *pasted])))
        inside = inside or step.redis
    more = list(_more(environment, topic, slash))
    if more:
        blocks.append(section(join("\n", more)))
    return first, blocks


def _prose(text: str, places: dict[str, Markup]) -> Markup:
    """Fill our own prose, which is markup already, with markup."""
    return Markup(text.format_map(places))


def _age(environment: Environment) -> str:
    if environment.expiration is None:
        return "Workers here drop no entry for its age, so what waits is not yet skipped."
    return (
        f"Entries older than {duration(environment.expiration)} are dropped by the workers, "
        "so their visits are skipped."
    )


def _pasted(lines: tuple[str, ...]) -> Markup:
    """Show commands letter by letter, as one block to copy."""
    return mark("```\n{}\n```", "\n".join(lines).replace("`", "'"))


def _more(environment: Environment, topic: Topic, slash: str) -> Iterator[Markup]:
    """Say where else to look."""
    links = dict(chain.from_iterable(_addresses(environment, each) for each in topic.links))
    if links:
        yield mark("*Look at:* {}", join(", ", (link(url, label) for url, label in links.items())))
    if topic.see:
        see = (code(f"{slash} runbook {name}") for name in topic.see)
        yield mark("*See also:* {}", join(", ", see))


def _addresses(environment: Environment, link: Link) -> Iterator[tuple[str, str]]:
    """Give address and label of a link: one for each instrument where they differ."""
    if link.address:
        yield link.address, link.label
        return
    found = {one: environment.link(link.name, one) for one in environment.instruments}
    different = len(set(found.values())) > 1
    for instrument, address in found.items():
        if address is not None:
            yield address, f"{link.label} of {instrument}" if different else link.label


COMMANDS = (
    Read(
        name="runbook",
        usage="[topic…]",
        summary="what to do, step by step, with the commands to run by hand",
        purpose=Purpose.LEARN,
        run=run,
        details=(
            "A topic is one or two words, such as `clear` or `not reading`. It shows the commands "
            "of this channel's environment: copy them as they are."
        ),
    ),
)
