"""What a person reads when something did not work: what is wrong, and what to do."""

from bot.domain.environments import Environment
from bot.domain.errors import (
    RedisForbidden,
    RedisUnreachable,
    SameRedis,
    Unreachable,
    UserError,
)
from bot.render.blocks import Block, Button, Markup, code, mark, section

_REMEDY = {
    Unreachable.REFUSED: "The pod is probably down or starting. "
    "Look at it: `kubectl get pods -n prompt-redis`.",
    Unreachable.TIMED_OUT: "It hangs, or the network does. Look at the pod: "
    "`kubectl get pods -n prompt-redis`, `kubectl logs prompt-redis-0 -n prompt-redis`.",
    Unreachable.UNRESOLVED: "Check the address in the bot's configuration, "
    "and that the service exists: `kubectl get service -n prompt-redis`.",
    Unreachable.LOADING: "It has just started, and answers when its data is read. Wait a minute.",
    Unreachable.PASSWORD: "Whoever deploys the bot must set the password of this environment.",
    Unreachable.DISK_FULL: "Its volume must be enlarged or emptied before anything else: "
    "`kubectl exec prompt-redis-0 -n prompt-redis -- df -h`.",
    Unreachable.DISCONNECTED: "It may be restarting. Try again in a moment.",
}


def mistake(error: UserError, slash: str) -> tuple[Markup, list[Block], list[Button]]:
    """Draw what was typed wrong, the usage line, and a button for what was probably meant.

    Parameters
    ----------
    error
        Its text is ours but quotes what was typed.
    slash
        The slash command of this deployment.
    """
    first = mark("{}", error.text)
    lines = first
    if error.usage is not None:
        lines = first + "\n" + code(f"{slash} {error.usage}")
    buttons = []
    if error.suggestion is not None:
        buttons.append(Button(f"Run {error.suggestion}", error.suggestion))
    return first, [section(lines)], buttons


def unreachable(error: RedisUnreachable, environment: Environment) -> tuple[Markup, list[Block]]:
    """Draw a Redis that does not answer, in the way in which it does not."""
    first = mark("🔴 *{}: Redis {}.*", environment.label, error.kind.value)
    return first, [
        section(
            mark(
                "{}\nTried {}. {}\n*Next:* `runbook unreachable`",
                first,
                error.address,
                Markup(remedy(error)),
            )
        )
    ]


def remedy(error: RedisUnreachable) -> str:
    """Say what to do about a Redis that does not answer, in Slack's markup."""
    return _REMEDY[error.kind]


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
