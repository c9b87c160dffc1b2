"""The fake Slack's Web API, limits, response_urls and faults, seen through Slack's own client."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from tests.support.slack_server import Channel, Fault, SlackServer, mentions, rate_limited

BUTTON = {
    "type": "button",
    "action_id": "approve",
    "text": {"type": "plain_text", "text": "Approve & go"},
    "value": "42",
}
ACTIONS = {"type": "actions", "block_id": "choice", "elements": [BUTTON]}


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer() as server:
        yield server


def client(slack: SlackServer, **more: Any) -> AsyncWebClient:
    token = more.pop("token", slack.bot_token)
    return AsyncWebClient(token=token, base_url=slack.api_url, **more)


def section(text: str = "Hello") -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def button(**values: Any) -> dict[str, Any]:
    return {"type": "actions", "elements": [BUTTON | values]}


async def refusal(call: Awaitable[Any]) -> Any:
    with pytest.raises(SlackApiError) as caught:
        await call
    return caught.value.response


# --- Web API -------------------------------------------------------------------------------------


async def test_posts_edits_deletes_and_finds_messages(slack: SlackServer) -> None:
    api = client(slack)
    metadata = {"event_type": "plan", "event_payload": {"id": "7"}}
    posted = await api.chat_postMessage(
        channel="C0OPS", text="one", blocks=[section()], metadata=metadata
    )
    message = await slack.next_message("C0OPS")
    assert (message.ts, message.metadata, message.all_text) == (posted["ts"], metadata, "Hello")

    await api.chat_postMessage(channel="#prompt-ops", text="in thread", thread_ts=posted["ts"])
    await api.chat_postMessage(channel="C0OPS", text="two")
    await api.chat_update(channel="C0OPS", ts=posted["ts"], text="changed")
    assert message.edited
    assert message.blocks == []
    assert [text for text, _ in message.revisions] == ["one", "changed"]

    history = await api.conversations_history(channel="C0OPS", include_all_metadata=True)
    assert [found["text"] for found in history["messages"]] == ["two", "changed"]
    assert history["messages"][1]["metadata"] == metadata
    plain = await api.conversations_history(channel="C0OPS", oldest=posted["ts"], inclusive=True)
    assert all("metadata" not in found for found in plain["messages"])
    thread = await api.conversations_replies(channel="C0OPS", ts=posted["ts"])
    assert [found["text"] for found in thread["messages"]] == ["changed", "in thread"]
    link = await api.chat_getPermalink(channel="C0OPS", message_ts=posted["ts"])
    assert link["permalink"].endswith(f"/C0OPS/p{posted['ts'].replace('.', '')}")

    await api.chat_delete(channel="C0OPS", ts=posted["ts"])
    assert message.deleted
    gone = await refusal(api.chat_update(channel="C0OPS", ts=posted["ts"], text="again"))
    assert gone["error"] == "message_not_found"


async def test_takes_form_and_query_arguments(slack: SlackServer) -> None:
    api = client(slack)
    await api.api_call(
        "chat.postMessage", data={"channel": "C0OPS", "blocks": json.dumps([section()])}
    )
    await api.api_call("chat.postMessage", params={"channel": "C0OPS", "text": "query"})
    assert [message.all_text for message in slack.messages("C0OPS")] == ["Hello", "query"]
    assert slack.calls_of("chat.postMessage")[1].args["text"] == "query"


async def test_ephemeral_messages_stay_out_of_the_history(slack: SlackServer) -> None:
    api = client(slack)
    await api.chat_postEphemeral(channel="C0OPS", user="U0ALICE", text="psst")
    assert slack.messages("C0OPS")[0].ephemeral_to == "U0ALICE"
    assert (await api.conversations_history(channel="C0OPS"))["messages"] == []
    stranger = await refusal(api.chat_postEphemeral(channel="C0OPS", user="U0EVE", text="psst"))
    assert stranger["error"] == "user_not_in_channel"


async def test_a_persons_id_opens_a_direct_message(slack: SlackServer) -> None:
    posted = await client(slack).chat_postMessage(channel="U0ALICE", text="hello")
    assert posted["channel"] == "D0ALICE"
    assert (await slack.next_message("U0ALICE")).text == "hello"


async def test_looks_up_people_groups_and_channels() -> None:
    channels = [Channel(f"C{n}", f"channel-{n}", ["U0BOT"]) for n in range(5)]
    async with SlackServer(channels=[*channels, Channel("C9", "elsewhere")]) as slack:
        api = client(slack)
        found: list[str] = []
        pages = 0
        async for answer in await api.users_conversations(limit=2):
            pages += 1
            found += [channel["id"] for channel in answer["channels"]]
        assert (pages, found) == (3, ["C0", "C1", "C2", "C3", "C4"])
        assert (await api.users_info(user="U0BOB"))["user"]["tz"] == "America/Los_Angeles"
        assert (await api.usergroups_list())["usergroups"][0]["id"] == "S0ONCALL"
        assert (await api.usergroups_users_list(usergroup="S0ONCALL"))["users"] == ["U0ALICE"]
        info = await api.conversations_info(channel="C9")
        assert info["channel"]["is_member"] is False
        assert (await api.conversations_members(channel="C1"))["members"] == ["U0BOT"]
        assert (await refusal(api.users_info(user="U9")))["error"] == "user_not_found"


async def test_checks_tokens_scopes_and_methods(slack: SlackServer) -> None:
    answer = await client(slack).auth_test()
    assert answer["user_id"] == "U0BOT"
    assert "chat:write" in answer.headers["x-oauth-scopes"]
    wrong = await refusal(client(slack, token="xoxb-wrong").auth_test())
    assert (wrong.status_code, wrong["error"]) == (200, "invalid_auth")
    assert (await refusal(client(slack).api_call("pins.add")))["error"] == "unknown_method"
    opened = client(slack).apps_connections_open(app_token=slack.bot_token)
    assert (await refusal(opened))["error"] == "not_allowed_token_type"

    slack.workspace.scopes = "commands"
    missing = await refusal(client(slack).chat_postMessage(channel="C0OPS", text="hello"))
    assert (missing["error"], missing["needed"]) == ("missing_scope", "chat:write")
    slack.workspace.scopes = None
    assert "x-oauth-scopes" not in (await client(slack).auth_test()).headers


async def test_knows_where_the_bot_is(slack: SlackServer) -> None:
    api = client(slack)
    outside = await refusal(api.chat_postMessage(channel="C0NIGHT", text="hello"))
    unknown = await refusal(api.chat_postMessage(channel="C0NOWHERE", text="hello"))
    assert (outside["error"], unknown["error"]) == ("not_in_channel", "channel_not_found")


async def test_takes_an_upload(slack: SlackServer) -> None:
    await client(slack).files_upload_v2(
        channel="C0OPS", content="a,b\n", filename="lag.csv", title="Lag", initial_comment="Here"
    )
    message = await slack.next_message("C0OPS")
    assert message.text == "Here"
    assert [(f.name, f.title, f.content) for f in message.files] == [("lag.csv", "Lag", b"a,b\n")]


# --- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("blocks", "pointer"),
    [
        ([section()] * 51, "no more than 50 items allowed [json-pointer:/blocks]"),
        ([section("x" * 3001)], "less than 3001 characters [json-pointer:/blocks/0/text/text]"),
        ([section("")], "more than 0 characters [json-pointer:/blocks/0/text/text]"),
        (
            [{"type": "section", "fields": [section()["text"]] * 11}],
            "[json-pointer:/blocks/0/fields]",
        ),
        (
            [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2001}]}],
            "less than 2001 characters [json-pointer:/blocks/0/fields/0/text]",
        ),
        (
            [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}],
            "/blocks/0/text/text]",
        ),
        ([{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}], "/blocks/0/text/type]"),
        ([{"type": "context", "elements": [section()["text"]] * 11}], "/blocks/0/elements]"),
        (
            [{"type": "actions", "elements": [BUTTON | {"action_id": str(n)} for n in range(26)]}],
            "no more than 25 items allowed [json-pointer:/blocks/0/elements]",
        ),
        (
            [button(text={"type": "plain_text", "text": "x" * 76})],
            "/blocks/0/elements/0/text/text]",
        ),
        ([button(value="x" * 2001)], "/blocks/0/elements/0/value]"),
        ([button(action_id="x" * 256)], "/blocks/0/elements/0/action_id]"),
        ([section() | {"block_id": "x" * 256}], "/blocks/0/block_id]"),
        ([button(), button()], '`action_id` "approve" already exists'),
        ([section() | {"block_id": "same"}] * 2, '`block_id` "same" already exists'),
        (
            [button(confirm={"title": {"type": "plain_text", "text": "x" * 101}})],
            "less than 101 characters [json-pointer:/blocks/0/elements/0/confirm/title/text]",
        ),
        ([{"type": "ticker"}], "unsupported type: ticker [json-pointer:/blocks/0/type]"),
        (
            [{"type": "table", "rows": [[{"type": "raw_text", "text": ""}]]}],
            "more than 0 characters [json-pointer:/blocks/0/rows/0/0/text]",
        ),
    ],
)
async def test_refuses_blocks_beyond_slacks_limits(
    slack: SlackServer, blocks: list[dict[str, Any]], pointer: str
) -> None:
    answer = await refusal(
        client(slack).chat_postMessage(channel="C0OPS", text="hello", blocks=blocks)
    )
    assert answer["error"] == "invalid_blocks"
    assert any(pointer in line for line in answer["response_metadata"]["messages"])
    assert all(line.startswith("[ERROR] ") for line in answer["response_metadata"]["messages"])
    assert slack.messages("C0OPS") == []


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"text": ""}, "no_text"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"text": "x", "blocks": [section("x" * 2900)] * 5}, "msg_blocks_too_long"),
        ({"text": "x", "blocks": "[{"}, "invalid_blocks_format"),
        ({"text": "x", "metadata": {"event_type": "plan"}}, "invalid_metadata_format"),
    ],
)
async def test_refuses_other_content(
    slack: SlackServer, content: dict[str, Any], error: str
) -> None:
    answer = await refusal(
        client(slack).api_call("chat.postMessage", json={"channel": "C0OPS", **content})
    )
    assert answer["error"] == error


def test_finds_pings_and_links() -> None:
    live = "<!channel> <!here|here> <@U0ALICE> <!subteam^S0ONCALL> <https://example.org|site>"
    assert len(mentions(live)) == 5
    assert mentions("&lt;!channel&gt; @channel a < b > c <not a link>") == []


# --- faults --------------------------------------------------------------------------------------


async def test_a_lost_answer_leaves_the_message_behind(slack: SlackServer) -> None:
    slack.fail("chat.postMessage", Fault(lost=True))
    api = client(slack, retry_handlers=[])
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await api.chat_postMessage(channel="C0OPS", text="once")
    assert [message.text for message in slack.messages("C0OPS")] == ["once"]
    await api.chat_postMessage(channel="C0OPS", text="healthy again")


async def test_the_librarys_default_retry_duplicates_a_lost_post(slack: SlackServer) -> None:
    slack.fail("chat.postMessage", Fault(lost=True))
    await client(slack).chat_postMessage(channel="C0OPS", text="twice")
    assert [message.text for message in slack.messages("C0OPS")] == ["twice", "twice"]


async def test_answers_as_scripted_then_heals(slack: SlackServer) -> None:
    slack.fail("chat.update", rate_limited(), Fault(status=503, body="<h1>no</h1>", times=2))
    slack.fail("auth.test", Fault(error="account_inactive", times=None), Fault(dropped=True))
    api = client(slack, retry_handlers=[])
    posted = await api.chat_postMessage(channel="C0OPS", text="hello")

    async def update() -> Any:
        return await api.chat_update(channel="C0OPS", ts=posted["ts"], text="changed")

    limited = await refusal(update())
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "1.5")
    assert [(await refusal(update())).status_code for _ in range(2)] == [503, 503]
    assert (await update())["ok"]
    assert [(await refusal(api.auth_test()))["error"] for _ in range(2)] == ["account_inactive"] * 2
    slack.heal("auth.test")
    assert (await api.auth_test())["ok"]


async def test_a_hanging_answer_ends_with_the_server() -> None:
    async with SlackServer() as slack:
        slack.fail("auth.test", Fault(hang=600))
        hanging = asyncio.create_task(client(slack, retry_handlers=[]).auth_test())
        await slack.until(lambda: slack.calls_of("auth.test"))
        begun = time.monotonic()
    assert time.monotonic() - begun < 2
    await asyncio.gather(hanging, return_exceptions=True)


async def test_a_client_that_gives_up_ends_a_hanging_answer(slack: SlackServer) -> None:
    slack.fail("auth.test", Fault(hang=600))
    with pytest.raises(TimeoutError):
        await client(slack, retry_handlers=[], timeout=0.1).auth_test()


# --- response_url --------------------------------------------------------------------------------


async def hook_of(slack: SlackServer) -> tuple[AsyncWebhookClient, Any]:
    delivery = await slack.command("nobody listens")
    return AsyncWebhookClient(delivery.response_url), delivery


async def test_a_response_url_takes_five_posts(slack: SlackServer) -> None:
    hook, delivery = await hook_of(slack)
    answers = [await hook.send(text=str(n)) for n in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [404]
    assert answers[-1].body == "used_url"
    assert [message.text for message in delivery.replies] == ["0", "1", "2", "3", "4"]
    assert (await delivery.reply(nth=5)).text == "4"


async def test_a_response_url_expires(slack: SlackServer) -> None:
    hook, delivery = await hook_of(slack)
    slack.expire(delivery)
    assert (await hook.send(text="late")).status_code == 404


async def test_a_response_url_checks_blocks(slack: SlackServer) -> None:
    hook, delivery = await hook_of(slack)
    refused = await hook.send(text="x", blocks=[section("x" * 3001)])
    assert (refused.status_code, refused.body) == (400, "invalid_blocks")
    assert (await hook.send_dict({"text": ""})).body == "no_text"
    public = await hook.send(text="for all", response_type="in_channel", replace_original=True)
    assert public.status_code == 200
    assert (await slack.next_message("C0OPS")).text == "for all"
    assert delivery.replies[0].ephemeral_to is None


async def test_a_click_may_delete_its_message(slack: SlackServer) -> None:
    await client(slack).chat_postMessage(channel="C0OPS", text="Plan", blocks=[ACTIONS])
    message = await slack.next_message("C0OPS")
    click = await slack.click(message, "approve")
    assert (await AsyncWebhookClient(click.response_url).send(delete_original=True)).body == "ok"
    assert message.deleted
    assert slack.messages("C0OPS") == []


async def test_a_reply_may_be_a_message_in_the_channel(slack: SlackServer) -> None:
    slack.say("C0OPS", "a person's words")
    delivery = await slack.command("nobody listens")
    with pytest.raises(TimeoutError, match=r"No reply to 'nobody listens'.*Last calls: none"):
        await delivery.reply(timeout=0.01)
    await client(slack).chat_postMessage(channel="C0OPS", text="public answer")
    assert (await delivery.reply(timeout=0.01)).text == "public answer"


async def test_hooks_fail_as_scripted(slack: SlackServer) -> None:
    hook, delivery = await hook_of(slack)
    slack.fail("hooks", Fault(status=500, body="<h1>no</h1>"))
    assert (await hook.send(text="x")).status_code == 500
    assert delivery.replies == []
