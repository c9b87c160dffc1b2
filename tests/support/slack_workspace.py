"""What the fake Slack holds: channels, people, messages, views, files and response_urls.

Nothing here speaks a protocol. The parts that do (Web API, hooks, sockets) change these values
and call `Workspace.changed`, so that a test can wait for an outcome without sleeping.
"""

import asyncio
import copy
import itertools
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

Json = dict[str, Any]
Found = TypeVar("Found")

BOT = "U0BOT"
HOOK_POSTS = 5
HOOK_SECONDS = 30 * 60
TRIGGER_SECONDS = 60
"""Slack itself gives 3 s; a busy machine is no failure."""

ALL_SCOPES = (
    "commands,chat:write,channels:read,groups:read,channels:history,groups:history,"
    "users:read,usergroups:read,files:write"
)

_MENTION = re.compile(
    r"<(?:!(?:channel|here|everyone|group|subteam\^\w+|date\^[^>]*)|@[UW]\w*|#[CG]\w*"
    r"|(?:https?|mailto|tel|slack|ftp)://?[^>|]*|(?:mailto|tel):[^>|]*)(?:\|[^>]*)?>"
)


def mentions(text: str) -> list[str]:
    """Everything in mrkdwn that Slack would turn into a ping or a link, in order."""
    return _MENTION.findall(text)


def escape(text: str) -> str:
    """Escape the three characters as Slack does."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class SlackError(Exception):
    """An answer with `ok: false`."""

    def __init__(self, error: str, messages: Sequence[str] = (), **extra: Any) -> None:
        super().__init__(error, *messages)
        self.error = error
        self.messages = list(messages)
        self.extra = extra

    def to_json(self) -> Json:
        answer: Json = {"ok": False, "error": self.error, **self.extra}
        if self.messages:
            answer["errors"] = list(self.messages)
            answer["response_metadata"] = {"messages": [f"[ERROR] {m}" for m in self.messages]}
        return answer


@dataclass
class Channel:
    """A channel; the bot is in it when its user is one of the members."""

    id: str
    name: str
    members: list[str] = field(default_factory=list)
    is_private: bool = False
    is_archived: bool = False
    is_im: bool = False

    @property
    def slash_name(self) -> str:
        """The name that a slash command's payload carries."""
        if self.is_im:
            return "directmessage"
        return "privategroup" if self.is_private else self.name


@dataclass
class User:
    """A person or a bot."""

    id: str
    name: str
    real_name: str = ""
    tz: str = "America/Santiago"
    is_bot: bool = False
    deleted: bool = False


@dataclass
class Message:
    """A message as it is now; `revisions` holds each content it ever had, oldest first."""

    number: int
    ts: str
    channel: str
    user: str
    text: str
    blocks: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    metadata: Json | None = None
    thread_ts: str | None = None
    ephemeral_to: str | None = None
    edited: bool = False
    deleted: bool = False
    response_url: str | None = None
    files: list["UploadedFile"] = field(default_factory=list)
    revisions: list[tuple[str, list[Json]]] = field(default_factory=list)

    def elements(self) -> list[tuple[str, Json]]:
        """Return every interactive element with the block_id around it."""
        return [
            (block_id(block, place), element)
            for place, block in enumerate(self.blocks)
            for element in _block_elements(block)
            if "action_id" in element or element.get("type") == "button"
        ]

    @property
    def buttons(self) -> list[str]:
        """The labels of the buttons, in order."""
        return [
            element["text"]["text"]
            for _, element in self.elements()
            if element.get("type") == "button"
        ]

    @property
    def all_text(self) -> str:
        """Every text a reader sees: the blocks', or without blocks the top-level text."""
        return "\n".join(text for _, text in texts(self.blocks)) if self.blocks else self.text

    def mentions(self) -> list[str]:
        """Pings and links in the top-level text and in every mrkdwn text object."""
        marked = [self.text, *(text for kind, text in texts(self.blocks) if kind == "mrkdwn")]
        return [mention for text in marked for mention in mentions(text)]


@dataclass
class View:
    """A modal that the bot opened."""

    id: str
    user: str
    content: Json
    hash: str
    closed: bool = False

    @property
    def callback_id(self) -> str:
        return str(self.content.get("callback_id", ""))


@dataclass
class UploadedFile:
    """A file, from the moment its upload URL was asked for."""

    id: str
    name: str
    length: int
    content: bytes | None = None
    title: str = ""
    channel: str | None = None


@dataclass
class Hook:
    """A response_url: whom it answers and how often it was used."""

    id: str
    channel: str
    user: str
    created: float
    original: Message | None = None
    uses: int = 0


@dataclass
class Trigger:
    """A trigger_id, good for one form within three seconds."""

    id: str
    user: str
    created: float
    used: bool = False


@dataclass(frozen=True)
class Call:
    """One request to the Web API; method "hooks" is a post to a response_url."""

    method: str
    args: Json
    at: float
    headers: Mapping[str, str]


class Workspace:
    """The state of one workspace and one app in it."""

    def __init__(
        self,
        *,
        team_id: str,
        bot_user_id: str,
        bot_token: str,
        app_token: str,
        signing_secret: str,
        scopes: str | None,
        channels: Iterable[Channel],
        users: Iterable[User],
        usergroups: Mapping[str, Sequence[str]],
    ) -> None:
        self.team_id = team_id
        self.team_domain = "example"
        self.bot_user_id = bot_user_id
        self.bot_id = f"B{bot_user_id[1:]}"
        self.app_id = "A0APP"
        self.bot_token = bot_token
        self.app_token = app_token
        self.signing_secret = signing_secret
        self.scopes = scopes
        self.channels = {channel.id: channel for channel in channels}
        self.users = {user.id: user for user in users}
        self.users.setdefault(bot_user_id, User(bot_user_id, "prompt_redis", is_bot=True))
        self.usergroups = {key: list(people) for key, people in usergroups.items()}
        self.messages: list[Message] = []
        self.views: list[View] = []
        self.files: dict[str, UploadedFile] = {}
        self.hooks: dict[str, Hook] = {}
        self.triggers: dict[str, Trigger] = {}
        self.calls: list[Call] = []
        self.base_url = ""
        self._numbers = itertools.count(1)
        self._last_ts = 0
        self._change = asyncio.Event()

    # --- waiting -----------------------------------------------------------------------------

    def changed(self) -> None:
        """Wake everyone who waits for an outcome."""
        change, self._change = self._change, asyncio.Event()
        change.set()

    async def until(self, find: Callable[[], Found | None], seconds: float, what: str) -> Found:
        """Wait until `find` answers something true, and answer that.

        Raises
        ------
        TimeoutError
            With `what` and the state of the workspace, so that a failing test explains itself.
        """
        try:
            async with asyncio.timeout(seconds):
                while not (found := find()):
                    await self._change.wait()
        except TimeoutError:
            raise TimeoutError(f"No {what} within {seconds} s. {self.summary()}") from None
        return found

    def summary(self) -> str:
        """Describe the last calls and messages, for an error text."""
        calls = ", ".join(call.method for call in self.calls[-8:]) or "none"
        posts = "; ".join(f"{m.channel} {m.text[:80]!r}" for m in self.messages[-4:]) or "none"
        return f"Last calls: {calls}. Last messages: {posts}."

    # --- identifiers -------------------------------------------------------------------------

    def number(self) -> int:
        """Answer the next number of a series that orders everything that happens."""
        return next(self._numbers)

    def new_ts(self) -> str:
        """Answer a message timestamp, later than all before it."""
        self._last_ts = max(self._last_ts + 1, time.time_ns() // 1000)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def new_trigger(self, user: str) -> Trigger:
        number = self.number()
        trigger = Trigger(f"{number}.{number}.{number:032x}", user, time.monotonic())
        self.triggers[trigger.id] = trigger
        return trigger

    def new_hook(self, channel: str, user: str, original: Message | None = None) -> Hook:
        key = f"{self.team_id}-{self.number()}"
        hook = Hook(key, channel, user, time.monotonic(), original)
        self.hooks[hook.id] = hook
        return hook

    def hook_url(self, hook: Hook) -> str:
        return f"{self.base_url}/hooks/{hook.id}"

    # --- look-ups ----------------------------------------------------------------------------

    def channel(self, key: str) -> Channel | None:
        """Find a channel by ID or name; a person's ID opens the direct message."""
        if key in self.users and key not in self.channels:
            return self._direct(key)
        named = key.removeprefix("#")
        return self.channels.get(key) or next(
            (channel for channel in self.channels.values() if channel.name == named), None
        )

    def _direct(self, user: str) -> Channel:
        direct = Channel(f"D{user[1:]}", "", [user, self.bot_user_id], is_im=True)
        return self.channels.setdefault(direct.id, direct)

    def in_channel(self, channel: str, *, thread: str | None = None) -> list[Message]:
        """Messages that the channel shows to all, oldest first; with `thread`, that thread's."""
        return [
            message
            for message in self.messages
            if message.channel == channel
            and not message.deleted
            and message.ephemeral_to is None
            and (thread is None or thread in {message.ts, message.thread_ts})
        ]

    # --- messages ----------------------------------------------------------------------------

    def add(self, channel: str, user: str, text: str, **more: Any) -> Message:
        """Post a message without any check; see `Message` for the further values."""
        message = Message(self.number(), self.new_ts(), channel, user, text, **more)
        message.revisions.append((message.text, copy.deepcopy(message.blocks)))
        self.messages.append(message)
        self.changed()
        return message

    def edit(self, message: Message, **values: Any) -> None:
        """Change a message and remember what it said."""
        for name, value in values.items():
            setattr(message, name, value)
        message.edited = True
        message.revisions.append((message.text, copy.deepcopy(message.blocks)))
        self.changed()

    def delete(self, message: Message) -> None:
        message.deleted = True
        self.changed()


def default_channels() -> list[Channel]:
    """One channel with the bot, one without it, and a private one with it."""
    people = ["U0ALICE", "U0BOB"]
    return [
        Channel("C0OPS", "prompt-ops", [BOT, *people]),
        Channel("C0NIGHT", "night-log", people),
        Channel("C0PRIVATE", "prompt-private", [BOT, "U0ALICE"], is_private=True),
    ]


def default_users() -> list[User]:
    return [
        User("U0ALICE", "alice", "Alice Alvarez"),
        User("U0BOB", "bob", "Bob Baker", tz="America/Los_Angeles"),
        User("U0EVE", "eve", "Eve Eriksen", tz="Europe/Oslo"),
    ]


def block_id(block: Json, place: int) -> str:
    """Answer a block's own identifier, or the one that the fake Slack gives it."""
    return str(block.get("block_id") or f"block{place}")


def texts(value: Any) -> list[tuple[str, str]]:
    """Every text object below a value, as (type, text)."""
    if isinstance(value, list):
        return [found for item in value for found in texts(item)]
    if not isinstance(value, dict):
        return []
    if isinstance(value.get("text"), str):
        return [(str(value.get("type")), value["text"])]
    return [found for item in value.values() for found in texts(item)]


def _block_elements(block: Json) -> list[Json]:
    candidates = [*block.get("elements", []), block.get("accessory"), block.get("element")]
    return [element for element in candidates if isinstance(element, dict)]
