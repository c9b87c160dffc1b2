"""What a person reads when something did not work: what is wrong, and what to do.

The kinds of trouble are worded in `bot.domain.errors`; here is what stands around them.
"""

from bot.domain.environments import Environment
from bot.domain.errors import (
    CannotLookUp,
    ClusterError,
    RedisError,
    RedisForbidden,
    RedisUnreachable,
    SameRedis,
    StateError,
    UserError,
)
from bot.render.blocks import Button, Drawn, Markup, code, mark, section


def draw(
    error: Exception, environment: Environment, slash: str, reference: str, limit: float
) -> tuple[Drawn, str]:
    """Draw an error, and give the word under which metrics count it.

    Parameters
    ----------
    reference
        Code under which the log has more.
    limit
        Seconds after which a command is given up.
    """
    label = environment.label
    match error:
        case UserError():
            return _mistake(error, slash), "refused"
        case SameRedis():
            return same_redis(error), "refused"
        case CannotLookUp():
            outcome = "refused"
            first = mark(
                "I could not check who may do this (Slack did not answer: {}), so I did not count "
                "it. Nothing has changed.",
                error.reason,
            )
            more = mark(
                "Try again in a moment; if it stays so, `runbook approvals`. Ref {}.", reference
            )
        case RedisUnreachable():
            outcome = "unreachable"
            first = mark("🔴 *{}: {}.*", label, error.says)
            remedy = Markup(error.remedy)
            more = mark("Tried {}. {}\n*Next:* `runbook unreachable`", error.address, remedy)
        case RedisForbidden():
            outcome = "forbidden"
            first = mark("⚪ *{}: unknown, Redis does not allow the bot to read this.*", label)
            more = mark(
                "The bot's user at {} lacks a right. Whoever deploys the bot must add it to the "
                "user's ACL rule.",
                error.address,
            )
        case RedisError():
            outcome = "unreachable"
            first = mark("🔴 *{}: {}.*", label, error.says)
            more = mark("Asked {}. *Next:* {}", error.address, Markup(error.remedy))
        case ClusterError():
            # Redis and all else is not concerned.
            outcome = "cluster"
            first = mark("⚪ *{}: {}.* Nothing was changed.", label, error.says)
            more = mark(
                "{} `runbook restart` says it by hand. Commands about Redis go on.",
                Markup(error.remedy),
            )
        case StateError():
            outcome = "state"
            first = mark("🔴 *The bot's database {}.* Nothing was changed.", error.kind.value)
            more = mark(
                "Looking still works, changing does not. Whoever deploys the bot must see to it. "
                "Ref {} finds it in the log. By hand: `runbook redis cli`",
                reference,
            )
        case TimeoutError():
            outcome = "timeout"
            first = mark("Sorry, I gave up after {} s. Nothing was changed.", f"{limit:.0f}")
            more = mark("Try again in a moment. Ref {} finds it in the log.", reference)
        case _:
            outcome = "failed"
            first = Markup(
                "Sorry, that did not work, and it is not your fault. Nothing was changed."
            )
            more = mark(
                "Ref {} finds it in the log. If you need the figures now: `runbook redis cli`",
                reference,
            )
    return (first, [section(mark("{}\n{}", first, more))], []), outcome


def same_redis(error: SameRedis) -> Drawn:
    """Draw that an environment is refused because its Redis is another one's."""
    first = mark("🔴 *{}*", error)
    return first, [section(first)], []


def _mistake(error: UserError, slash: str) -> Drawn:
    """Draw what was typed wrong, the usage line, and a button for what was probably meant."""
    # The text is ours, but quotes what was typed.
    first = lines = mark("{}", error.text)
    if error.usage is not None:
        lines += "\n" + code(f"{slash} {error.usage}")
    buttons = []
    if error.suggestion is not None:
        buttons.append(Button(f"Run {error.suggestion}", error.suggestion))
    if error.request is not None:
        buttons.append(Button(f"Request {error.request}", "requests", str(error.request)))
    return first, [section(lines)], buttons
