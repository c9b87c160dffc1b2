"""`help`: what can be typed, by purpose; one subcommand in detail; a first walk."""

from bot.command import Call, Purpose, Read, Reply
from bot.grammar import did_you_mean, quoted
from bot.render.blocks import Button, Markup, code, join, mark, section

_WALK = (
    ("stats", "how every stream of this channel's environment is doing"),
    ("pending", "what was read and never confirmed; normally nothing"),
    ("ping", "whether Redis itself answers"),
)


async def run(call: Call) -> Reply:
    """Explain everything, the first steps, or one subcommand."""
    topic = " ".join(call.arguments.words).lower()
    if not topic:
        return _everything(call)
    if topic == "start":
        return _first_walk(call)
    return _one(call, topic)


def _everything(call: Call) -> Reply:
    slash = call.deployment.slash
    first = f"*What you can type here, in {call.environment.label}.*"
    blocks = [section(first)]
    for purpose in Purpose:
        lines = [
            mark("{}\n      {}", code(f"{slash} {command.usage_line}".strip()), command.summary)
            for command in sorted(call.registry, key=lambda command: command.name)
            if command.purpose is purpose
        ]
        blocks.append(section(mark("*{}*\n{}", purpose.value, join("\n", lines))))
    blocks.append(
        section(
            f"`{slash} help stats` explains one of them. Answers are private; `share` as the last "
            "word shows them to the channel."
        )
    )
    return Reply(first, blocks, (Button("First steps", "help", "start"), Button("Stats", "stats")))


def _first_walk(call: Call) -> Reply:
    slash = call.deployment.slash
    first = f"*Three commands tell you whether {call.environment.label} is well.*"
    steps = [
        mark("{}. {}  {}", number, code(f"{slash} {name}"), says)
        for number, (name, says) in enumerate(_WALK, start=1)
    ]
    words = (
        "A *visit* is one pointing of the telescope; it is announced as one *entry* for every "
        "detector. Entries wait in a stream until a worker reads them. All three commands only "
        "look, and nobody else sees the answer."
    )
    buttons = [Button(name.capitalize(), name) for name, _ in _WALK]
    return Reply(first, [section(first), section(join("\n", steps)), section(words)], buttons)


def _one(call: Call, topic: str) -> Reply:
    found = {command.name: command for command in call.registry if command.name}
    for command in call.registry:
        found |= dict.fromkeys(command.aliases, command)
    if topic not in found:
        raise call.mistake(
            f"There is no help on `{quoted(topic)}`." + did_you_mean(topic, tuple(found)),
            suggestion="help",
        )
    command = found[topic]
    first = f"*{command.name}*: {command.summary}."
    lines = [first, code(f"{call.deployment.slash} {command.usage_line}")]
    if command.aliases:
        lines.append(mark("Also: {}", join(", ", map(code, command.aliases))))
    blocks = [section(join("\n", lines))]
    details = command.details if isinstance(command.details, str) else command.details()
    if details:
        blocks.append(section(Markup(details)))
    return Reply(
        first, blocks, (Button(f"Run {command.name}", command.name), Button("All of help", "help"))
    )


COMMANDS = (
    Read(
        name="help",
        usage="[topic…]",
        summary="everything that can be typed; `help start` for a first walk",
        purpose=Purpose.LEARN,
        run=run,
    ),
)
