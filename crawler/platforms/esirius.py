"""eSirius (eAppointment, by ESII): a page of motives, then a DWR call that says whether a motive has availabilities.

The answer has no hours, so a slot is `open`. The call is one of the site's own script that reserves nothing;
`dwr/` has others that do.
"""

import re
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator

from configs.ground.strict_model import Strict
from configs.ground.text import pluralize
from configs.world.desk import Text
from crawler.parsing.absence import doubt_of
from crawler.parsing.dwr import CALL_PATH, CallFailed, read_reply, write_call
from crawler.parsing.error_pages import read_error_status
from crawler.parsing.html_text import choices
from crawler.parsing.json_models import Key
from crawler.parsing.no_slot_phrases import says_none
from crawler.parsing.normal_form import collapse_whitespace, contains_phrase
from crawler.platforms import Platform, match_address
from crawler.reading import CoveredWindow, Outcome, Page, PageRequest, Place, Reading, Slot, VisitContext

_ADDRESS = re.compile(r"(?P<root>https?://[^/?#]+/[^?#;]*?)/(?:appointment\.do|element/jsp/)\S*$")
_PAGE = "/element/jsp/appointment.jsp"
_CALL = "AjaxMotive.motiveMultiSiteSubmit"
_MOST = 50  # motives
_MOTIVES = "selectedMotiveKeyList"
_CAPTCHA = "//img[contains(@src, '/captcha?') or starts-with(@src, 'captcha?')]"


class EsiriusParameters(Strict):
    """`motives`: their keys (none: all on the page), each with its own request.

    `no_slot_text`: this site's own words for no slots, if it has any.
    """

    motives: tuple[Annotated[Key, BeforeValidator(str)], ...] = ()
    no_slot_text: Text | None = None


class Esirius(Platform):
    """eSirius, also called eAppointment, by ESII."""

    SYSTEM = "custom"
    COST = 3  # the entry, the page it redirects to, one call
    EXAMPLE = "https://rdv.prefecture.invalid/eAppointment/appointment.do?sitekey=S1"
    ADDRESS = _ADDRESS
    MARKS = (f"//input[@name='{_MOTIVES}']",)
    Parameters = EsiriusParameters

    def first_request(self, visit: VisitContext) -> PageRequest:
        """Return the request for the entry, which opens the session and chooses the site."""
        _root(visit)
        return PageRequest(visit.url, "entry")

    def read_page(self, page: Page) -> Reading:
        """Read the entry, the page of motives, or the answer to a call."""
        if error := read_error_status(page, entry=page.ask.step == "entry"):
            return error
        return _page(page) if page.is_html else _read_reply(page)

    def is_forbidden(self, url: str, method: str) -> bool:
        """Forbid all requests that send something, except the call."""
        path = urlsplit(url).path
        return not path.endswith(f"{CALL_PATH}{_CALL}.dwr") and (method != "GET" or "/dwr/call/" in path)


def _root(visit: VisitContext) -> str:
    return match_address(visit.url, _ADDRESS, "eSirius", "<name>/appointment.do")["root"]


def _page(page: Page) -> Reading:
    if offered := choices(page.root, _MOTIVES):
        return _choice(page, offered)
    if page.root.xpath(_CAPTCHA):
        return Reading(Outcome.CAPTCHA, "a picture to be read stands before the motives")
    if page.ask.step == "entry":
        return Reading(reason="the entry", asks=(PageRequest(f"{_root(page.visit)}{_PAGE}", "motives"),))
    return Reading()


def _choice(page: Page, offered: Mapping[str, str | None]) -> Reading:
    """Request each motive of this desk."""
    wanted = page.visit.parameters
    keys = [key for key in offered if key in (wanted.motives or offered)]
    if not keys or len(keys) > _MOST:
        return Reading(
            Outcome.UNREADABLE, f"of {pluralize(len(offered), 'motive')} {len(keys)} are this desk's"
        )
    root = _root(page.visit)
    url, caller = f"{root}{CALL_PATH}{_CALL}.dwr", urlsplit(root).path + _PAGE
    asks = tuple(
        PageRequest(
            url,
            "call",
            "POST",
            text=write_call(caller, _CALL, False, {key: 1}),  # noqa: FBT003 -- the server's own place first
            place=Place(key, offered[key]),
            rank=rank,
        )
        for rank, key in enumerate(page.visit.in_turn(keys))
    )
    return Reading(reason=f"{len(keys)} of {pluralize(len(offered), 'motive')}", asks=asks)


def _says_own(message: str, own: str) -> bool:
    """Tell whether a message says the site's own words for none of all that was asked: a motive."""
    return contains_phrase(message, own) and not doubt_of(message, own, asked="motifs?")


def _read_reply(page: Page) -> Reading:
    try:
        value, place = read_reply(page.text), page.ask.place
    except CallFailed as failure:
        return Reading(Outcome.UNREADABLE, f"DWR answers with {failure}")
    except (ValueError, LookupError, TypeError, RecursionError):
        return Reading()
    found = value.get("foundAvailabilities") if isinstance(value, dict) else None
    if found is True:
        return Reading(Outcome.SLOTS, "availabilities, no hour named", (Slot(place, None, page.visit.url),))
    words = value.get("msg") if isinstance(value, dict) else None
    message = collapse_whitespace(words) if isinstance(words, str) else ""
    own = page.visit.parameters.no_slot_text
    if found is False and (says_none(message, every_day=True) or (own and _says_own(message, own))):
        return Reading(Outcome.NO_SLOTS, message, covered=(CoveredWindow(place.key or None),))
    if found is False:
        return Reading(Outcome.UNREADABLE, f"finds nothing, and says {message[:200]!r}")
    return Reading()
