"""Any page that embeds a calendar of the Doctolib booking system, in a frame or by a script.

The page itself proves only where the calendar is; the visit goes on there.
"""

import re
from contextlib import suppress
from typing import ClassVar

from crawler.parsing.embedded_platform import Handover
from crawler.parsing.error_pages import WALL_SCRIPTS, read_error_status
from crawler.platform_base import Platform
from crawler.reading import Page, PageRequest, Reading, VisitContext

_LATER = "substring(name(), string-length(name()) - 3) = '-src'"  # a frame that a script loads later
_SOURCES = f"//*[self::iframe or self::script]/@*[name()='src' or {_LATER} and parent::iframe]"
_ADDRESS = re.compile(r"https?://[^\s\"'<>\\]+")
_MOST = 100


class Widget(Platform):
    """A page that embeds the calendar of another platform of this booking system."""

    SYSTEM = "doctolib"
    COST = 3  # this page, and the cheapest visit of the embedded platform
    EXAMPLE = "https://www.prefecture.invalid/rendez-vous"
    EXAMPLE_PARAMETERS: ClassVar = {"platform": "doctolib", "parameters": {"motives": [1]}}
    Parameters = Handover

    def first_request(self, visit: VisitContext) -> PageRequest:
        """Return the request for the page."""
        return PageRequest(visit.url, "page")

    def read_page(self, page: Page) -> Reading:
        """Return the addresses of frames and scripts, then those inside scripts; without bot walls' scripts."""
        if error := read_error_status(page):
            return error
        sources = [str(source) for source in page.root.xpath(_SOURCES)]
        scripts = (str(text).replace("\\/", "/") for text in page.root.xpath("//script[not(@src)]/text()"))
        found = dict.fromkeys(sources + [address for text in scripts for address in _ADDRESS.findall(text)])
        frames = []
        for source in [each for each in found if not WALL_SCRIPTS.search(each)][:_MOST]:
            with suppress(ValueError):  # http://[ is no address
                frames.append(page.link(source))
        return Reading(reason=f"embeds {len(frames)} addresses", frames=tuple(frames))
