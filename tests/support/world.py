"""The bot between a Slack and two Redis servers, as a person and the telescope meet it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import yaml
from redis.asyncio import Redis

from bot.app import serve
from bot.clients.pagers import NOTIFIERS, HttpNotifier
from tests.support.night import observing
from tests.support.slack_server import Message, SlackServer
from tests.support.waits import LONGEST_WAIT

PROD, DEV = "C0PROD0001", "C0DEV00001"
ELSEWHERE = "C0OTHER001"
_NAMES = {PROD: "prod", DEV: "dev"}


@dataclass
class World:
    """Everything around the bot."""

    slack: SlackServer
    redis: Mapping[str, Redis]
    urls: dict[str, str]
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    pagers: Sequence[type[HttpNotifier]] = NOTIFIERS
    ahead: timedelta = timedelta(0)
    """How much more time has passed for the bot than in truth."""
    jumped: timedelta = timedelta(0)
    """How far the bot's clock was set ahead, without any time passing."""
    stands_at: datetime | None = None
    """Where the bot's clock stands still, but for `ahead`; None where it runs."""
    _looks_at_clock: Iterator[int] = field(default_factory=count)

    def configuration(self) -> Path:
        """Write the configuration file."""
        tree: dict[str, Any] = {
            "environments": {
                "prod": {
                    "channel": "lsstcam-prompt-processing",
                    "instruments": ["lsstcam"],
                    "redis": {"url": self.urls[PROD]},
                    "expiration": "3600s",
                    "approval": {"self_approval": True},
                },
                "dev": {
                    "channel": "dm-prompt-processing",
                    "instruments": ["hsc", "latiss", "lsstcam"],
                    "redis": {"url": self.urls[DEV]},
                    "approval": {"self_approval": True},
                },
            },
            "http": {"host": "127.0.0.1", "port": 0},
            "state": {"url": f"sqlite+aiosqlite:///{self.folder / 'state.db'}"},
            # At night approvals want a reason: no test may depend on the hour at which it runs.
            **observing(night=False),
        }
        _merge(tree, self.settings)
        path = self.folder / "bot.yaml"
        path.write_text(yaml.safe_dump(tree, sort_keys=False), "utf-8")
        return path

    @property
    def secrets(self) -> dict[str, str]:
        """What the bot finds in its environment."""
        return {
            "SLACK_BOT_TOKEN": self.slack.bot_token,
            "SLACK_APP_TOKEN": self.slack.app_token,
            "SLACK_SIGNING_SECRET": self.slack.signing_secret,
            "SLACK_API_URL": self.slack.api_url,
            **self.environ,
        }

    def clock(self) -> datetime:
        """Give the bot the time."""
        if self.stands_at is None:
            return datetime.now(UTC) + self.ahead + self.jumped
        # No moment comes twice, whatever it is rounded to.
        passed = self.ahead + timedelta(microseconds=next(self._looks_at_clock))
        return self.stands_at + passed + self.jumped

    def monotonic(self) -> float:
        """Count the seconds that pass for the bot, whatever its clock is set to."""
        if self.stands_at is None:
            return time.monotonic() + self.ahead.total_seconds()
        return (self.clock() - self.jumped).timestamp()

    @asynccontextmanager
    async def bot(self) -> AsyncIterator[None]:
        """Run the bot; it must end well."""
        stop, ready = asyncio.Event(), asyncio.Event()
        running = asyncio.create_task(
            serve(
                self.configuration(),
                self.secrets,
                stop,
                ready,
                pagers=self.pagers,
                clock=self.clock,
                monotonic=self.monotonic,
            )
        )
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait(
            {running, waiting}, timeout=LONGEST_WAIT, return_when=asyncio.FIRST_COMPLETED
        )
        waiting.cancel()
        if not ready.is_set():
            running.cancel()
            raise AssertionError(f"the bot did not start: {await running}")
        try:
            yield
        finally:
            stop.set()
            async with asyncio.timeout(LONGEST_WAIT):
                assert await running == 0

    async def type(self, text: str, channel: str = PROD, user: str = "U0ANA") -> Message:
        """Type a command, and wait for the answer."""
        delivery = await self.slack.command(text, channel=channel, user=user)
        return await delivery.reply()

    async def click(self, message: Message, button: str, user: str = "U0ANA") -> Message:
        """Click a button, and wait for the answer: a new message, or a private one changed."""
        before = len(message.revisions)
        delivery = await self.slack.click(message, button, user=user)
        return await self.slack.until(
            lambda: (
                message
                if message.ephemeral_to and len(message.revisions) > before
                else next(iter(delivery.replies), None)
            )
        )

    async def group(self, channel: str = PROD, instrument: str = "lsstcam") -> None:
        """Create an instrument's stream and group."""
        await self.redis[channel].xgroup_create(
            f"instrument:{instrument}", f"{instrument}_consumer_group", "$", mkstream=True
        )

    async def announce(
        self,
        visits: int = 1,
        *,
        detectors: int = 3,
        ago: float = 0,
        channel: str = PROD,
        instrument: str = "lsstcam",
    ) -> list[str]:
        """Add visits as the fan-out does, the first of them `ago` seconds old."""
        redis = self.redis[channel]
        now = time.time() if self.stands_at is None else self.clock().timestamp()
        first = now - ago
        ids: list[str] = []
        for visit in range(visits):
            for detector in range(detectors):
                fields: Any = {
                    "instrument": "LSSTCam",
                    "groupId": f"2026-11-24T05:27:{visit:02}.118",
                    "survey": "BLOCK-430",
                    "private_sndStamp": str(first + 37),
                    "detector": str(detector),
                }
                dated = ago or self.stands_at
                entry_id = f"{int(first * 1000)}-*" if dated else "*"
                ids.append(str(await redis.xadd(f"instrument:{instrument}", fields, entry_id)))
        return ids

    async def read(
        self,
        count: int,
        *,
        confirm: bool = True,
        channel: str = PROD,
        instrument: str = "lsstcam",
        consumer: str = "3f0c91ab-worker",
    ) -> None:
        """Read entries as workers do."""
        redis = self.redis[channel]
        key, group = f"instrument:{instrument}", f"{instrument}_consumer_group"
        answer: Any = await redis.xreadgroup(group, consumer, {key: ">"}, count=count)
        for _, entries in answer:
            if confirm:
                await redis.xack(key, group, *(entry_id for entry_id, _ in entries))


def shown(message: Message) -> str:
    """Everything that a message shows, blocks included."""
    return message.all_text


def _merge(tree: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(tree.get(key), dict):
            _merge(tree[key], value)
        else:
            tree[key] = value
