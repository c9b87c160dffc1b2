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
    RedisUnusable,
    SameRedis,
    StateError,
    UserError,
)
from bot.render.blocks import Button, Drawn, Markup, code, join, mark, section


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
            first = (
                f"I could not check who may do this (Slack did not answer: {error.reason}), "
                "so I did not count it. Nothing has changed."
            )
            more = f"Try again in a moment; if it stays so, `runbook approvals`. Ref {reference}."
        case RedisUnreachable():
            outcome = "unreachable"
            first = f"🔴 *{label}: {error.says}.*"
            more = join("\n", [tried(error), Markup("*Next:* `runbook unreachable`")])
        case RedisForbidden():
            outcome = "forbidden"
            first = f"⚪ *{label}: unknown, {error.says}.* Workers may be well."
            more = tried(error)
        case RedisError():
            outcome = "unreachable"
            first = f"🔴 *{label}: {error.says}.*"
            more = f"Asked {error.address}. *Next:* {error.remedy}"
        case ClusterError():
            # Redis and all else is not concerned.
            outcome = "cluster"
            first = f"⚪ *{label}: {error.says}.* Nothing was changed."
            more = f"{error.remedy} `runbook restart` says it by hand. Commands about Redis go on."
        case StateError():
            outcome = "state"
            first = f"🔴 *The bot's database {error.kind.value}.* Nothing was changed."
            more = (
                "Looking still works, changing does not. Whoever deploys the bot must see to "
                f"it. Ref {reference} finds it in the log. By hand: `runbook redis cli`"
            )
        case TimeoutError():
            outcome = "timeout"
            first = f"Sorry, I gave up after {limit:.0f} s. Nothing was changed."
            more = f"Try again in a moment. Ref {reference} finds it in the log."
        case _:
            outcome = "failed"
            first = "Sorry, that did not work, and it is not your fault. Nothing was changed."
            more = (
                f"Ref {reference} finds it in the log. If you need the figures now: `runbook "
                "redis cli`"
            )
    return (first, [section(join("\n", [first, more]))], []), outcome


def tried(error: RedisUnusable) -> Markup:
    """Say where it was tried, what Redis says itself, and what to do."""
    words = mark(" It says {}.", code(error.words)) if error.words else ""
    return mark("Tried {}.{} {}", error.address, words, Markup(error.remedy))


def same_redis(error: SameRedis) -> Drawn:
    """Draw that an environment is refused because its Redis is another one's."""
    first = f"🔴 *{error}*"
    return first, [section(first)], []


def refused(environment: Environment, number: int, what: str, why: str) -> Drawn:
    """Tell one person that their channel has refused what they asked for, long after they did."""
    first = f"⚪ *{environment.label}: {what} {number} could not be shown, and is closed.*"
    return first, [section(f"{first}\nIn the channel: {why}. Nothing was changed.")], []


def replaced() -> Drawn:
    """Say below a message that can be neither edited nor deleted that it is over."""
    text = "This message can no longer be edited, and is over: a newer one in the channel goes on."
    return text, [section(text)], []


def _mistake(error: UserError, slash: str) -> Drawn:
    """Draw what was typed wrong, the usage line, and a button for what was probably meant."""
    # The text is ours, but quotes what was typed.
    first = lines = error.text
    if error.usage is not None:
        lines += "\n" + code(f"{slash} {error.usage}")
    buttons = []
    if error.suggestion is not None:
        buttons.append(Button(f"Run {error.suggestion}", error.suggestion))
    if error.request is not None:
        buttons.append(Button(f"Request {error.request}", "requests", str(error.request)))
    return first, [section(lines)], buttons
