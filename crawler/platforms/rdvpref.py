"""rdvpref, the prefectures' present booking site: `/rdvpref/reservation/demarche/<id>/`.

A captcha stands before the slots, and nothing is ever sent here: a check proves that the procedure exists. The slot
page is read where it is given; its hours stand in the state that it carries for its own script.
"""

import json
import re
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from crawler.parsing.calendars import days_from, french_day, french_moment
from crawler.parsing.errors import error_of
from crawler.parsing.listing import Listing, listed
from crawler.parsing.markup import UNSEEN, rendered, title
from crawler.parsing.state import embedded, only, rows, values
from crawler.reading import ANYWHERE, Ask, Outcome, Page, Reading, Slot, Visit

SYSTEM = "prefenligne"
COST = 2  # the landing page and the captcha's
WATCH = "presence"
EXAMPLE = "https://www.rdv-prefecture.interieur.gouv.fr/rdvpref/reservation/demarche/1/"
ADDRESS = re.compile(r"(?P<root>https?://[^/]+(?:/[^?#]*?)?/reservation/demarche/\d+)(?![\w-])/?")
MARKS = ("//rdv-captchetat", "//input[@name='trhId']", "//script[@id='vui-init-data'][contains(., 'trhId')]")

_ACTION = re.compile(r"/_\w")  # `/_validerCaptcha`, and whatever else does something
_LANDING = re.compile(r"(?i)que souhaitez-vous faire|\baccueil\b")
_CONDITIONS = re.compile(r"(?i)constituez votre dossier")
_HOURS = f"//input[@name='trhId'][starts-with(@id, 'trhId_')][not({UNSEEN})]"
_STATE = "vui-init-data"
_NONE_LEFT = "Aucun créneau disponible à partir de cette date."
_NEXT = re.compile(r"Prochaine disponibilité le (\d\d/\d\d/\d{4})")
_INSTANT = re.compile(r"(\d\d/\d\d/\d{4}) (\d\d:\d\d)")
_RELEASE = re.compile(r"Prochaine mise en ligne de nouveaux rendez-vous : le (\d\d/\d\d/\d{4}) à (\d\d:\d\d)")
_WEEK = 7


def forbidden(url: str, method: str) -> bool:
    """Tell whether this request does more than look: submits a captcha, takes a slot."""
    return method != "GET" or _ACTION.search(urlsplit(url).path) is not None


def first(visit: Visit) -> Ask:
    """Ask for the landing page."""
    return Ask(f"{_root(visit)}/", "landing")


def read(page: Page) -> Reading:
    """Read any page of this platform; the walls met the captcha's before."""
    root = _root(page.visit)
    if error := error_of(page, entry=page.url.rstrip("/") == root, gone="there is no such procedure"):
        return error
    if (reading := _slots(page)) or not page.url.startswith(f"{root}/"):
        return reading or Reading()
    if _CONDITIONS.search(title(page.root)):
        return Reading(reason="no captcha stands before the slots", asks=(Ask(f"{root}/creneau/", "slots"),))
    if _LANDING.search(f"{title(page.root)} {rendered(page.root)}"):
        return Reading(reason="the procedure exists", asks=(Ask(f"{root}/cgu/", "conditions"),))
    return Reading()


def _root(visit: Visit) -> str:
    if found := ADDRESS.match(visit.url):
        return found["root"]
    raise ValueError(f"{visit.url} is no rdvpref address: it must be {EXAMPLE} with another number")


def _slots(page: Page) -> Reading | None:
    """Read the slot page: its state, and what its script made of it where a browser saved the page."""
    state, told = embedded(page, _STATE), rendered(page.root)
    data = state.get("vueData") if isinstance(state, dict) else None
    free, named, none_left = rows(data, "trhId"), _NEXT.search(told), _NONE_LEFT in told
    if not free and page.root.xpath(_HOURS):
        return Reading(Outcome.SLOTS, "hours can be chosen", (Slot(ANYWHERE, None, page.visit.url),))
    broken = (
        state is None and _STATE in page.text
    )  # several, or half of one: the words beside it may not be its own
    unread = "trhId" in page.text or broken or not (named or none_left)
    if not free and [] not in values(data, "tranches") and unread:
        return None
    found = Listing(
        [french_moment(row.get("dateLocale"), row.get("minutesDebut"), page.visit.zone) for row in free],
        next_at=french_day(only(data, "premiereDispo")) or (french_day(named[1]) if named else None),
        final=none_left or only(data, "isCurrentMaxWeek") is True or "" in values(data, "premiereDispo"),
    )
    window = days_from(ANYWHERE, only(data, "premierJour"), only(data, "nombreDeJour"))
    alone = replace(page, ask=replace(page.ask, window=window), body=json.dumps(data).encode())
    reading = replace(listed(alone, found, None, _WEEK), releases_at=_release(data, told, page.visit.zone))
    timed = all(slot.starts_at for slot in reading.slots) or not free
    return reading if timed and (window or (none_left and not free)) else replace(reading, covered=())


def _release(data: Any, told: str, zone: ZoneInfo) -> datetime | None:
    """Return when more hours will be put on line, where the page says so."""
    planned = only(data, "prochainePub")
    text = planned.get("instantPublication") if isinstance(planned, dict) else None
    found = _INSTANT.fullmatch(text) if isinstance(text, str) else _RELEASE.search(told)
    moment = french_moment(found[1], found[2], zone) if found else None
    return moment if isinstance(moment, datetime) else None
