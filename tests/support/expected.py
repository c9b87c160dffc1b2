"""Messages as they are expected: one file for each, in tests/data/messages.

`pytest --rewrite` writes them anew, so that a change of words is one difference to read. What
varies from run to run is written as ‹what it is›.
"""

import difflib
import re
from pathlib import Path
from socket import gethostname
from typing import Any

import yaml

from tests.support.slack_workspace import Message, View
from tests.support.waits import LONGEST_WAIT
from tests.support.world import PROD, World

FOLDER = Path(__file__).parent.parent / "data" / "messages"

_VARIES = [
    (re.compile(r"/p\d{16}\b"), "/p‹message›"),
    (re.compile(r"\b(127\.0\.0\.1|localhost):\d+"), r"\1:‹port›"),
    (re.compile(r"\bRef [A-Z0-9]{4}\b"), "Ref ‹code›"),
    (re.compile(rf"\b{re.escape(gethostname())}-[0-9a-f]{{8}}\b"), "‹host›"),
    (re.compile(r"(\b(?:PONG|answers|done) in) \d+(\.\d+)? (ms|s)\b"), r"\1 ‹time›"),
    (re.compile(r"(\bup(?: for)?|\*Up for\*\n +) \d[\d a-z]*"), r"\1 ‹time›"),
    (re.compile(r"(\*Longest idle\*\n +)\d+ s\b"), r"\1‹time›"),
    (re.compile(r"(\bsilent (?:for )?\d+ min) \d+ s\b"), r"\1 ‹time›"),
    (re.compile(r"(\bconnection refused), \d+ times\b"), r"\1, ‹some› times"),
    (re.compile(r"\b(last snapshot) \d\d:\d\d UTC"), r"\1 ‹time›"),
    (re.compile(r"\bvalkey \d+\.\d+\.\d+"), "valkey ‹version›"),
    (re.compile(r"\bprompt-redis-bot \d[\w.]*"), "prompt-redis-bot ‹version›"),
    (re.compile(r"\b\d+(\.\d+)? [KMG]i?B\b"), "‹size›"),
    (re.compile(r"\b\d+ % of its ‹size›"), "‹share› of its ‹size›"),
    (re.compile(r"\b\d+(\.\d+)? ms\b"), "‹time›"),
    (re.compile(r"(?<=delivery: )['0-9a-f]+"), "‹its own›"),
    (re.compile(r"(?<=\d{8}T\d{6}\.)\d{6}(?=Z)"), "‹fraction›"),
]


class _Readable(yaml.SafeDumper):
    """Writes text of several lines as it is read."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Readable.add_representer(str, _text)


def written(value: Any) -> str:
    """Write a value as a file has it."""
    text = yaml.dump(
        value, Dumper=_Readable, sort_keys=False, allow_unicode=True, width=10_000, indent=2
    )
    for pattern, name in _VARIES:
        text = pattern.sub(name, text)
    return str(text)


def content(message: Message) -> dict[str, Any]:
    """Give what a message is, its first line first."""
    found: dict[str, Any] = {"text": message.text}
    if message.ephemeral_to:
        found["only_for"] = message.ephemeral_to
    if message.thread_ts:
        found["in_a_thread"] = True
    if message.files:
        found["pictures"] = [{"name": each.name, "title": each.title} for each in message.files]
    if message.blocks:
        found["blocks"] = _short(message.blocks)
    return found


def _short(value: Any) -> Any:
    """Leave out what says nothing: text is mrkdwn unless it is plain, a button is one line."""
    if isinstance(value, list):
        return [_short(each) for each in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"type": "mrkdwn", "text": str(text), **rest} if not rest:
            return text
        case {"type": "plain_text", "text": str(text), "emoji": True, **rest} if not rest:
            return {"plain": text}
        case {"type": "button", "text": {"text": str(label)}, "action_id": str(action), **rest}:
            more = {key: _short(each) for key, each in rest.items()}
            line = " → ".join([f"[{label}]", action])
            return {"button": line, **more} if more else line
        case _:
            return {key: _short(each) for key, each in value.items()}


async def answered(
    world: World, typed: str, channel: str = PROD, user: str = "U0ANA"
) -> Message | View:
    """Type a command, and wait for its answer: a message, to whomever, or a form."""
    workspace = world.slack.workspace
    views = len(workspace.views)
    delivery = await world.slack.command(typed, channel=channel, user=user)

    def came() -> Message | View | None:
        return delivery.answer() or next(iter(workspace.views[views:]), None)

    return await workspace.until(came, LONGEST_WAIT, f"answer to {typed!r}")


class Expected:
    """The files of one folder, and what came instead of them.

    Parameters
    ----------
    name
        The folder; it is one test's alone.
    rewrite
        True where the files are to be written anew.
    """

    def __init__(self, name: str, *, rewrite: bool) -> None:
        self._folder = FOLDER / name
        self._rewrite = rewrite
        self._came: dict[str, str] = {}
        self.varies: list[tuple[re.Pattern[str], str]] = []
        """What varies in this test alone, and how it is written."""

    def message(self, name: str, message: Message | View) -> None:
        """Expect a message, or a form."""
        self.value(
            name, content(message) if isinstance(message, Message) else _short(message.content)
        )

    def channel(self, name: str, world: World, channel: str = PROD) -> None:
        """Expect all that a channel shows in the end, each message with its thread."""
        messages = world.slack.messages(channel)
        # Where the clock jumps the watch is late; whether a loop sees that is luck.
        late = ("nobody has looked since", "is looked at again")
        said = [
            each
            for each in messages
            if not each.ephemeral_to and not any(word in each.text for word in late)
        ]
        roots = [each for each in said if not each.thread_ts]
        threads = [[each for each in said if each.thread_ts == root.ts] for root in roots]
        placed = len(roots) + sum(map(len, threads))
        assert placed == len(said), "a message in the thread of none that is there"
        self.value(
            name,
            [
                {"root": content(root), "thread": [content(each) for each in thread]}
                for root, thread in zip(roots, threads, strict=True)
            ],
        )

    def value(self, name: str, value: Any) -> None:
        """Expect anything that YAML can say."""
        assert name not in self._came, f"{name} came before"
        text = written(value)
        for pattern, instead in self.varies:
            text = pattern.sub(instead, text)
        self._came[name] = text

    def check(self) -> None:
        """Compare all that came with the files."""
        there = {path.stem: path for path in self._folder.glob("*.yaml")}
        if self._rewrite:
            self._folder.mkdir(parents=True, exist_ok=True)
            for name in there.keys() - self._came.keys():
                there[name].unlink()
            for name, text in self._came.items():
                (self._folder / f"{name}.yaml").write_text(text, "utf-8")
            return
        # An empty file differs in nothing from one that is not there.
        differences = [f"{each} is no file, or did not come" for each in there.keys() ^ self._came]
        for name in sorted(there.keys() | self._came.keys()):
            wanted = there[name].read_text("utf-8") if name in there else ""
            came = self._came.get(name, "")
            differences += difflib.unified_diff(
                wanted.splitlines(), came.splitlines(), f"{name}, expected", f"{name}, came", "", ""
            )
        assert not differences, "\n".join(differences)
