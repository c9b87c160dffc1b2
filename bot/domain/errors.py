"""Errors that a person can act on; everything else is a fault of ours.

BotError
├── FatalError            the process cannot go on; the text is its last sentence
├── UserError             what was typed cannot be done; the text is the reply
│   └── Refused           not by this person, or not now; it is in the audit
├── CannotLookUp          nobody knows at this moment who has the right, so nobody has
├── SameRedis             two environments are configured with one Redis
├── StateError            the bot's own database does not do what was asked of it; `kind` says why
├── RedisError            Prompt Redis does not do what was asked of it
│   ├── RedisUnreachable  no answer; `kind` says how
│   ├── RedisForbidden    it answers, and refuses (NOPERM)
│   ├── RedisRefused      it cannot as it is; `kind` says why
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


class BotError(Exception):
    """Base of the errors whose text is written for the person who typed."""


class FatalError(BotError):
    """The process cannot start, or cannot go on; the text says why and what to do."""


class UserError(BotError):
    """What was typed cannot be done as it stands.

    Parameters
    ----------
    text
        What is wrong, in a sentence.
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


class StateTrouble(Enum):
    """What is the matter with the bot's database; the value completes "The bot's database …"."""

    FULL = "is full: its disk has no space left"
    LOCKED = "is locked by somebody else"
    UNREACHABLE = "does not answer"
    READ_ONLY = "can be read, but not written"
    REFUSED = "refuses the bot's user or its password"
    MISSING = "does not exist"
    DAMAGED = "is damaged, or is no database"
    OTHER = "does not do what was asked of it"


class StateError(BotError):
    """The bot's own database does not do what was asked of it.

    After a lost connection nobody knows whether the last transaction took place.

    Parameters
    ----------
    kind
        Why.
    """

    def __init__(self, kind: StateTrouble) -> None:
        super().__init__(f"The bot's database {kind.value}.")
        self.kind = kind


class Unreachable(Enum):
    """Ways in which Redis gives no answer; the value completes "Redis …"."""

    REFUSED = "refuses the connection"
    TIMED_OUT = "does not answer"
    UNRESOLVED = "has no address: its name cannot be resolved"
    LOADING = "is loading its data"
    PASSWORD = "refuses our password"  # noqa: S105 -- a sentence, not a secret
    DISK_FULL = "cannot write, its disk is full: workers cannot read either"
    DISCONNECTED = "cut the connection"


class RedisError(BotError):
    """Prompt Redis does not do what was asked of it."""


class RedisUnreachable(RedisError):
    """No answer from Redis.

    Parameters
    ----------
    kind
        In which way.
    address
        Host and port, never the URL, which may hold a password.
    """

    def __init__(self, kind: Unreachable, address: str):
        super().__init__(f"{address}: Redis {kind.value}")
        self.kind = kind
        self.address = address


class RedisForbidden(RedisError):
    """Redis answers, and refuses the command (NOPERM)."""

    def __init__(self, address: str):
        super().__init__(f"{address}: Redis does not allow this command to the bot's user")
        self.address = address


class Refusal(Enum):
    """Reasons for which Redis cannot do what it is asked; the value completes "Redis …"."""

    READ_ONLY = "is a replica and cannot be changed"
    MEMORY = "is out of memory"
    WRONG_TYPE = "holds another type of key there, not a stream"


class RedisRefused(RedisError):
    """Redis answers, and cannot do it as it is; nothing was changed.

    Parameters
    ----------
    kind
        Why not.
    address
        Host and port.
    """

    def __init__(self, kind: Refusal, address: str):
        super().__init__(f"{address}: Redis {kind.value}")
        self.kind = kind
        self.address = address


class RedisInDoubt(RedisError):
    """A change was sent, its answer was lost, and its marker cannot be read: it may be made."""

    def __init__(self, address: str):
        super().__init__(f"{address}: Redis cut the answer off; the change may have been made")
        self.address = address


class ClusterTrouble(Enum):
    """Ways in which Kubernetes gives no answer; the value completes "Kubernetes …"."""

    REFUSED = "refuses the connection"
    TIMED_OUT = "does not answer"
    DISCONNECTED = "cut the connection"
    UNRESOLVED = "has no address: its name cannot be resolved"
    CERTIFICATE = "has a certificate that is not accepted"
    TOKEN = "does not accept the bot's token"  # noqa: S105 -- a sentence, not a secret
    CONFIGURATION = "cannot be asked: the bot has no token or no kubeconfig"
    UNWELL = "is not well itself"


class ClusterError(BotError):
    """Kubernetes does not do what was asked of it."""


class ClusterUnreachable(ClusterError):
    """No answer from Kubernetes, or none that counts; asked again, it may answer.

    Parameters
    ----------
    kind
        In which way.
    """

    def __init__(self, kind: ClusterTrouble) -> None:
        super().__init__(f"Kubernetes {kind.value}")
        self.kind = kind


class ClusterForbidden(ClusterError):
    """The bot lacks a right in Kubernetes.

    Parameters
    ----------
    verb, resource
        As a Role has them: ``patch`` and ``statefulsets.apps``.
    name
        Of the object; empty for all of them.
    namespace
        Where.
    """

    def __init__(self, verb: str, resource: str, name: str, namespace: str) -> None:
        what = f"{resource} {name}".strip()
        super().__init__(f"Kubernetes does not allow the bot to {verb} {what} in {namespace}")
        self.verb = verb
        self.resource = resource
        self.name = name
        self.namespace = namespace


class ClusterMissing(ClusterError):
    """There is no such object, or no such kind of object, in Kubernetes.

    Parameters
    ----------
    resource, name, namespace
        What was asked for.
    """

    def __init__(self, resource: str, name: str, namespace: str) -> None:
        super().__init__(f"Kubernetes has no {resource} {name} in {namespace}")
        self.resource = resource
        self.name = name
        self.namespace = namespace


class ClusterConflict(ClusterError):
    """Somebody else has changed the object since it was read; nothing was changed."""

    def __init__(self) -> None:
        super().__init__("Kubernetes says that somebody else has changed it in between")


class ClusterRefused(ClusterError):
    """Kubernetes does not take what was sent; nothing was changed.

    Parameters
    ----------
    status
        HTTP status.
    why
        Its own sentence.
    """

    def __init__(self, status: int, why: str) -> None:
        super().__init__(f"Kubernetes does not take it (HTTP {status}): {why}")
        self.status = status
        self.why = why


class ClusterInDoubt(ClusterError):
    """A change was sent to Kubernetes, no answer came, and it cannot be looked up.

    Parameters
    ----------
    kind
        In which way Kubernetes does not answer.
    """

    def __init__(self, kind: ClusterTrouble) -> None:
        super().__init__(f"Kubernetes {kind.value}; the change may have been made")
        self.kind = kind
