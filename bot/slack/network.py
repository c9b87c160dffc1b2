"""Ways to Slack: the proxy for a URL, decided by HTTPS_PROXY and NO_PROXY.

Slack's libraries honour the one everywhere and the other nowhere, so they are told each time.
Redis and Kubernetes never go through the proxy.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]


class Proxy:
    """Decides once, from the environment at start.

    Parameters
    ----------
    environ
        ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY``, in either case; lower case wins.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._proxies = {
            name.lower().removesuffix("_proxy"): value
            # Lower case sorts last, and so wins.
            for name, value in sorted(environ.items())
            if name.lower() in ("https_proxy", "http_proxy", "no_proxy") and value
        }

    def for_url(self, url: str) -> str | None:
        """Give the proxy for an ``http(s)`` or ``ws(s)`` URL; None to go straight there."""
        parts = urlsplit(url)
        proxy = self._proxies.get("https" if parts.scheme in ("https", "wss") else "http")
        if proxy is None or proxy_bypass_environment(parts.netloc, self._proxies):
            return None
        return proxy if "://" in proxy else f"http://{proxy}"
