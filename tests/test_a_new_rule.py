"""A rule that is registered is a whole one: configured, found, told, silenced, paged, resolved.

It is put into the two tables, as the guide for developers has it, and nowhere else.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from bot import config
from bot.clients.pagers import NOTIFIERS
from bot.domain.rules import RULES, Case, ChainLink, Diagnosis, Finding, Rule
from bot.render.rules import WORDS, Words
from bot.render.words import count
from tests.support.a_watch import Alarmed
from tests.support.pager_servers import ROUTING_KEY, PagerServers
from tests.support.waits import LONGEST_WAIT
from tests.support.world import DEV, PROD, World, shown


@dataclass(frozen=True)
class CrowdedLimits:
    """How many may come."""

    above: int = 50
    """Consumer names of one group."""

    hold: timedelta = timedelta(minutes=2)
    """How long the condition must hold."""


def crowded(case: Case[CrowdedLimits]) -> Finding | None:
    since = case.history.since(lambda mark: mark.consumers > case.limits.above)
    return case.holds(since) if since and case.last.at - since >= case.limits.hold else None


CROWDED = Rule(
    name="crowded",
    about="Many come at once.",
    limits=CrowdedLimits(),
    find=crowded,
    likely=Diagnosis(
        ChainLink.WORKERS, "an instrument has many friends.", "statistics", ("grafana",)
    ),
)
SAYS = Words(
    claim=lambda incident, _: f"{count(incident.figures.consumers, 'consumer')} came",
    over="They have gone home.",
)


KINDS = [each.kind for each in NOTIFIERS]


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    RULES[CROWDED.name], WORDS[CROWDED.name] = CROWDED, SAYS
    yield
    del RULES[CROWDED.name], WORDS[CROWDED.name]


@pytest.fixture
async def pagers() -> AsyncIterator[PagerServers]:
    async with PagerServers() as servers:
        yield servers


@pytest.fixture
async def bot(world: World, pagers: PagerServers) -> AsyncIterator[World]:
    duty = {"name": "duty", "kind": "pagerduty", "url": pagers.pagerduty, "on": "fire"}
    world.settings = {
        "alarms": {"poll": "1s", "relapse": "1s", "rules": {"crowded": {"above": 2, "for": "1s"}}},
        "oncall": {"targets": [{**duty, "environments": ["prod", "dev"]}]},
        "environments": {"dev": {"alarms": {"rules": {"crowded": {"enabled": False}}}}},
    }
    world.environ["PROMPT_REDIS_ONCALL_DUTY_KEY"] = ROUTING_KEY
    for channel, instruments in ((PROD, ["lsstcam"]), (DEV, ["hsc", "latiss", "lsstcam"])):
        for each in instruments:
            await world.group(channel, each)
    async with world.bot():
        yield world


async def test_from_its_first_line_to_its_last(bot: World, pagers: PagerServers) -> None:
    prod = Alarmed(bot)
    for channel in (PROD, DEV):
        await bot.announce(1, channel=channel)
        for worker in ("one", "two", "three"):
            await bot.read(1, channel=channel, consumer=worker)
    assert "`silent`, `crowded`." in shown(await bot.type("help silence"))
    root = await prod.root("🟡 *PROD lsstcam: 3 consumers came.* Alarm 1")
    assert "*Likely:* an instrument has many friends." in shown(root)
    assert "`runbook statistics`" in shown(root)
    assert "Since" in shown(root)
    assert root.buttons == ["I'm on it", "Silence…", "Figures now"]

    await prod.told(root, "on-call told: duty ")
    paged = pagers.sent_to("pagerduty")[0].content["payload"]
    assert paged["summary"] == "PROD lsstcam: 3 consumers came"
    assert (paged["class"], paged["severity"]) == ("crowded", "warning")
    assert "Likely" in paged["custom_details"]

    assert "PROD lsstcam: 3 consumers came" in shown(await bot.type("alarms"))
    silenced = await prod.done("silence crowded 1h a feast", "ana silences crowded alarms until")
    assert "PROD lsstcam: 3 consumers came" in shown(silenced)
    await prod.told(root, "held by a silence")
    await prod.done("unsilence 2", "ana ends the silence of crowded alarms")
    await prod.told(root, "no longer held, and still firing: 3 consumers came.")

    stream, group = "instrument:lsstcam", "lsstcam_consumer_group"
    await bot.redis[PROD].xgroup_delconsumer(stream, group, "three")
    await prod.says(root, "They have gone home.* Alarm 1")
    await prod.told(root, "They have gone home.")
    assert "skipped" not in root.all_text, "it has no evidence of that"
    async with asyncio.timeout(LONGEST_WAIT):
        while len(pagers.sent_to("pagerduty")) < 2:  # noqa: ASYNC110 -- a pager tells nobody
            await asyncio.sleep(0.02)
    last = pagers.sent_to("pagerduty")[-1].content
    assert last["event_action"] == "resolve"
    history = shown(await bot.type("alarms history"))
    assert "crowded, a warning" in history
    assert "skipped" not in history
    assert prod.roots == [root]
    assert Alarmed(bot, DEV).roots == [], "there it is off"


def test_its_section_of_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "bot.yaml"

    def problem(rules: str) -> str:
        file.write_text(
            "environments: {dev: {channel: dev, instruments: [hsc], redis: {url: redis://r},\n"
            f"  approval: {{self_approval: true}}}}}}\nalarms: {{rules: {{{rules}}}}}\n",
            "utf-8",
        )
        with pytest.raises(config.ConfigurationError) as raised:
            config.load(file, {}, KINDS)
        return str(raised.value)

    at = f"{file}:3: alarms.rules.crowded"
    assert problem("crowded: {abov: 3}") == f"{at}.abov: unknown key, did you mean `above`?"
    assert problem("crowded: {above: 0}") == f"{at}.above: must be at least 1, not 0"
    assert problem("crowded: {hold: 1m}") == f"{at}.hold: unknown key"
    described = config.json_schema(KINDS)["$defs"]
    assert described["Rules"]["properties"]["crowded"]["description"] == "Many come at once."
    keys = described["CrowdedRule"]["properties"]
    assert list(keys) == ["enabled", "above", "for"]
    assert keys["for"]["default"] == "2m"
    assert keys["for"]["description"] == "How long the condition must hold."
