"""The way to Slack."""

import pytest

from bot.slack.api import Proxy

PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("environ", "url", "proxy"),
    [
        ({}, "https://slack.com/api/", None),
        ({"HTTPS_PROXY": PROXY}, "https://slack.com/api/", PROXY),
        ({"https_proxy": PROXY, "HTTPS_PROXY": "http://other:1"}, "https://slack.com/", PROXY),
        ({"HTTPS_PROXY": PROXY}, "wss://wss-primary.slack.com/link?ticket=1", PROXY),
        ({"HTTPS_PROXY": PROXY}, "http://localhost:3000/api/", None),
        ({"HTTP_PROXY": PROXY}, "ws://localhost:3000/socket", PROXY),
        ({"HTTPS_PROXY": "proxy:3128"}, "https://slack.com/", PROXY),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, "https://slack.com/", None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": ".slack.com"}, "https://hooks.slack.com/x", None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "lack.com"}, "https://slack.com/", PROXY),
        ({"HTTPS_PROXY": PROXY, "no_proxy": "10.0.0.0/8, slack.com"}, "https://slack.com/", None),
        ({"HTTPS_PROXY": ""}, "https://slack.com/", None),
    ],
)
def test_the_proxy_for_a_url(environ: dict[str, str], url: str, proxy: str | None) -> None:
    assert Proxy(environ).for_url(url) == proxy
