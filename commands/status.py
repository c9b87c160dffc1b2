"""The slash command alone: the short status of the environment."""

import asyncio

from bot.command import Call, Purpose, Read, Reply
from bot.domain.approvals import State
from bot.domain.environments import Environment
from bot.domain.errors import RedisError, StateError
from bot.domain.streams import Look, ServerInfo
from bot.render import maintenance
from bot.render.alarms import alarms_in_short
from bot.render.alarms import worst as worst_of
from bot.render.blindness import in_short
from bot.render.blocks import BUTTONS_IN_MESSAGE, Button, Markup, code, context, mark, section
from bot.render.streams import sky, streams_line, verdict_and_figure
from bot.render.words import clock, duration, quick, rough


async def run(call: Call) -> Reply:
    """Look at every stream, at the server and at the requests, at the same time."""
    looks, server, requests, (alarms, worst), maintenance = await asyncio.gather(
        call.services.streams.look(call.instruments()),
        _server(call),
        _requests(call),
        _alarms(call),
        _maintenance(call),
    )
    environment, slash = call.environment, call.deployment.slash
    text = worst[0] if worst else streams_line(environment, looks)
    fields = [(look.instrument, _short(environment, look)) for look in looks]
    if server is not None:
        took, up = quick(server.answered_in), duration(server.up_for)
        fields.append(("Redis", f"{server.named}, answers in {took}, up {up}"))
    fields += [("Alarms", alarms), ("Requests", requests), ("Maintenance", maintenance)]
    start = code(f"{slash} help start")
    more = mark("Type {} for everything. New here? {}", code(f"{slash} help"), start)
    at = looks[0].at
    foot = context(f"{clock(at, seconds=True)} UTC · {sky(environment, at)}")
    buttons = [
        Button("Stats", "stats"),
        Button("Pending", "pending"),
        Button("Alarms", "alarms"),
        Button("Runbook", "runbook"),
    ]
    if worst is not None and worst[1] is not None:
        buttons.insert(0, worst[1])
    blocks = [section(text, fields), section(more), foot]
    return Reply(text, blocks, buttons[:BUTTONS_IN_MESSAGE])


def _short(environment: Environment, look: Look) -> str:
    announced = look.last_announced
    last = "" if announced is None else f", last visit {rough(look.at - announced)} ago"
    return verdict_and_figure(environment, look) + last


async def _server(call: Call) -> ServerInfo | None:
    try:
        return await call.services.streams.server()
    except RedisError:
        # The streams' verdict says it; the status is still worth showing.
        return None


async def _alarms(call: Call) -> tuple[str, tuple[Markup, Button | None] | None]:
    blind = await call.services.watch.blindness(call.now)
    try:
        firing = await call.services.alarms.firing()
        silences = await call.services.alarms.silences(call.now)
    except StateError as error:
        return f"unknown: the database {error.kind.value}", None
    short = alarms_in_short(firing, silences, call.now)
    if blind is not None:
        known = f"; last known: {short}" if firing else ""
        short = f"⚪ {in_short(blind, call.now)}{known}"
    return short, worst_of(firing, call.now)


async def _maintenance(call: Call) -> str:
    try:
        return maintenance.summary_line(await call.services.maintenance.windows(), call.now)
    except StateError as error:
        return f"unknown: the database {error.kind.value}"


async def _requests(call: Call) -> str:
    try:
        live = await call.services.approvals.live()
    except StateError as error:
        # The bot's own trouble hides no stream.
        return f"unknown: the database {error.kind.value}"
    if not live:
        return "none open"
    one = live[0]
    more = f", and {len(live) - 1} more" if len(live) > 1 else ""
    until = f" until {clock(one.expires, now=call.now)} UTC" if one.state is State.OPEN else ""
    return f"{one.id} {one.state.value}{until}: {one.command} {one.arguments}".strip() + more


COMMANDS = (
    Read(
        name="",
        summary="the short status of this channel's environment",
        purpose=Purpose.LOOK,
        run=run,
    ),
)
