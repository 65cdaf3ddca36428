"""Embedded booking pages: the address of another platform's page in a frame or script of a page.

Such a page proves nothing by itself. A desk's file names the embedded address.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

from crawler.platforms import at_home, platforms
from crawler.reading import Page

_LATER = "substring(name(), string-length(name()) - 3) = '-src'"  # a frame that a script loads later
_SOURCES = f"//*[self::iframe or self::script]/@*[name()='src' or {_LATER} and parent::iframe]"
_ADDRESS = re.compile(r"https?://[^\s\"'<>\\]+")
_MOST = 100


def find_embedded(page: Page) -> str | None:
    """Return the first address of a platform's page that a page embeds: by a frame, a script, or inside a script."""
    return next((each for each in _embedded_addresses(page) if _is_platforms(each, page)), None)


def _embedded_addresses(page: Page) -> Iterator[str]:
    found = list(map(str, page.root.xpath(_SOURCES)))
    for text in page.root.xpath("//script[not(@src)]/text()"):
        found += _ADDRESS.findall(str(text).replace("\\/", "/"))
    for source in found[:_MOST]:
        with suppress(ValueError):  # http://[ is no address
            yield page.link(source)


def _is_platforms(url: str, page: Page) -> bool:
    """Tell whether an address is a platform's, and none of the page's own site."""
    if urlsplit(url).hostname == urlsplit(page.url).hostname:
        return False
    return any(
        reader.ADDRESS.match(url) if reader.ADDRESS else at_home(reader, url)
        for reader in platforms().values()
    )
