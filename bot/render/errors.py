"""What a person reads when something did not work: what is wrong, and what to do."""

from collections.abc import Sequence

from bot.domain.environments import Environment
from bot.domain.errors import (
    CannotLookUp,
    ClusterError,
    RedisForbidden,
    RedisInDoubt,
    RedisRefused,
    RedisUnreachable,
    SameRedis,
    StateError,
    UserError,
)
from bot.render.blocks import Block, Button, Markup, code, mark, section

Drawn = tuple[Markup, Sequence[Block], Sequence[Button], str]
"""First line, blocks, buttons, and the word under which metrics count it."""


def draw(error: Exception, environment: Environment, slash: str, reference: str) -> Drawn | None:
    """Draw an error that a person can act on; None for a fault of ours."""
    buttons: Sequence[Button] = ()
    outcome = "refused"
    match error:
        case UserError():
            text, blocks, buttons = mistake(error, slash)
        case SameRedis():
            text, blocks = same_redis(error)
        case CannotLookUp():
            text, blocks = cannot_look_up(error, reference)
        case RedisUnreachable():
            text, blocks = unreachable(error, environment)
            outcome = "unreachable"
        case RedisForbidden():
            text, blocks = forbidden(error, environment)
            outcome = "forbidden"
        case RedisRefused() | RedisInDoubt():
            text, blocks = refused(error, environment)
            outcome = "unreachable"
        case ClusterError():
            text, blocks = cluster(error, environment)
            outcome = "cluster"
        case StateError():
            text, blocks = state(error, reference)
            outcome = "state"
        case _:
            return None
    return text, blocks, buttons, outcome


def mistake(error: UserError, slash: str) -> tuple[Markup, list[Block], list[Button]]:
    """Draw what was typed wrong, the usage line, and a button for what was probably meant."""
    # The text is ours, but quotes what was typed.
    first = mark("{}", error.text)
    lines = first
    if error.usage is not None:
        lines = first + "\n" + code(f"{slash} {error.usage}")
    buttons = []
    if error.suggestion is not None:
        buttons.append(Button(f"Run {error.suggestion}", error.suggestion))
    if error.request is not None:
        buttons.append(Button(f"Request {error.request}", "requests", str(error.request)))
    return first, [section(lines)], buttons


def cannot_look_up(error: CannotLookUp, reference: str) -> tuple[Markup, list[Block]]:
    """Draw that nobody knows who has the right."""
    text = mark(
        "I could not check who may do this (Slack did not answer: {}), so I did not count it. "
        "Nothing has changed.",
        error.reason,
    )
    more = "{}\nTry again in a moment; if it stays so, `runbook approvals`. Ref {}."
    return text, [section(mark(more, text, reference))]


def unreachable(error: RedisUnreachable, environment: Environment) -> tuple[Markup, list[Block]]:
    """Draw a Redis that does not answer, in the way in which it does not."""
    first = mark("🔴 *{}: {}.*", environment.label, error.says)
    next_ = "{}\nTried {}. {}\n*Next:* `runbook unreachable`"
    return first, [section(mark(next_, first, error.address, Markup(error.remedy)))]


def forbidden(error: RedisForbidden, environment: Environment) -> tuple[Markup, list[Block]]:
    """Draw a Redis that refuses the command to the bot's user."""
    first = mark("⚪ *{}: unknown, Redis does not allow the bot to read this.*", environment.label)
    text = mark(
        "{}\nThe bot's user at {} lacks a right. Whoever deploys the bot must add it "
        "to the user's ACL rule.",
        first,
        error.address,
    )
    return first, [section(text)]


def refused(
    error: RedisRefused | RedisInDoubt, environment: Environment
) -> tuple[Markup, list[Block]]:
    """Draw a Redis that answers, and cannot do it."""
    first = mark("🔴 *{}: {}.*", environment.label, error.says)
    asked = "{}\nAsked {}. *Next:* {}"
    return first, [section(mark(asked, first, error.address, Markup(error.remedy)))]


def cluster(error: ClusterError, environment: Environment) -> tuple[Markup, list[Block]]:
    """Draw a Kubernetes that does not do its part; Redis and all else is not concerned."""
    first = mark("⚪ *{}: {}.* Nothing was changed.", environment.label, error.says)
    then = Markup(f"{error.remedy} `runbook restart` says it by hand.")
    return first, [section(mark("{}\n{} Commands about Redis go on.", first, then))]


def state(error: StateError, reference: str) -> tuple[Markup, list[Block]]:
    """Draw a database of our own that does not do its part."""
    first = mark("🔴 *The bot's database {}.* Nothing was changed.", error.kind.value)
    return first, [
        section(
            mark(
                "{}\nLooking still works, changing does not. Whoever deploys the bot must see to "
                "it. Ref {} finds it in the log. By hand: `runbook redis cli`",
                first,
                reference,
            )
        )
    ]


def same_redis(error: SameRedis) -> tuple[Markup, list[Block]]:
    """Draw an environment that is refused because its Redis is another one's."""
    first = mark("🔴 *{}*", error)
    return first, [section(first)]


def fault(reference: str) -> tuple[Markup, list[Block]]:
    """Draw an apology with the reference code under which the log has the traceback."""
    first = Markup("Sorry, that did not work, and it is not your fault. Nothing was changed.")
    return first, [
        section(
            mark(
                "{}\nRef {} finds it in the log. If you need the figures now: `runbook redis cli`",
                first,
                reference,
            )
        )
    ]


def too_slow(seconds: float, reference: str) -> tuple[Markup, list[Block]]:
    """Draw a command that was given up."""
    first = mark("Sorry, I gave up after {} s. Nothing was changed.", f"{seconds:.0f}")
    return first, [
        section(mark("{}\nTry again in a moment. Ref {} finds it in the log.", first, reference))
    ]
