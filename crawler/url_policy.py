"""URL policy of a check: which redirects stay on the site, what may be asked at all."""

from urllib.parse import SplitResult, urlsplit, urlunsplit

from configs.ground.hosts import host_of, is_loopback
from configs.settings import Settings

_WAY_OUT = (
    "ask a stand-in with APP_ENV=sandbox and SANDBOX_HOSTS (python -m deploy.sandbox lists them), or allow live sites"
    " with APP_ENV=development and ALLOW_LIVE_SITES=1, or with APP_ENV=production"
)


class AddressRefused(Exception):
    """An address that this environment does not let us ask; the text says which and what to do."""


def same_site(here: str, there: str) -> bool:
    """Tell whether a redirect stays on the site: same name (`www.` aside) and port, or from HTTP up to HTTPS.

    Never from HTTPS down to HTTP, where anybody on the way could write the page.
    """
    old, new = urlsplit(here), urlsplit(there)
    if _bare(old) != _bare(new) or new.scheme not in ("http", "https"):
        return False
    if (old.scheme, new.scheme) == ("http", "https"):
        return _port(old) == _port(new) or (_port(old), _port(new)) == (80, 443)
    return old.scheme == new.scheme and _port(old) == _port(new)


def _bare(parts: SplitResult) -> str:
    return (parts.hostname or "").removeprefix("www.")


def _port(parts: SplitResult) -> int:
    return int(host_of(urlunsplit(parts)).rpartition(":")[2])


def ensure_allowed(url: str, settings: Settings, what: str = "") -> None:
    """Refuse what is not on this machine, where nothing may leave it. Names are not looked up.

    `what` is said before the name, where it is none that anybody asked for (`the proxy `).

    Raises:
        AddressRefused: says how to allow more.
    """
    host = urlsplit(url).hostname or ""
    if settings.loopback_only and not is_loopback(host):
        here = f"is not on this machine, and APP_ENV={settings.app_env} asks nothing else"
        raise AddressRefused(f"{what}{host or url} {here}: {_WAY_OUT}")
