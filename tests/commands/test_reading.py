"""`ping`, `pending`, `consumers`, `about`, `help` and the command alone, through the front door."""

import pytest

from commands.consumers import MOST_AT_NIGHT
from tests.support.world import DEV, ELSEWHERE, PROD, World, shown


async def test_ping_tells_how_the_server_is(bot: World) -> None:
    answer = await bot.type("ping")
    assert answer.text.startswith("🟢 *PROD: PONG in ")
    assert "valkey 9." in shown(answer)
    assert "no maxmemory set" in shown(answer)
    assert "no append-only file" in shown(answer)


async def test_ping_to_a_server_that_is_away(world: World) -> None:
    world.urls[PROD] = "redis://127.0.0.1:1"
    async with world.bot():
        answer = await world.type("ping")
    assert answer.text == "🔴 *PROD: Redis refuses the connection.*"
    assert "kubectl get pods" in shown(answer)


async def test_nothing_unconfirmed(bot: World) -> None:
    await bot.group()
    answer = await bot.type("pending")
    assert answer.text == "🟢 *PROD lsstcam: nothing unconfirmed.*"
    assert "normally empty" in shown(answer)


async def test_an_entry_just_read_is_no_reason_to_worry(bot: World) -> None:
    await bot.group()
    await bot.announce()
    await bot.read(1, confirm=False)
    answer = await bot.type("pending")
    assert answer.text.startswith("🟢 *PROD lsstcam: 1 entry read 0 s ago, not confirmed yet.*")


async def test_a_lost_entry_is_named_by_visit_and_detector(bot: World) -> None:
    await bot.group()
    ids = await bot.announce()
    await bot.read(1, confirm=False)
    await _age(bot, ids[:1], minutes=38)
    answer = await bot.type("pending")
    assert "1 entry was read but never confirmed, 38 min ago" in answer.text
    text = shown(answer)
    assert "one detector of one visit was skipped. The image is safe." in text
    assert "2026-11-24T05:27:00.118, BLOCK-430" in text
    assert "3f0c91ab…, once, silent for 38 min" in text
    assert ids[0] in text


async def test_many_lost_entries_list_the_oldest_ten(bot: World) -> None:
    await bot.group()
    ids = await bot.announce(visits=5)
    await bot.read(12, confirm=False)
    await _age(bot, ids[:12], minutes=5)
    await bot.redis[PROD].xdel("instrument:lsstcam", ids[0])
    answer = await bot.type("pending lsstcam")
    assert "12 entries were read but never confirmed, the oldest 5 min ago" in answer.text
    text = shown(answer)
    assert "The oldest 10" in text
    assert "visit unknown: the entry was trimmed away" in text
    assert "3f0c91ab…: 12 entries" in text
    assert ids[11] in text


async def test_pending_without_a_group_and_over_several_streams(bot: World) -> None:
    assert "missing" in (await bot.type("pending")).text
    for instrument in ("hsc", "latiss", "lsstcam"):
        await bot.group(DEV, instrument)
    assert "dev: 3 streams, nothing unconfirmed" in (await bot.type("pending", DEV)).text
    await bot.announce(channel=DEV, instrument="latiss")
    await bot.read(3, confirm=False, channel=DEV, instrument="latiss")
    answer = await bot.type("pending", DEV)
    assert "3 streams, 3 unconfirmed entries, most in latiss" in answer.text


async def test_consumers_are_names_ever_used(bot: World) -> None:
    await bot.group()
    await bot.announce(visits=4)
    for number in range(3):
        await bot.read(1, consumer=f"worker-{number}")
    answer = await bot.type("consumers")
    assert "3 consumer names, 0 idle for more than 2 h" in answer.text
    assert "not workers that run" in shown(answer)


async def test_so_many_names_are_only_counted_at_night(world: World) -> None:
    await world.group()
    pipeline = world.redis[PROD].pipeline(transaction=False)
    for number in range(MOST_AT_NIGHT + 1):
        pipeline.xgroup_createconsumer("instrument:lsstcam", "lsstcam_consumer_group", f"w{number}")
    await pipeline.execute()
    # One of the poles has its long night; at the equinoxes both may, and neither is wrong.
    for latitude in (89.9, -89.9):
        world.settings = {"observing": {"latitude": latitude, "twilight": 0}}
        async with world.bot():
            answer = await world.type("consumers")
            assert "50,001 consumer names" in answer.text
            night = shown(await world.type("stats")).split("·")[1].strip().startswith("night")
            assert ("only counted at night" in shown(answer)) is night


async def test_the_command_alone_is_the_short_status(bot: World) -> None:
    await bot.group()
    answer = await bot.type("")
    assert answer.text.startswith("🟢 *PROD lsstcam: healthy, 0 entries waiting.*")
    assert "valkey 9." in shown(answer)
    assert "`/prompt-redis help start`" in shown(answer)
    assert answer.buttons == ["Stats", "Pending", "Alarms", "Runbook"]
    stats = await bot.click(answer, "Stats")
    assert "PROD lsstcam: healthy" in stats.text
    assert stats is not answer


async def test_the_short_status_of_a_redis_that_is_away(world: World) -> None:
    world.urls[DEV] = "redis://127.0.0.1:1"
    async with world.bot():
        answer = await world.type("", DEV)
    assert "dev: 3 streams, worst is hsc, unreachable, Redis refuses the connection" in answer.text


async def test_about(bot: World) -> None:
    answer = await bot.type("about")
    assert answer.text.startswith("*prompt-redis-bot 0.")
    assert "lsstcam in <#C0PROD0001>" in shown(answer)
    assert "hsc, latiss, lsstcam in <#C0DEV00001>" in shown(answer)


async def test_help_lists_every_subcommand(bot: World) -> None:
    answer = await bot.type("help")
    for name in ("stats [INSTRUMENT…]", "pending [INSTRUMENT]", "ping", "consumers", "about"):
        assert f"`/prompt-redis {name}" in shown(answer)
    detail = await bot.type("help stats")
    assert "not reading" in shown(detail)
    assert detail.buttons == ["Run stats", "All of help"]
    walk = await bot.click(answer, "First steps")
    assert "Three commands" in walk.text
    assert walk is answer, "help leads on in place"


async def test_help_on_what_does_not_exist(bot: World) -> None:
    assert "Did you mean `stats`?" in shown(await bot.type("help stast"))


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("stast", "I don't know `stast`. Did you mean `stats`?"),
        ("STATS LSSTCAM", "PROD lsstcam:"),
        (
            "stats lstcam",
            "PROD has no instrument `lstcam`; it has `lsstcam`. Did you mean `lsstcam`?",
        ),
        ("stats --since 6h", "I don't know the option `--since`."),
        ("stats —since 6h", "I don't know the option `--since`."),
        ("ping lsstcam", "I don't know what to do with `lsstcam`."),
        ("xyzzy", "I don't know `xyzzy`. `help` lists what I know."),
        ("stats all", "PROD lsstcam:"),
    ],
)
async def test_what_was_typed_wrong_is_answered_in_words(
    bot: World, typed: str, expected: str
) -> None:
    answer = await bot.type(typed)
    assert expected in answer.text
    assert answer.ephemeral_to == "U0ANA"


async def test_a_wrong_word_offers_the_right_command(bot: World) -> None:
    await bot.group()
    answer = await bot.type("stast")
    assert "`/prompt-redis stats [INSTRUMENT…]`" in shown(answer)
    assert "healthy" in (await bot.click(answer, "Run stats")).text


async def test_a_channel_without_an_environment(bot: World) -> None:
    answer = await bot.type("stats", ELSEWHERE)
    assert answer.text == (
        "This channel has no environment. PROD is in <#C0PROD0001>, dev is in <#C0DEV00001>: "
        "type the command there."
    )
    assert answer.ephemeral_to == "U0ANA"


async def test_refresh_takes_the_place_of_the_message(bot: World) -> None:
    await bot.group()
    answer = await bot.type("stats")
    await bot.announce()
    again = await bot.click(answer, "Refresh")
    assert again is answer
    assert "3 entries = 1 visit waiting" in again.text


@pytest.mark.parametrize("how", ["button", "word"])
async def test_share_shows_the_answer_to_the_channel(bot: World, how: str) -> None:
    await bot.group()
    if how == "word":
        await bot.slack.command("stats lsstcam share", channel=PROD, user="U0ANA")
    else:
        answer = await bot.type("stats lsstcam")
        await bot.slack.click(answer, "Share in channel", user="U0BEN")
    shared = await bot.slack.next_message(PROD)
    assert shared.ephemeral_to is None
    assert "PROD lsstcam: healthy" in shared.text
    assert f"Shared by {'ana' if how == 'word' else 'ben'}" in shown(shared)
    assert shared.buttons == []


async def _age(bot: World, ids: list[str], *, minutes: int) -> None:
    """Make entries look as if they had been read some minutes ago."""
    await bot.redis[PROD].xclaim(
        "instrument:lsstcam",
        "lsstcam_consumer_group",
        "3f0c91ab-worker",
        0,
        [*ids],
        idle=minutes * 60_000,
        retrycount=1,
        force=True,
    )
