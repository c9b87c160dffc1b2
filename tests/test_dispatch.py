"""Errors to replies, and nothing else to nobody."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from bot.command import Call, Deployment, Purpose, Read, Registry, Reply
from bot.dispatch import Answer, Dispatcher, Line
from bot.domain.environments import Environment, Person, Right
from bot.domain.errors import (
    RedisForbidden,
    RedisUnreachable,
    SameRedis,
    Unreachable,
    UserError,
)
from bot.execution import Execution
from bot.loops import Tasks
from bot.metrics import Metrics
from bot.render.blocks import Markup
from bot.services.environments import Identities, Services
from bot.storage.lease import Deliveries
from tests.support.environments import bare_services

NOW = datetime(2026, 11, 24, 5, 31, tzinfo=UTC)


class Shared(Identities):
    """Refuses every environment, or none."""

    def __init__(self, services: Mapping[str, Services], refused: SameRedis | None) -> None:
        async def tell(_: str, __: SameRedis) -> None:
            return

        super().__init__(services, tell)
        self.refused = refused

    def check(self, environment: str) -> None:
        del environment
        if self.refused is not None:
            raise self.refused


class NeverBefore(Deliveries):
    """Has no database, and has seen no delivery."""

    def __init__(self) -> None:
        return

    async def first(self, trigger: str, now: datetime) -> datetime | None:
        del trigger, now
        return None


def dispatcher(
    run: Callable[[Call], Awaitable[Reply]],
    *,
    usage: str = "[INSTRUMENT…]",
    refused: SameRedis | None = None,
) -> tuple[Dispatcher, Metrics]:
    metrics = Metrics()
    environment = Environment("prod", ("lsstcam",))
    registry = Registry(
        [
            Read(
                name="try",
                usage=usage,
                summary="tries",
                purpose=Purpose.LOOK,
                right=Right.ANYBODY,
                run=run,
            )
        ]
    )
    services = {"prod": bare_services(environment)}
    made = Dispatcher(
        registry,
        services,
        Deployment("/prompt-redis-dev", "0", NOW, ()),
        Execution(registry, services, tasks=Tasks(), clock=lambda: NOW),
        metrics,
        identities=Shared(services, refused),
        deliveries=NeverBefore(),
        clock=lambda: NOW,
        limit=timedelta(milliseconds=50),
    )
    return made, metrics


async def answered(made: Dispatcher, text: str = "try") -> Answer:
    answers: list[Answer] = []

    async def show(answer: Answer) -> None:
        answers.append(answer)

    await made.answer(Line(text, Person("U1", "ana"), "prod"), show)
    return answers[-1]


@pytest.mark.parametrize(
    ("error", "outcome", "first"),
    [
        (UserError("Not like this."), "refused", "Not like this."),
        (
            RedisUnreachable(Unreachable.LOADING, "x:1"),
            "unreachable",
            "🔴 *PROD: Redis is loading its data.*",
        ),
        (
            RedisForbidden(Unreachable.FORBIDDEN, "x:1"),
            "forbidden",
            "⚪ *PROD: unknown, Redis does not allow this to the bot's user.* Workers may be well.",
        ),
        (
            RuntimeError("no fuel"),
            "failed",
            "Sorry, that did not work, and it is not your fault. Nothing was changed.",
        ),
    ],
)
async def test_every_error_is_answered(error: Exception, outcome: str, first: str) -> None:
    async def run(_: Call) -> Reply:
        raise error

    made, metrics = dispatcher(run)
    answer = await answered(made)
    assert answer.reply.text == first
    expected = f'prompt_redis_bot_commands_total{{command="try",outcome="{outcome}"}} 1.0'
    assert expected in metrics.text().decode()


async def test_a_command_that_hangs_is_given_up() -> None:
    async def run(_: Call) -> Reply:
        await asyncio.Event().wait()
        raise AssertionError

    made, metrics = dispatcher(run)
    answer = await answered(made)
    assert answer.reply.text.startswith("Sorry, I gave up after")
    assert 'outcome="timeout"' in metrics.text().decode()


async def test_an_environment_that_is_refused_is_not_looked_at() -> None:
    async def run(_: Call) -> Reply:
        raise AssertionError

    made, _ = dispatcher(run, refused=SameRedis("dev", "PROD"))
    assert "configured with one and the same Redis" in (await answered(made)).reply.text


async def test_what_was_typed_is_no_label_of_a_metric() -> None:
    async def run(_: Call) -> Reply:
        raise AssertionError

    made, metrics = dispatcher(run)
    answer = await answered(made, "trz <!channel> `x`")
    assert answer.reply.text == "I don't know `trz`. Did you mean `try`?"
    assert answer.reply.buttons[0].label == "Run try"
    assert "/prompt-redis-dev try [INSTRUMENT…]" in str(answer.reply.blocks)
    assert 'command="unknown",outcome="refused"' in metrics.text().decode()
    assert "trz" not in metrics.text().decode()


async def test_what_is_missing_is_said_with_the_usage_line() -> None:
    async def run(_: Call) -> Reply:
        raise AssertionError

    made, _ = dispatcher(run, usage="INSTRUMENT")
    answer = await answered(made)
    assert answer.reply.text == "Something is missing."
    assert "/prompt-redis-dev try INSTRUMENT" in str(answer.reply.blocks)


async def test_share_is_the_last_word_alone() -> None:
    async def run(call: Call) -> Reply:
        return Reply(Markup(" ".join(call.arguments.words)))

    made, _ = dispatcher(run)
    for text, words, shared in (
        ("try lsstcam share", "lsstcam", True),
        ("try SHARE", "", True),
        ("try share lsstcam", "share lsstcam", False),
        ("try", "", False),
    ):
        answer = await answered(made, text)
        assert (answer.reply.text, answer.shared) == (words, shared), text
