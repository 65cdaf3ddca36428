"""A page of anybody's that embeds a calendar of this family, in a frame or by a script: the calendar is asked.

The page itself proves nothing but where the calendar is.
"""

import re
from contextlib import suppress

from crawler.parsing.embedded_platform import Handover
from crawler.parsing.error_pages import WALL_SCRIPTS, read_error_status
from crawler.reading import Page, PageRequest, Reading, VisitContext

SYSTEM = "doctolib"
COST = 3  # this page, and the cheapest visit of what it embeds
EXAMPLE = "https://www.prefecture.invalid/rendez-vous"
EXAMPLE_PARAMETERS = {"platform": "doctolib", "parameters": {"motives": [1]}}
Parameters = Handover

_LATER = "substring(name(), string-length(name()) - 3) = '-src'"  # a frame that a script fills in later
_SOURCES = f"//*[self::iframe or self::script]/@*[name()='src' or {_LATER} and parent::iframe]"
_ADDRESS = re.compile(r"https?://[^\s\"'<>\\]+")
_MOST = 100


def first(visit: VisitContext) -> PageRequest:
    """PageRequest for the page."""
    return PageRequest(visit.url, "page")


def read(page: Page) -> Reading:
    """Name what it embeds: the frames' and scripts' addresses, then those written inside scripts; none of a wall's."""
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
