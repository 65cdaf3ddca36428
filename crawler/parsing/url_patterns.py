"""Desks' addresses by their shape: one that is not its platform's is refused in words, before anything is asked."""

import re
from urllib.parse import urlsplit

from configs.hosts import is_loopback

PAGE = re.compile(r"https?://[^/?#]+/+[^/?#]")  # any page of a site but its home page

KIND_TOWN_NAME = re.compile(r"https?://[^/]+/(?:[\w-]+/){2}(?P<name>[\w-]+)(?:[/?#]|$)")


def match_address(url: str, shape: re.Pattern[str], name: str, behind: str) -> re.Match[str]:
    """Return what an address of a platform holds. `behind`: what stands behind the site in such an address.

    Raises:
        ValueError: it has another shape; the text names the one that it must have.
    """
    if found := shape.match(url):
        return found
    raise ValueError(f"{url} is no {name} address: it must be https://<site>/{behind}")


def api_of(url: str, home: str, name: str) -> str:
    """Return where the API of a site answers, by the page that people open: at `api.` before its host, without a slash.

    `home` is that page, on the site's only host; a stand-in answers where it is opened.

    Raises:
        ValueError: it is any other page. A token for this site's API must go nowhere else.
    """
    parts, host = urlsplit(url), urlsplit(home).netloc
    if parts.scheme == "https" and parts.netloc in (host, f"api.{host}"):
        return f"https://api.{host}"
    if is_loopback(parts.hostname or ""):
        return f"{parts.scheme}://{parts.netloc}"
    raise ValueError(f"{url} is not {name}: write {home}")
