"""Errors that a person can act on; everything else is a fault of ours.

BotError
├── FatalError            the process cannot go on; the text is its last sentence
├── UserError             what was typed cannot be done; the text is the reply
│   └── Refused           not by this person, or not now; it is in the audit
├── CannotLookUp          nobody knows at this moment who has the right, so nobody has
├── SameRedis             two environments are configured with one Redis
├── StateError            the bot's own database does not do what was asked of it; `kind` says why
├── RedisError            Prompt Redis does not do what was asked of it
│   ├── RedisUnusable     it is of no use, to workers or to the bot; `kind` says how
│   │   ├── RedisUnreachable  to workers
│   │   └── RedisForbidden    to the bot alone, which lacks a right
│   ├── WrongType         the key holds something else than a stream
│   └── RedisInDoubt      a change was sent, and nobody knows whether it was made
└── ClusterError          Kubernetes does not do what was asked of it
    ├── ClusterUnreachable  no answer, or none that counts; `kind` says how; a later one may come
    ├── ClusterForbidden    the bot lacks a right: the verb and the resource
    ├── ClusterMissing      there is no such object
    ├── ClusterConflict     somebody else has changed the object in between
    ├── ClusterRefused      it does not take what was sent
    └── ClusterInDoubt      a change was sent, and nobody knows whether it was made

Any other exception is logged with its traceback, and the person gets a reference code.
"""

from enum import Enum
from typing import Self


class BotError(Exception):
    """Base of the errors whose text is written for the person who typed."""


class FatalError(BotError):
    """The process cannot start, or cannot go on; the text says why and what to do."""


class UserError(BotError):
    """What was typed cannot be done as it stands.

    Parameters
    ----------
    usage
        The usage line of the subcommand that was meant, without the slash command.
    suggestion
        Name of the subcommand that was probably meant; the reply offers to run it.
    request
        ID of the request that stands in the way; the reply offers to show it.
    """

    def __init__(
        self,
        text: str,
        *,
        usage: str | None = None,
        suggestion: str | None = None,
        request: int | None = None,
    ) -> None:
        super().__init__(text)
        self.text = text
        self.usage = usage
        self.suggestion = suggestion
        self.request = request


class Refused(UserError):
    """A change that is refused to this person, or at this moment; the audit keeps it."""


class CannotLookUp(BotError):
    """Slack did not tell who is in a user group, so nobody is taken to be.

    Parameters
    ----------
    reason
        Slack's word for it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"Slack did not tell who is in a group: {reason}")
        self.reason = reason


class SameRedis(BotError):
    """Two environments are configured with one Redis: commands of one would change the other.

    Parameters
    ----------
    first, second
        Labels of the environments; the second one is refused.
    """

    def __init__(self, first: str, second: str) -> None:
        super().__init__(
            f"{second} and {first} are configured with one and the same Redis, so {second} is "
            f"refused. Correct environments.{second.lower()}.redis.url and restart the bot."
        )


class Trouble(Enum):
    """A kind of trouble, worded once: what is the matter, and what a person does about it.

    The value completes the name of what is in trouble, ``Kubernetes …``; `remedy` is a sentence in
    Slack's markup.
    """

    _value_: str
    remedy: str

    def __new__(cls, value: str, remedy: str) -> Self:
        """Make a kind from its two texts."""
        kind = object.__new__(cls)
        kind._value_ = value
        kind.remedy = remedy
        return kind


class StateTrouble(Trouble):
    """What is the matter with the bot's database; the remedy, then to start the bot again."""

    FULL = "is full: its disk has no space left", "Make room on its disk"
    LOCKED = "is locked by somebody else", "Find out who uses it beside the bot, and end that"
    UNREACHABLE = "does not answer", "Check that it runs and that state.url is right"
    READ_ONLY = ("can be read, but not written", "Allow the bot to write to it and to its folder")
    REFUSED = (
        "refuses the bot's user or its password",
        "Correct user, password and rights (PROMPT_REDIS_STATE_URL)",
    )
    MISSING = "does not exist", "Create it, or correct state.url"
    POOLED = (
        "is behind a pooler, and the bot needs sessions of its own, with its own settings",
        "Connect to PostgreSQL itself, not to PgBouncer or its like (PROMPT_REDIS_STATE_URL)",
    )
    DAMAGED = "is damaged, or is no database", "Check its disk, and restore a backup"
    OTHER = (
        "does not do what was asked of it",
        "Check that state.url names a database for the bot alone",
    )


class StateError(BotError):
    """The bot's own database does not do what was asked of it.

    After a lost connection nobody knows whether the last transaction took place.
    """

    def __init__(self, kind: StateTrouble) -> None:
        super().__init__(f"The bot's database {kind.value}.")
        self.kind = kind


class Unreachable(Enum):
    """Ways in which Redis is of no use, each worded once: the value completes ``Redis …``.

    The value is what the figures of an alarm keep; of one that was worded otherwise the bot shows
    the old words, and knows no more.

    `short` follows an address, `likely` is what an alarm takes for the cause, and `remedy` what a
    person does about it, in Slack's markup.
    """

    _value_: str
    short: str
    likely: str
    remedy: str

    def __new__(cls, value: str, short: str, likely: str, remedy: str) -> Self:
        """Make a kind from its four texts."""
        kind = object.__new__(cls)
        kind._value_ = value
        kind.short, kind.likely, kind.remedy = short, likely, remedy
        return kind

    REFUSED = (
        "refuses the connection",
        "connection refused",
        "the pod is down, or just starting.",
        "The pod is probably down or starting. Look at it: `kubectl get pods -n prompt-redis`.",
    )
    TIMED_OUT = (
        "does not answer",
        "no answer in time",
        "Redis hangs, or the network does.",
        (
            "It hangs, or the network does. Look at the pod: `kubectl get pods -n prompt-redis`, "
            "`kubectl logs prompt-redis-0 -n prompt-redis`."
        ),
    )
    UNRESOLVED = (
        "has no address: its name cannot be resolved",
        "name not resolved",
        "the service is gone, or the address in the bot's configuration is wrong.",
        (
            "Check the address in the bot's configuration, and that the service exists: "
            "`kubectl get service -n prompt-redis`."
        ),
    )
    DISCONNECTED = (
        "cut the connection",
        "connection cut",
        "it is restarting.",
        "It may be restarting. Try again in a moment.",
    )
    CERTIFICATE = (
        "has a certificate that is not trusted",
        "certificate not trusted",
        "its certificate was replaced or has expired, or the bot does not know who signed it.",
        "Whoever deploys the bot must look at the certificate and at who signed it.",
    )
    TLS = (
        "does not agree with the bot on TLS",
        "no agreement on TLS",
        "one side expects TLS, or a version of it, that the other does not speak.",
        "Compare the address in the bot's configuration (`redis://` or `rediss://`) with Redis'.",
    )
    LOADING = (
        "is loading its data",
        "loading its data",
        "it has just started; it answers when its data is read.",
        "It has just started, and answers when its data is read. Wait a minute.",
    )
    DISK_FULL = (
        "cannot write, its disk is full: workers cannot read either",
        "disk full",
        "its volume is full or gone, so it refuses to write, and workers exit.",
        (
            "Its volume must be enlarged or emptied before anything else: "
            "`kubectl exec prompt-redis-0 -n prompt-redis -- df -h`."
        ),
    )
    READ_ONLY = (
        "is a read-only replica: workers cannot read either",
        "read-only replica",
        "somebody made it a replica, or the address leads to one.",
        (
            "Its primary: `kubectl exec prompt-redis-0 -n prompt-redis -- redis-cli role`. "
            "Whoever made it a replica must undo that, or correct the address."
        ),
    )
    NO_PRIMARY = (
        "has lost its primary: workers cannot read",
        "primary lost",
        "somebody made it a replica of a Redis that does not answer.",
        (
            "Its primary: `kubectl exec prompt-redis-0 -n prompt-redis -- redis-cli role`. "
            "Whoever made it a replica must undo that."
        ),
    )
    FEW_REPLICAS = (
        "has too few replicas, and takes no writes: workers cannot read either",
        "too few replicas",
        "its setting `min-replicas-to-write` asks for replicas that are not there.",
        "Its replicas must come back, or `min-replicas-to-write` be lowered.",
    )
    CLUSTER = (
        "is a cluster that is down: workers cannot read",
        "cluster down",
        "it runs as a cluster, and some of it is missing.",
        "Look at its nodes: `redis-cli cluster info`.",
    )
    MEMORY = (
        "is out of memory: visits cannot be announced, workers still read",
        "out of memory",
        "what it holds has reached `maxmemory`.",
        "Free memory first: `clear` works without a copy, and the plan says so. `runbook trim`",
    )
    BUSY = (
        "is busy with a script that does not end: nobody is served",
        "busy with a script",
        "somebody runs a script that does not end.",
        (
            "Whoever runs it must end it: "
            "`kubectl exec prompt-redis-0 -n prompt-redis -- redis-cli script kill`."
        ),
    )
    PAUSED = (
        "answers, but writes are paused: workers cannot read either",
        "writes are paused",
        "somebody ran CLIENT PAUSE, or its primary is being changed.",
        (
            "It ends by itself, or with "
            "`kubectl exec prompt-redis-0 -n prompt-redis -- redis-cli client unpause`."
        ),
    )
    DENIED = (
        "denies connections from other machines (protected mode)",
        "denied, protected mode",
        "it runs without a password and without `protected-mode no`.",
        "Its configuration must set `protected-mode no`, or a password.",
    )
    CLIENTS = (
        "takes no more connections: it has too many clients",
        "too many clients",
        "more workers or other programs are connected than `maxclients` allows.",
        "Find out who is connected: `redis-cli client list`.",
    )
    OTHER = (
        "answers what the bot does not know",
        "an unknown answer",
        "its own words say more than the bot can.",
        "Its own words are the best hint. The pod: `kubectl get pods -n prompt-redis`.",
    )
    PASSWORD = (
        "refuses our password",
        "password refused",
        "its password was changed, and the bot was not told. Workers may be well.",
        "Whoever deploys the bot must set the password of this environment.",
    )
    FORBIDDEN = (
        "does not allow this to the bot's user",
        "not allowed to the bot",
        "a right was taken from the bot's user. Workers may be well.",
        "Whoever deploys the bot must add the right to the user's ACL rule.",
    )
    UNKNOWN_COMMAND = (
        "does not know a command that the bot needs",
        "a command is unknown",
        "a command was renamed, or Redis is older than 7.0. Workers may be well.",
        "Whoever deploys Redis must give the command its name back, or use 7.0 or newer.",
    )

    @property
    def blind(self) -> bool:
        """Whether it is about the bot's own rights: workers may be well all the same."""
        return self in {Unreachable.PASSWORD, Unreachable.FORBIDDEN, Unreachable.UNKNOWN_COMMAND}

    @property
    def lets_read(self) -> bool:
        """Whether workers may still read what is there."""
        return self.blind or self is Unreachable.MEMORY


class RedisError(BotError):
    """Prompt Redis does not do what was asked of it.

    Parameters
    ----------
    address
        Host and port, never the URL, which may hold a password.
    says
        What it does instead, in a few words, without a full stop.
    remedy
        What a person does about it, in Slack's markup.
    """

    def __init__(self, address: str, says: str, remedy: str) -> None:
        super().__init__(f"{address}: {says}")
        self.address = address
        self.says = says
        self.remedy = remedy


class RedisUnusable(RedisError):
    """Redis is of no use, in a way that is known.

    Parameters
    ----------
    words
        Redis' own words, where it said any.
    """

    def __init__(self, kind: Unreachable, address: str, words: str = "") -> None:
        super().__init__(address, f"Redis {kind.value}", kind.remedy)
        self.kind = kind
        self.words = words


class RedisUnreachable(RedisUnusable):
    """Redis is of no use to workers: no answer, or one that says so."""


class RedisForbidden(RedisUnusable):
    """Redis refuses the bot; workers may be well."""


class WrongType(RedisError):
    """The key holds something else than a stream; nothing was changed."""

    def __init__(self, address: str) -> None:
        super().__init__(
            address,
            "Redis holds another type of key there, not a stream",
            "Find out who wrote this key; workers cannot read it either.",
        )


class RedisInDoubt(RedisError):
    """A change was sent, its answer was lost, and its marker cannot be read: it may be made."""

    def __init__(self, address: str) -> None:
        super().__init__(
            address,
            "Redis did not say whether it was done",
            "Look with `stats` when it answers again. `runbook unreachable`",
        )


class ClusterTrouble(Trouble):
    """Ways in which Kubernetes gives no answer; the value completes ``Kubernetes …``."""

    REFUSED = ("refuses the connection", "Look whether the cluster is up: `kubectl get nodes`.")
    TIMED_OUT = "does not answer", "It hangs, or the network does. Try again in a minute."
    DISCONNECTED = "cut the connection", "Try again in a moment."
    UNRESOLVED = (
        "has no address: its name cannot be resolved",
        "Check the context in the bot's configuration.",
    )
    CERTIFICATE = (
        "has a certificate that is not accepted",
        "Whoever deploys the bot must look at the cluster's authority.",
    )
    TOKEN = (
        "does not accept the bot's token",
        "Whoever deploys the bot must look at its service account.",
    )
    CONFIGURATION = (
        "cannot be asked: the bot has no token or no kubeconfig",
        (
            "Whoever deploys the bot must give it a service account, or the kubeconfig that has "
            "its context."
        ),
    )
    UNWELL = "is not well itself", "It answers with errors of its own. Try again in a minute."


class ClusterError(BotError):
    """Kubernetes does not do what was asked of it; its text has no full stop.

    Parameters
    ----------
    remedy
        What a person does about it, in Slack's markup.
    """

    def __init__(self, says: str, remedy: str = "Look once more, and try again.") -> None:
        super().__init__(says)
        self.says = says
        self.remedy = remedy


class ClusterUnreachable(ClusterError):
    """No answer from Kubernetes, or none that counts; asked again, it may answer."""

    def __init__(self, kind: ClusterTrouble) -> None:
        super().__init__(f"Kubernetes {kind.value}", kind.remedy)
        self.kind = kind


class ClusterForbidden(ClusterError):
    """The bot lacks a right in Kubernetes.

    Parameters
    ----------
    verb, resource
        As a Role has them: ``patch`` and ``statefulsets.apps``.
    name
        Of the object; empty for all of them.
    """

    def __init__(self, verb: str, resource: str, name: str, namespace: str) -> None:
        what = f"{resource} {name}".strip()
        super().__init__(
            f"Kubernetes does not allow the bot to {verb} {what} in {namespace}",
            "Whoever deploys the bot must add it to its Role there.",
        )


class ClusterMissing(ClusterError):
    """There is no such object, or no such kind of object, in Kubernetes."""

    def __init__(self, resource: str, name: str, namespace: str) -> None:
        super().__init__(
            f"Kubernetes has no {resource} {name} in {namespace}",
            "Check the bot's configuration, environments.*.kubernetes.",
        )


class ClusterConflict(ClusterError):
    """Somebody else has changed the object since it was read; nothing was changed."""

    def __init__(self) -> None:
        super().__init__("somebody else has changed it at the same moment")


class ClusterRefused(ClusterError):
    """Kubernetes does not take what was sent, and says why; nothing was changed."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(f"Kubernetes does not take it (HTTP {status}): {why}")


class ClusterInDoubt(ClusterError):
    """A change was sent to Kubernetes, no answer came, and it cannot be looked up."""

    def __init__(self) -> None:
        super().__init__("Kubernetes did not say whether it was done")
