"""URL policy: what may be asked at all. Outside production nothing leaves this machine."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from configs.ground.addresses import is_loopback
from configs.settings import Settings, settings

if TYPE_CHECKING:  # loops that load nothing of Scrapy load this
    from scrapy import Request

_WAY_OUT = (
    "ask a stand-in with APP_ENV=sandbox and SANDBOX_HOSTS (python -m deploy.sandbox lists them), or allow live sites"
    " with APP_ENV=development and ALLOW_LIVE_SITES=1, or with APP_ENV=production"
)


class AddressRefused(Exception):
    """An address that this environment does not let us ask; the text says which and what to do."""


def ensure_allowed(url: str, current: Settings, what: str = "") -> None:
    """Refuse what is not on this machine, where nothing may leave it. Names are not looked up.

    `what` is said before the name, where it is none that anybody asked for (`the proxy `).

    Raises:
        AddressRefused: says how to allow more.
    """
    host = urlsplit(url).hostname or ""
    if current.loopback_only and not is_loopback(host):
        here = f"is not on this machine, and APP_ENV={current.app_env} asks nothing else"
        raise AddressRefused(f"{what}{host or url} {here}: {_WAY_OUT}")


class LoopbackGuard:
    """Outside production nothing leaves this machine: refuses every other address, and every proxy on one.

    It stands last before the wire, so redirects and stand-ins are seen as they are really asked, and it looks no
    name up. It asks the settings each time: a spider of any system, and any request of one, is bound by it.
    """

    def process_request(self, request: "Request") -> None:
        """Let the request pass.

        Raises:
            AddressRefused: it would leave; the text says how to allow that.
        """
        ensure_allowed(request.url, settings())
        if proxy := request.meta.get("proxy"):
            ensure_allowed(proxy if "://" in proxy else f"http://{proxy}", settings(), "the proxy ")
