"""`runbook`: that what it says is true, complete, in our words, and fit to be copied."""

import re
from typing import Any

import pytest

from bot.domain.environments import Environment
from bot.domain.runbook import topics
from tests.support.world import DEV, PROD, World, shown

NAMES = [
    *("deployment", "maintenance", "backup", "cold startup", "cold shutdown", "reproduce"),
    *("redis cli", "bootstrap", "clear", "statistics", "pending", "upgrade", "restart", "trim"),
    *("not reading", "unconfirmed", "unreachable", "no group", "silent producer", "approvals"),
]
CONTEXTS = {PROD: "usdf-prompt-processing", DEV: "usdf-prompt-processing-dev"}
INSTRUMENTS = {PROD: ["lsstcam"], DEV: ["hsc", "latiss", "lsstcam"]}
SAFE = "Skipped means not processed tonight: the image is safe"
NOT_REPEATED = "never reach the stream: the fan-out does not repeat them"
NOT_READY = "A pod that is Ready proves nothing: there is no readiness probe"
CREATE = "XGROUP CREATE instrument:lsstcam lsstcam_consumer_group"
FACTS = [
    ("deployment", "A rollback in Argo CD alone lasts until the next sync."),
    ("deployment", "https://phalanx.lsst.io/applications/prompt-redis/"),
    ("maintenance", "<#C0PROD0001>"),
    ("maintenance", "Do it by day"),
    ("backup", "append-only file"),
    ("backup", "Losing it costs only the visits that wait"),
    ("cold startup", "bootstrap before dusk"),
    ("cold startup", NOT_READY),
    ("cold shutdown", "nothing waits"),
    ("cold shutdown", "*Announce* in <#C0PROD0001>"),
    ("reproduce", "another server in each vCluster"),
    ("redis cli", "There is one Redis, not a cluster."),
    ("redis cli", "XINFO GROUPS instrument:lsstcam"),
    ("bootstrap", f"{CREATE} $ MKSTREAM"),
    ("bootstrap", "entries that are already in the stream are skipped"),
    ("bootstrap", "give the last delivered ID or `0`"),
    ("clear", f"MULTI\nDEL instrument:lsstcam\n{CREATE} $ MKSTREAM\nEXEC\n"),
    ("clear", "entries that arrive in between are skipped for good, and workers and KEDA get err"),
    ("statistics", "XINFO GROUPS instrument:lsstcam"),
    ("statistics", "Ask the *stream*; for the group's name Redis says `no such key`"),
    ("statistics", "`lag`: entries that no worker has read"),
    ("statistics", "`entries-read`: entries handed out, not acknowledged."),
    ("statistics", "`pending`: read and never confirmed, normally 0; never handed out again."),
    ("statistics", "`consumers`: names ever used, not workers that run."),
    ("statistics", "A group hands each entry to one worker"),
    ("pending", "XPENDING instrument:lsstcam lsstcam_consumer_group\n"),
    ("pending", "Redis never hands it out again"),
    ("upgrade", "https://github.com/lsst-sqre/charts/releases"),
    ("upgrade", "lsst-sqre/phalanx/blob/main/applications/prompt-redis/Chart.yaml"),
    ("upgrade", NOT_READY),
    ("restart", "kubectl rollout restart statefulset prompt-redis -n prompt-redis --context"),
    ("restart", "kubectl rollout restart deployment keda-operator -n keda --context"),
    ("restart", NOT_READY),
    ("restart", NOT_REPEATED),
    ("restart", "There is one Redis, not a cluster"),
    ("trim", "XTRIM instrument:lsstcam MAXLEN 1000"),
    ("trim", "18:00 UTC; streams of other instruments grow"),
    ("trim", "never trim below that"),
    ("trim", "nil lag means that KEDA starts no jobs"),
    ("not reading", "kubectl rollout restart deployment keda-operator -n keda --context"),
    ("not reading", "Redis needs no restart for this"),
    ("not reading", "kubectl get scaledjobs -n prompt-keda-lsstcam --context"),
    ("not reading", "Entries older than 1 h are dropped"),
    ("not reading", "XGROUP SETID instrument:lsstcam lsstcam_consumer_group LAST-DELIVERED-ID"),
    ("unconfirmed", "XACK instrument:lsstcam lsstcam_consumer_group ENTRY-ID"),
    ("unreachable", "kubectl describe pod prompt-redis-0 -n prompt-redis --context"),
    ("unreachable", NOT_REPEATED),
    ("no group", f"{CREATE} 0\n"),
    ("no group", f"{CREATE} $ ENTRIESREAD N"),
    ("silent producer", "The bot sees Redis, not the telescope."),
    ("silent producer", "kubectl get pods -n next-visit-fan-out --context"),
    ("approvals", "`approve ID --alone REASON`"),
    ("approvals", "user IDs"),
]


async def test_every_topic_is_listed(bot: World) -> None:
    answer = await bot.type("runbook")
    assert answer.text == "*PROD runbook: 20 topics.*"
    for name in NAMES:
        assert f"`{name}`  " in shown(answer)
    for chapter in ("Procedures: the service", "Procedures: the streams", "What alarms point to"):
        assert f"*{chapter}*" in shown(answer)
    assert answer.buttons == ["Not reading", "Unreachable", "Statistics", "Clear"]
    topic = await bot.click(answer, "Not reading")
    assert topic.text.startswith("*PROD runbook: not reading.*")
    assert topic is answer, "the runbook is leafed through in place"
    assert (await bot.click(topic, "All topics")).text == answer.text
    for button in ("Unreachable", "Statistics", "Clear"):
        opened = await bot.click(await bot.type("runbook"), button)
        assert opened.text.startswith(f"*PROD runbook: {button.lower()}.*")


def test_the_topics_are_those_that_people_and_alarms_rely_on() -> None:
    assert sorted(topics()) == sorted(NAMES)


@pytest.mark.parametrize("channel", [PROD, DEV])
async def test_every_topic_answers_in_few_words_and_ours(bot: World, channel: str) -> None:
    commands = await _commands(bot)
    for name in NAMES:
        answer = await bot.type(f"runbook {name.upper()}", channel)
        text = shown(answer)
        label = "PROD" if channel == PROD else "dev"
        assert answer.text.startswith(f"*{label} runbook: {name}.* ")
        assert len(answer.text) <= 110, name
        assert answer.ephemeral_to == "U0ANA"
        assert len(text) < 4000, name
        assert "{" not in text, name
        assert not re.search(r"<[!@]", text), "a page pings nobody"

        prose = re.sub(r"```.*?```|`[^`]*`|<[^>]*>", " ", text, flags=re.DOTALL)
        assert not re.search(r"(?i)\b(messages?|events?|alerts?|lost|lose)\b|!|@", prose), name
        assert not re.search(r"(?<!KEDA )(?<!starts no )(?<!cron )\bjobs?\b", prose)
        first = re.search(r"(?i)skipp", text)
        assert first is None or SAFE in text, name

        for typed in re.findall(r"`/prompt-redis ([^`]*)`", text):
            if typed.startswith("runbook "):
                assert typed.removeprefix("runbook ") in NAMES
            else:
                assert typed.removesuffix(" all") in commands, name
        for button in answer.buttons:
            assert button == "All topics" or button.lower() in commands
        assert answer.buttons[-1] == "All topics"


@pytest.mark.parametrize("channel", [PROD, DEV])
async def test_commands_are_those_of_this_environment(bot: World, channel: str) -> None:
    for name in NAMES:
        text = shown(await bot.type(f"runbook {name}", channel))
        lines = [
            line
            for block in re.findall(r"```\n(.*?)\n```", text, re.DOTALL)
            for line in [*block.split("\n")]
        ]
        for line in lines:
            if line.startswith("kubectl") and "CONTEXT" not in line:
                assert re.search(rf" --context {CONTEXTS[channel]}( |$)", line), line
            for used in re.findall(r"instrument:(\w+)", line):
                assert used in INSTRUMENTS[channel]
        if any("instrument:" in line for line in lines):
            for instrument in INSTRUMENTS[channel]:
                assert any(f"instrument:{instrument}" in line for line in lines), name


@pytest.mark.parametrize(("topic", "fact"), FACTS)
async def test_what_must_not_be_wrong(bot: World, topic: str, fact: str) -> None:
    assert fact in shown(await bot.type(f"runbook {topic}"))


async def test_in_dev_nothing_is_too_old(bot: World) -> None:
    text = shown(await bot.type("runbook not reading", DEV))
    assert "Workers here drop no entry for its age" in text
    assert "<#C0DEV00001>" in shown(await bot.type("runbook maintenance", DEV))


async def test_the_bots_own_commands_come_first(bot: World) -> None:
    answer = await bot.type("runbook statistics")
    text = shown(answer)
    assert text.index("`/prompt-redis stats`") < text.index("XINFO GROUPS")
    assert answer.buttons == ["Stats", "Consumers", "All topics"]
    await bot.group()
    stats = await bot.click(answer, "Stats")
    assert "healthy" in stats.text
    assert stats is not answer, "the page stays to be read"


async def test_links_that_are_configured(world: World) -> None:
    world.settings = {
        "alarms": {
            "links": {
                "jobs": "https://argo.example/{environment}/prompt-keda-{instrument}",
                "downtime": "https://forms.example/downtime",
            }
        }
    }
    async with world.bot():
        text = shown(await world.type("runbook not reading", DEV))
        for instrument in INSTRUMENTS[DEV]:
            link = f"<https://argo.example/dev/prompt-keda-{instrument}|KEDA jobs of {instrument}>"
            assert link in text
        assert "Grafana" not in text
        assert "|KEDA jobs>" in shown(await world.type("runbook not reading"))
        maintenance = shown(await world.type("runbook maintenance"))
    assert "<https://forms.example/downtime|downtime form>" in maintenance


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("clera", "There is no runbook on `clera`. Did you mean `clear`?"),
        ("cold  start", "There is no runbook on `cold start`. Did you mean `cold startup`?"),
        ("reading", "There is no runbook on `reading`. Did you mean `not reading`?"),
        ("xyzzy", "There is no runbook on `xyzzy`."),
        ("<!channel> `x`", "There is no runbook on `&lt;!channel&gt; x`."),
    ],
)
async def test_a_topic_that_does_not_exist(bot: World, typed: str, expected: str) -> None:
    answer = await bot.type(f"runbook {typed}")
    assert answer.text == expected
    assert "`/prompt-redis runbook [topic…]`" in shown(answer)
    assert "20 topics" in (await bot.click(answer, "Run runbook")).text


async def test_every_command_for_redis_is_one_that_redis_knows(bot: World) -> None:
    redis = bot.redis[PROD]
    steps = [step for topic in topics().values() for step in topic.steps]
    names = {line.split()[0] for step in steps for line in step.lines if step.redis}
    assert names >= {"XINFO", "XGROUP", "XTRIM", "XACK"}
    known = await redis.command()
    assert {name.lower() for name in names} <= set(known)


async def test_the_clear_by_hand_leaves_an_exact_lag(bot: World) -> None:
    await bot.group()
    await bot.announce(visits=2)
    step = next(step for step in topics()["clear"].steps if step.apart)
    _, commands = step.commands(Environment("prod", ("lsstcam",)))
    async with bot.redis[PROD].client() as connection:
        session: Any = connection
        answers = [await session.execute_command(*line.split()) for line in commands]
    assert len(answers[-1]) == 2, "EXEC answers for DEL and XGROUP CREATE"
    await bot.announce()
    [group] = await bot.redis[PROD].xinfo_groups("instrument:lsstcam")
    assert (group["lag"], group["pending"]) == (3, 0)


@pytest.mark.parametrize(("start", "kept"), [("0", 6), ("$", 0), ("last", 2)])
async def test_a_group_made_again_by_hand_reports_a_lag(bot: World, start: str, kept: int) -> None:
    """Without ENTRIESREAD, `$` and the last ID make lag nil as soon as an entry arrives."""
    redis = bot.redis[PROD]
    await bot.group()
    ids = await bot.announce(visits=2)
    await bot.read(4)
    await redis.xgroup_destroy("instrument:lsstcam", "lsstcam_consumer_group")
    await redis.xgroup_create(
        "instrument:lsstcam",
        "lsstcam_consumer_group",
        ids[3] if start == "last" else start,
        entries_read=None if start == "0" else 6 - kept,
    )
    await bot.announce()
    [group] = await redis.xinfo_groups("instrument:lsstcam")
    assert group["lag"] == kept + 3


async def _commands(bot: World) -> set[str]:
    """Every subcommand that can be typed today, as `help` tells it."""
    text = shown(await bot.type("help"))
    return {
        match.group(1).strip()
        for match in re.finditer(r"`/prompt-redis ?([a-z ]*?)(?: [\[(A-Z][^`]*)?`", text)
    }
