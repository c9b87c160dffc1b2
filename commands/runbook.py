"""`runbook`: the written procedures, with the commands of this channel's environment."""

from bot.command import Call, Purpose, Read, Registry, Reply, Right
from bot.domain.runbook import Topic, topics
from bot.grammar import did_you_mean, quoted
from bot.render.blocks import BUTTONS_IN_MESSAGE, Button
from bot.render.runbook import contents, page

_LIKELIEST = ("not reading", "unreachable", "statistics", "clear")


async def run(call: Call) -> Reply:
    """List the topics, or open one."""
    name = " ".join(call.arguments.words).lower()
    slash = call.deployment.slash
    if not name:
        text, blocks = contents(call.environment, slash)
        return Reply(blocks, text, [_opens(each) for each in _LIKELIEST])
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
    text, blocks = page(call.environment, topic, channel, slash)
    return Reply(blocks, text, _buttons(topic, call.registry))


def _opens(name: str) -> Button:
    return Button(name.capitalize(), "runbook", name, word=name.replace(" ", "-"))


def _buttons(topic: Topic, registry: Registry) -> list[Button]:
    """Offer what only looks; a change is typed, with a thought."""
    looks = [line for line, _ in topic.typed if isinstance(registry.find(line)[0], Read)]
    own = [Button(command.capitalize(), command) for command in looks]
    return [*own[: BUTTONS_IN_MESSAGE - 1], Button("All topics", "runbook")]


COMMANDS = (
    Read(
        name="runbook",
        usage="[topic…]",
        summary="what to do, step by step, with the commands to run by hand",
        purpose=Purpose.LEARN,
        right=Right.ANYBODY,
        run=run,
        details=(
            "A topic is one or two words, such as `clear` or `not reading`. It shows the commands "
            "of this channel's environment: copy them as they are."
        ),
    ),
)
