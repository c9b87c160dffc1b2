"""The watch on a real Redis and a real database, from look to look in virtual time."""

from contextlib import suppress
from dataclasses import replace

import pytest

from bot.clients.pagers import Calls, Heartbeat
from bot.domain.alarms import Holding, Silence, opened
from bot.domain.approvals import Plan
from bot.domain.paging import Reach
from bot.domain.rules import RULES, Case, ChainLink, Diagnosis, Finding, NoLimits, Rule, Severity
from bot.domain.samples import Figures
from bot.render.alarms import resolved_alarm
from bot.services.approvals import Approved
from bot.services.watch import Pulse, RulesFailed
from bot.storage.alarms import Incidents, Silences
from bot.storage.audit import Audit
from bot.storage.samples import Samples
from tests.storage.drafts import make
from tests.support.a_post import ENVIRONMENT, KEY, NIGHT, POLL, SECOND, Post
from tests.support.a_watch import ANA, BEN, MINUTE, a_watch
from tests.support.pager_servers import HEARTBEAT_KEY, PagerServers


async def test_a_stall_from_its_begin_to_its_end(post: Post) -> None:
    await post.passes(MINUTE)
    await post.announce()
    begun = post.now
    await post.passes(2 * MINUTE - POLL)
    assert await post.alarms() == []
    await post.passes(2 * POLL)
    (alarm,) = await post.alarms()
    assert alarm.leading == "stalled"
    assert (alarm.severity, alarm.figures.waiting, alarm.figures.visits) == (
        Severity.WARNING,
        172,
        1,
    )
    assert alarm.began - begun <= POLL
    assert post.told() == ["stalled warning"]
    await post.passes(3 * MINUTE)
    (alarm,) = await post.alarms()
    assert alarm.severity is Severity.CRITICAL
    assert set(alarm.findings) == {"stalled", "backlog"}
    await post.read()
    await post.passes(MINUTE - POLL)
    (alarm,) = await post.alarms()
    assert alarm.resolved is None, "it may come again"
    await post.passes(3 * POLL)
    (alarm,) = await post.alarms()
    assert alarm.resolved is not None
    assert alarm.highest_waiting == 172
    assert post.told() == []


async def test_nobody_is_called_for_what_is_read_again(post: Post) -> None:
    await post.passes(MINUTE)
    await post.announce()
    # Critical after 5 min, and the on-call is told 10 min after that.
    await post.passes(15 * MINUTE - 2 * POLL)
    (alarm,) = await post.alarms()
    assert (alarm.severity, set(alarm.told)) == (Severity.CRITICAL, {"duty"})
    assert not alarm.ending
    await post.read()
    await post.passes(MINUTE)
    (alarm,) = await post.alarms()
    assert alarm.resolved is None
    assert alarm.ending
    assert set(alarm.told) == {"duty"}, "0 entries waiting are nothing to be woken for"
    await post.passes(2 * POLL)
    (alarm,) = await post.alarms()
    assert alarm.resolved is not None


async def test_who_is_called_while_it_goes_on(post: Post) -> None:
    await post.passes(MINUTE)
    await post.announce()
    await post.passes(15 * MINUTE + 2 * POLL)
    (alarm,) = await post.alarms()
    assert set(alarm.told) == {"duty", "group", "nightly"}


async def test_a_restart_neither_repeats_nor_forgets(post: Post) -> None:
    await post.passes(MINUTE)
    await post.announce()
    await post.passes(90 * SECOND)
    post.begin("second")
    await post.passes(30 * SECOND)
    post.begin("third")
    await post.passes(2 * POLL)
    (alarm,) = await post.alarms()
    assert alarm.leading == "stalled", "fires when it would have fired without a restart"
    for number in range(5):
        post.begin(f"{number}")
        await post.passes(POLL)
    assert len(await post.alarms()) == 1
    await post.read()
    await post.passes(40 * SECOND)
    post.begin("fourth")
    await post.passes(30 * SECOND)
    (alarm,) = await post.alarms()
    assert alarm.resolved is not None, "a restart does not begin the minute anew"


async def test_an_old_leader_that_comes_back_knows_what_happened(post: Post) -> None:
    await post.passes(MINUTE)
    await post.announce()
    await post.passes(2 * MINUTE + POLL)
    old = post.watch
    post.begin("new")
    await post.passes(30 * SECOND)
    await post.read()
    await post.passes(50 * SECOND)
    post.watch = old
    await post.passes(15 * SECOND)
    (alarm,) = await post.alarms()
    assert alarm.resolved is not None, "it has been over for a minute, of which it saw a quarter"


async def test_a_locked_database_loses_no_alarm(post: Post) -> None:
    await post.passes(MINUTE)
    await post.announce()
    begun = post.now
    await post.passes(110 * SECOND)
    with post.locked():
        await post.passes(30 * SECOND)
    assert post.failed
    assert await post.alarms() == []
    await post.passes(POLL)
    (alarm,) = await post.alarms()
    assert alarm.leading == "stalled"
    assert alarm.began - begun <= POLL, "it is as old as it is"
    await post.read()
    with post.locked():
        await post.passes(80 * SECOND)
    await post.passes(POLL)
    (alarm,) = await post.alarms()
    assert alarm.resolved is not None


async def test_a_fault_within_the_lock_is_found_after_it(post: Post) -> None:
    await post.leader.tick(post.now)
    await post.passes(MINUTE)
    await post.redis.delete(KEY)
    with post.locked():
        await post.passes(20 * SECOND)
        assert not post.watch.blind(post.now), "it may be over in a moment"
        await post.passes(MINUTE)
        blind = post.watch.blind(post.now)
        assert blind is not None, "what is not written is not well"
        assert blind.since == post.now - 80 * SECOND
        assert blind.why == "The bot's database is locked by somebody else"
    await post.passes(POLL)
    (alarm,) = await post.alarms()
    assert alarm.leading == "missing"
    assert post.watch.blind(post.now) is None
    post.now += MINUTE
    assert post.watch.late() == 0 * SECOND
    post.now += SECOND
    assert post.watch.late() == SECOND


async def test_nobody_has_looked_yet(post: Post) -> None:
    assert post.watch.late() is None, "it is another process's work"
    await post.leader.tick(post.now)
    assert post.watch.blind(post.now) is None, "it has only just begun"
    assert not post.watch.looked
    post.now += MINUTE + SECOND
    assert post.watch.blind(post.now)


async def test_minutes_are_kept(post: Post) -> None:
    for number in range(4):
        await post.passes(30 * SECOND)
        await post.announce(100 + number)
        await post.passes(POLL)
        await post.read()
        await post.passes(25 * SECOND)
        if number == 1:
            # In the middle of a minute; what was seen of it is not lost.
            await post.passes(20 * SECOND)
            post.begin("second")
            await post.passes(40 * SECOND)
    kept = await Samples(post.database).minutes("prod", NIGHT - MINUTE)
    figures = [
        (each.at.minute, each.samples, each.reached, each.waiting, each.announced, each.added)
        for each in kept
    ]
    assert figures == [
        (0, 11, 11, 100, 0, 100),  # begun within it; of the first visit ever nobody knows when
        (1, 12, 12, 101, 1, 201),
        (2, 12, 12, 0, 0, 201),
        (3, 12, 12, 102, 1, 303),
        (4, 12, 12, 103, 1, 406),
    ]


async def test_a_silence_until_resolved_ends_by_itself(post: Post) -> None:
    await post.passes(MINUTE)
    await post.announce()
    await post.passes(2 * MINUTE + POLL)
    (alarm,) = await post.alarms()
    silences = Silences(post.database)
    draft = Silence(0, "prod", ANA, "known", post.now, None, instrument="lsstcam")
    made = await make(silences, draft)
    await post.passes(MINUTE)
    (alarm,) = await post.alarms()
    assert alarm.held is not None
    assert await silences.active("prod", post.now) == [made]
    await post.read()
    await post.passes(MINUTE + 2 * POLL)
    assert await silences.active("prod", post.now) == []
    ((ended, _), *_) = await Audit(post.database).latest("prod", 10)
    assert ended.action == f"unsilence {made.id}"
    await post.announce()
    await post.passes(2 * MINUTE + POLL)
    (again,) = await post.alarms()
    assert again.resolved is None
    assert again.relapses == 1
    assert again.held is None, "what comes later is shown"


async def test_everything_is_looked_at_when_somebody_ends_a_silence(post: Post) -> None:
    await post.passes(MINUTE)
    made = await post.people.silence(
        Silence(0, "prod", ANA, "known", post.now, post.now + 10 * MINUTE, rule="backlog")
    )
    await post.announce()
    await post.passes(2 * MINUTE + POLL)
    (alarm,) = await post.alarms()
    assert alarm.held is Holding.SILENCE
    assert not post.watch.wake.is_set()
    await post.people.unsilence(made.id, ANA, post.now)
    assert post.watch.wake.is_set(), "the next look is at once"
    await post.passes(POLL)
    (alarm,) = await post.alarms()
    assert alarm.held is None


async def test_a_window_holds_and_everything_is_looked_at_when_it_ends(post: Post) -> None:
    await post.passes(MINUTE)
    ends = post.now + 10 * MINUTE
    window = await post.maintenance.schedule(
        post.now, ends, "upgrade", ANA, post.now, during_observing=True
    )
    await post.redis.delete(KEY)
    await post.passes(20 * MINUTE)
    (alarm,) = await post.alarms()
    assert (alarm.held, dict(alarm.told)) == (Holding.WINDOW, {}), "until somebody ends it"
    assert not post.watch.wake.is_set()
    await post.maintenance.end(window.id, "", ANA, post.now)
    assert post.watch.wake.is_set(), "the next look is at once"
    await post.passes(POLL)
    (alarm,) = await post.alarms()
    assert alarm.held is None
    assert set(alarm.told) == {"group", "duty", "nightly"}, "at night at once"


async def test_skipped_visits_are_listed_once(post: Post) -> None:
    await post.passes(MINUTE)
    for _ in range(3):
        await post.announce()
        post.now += 30 * SECOND
    post.now += 57 * MINUTE
    await post.passes(3 * MINUTE)
    (alarm,) = await post.alarms()
    assert alarm.leading == "expiring"
    assert [(each.visit, each.entries) for each in alarm.skipped] == [
        (f"visit {number}", 172) for number in (1, 2, 3)
    ]


async def test_the_limit_of_the_container_counts_too(post: Post) -> None:
    used = (await post.redis.info("memory"))["used_memory_rss"]
    await post.passes(MINUTE)
    assert await post.alarms() == [], "no limit is known"
    post.container.limit = used
    await post.workloads.tick(post.now)
    await post.passes(2 * POLL)
    (alarm,) = await post.alarms()
    assert alarm.leading == "memory"
    assert alarm.figures.memory_limit == used
    post.container.limit = 10 * used
    await post.workloads.tick(post.now)
    await post.passes(2 * POLL)
    (alarm,) = await post.alarms()
    assert alarm.resolved is not None


async def test_an_approved_restart_holds_what_it_brings_about(post: Post) -> None:
    await post.passes(MINUTE)
    plan = Plan("PROD", "restart Redis", streams=("*",), outage="Redis is restarting")
    request = await post.approvals.request("restart", "", plan, ANA, post.now)
    approved = await post.approvals.approve(request.id, BEN, post.now, reason="it hangs")
    assert isinstance(approved, Approved)
    assert await post.approvals.begin(approved, post.now)
    await post.redis.delete(KEY)
    await post.passes(2 * MINUTE)
    (alarm,) = await post.alarms()
    assert (alarm.leading, alarm.held) == ("missing", Holding.RESTART)
    await post.passes(8 * MINUTE)
    (alarm,) = await post.alarms()
    assert alarm.held is None, "at most ten minutes"


async def test_the_heartbeat_beats_as_long_as_every_watch_looks(post: Post) -> None:
    async with (
        PagerServers() as servers,
        Calls(lambda _: None, clock=lambda: post.now) as calls,
    ):
        made = a_watch(ENVIRONMENT, post.reads, post.database, "first", clock=lambda: post.now)
        other = made.watch
        for each in (post, made):
            await each.leader.tick(post.now)
        heartbeat = Heartbeat(servers.heartbeat, HEARTBEAT_KEY, calls)
        pulse = Pulse({"prod": post.watch, "dev": other}, heartbeat)
        await post.passes(POLL)
        await pulse.tick(post.now)
        assert servers.beats == 0, "one of them has not looked yet"
        await other.tick(post.now)
        await pulse.tick(post.now)
        assert servers.beats == 1
        await post.passes(MINUTE + POLL)
        await pulse.tick(post.now)
        assert servers.beats == 1, "one of them has stopped"


async def test_an_alarm_of_a_rule_that_this_release_lacks_ends(post: Post) -> None:
    await post.passes(MINUTE)
    incidents = Incidents(post.database)
    for instrument in ("lsstcam", ""):
        found = {"gone": Finding("gone", Severity.WARNING, post.now)}
        draft = opened("prod", "gone", instrument, found, Figures(post.now))
        await incidents.create(draft, now=post.now)
    await post.passes(POLL)
    for alarm in await post.alarms():
        assert alarm.resolved is not None
        first, _ = resolved_alarm(alarm, Reach(), post.now)
        assert first.endswith(f"This release of the bot lacks its rule.* Alarm {alarm.id}")


async def test_a_redis_in_which_no_worker_can_read_is_an_alarm(post: Post) -> None:
    await post.announce()
    await post.redis.config_set("min-replicas-to-write", "1")
    try:
        await post.passes(30 * SECOND)
        assert await post.alarms() == []
        await post.passes(2 * POLL)
        (alarm,) = await post.alarms()
        assert (alarm.leading, alarm.severity) == ("unreachable", Severity.CRITICAL)
        assert "NOREPLICAS" in alarm.figures.words
        assert set(alarm.told) == {"duty", "group", "nightly"}
        await post.passes(5 * MINUTE)
        assert len(await post.alarms()) == 1, "what waits is not a stall: nobody can read"
    finally:
        await post.redis.config_set("min-replicas-to-write", "0")
    await post.passes(3 * POLL)
    assert (await post.alarms())[-1].resolved is not None


async def test_a_redis_out_of_memory_holds_up_no_other_alarm(post: Post) -> None:
    await post.announce()
    await post.redis.config_set("maxmemory", "1")
    try:
        await post.passes(3 * MINUTE)
    finally:
        await post.redis.config_set("maxmemory", "0")
    found = {alarm.leading: alarm for alarm in await post.alarms()}
    assert set(found) == {"unreachable", "stalled"}, "workers can still read"
    assert found["unreachable"].figures.words.startswith("OOM")


async def test_what_only_the_bot_may_not_do_is_a_warning(post: Post) -> None:
    await post.passes(MINUTE)
    await post.announce()
    await post.redis.execute_command("ACL SETUSER default -eval_ro -evalsha_ro")  # type: ignore[no-untyped-call]
    try:
        await post.passes(2 * MINUTE)
        (alarm,) = await post.alarms()
        assert (alarm.leading, alarm.severity) == ("unreachable", Severity.WARNING)
        assert set(alarm.told) == {"duty"}, "nobody is woken: workers may be well"
    finally:
        await post.redis.execute_command("ACL SETUSER default +@all")  # type: ignore[no-untyped-call]
    await post.read()
    await post.passes(POLL)
    (alarm,) = await post.alarms()
    assert (alarm.ending, alarm.severity) == (True, Severity.WARNING)
    await post.passes(3 * POLL)
    assert (await post.alarms())[-1].resolved is not None


async def test_whether_it_takes_writes_may_be_unknown(post: Post) -> None:
    await post.redis.execute_command("ACL SETUSER default -eval")  # type: ignore[no-untyped-call]
    try:
        await post.passes(2 * MINUTE)
        assert await post.alarms() == []
    finally:
        await post.redis.execute_command("ACL SETUSER default +@all")  # type: ignore[no-untyped-call]


def _broken(_: Case[NoLimits]) -> Finding | None:
    raise ZeroDivisionError("a rule of somebody's")


async def test_a_rule_that_raises_spoils_no_other_and_is_said(post: Post) -> None:
    likely = Diagnosis(ChainLink.WORKERS, "a mistake.", "statistics")
    RULES["broken"] = Rule("broken", "Fails.", NoLimits(), _broken, likely)
    try:
        post.begin("first")
        await post.leader.tick(post.now)
        assert post.watch.blind(post.now) is None
        await post.announce()
        with pytest.raises(RulesFailed):
            await post.passes(POLL)
        for _ in range(30):
            with suppress(RulesFailed):
                await post.passes(POLL)
        (alarm,) = await post.alarms()
        assert alarm.leading == "stalled"
        blind = post.watch.blind(post.now)
        assert blind is not None
        assert blind.why == "The rule broken fails for lsstcam"
    finally:
        del RULES["broken"]
    await post.passes(POLL)
    assert post.watch.blind(post.now) is None


async def test_what_was_not_counted_to_its_end_is_at_least(post: Post) -> None:
    await post.passes(POLL)
    first = int((post.now - 120 * MINUTE).timestamp())
    pipeline = post.redis.pipeline(transaction=False)
    for visit in range(584):
        for detector in range(172):
            born = first + visit
            fields = ["groupId", f"v{visit}", "private_sndStamp", f"{born + 37}"]
            pipeline.execute_command("XADD", KEY, f"{born * 1000}-{detector}", *fields)
        if visit % 50 == 0:
            await pipeline.execute()
    await pipeline.execute()
    await post.passes(MINUTE)
    (alarm,) = await post.alarms()
    assert len(alarm.skipped) == 582
    first_line, _ = resolved_alarm(replace(alarm, resolved=post.now), Reach(), post.now)
    assert "At least 582 visits were skipped." in first_line


async def test_a_database_that_is_only_read_is_said_as_not_looking(post: Post) -> None:
    await post.leader.tick(post.now)
    await post.passes(MINUTE)
    async with post.database.statement() as connection:
        await connection.exec_driver_sql("PRAGMA query_only = 1")
    # Nothing is wrong with the stream, so nothing but this write tells.
    await post.passes(MINUTE + 2 * POLL)
    blind = post.watch.blind(post.now)
    assert blind is not None
    assert blind.why == "The bot's database can be read, but not written"
    async with post.database.statement() as connection:
        await connection.exec_driver_sql("PRAGMA query_only = 0")
    await post.passes(POLL)
    assert post.watch.blind(post.now) is None
