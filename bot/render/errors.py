"""What a person reads when something did not work: what is wrong, and what to do."""

from collections.abc import Sequence

from bot.domain.environments import Environment
from bot.domain.errors import (
    CannotLookUp,
    ClusterConflict,
    ClusterError,
    ClusterForbidden,
    ClusterInDoubt,
    ClusterMissing,
    ClusterRefused,
    ClusterTrouble,
    ClusterUnreachable,
    RedisError,
    RedisForbidden,
    RedisInDoubt,
    RedisRefused,
    RedisUnreachable,
    Refusal,
    SameRedis,
    StateError,
    Unreachable,
    UserError,
)
from bot.render.blocks import Block, Button, Markup, code, mark, section

Drawn = tuple[Markup, Sequence[Block], Sequence[Button], str]
"""First line, blocks, buttons, and the word under which metrics count it."""

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


_NEXT = {
    Refusal.READ_ONLY: "It is a replica. Whoever deploys the bot must give it the primary's "
    "address.",
    Refusal.MEMORY: "Free memory first: `clear` works without a copy, and the plan says so. "
    "`runbook trim`",
    Refusal.WRONG_TYPE: "Find out who wrote this key; workers cannot read it either.",
}


_KUBECTL = {
    ClusterTrouble.REFUSED: "Look whether the cluster is up: `kubectl get nodes`.",
    ClusterTrouble.TIMED_OUT: "It hangs, or the network does. Try again in a minute.",
    ClusterTrouble.DISCONNECTED: "Try again in a moment.",
    ClusterTrouble.UNRESOLVED: "Check the context in the bot's configuration.",
    ClusterTrouble.CERTIFICATE: "Whoever deploys the bot must look at the cluster's authority.",
    ClusterTrouble.TOKEN: "Whoever deploys the bot must look at its service account.",
    ClusterTrouble.CONFIGURATION: "Whoever deploys the bot must give it a service account, or the "
    "kubeconfig that has its context.",
    ClusterTrouble.UNWELL: "It answers with errors of its own. Try again in a minute.",
}


def draw(error: Exception, environment: Environment, slash: str, reference: str) -> Drawn | None:
    """Draw an error that a person can act on; None for a fault of ours.

    Parameters
    ----------
    error
        What went wrong.
    environment
        Where.
    slash
        The slash command of this deployment.
    reference
        Code under which the log has more.
    """
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


def refused(
    error: RedisRefused | RedisInDoubt, environment: Environment
) -> tuple[Markup, list[Block]]:
    """Draw a Redis that answers, and cannot do it."""
    first = mark("🔴 *{}: {}.*", environment.label, saying(error))
    text = mark("{}\n{} *Next:* {}", first, f"Asked {error.address}.", Markup(what_next(error)))
    return first, [section(text)]


def cluster(error: ClusterError, environment: Environment) -> tuple[Markup, list[Block]]:
    """Draw a Kubernetes that does not do its part; Redis and all else is not concerned."""
    first = mark("⚪ *{}: {}.* Nothing was changed.", environment.label, saying(error))
    then = Markup(f"{cluster_remedy(error)} `runbook restart` says it by hand.")
    return first, [section(mark("{}\n{} Commands about Redis go on.", first, then))]


def cluster_remedy(error: ClusterError) -> str:
    """Say what to do about a Kubernetes that does not do its part, in Slack's markup."""
    match error:
        case ClusterUnreachable():
            return _KUBECTL[error.kind]
        case ClusterForbidden():
            return "Whoever deploys the bot must add it to its Role there."
        case ClusterMissing():
            return "Check the bot's configuration, environments.*.kubernetes."
        case _:
            return "Look once more, and try again."


def saying(error: RedisError | ClusterError) -> str:
    """Say in a few words what Redis or Kubernetes did instead, without a full stop."""
    match error:
        case ClusterUnreachable():
            return f"Kubernetes {error.kind.value}"
        case ClusterForbidden():
            what = f"{error.resource} {error.name}".strip()
            return f"Kubernetes does not allow the bot to {error.verb} {what} in {error.namespace}"
        case ClusterMissing():
            return f"Kubernetes has no {error.resource} {error.name} in {error.namespace}"
        case ClusterInDoubt():
            return "Kubernetes did not say whether it was done"
        case ClusterConflict():
            return "somebody else has changed it at the same moment"
        case ClusterRefused():
            return f"Kubernetes does not take it (HTTP {error.status}): {error.why}"
        case RedisUnreachable() | RedisRefused():
            return f"Redis {error.kind.value}"
        case RedisInDoubt():
            return "Redis did not say whether it was done"
        case _:
            return "Redis does not allow this to the bot's user"


def what_next(error: RedisError) -> str:
    """Say what to do about it, in Slack's markup."""
    match error:
        case RedisUnreachable():
            return f"{remedy(error)} `runbook unreachable`"
        case RedisRefused():
            return _NEXT[error.kind]
        case RedisInDoubt():
            return "Look with `stats` when it answers again. `runbook unreachable`"
        case _:
            return "Whoever deploys the bot must add the right to the user's ACL rule."


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
