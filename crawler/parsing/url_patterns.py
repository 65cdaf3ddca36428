"""Patterns of desk addresses: an address of another platform is refused before any request."""

import re
from urllib.parse import urlsplit

from configs.ground.hosts import is_loopback

PAGE = re.compile(r"https?://[^/?#]+/+[^/?#]")  # any page of a site except its home page

KIND_TOWN_NAME = re.compile(r"https?://[^/]+/(?:[\w-]+/){2}(?P<name>[\w-]+)(?:[/?#]|$)")


def match_address(url: str, shape: re.Pattern[str], name: str, behind: str) -> re.Match[str]:
    """Match a desk's address. `behind`: the path of such an address, for the error's text.

    Raises:
        ValueError: the address does not match; the text says what it must be.
    """
    if found := shape.match(url):
        return found
    raise ValueError(f"{url} is no {name} address: it must be https://<site>/{behind}")


def api_of(url: str, home: str, name: str) -> str:
    """Return the API's address of a site: `api.` before its host, without a slash at the end.

    `home` is the page that people open, on the site's only host. A stand-in's API is on its own host.

    Raises:
        ValueError: it is any other page. The token for this API must be sent to no other host.
    """
    parts, host = urlsplit(url), urlsplit(home).netloc
    if parts.scheme == "https" and parts.netloc in (host, f"api.{host}"):
        return f"https://api.{host}"
    if is_loopback(parts.hostname or ""):
        return f"{parts.scheme}://{parts.netloc}"
    raise ValueError(f"{url} is not {name}: write {home}")
