"""`chart` through the front door: the picture that a channel gets, and the words beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.alarms import Holding, Incident
from bot.domain.environments import Environment
from bot.domain.rules import Severity
from bot.domain.samples import Figures, Minute
from bot.render.chart import Chart
from bot.storage.alarms import Incidents
from bot.storage.database import Database
from bot.storage.samples import Samples
from commands.chart import in_words, nothing
from tests.support.slack_server import Fault, Message
from tests.support.world import DEV, PROD, World, shown

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOW = datetime(2026, 11, 24, 5, 31, 10, tzinfo=UTC)


def minute(
    at: datetime, waiting: int = 172, wait: timedelta | None = MINUTE / 3, unconfirmed: int = 0
) -> Minute:
    return Minute("lsstcam", at, 12, 12, waiting, wait, unconfirmed, 0, 1)


@asynccontextmanager
async def state(world: World) -> AsyncIterator[Database]:
    """Open the bot's database before the bot does."""
    database = await Database.open(f"sqlite+aiosqlite:///{world.folder / 'state.db'}")
    yield database
    await database.aclose()


async def remember(world: World) -> datetime:
    """Leave a group and six hours of a past; give the time of the peak in its middle."""
    await world.group()
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    found = [minute(now - MINUTE * n) for n in range(360, 0, -1)]
    peak = found[180].at
    found[180] = minute(peak, 1204, timedelta(minutes=4, seconds=12))
    over = Incident(
        0,
        "prod",
        "backlog",
        "lsstcam",
        peak,
        peak,
        {},
        Figures(peak),
        worst=Severity.CRITICAL,
        held=Holding.SILENCE,
        resolved=peak + MINUTE,
    )
    async with state(world) as database:
        await Samples(database).add_minutes("prod", found)
        await Incidents(database).create(over, now=peak)
    return peak


def pictures(world: World) -> list[Message]:
    return [each for each in world.slack.messages() if each.files]


async def picture(world: World, text: str = "chart", user: str = "U0ANA") -> Message:
    """Ask for a picture, and wait until the channel has it."""
    await world.slack.command(text, channel=PROD, user=user)
    by = f"Asked for by {user.removeprefix('U0').lower()}"
    return await world.slack.until(
        lambda: next((each for each in pictures(world) if each.text.endswith(by)), None)
    )


def dimensions(message: Message) -> tuple[int, int]:
    content = message.files[0].content
    assert content is not None
    assert content.startswith(b"\x89PNG")
    return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")


async def test_the_channel_gets_a_picture_and_what_it_shows_in_words(world: World) -> None:
    peak = await remember(world)
    async with world.bot():
        message = await picture(world)
    first = message.text.splitlines()[0]
    assert first == (
        f"*PROD lsstcam, last 6 h: highest 1,204 entries waiting at {peak:%H:%M} UTC, "
        "longest 4 min, 0 unconfirmed now.*"
    )
    assert len(first) <= 110
    assert "Longest wait 4 min 12 s." in message.text
    assert f"(backlog, critical): {peak:%H:%M} to {peak + MINUTE:%H:%M} UTC." in message.text
    assert message.text.endswith("Asked for by ana")
    assert dimensions(message) == (1200, 1200)
    assert (message.files[0].name, message.files[0].channel) == ("chart.png", PROD)
    assert message.files[0].title == first.strip("*")
    (asked,) = world.slack.calls_of("files.getUploadURLExternal")
    assert asked.args["alt_txt"] == first.strip("*")
    assert message.ephemeral_to is None
    assert message.mentions() == []
    assert world.slack.messages(PROD) == [message]


@pytest.mark.parametrize("since", ["10m", "1H", "2h", "1d", "30d", "1h30m"])
async def test_spans_from_minutes_to_a_month(world: World, since: str) -> None:
    await remember(world)
    async with world.bot():
        message = await picture(world, f"chart lsstcam —since {since}")
    assert dimensions(message) == (1200, 1200)


async def test_a_redis_that_was_away_is_a_picture_of_nothing_known(world: World) -> None:
    world.urls[PROD] = "redis://127.0.0.1:1"
    async with state(world) as database:
        away = replace(minute(datetime.now(UTC) - HOUR), reached=0)
        await Samples(database).add_minutes("prod", [away])
    async with world.bot():
        message = await picture(world)
    assert message.text.startswith("*PROD lsstcam, last 6 h: unknown.* Redis did not answer")
    assert dimensions(message) == (1200, 1200)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chart --since", "`--since` needs a value."),
        ("chart --since 6", "`--since` must be a duration such as 90s, 15m"),
        ("chart --since <!channel>", "`--since` must be a duration such as 90s, 15m"),
        ("chart --since 9m", "`--since` must be from 10m to 30d"),
        ("chart --since 31d", "`--since` must be from 10m to 30d"),
        ("chart --since 99999d", "`--since` must not be longer than 3650d"),
        ("chart --sinse 6h", "Did you mean `--since`?"),
        ("chart hsc", "PROD has no instrument `hsc`"),
        ("chart lsstcam hsc", "I don't know what to do with `hsc`."),
    ],
)
async def test_what_is_typed_wrong_is_said_to_the_person_alone(
    bot: World, text: str, said: str
) -> None:
    answer = await bot.type(text)
    assert said in answer.text
    assert "/prompt-redis chart [INSTRUMENT] [--since DURATION]" in shown(answer)
    assert answer.ephemeral_to == "U0ANA"
    assert answer.mentions() == []
    assert not bot.slack.files


async def test_where_there_are_several_one_must_be_named(bot: World) -> None:
    assert "Which instrument? dev has `hsc`" in (await bot.type("chart", DEV)).text
    assert "one instrument at a time" in (await bot.type("chart all", DEV)).text


def test_nothing_seen_says_since_when_the_bot_watches() -> None:
    text, blocks = nothing(Environment("prod", ("lsstcam",)), "lsstcam", HOUR, NOW - MINUTE, NOW)
    assert text == "⚪ *PROD lsstcam: nothing was seen of it in the last 1 h.*"
    assert "The bot watches since 05:30 UTC." in str(blocks)


def test_a_first_line_that_is_too_long_leaves_the_rest_to_the_second() -> None:
    points = [minute(NOW - 20 * DAY, 5000, DAY), minute(NOW, 0, None, 1)]
    title = "a-long-name lsstcam, last 30 days"
    text, blocks = in_words(Chart(title, points, NOW - 30 * DAY, NOW))
    assert text == (f"*{title}: highest at least 5,000 entries waiting at Wed 4 Nov 05:31 UTC.*")
    assert "Longest wait 1 day, 1 unconfirmed now." in str(blocks)
    assert "Nothing is known before Wed 4 Nov 05:31 UTC." in str(blocks)


def test_when_nothing_waited_that_is_all() -> None:
    text, _ = in_words(Chart("dev hsc, last 6 h", [minute(NOW - 6 * HOUR, 0, None, 1)], NOW, NOW))
    assert text == "*dev hsc, last 6 h: nothing waited, 1 unconfirmed now.*"


async def test_two_at_once_get_two_pictures(world: World) -> None:
    await remember(world)
    async with world.bot():
        ana, ben = await asyncio.gather(picture(world), picture(world, user="U0BEN"))
    assert pictures(world) in ([ana, ben], [ben, ana])


async def test_the_button_of_stats_draws_the_worst_stream(world: World) -> None:
    for instrument in ("hsc", "latiss", "lsstcam"):
        await world.group(DEV, instrument)
    await world.announce(visits=2, ago=300, channel=DEV, instrument="latiss")
    async with state(world) as database:
        seen = replace(minute(datetime.now(UTC) - MINUTE * 5, 6), instrument="latiss")
        await Samples(database).add_minutes("dev", [seen])
    async with world.bot():
        stats = await world.type("stats", DEV)
        await world.slack.click(stats, "Chart", user="U0BEN")
        message = await world.slack.until(lambda: next(iter(pictures(world)), None))
    assert message.text.startswith("*dev latiss, last 6 h: highest 6 entries waiting at ")
    assert message.text.endswith("Asked for by ben")


# --- Slack's bad days ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [Fault(lost=True), Fault(dropped=True), Fault(status=503), Fault(status=429)],
    ids=["lost", "dropped", "503", "429"],
)
async def test_the_last_step_shows_the_picture_once(world: World, fault: Fault) -> None:
    await remember(world)
    async with world.bot():
        world.slack.fail("files.completeUploadExternal", fault)
        message = await picture(world)
    assert dimensions(message) == (1200, 1200)
    assert pictures(world) == [message]


@pytest.mark.parametrize(
    "method", ["upload", "files.getUploadURLExternal"], ids=["content", "address"]
)
@pytest.mark.parametrize("fault", [Fault(lost=True), Fault(status=503)], ids=["lost", "503"])
async def test_the_steps_before_are_repeated(world: World, method: str, fault: Fault) -> None:
    await remember(world)
    async with world.bot():
        world.slack.fail(method, fault)
        message = await picture(world)
    assert dimensions(message) == (1200, 1200)
    assert pictures(world) == [message]


async def test_without_the_scope_the_person_gets_words_and_its_name(world: World) -> None:
    peak = await remember(world)
    scopes = world.slack.workspace.scopes
    assert scopes is not None
    world.slack.workspace.scopes = scopes.replace(",files:write", "")
    async with world.bot():
        answer = await world.type("chart")
    assert answer.ephemeral_to == "U0ANA"
    assert "the Slack app lacks the scope `files:write`" in answer.text
    assert f"highest 1,204 entries waiting at {peak:%H:%M} UTC" in shown(answer)


@pytest.mark.parametrize(
    ("method", "fault", "said"),
    [
        ("files.completeUploadExternal", Fault(error="not_in_channel"), "invite me"),
        ("upload", Fault(status=413), "Slack said http_413"),
        ("files.getUploadURLExternal", Fault(error="fatal_error"), "Slack said fatal_error"),
    ],
)
async def test_what_slack_refuses_is_said_in_words(
    world: World, method: str, fault: Fault, said: str
) -> None:
    await remember(world)
    async with world.bot():
        world.slack.fail(method, fault)
        answer = await world.type("chart")
    assert answer.ephemeral_to == "U0ANA"
    assert answer.text.startswith("No picture: ")
    assert said in answer.text
    assert "highest 1,204 entries" in shown(answer)
