"""What the bot answers to what it does not understand, and to what is not allowed."""

from tests.support.expected import Expected, answered
from tests.support.two_people import ANA, BEN, DAN
from tests.support.world import DEV, PROD, World

NOT_UNDERSTOOD = (
    "stast",
    "nonsense",
    "stats lsstcma",
    "stats hsc",
    "stats lsstcam latiss",
    "pending a b",
    "consumers nobody",
    "ping pong",
    "about what",
    "help stast",
    "help start over",
    "runbook nothing here",
    "runbook not readin",
    "clear",
    "clear lsstcma",
    "clear lsstcam now",
    "clear lsstcam --delte",
    "clear lsstcam --reason",
    "clear lsstcam --reason " + "x" * 4000,
    "bootstrap lsstcam --from",
    "bootstrap lsstcam --from yesterday",
    "bootstrap lsstcam --from 1-1-1",
    "bootstrap hsc",
    "settle lsstcam --idle soon",
    "settle lsstcam --idle 1s",
    "repair nothing",
    "repair lsstcam",
    "prune lsstcam --idle 1s",
    "prune lsstcam --idle x",
    "restart now",
    "restart",
    "restore",
    "restore 1",
    "restore x",
    "approve",
    "approve x",
    "approve 77",
    "deny",
    "deny 77",
    "withdraw",
    "withdraw 77",
    "requests x",
    "requests 77",
    "audit x",
    "audit 0",
    "audit 1000",
    "chart --since",
    "chart --since 1s",
    "chart --since x",
    "chart lsstcam latiss",
    "own",
    "own x",
    "own 77",
    "escalate",
    "escalate 77",
    "silence",
    "silence lsstcam",
    "silence lsstcam 1h",
    "silence lsstcam soon because",
    "silence lsstcam 1s because",
    "silence lsstcam 99d because",
    "silence nothing 1h because",
    "silence 77 1h because",
    "silence missing resolved because",
    "silence 77 resolved because",
    "unsilence",
    "unsilence x",
    "unsilence 77",
    "oncall page",
    "oncall test",
    "oncall page help",
    "oncall nothing",
    "maintenance nothing",
    "maintenance start",
    "maintenance start 1h",
    "maintenance start soon because",
    "maintenance start 8d because",
    "maintenance start 77",
    "maintenance start 10h all day long",
    "maintenance schedule",
    "maintenance schedule 2026-11-24T17:00Z",
    "maintenance schedule 2026-11-24T17:00Z 1h",
    "maintenance schedule someday 1h maybe",
    "maintenance schedule 2020-01-01T10:00Z 1h long ago",
    "maintenance schedule 2026-11-25T02:00Z 1h at night",
    "maintenance schedule 17:00 1h upgrade",
    "maintenance schedule 17:00 CET 1h upgrade",
    "maintenance schedule tomorrow 10:00 Chile 1s upgrade",
    "maintenance change 77 17:00Z 1h",
    "maintenance extend 77 1h",
    "maintenance extend 77",
    "maintenance update 77 text",
    "maintenance update 77",
    "maintenance end 77",
    "maintenance end",
    "maintenance cancel 77",
    "maintenance announce",
    '"an open quote',
    "stats --nothing",
    "stats <!channel> <@U0BEN>",
)


async def test_not_understood(bot: World, expected: Expected) -> None:
    await bot.group()
    for number, typed in enumerate(NOT_UNDERSTOOD):
        answer = await answered(bot, typed)
        words = "-".join("".join(c if c.isalnum() else " " for c in typed).split())[:40]
        expected.message(f"{number:03}-{words}", answer)


CHANGING = {
    "clear": "clear lsstcam",
    "bootstrap": "bootstrap lsstcam",
    "settle": "settle lsstcam",
    "repair": "repair lsstcam",
    "prune": "prune lsstcam",
    "restart": "restart",
    "restore": "restore 1",
    "silence": "silence lsstcam 1h because",
    "unsilence": "unsilence 1",
    "own": "own 1",
    "escalate": "escalate 1",
    "page": "oncall page help",
    "test": "oncall test",
    "start": "maintenance start 30m because",
    "announce": "maintenance announce all is well",
    "end": "maintenance end 1",
    "cancel": "maintenance cancel 1",
    "approve": "approve 1",
    "approve-alone": "approve 1 --alone because",
    "deny": "deny 1",
    "withdraw": "withdraw 1",
}


async def test_no_right(bot: World, expected: Expected) -> None:
    await bot.group()
    await bot.announce(2, ago=60)
    await answered(bot, "clear lsstcam")
    for name, typed in CHANGING.items():
        expected.message(name, await answered(bot, typed, user=DAN))
    # Who may approve may not ask.
    expected.message("approver-asks", await answered(bot, "clear lsstcam", user=BEN))
    expected.message("requester-approves", await answered(bot, "approve 1", user=ANA))
    expected.message("requester-denies", await answered(bot, "deny 1", user=ANA))
    expected.message("approver-withdraws", await answered(bot, "withdraw 1", user=BEN))
    expected.message("other-channel", await answered(bot, "approve 1", DEV, user=BEN))
    expected.message("occupied", await answered(bot, "clear lsstcam"))


async def test_read_only(world: World, expected: Expected) -> None:
    world.settings["environments"]["prod"]["read_only"] = True
    await world.group()
    async with world.bot():
        for name, typed in CHANGING.items():
            expected.message(name, await answered(world, typed, PROD))
