"""Citopia (rendezvousonline.fr): a session first, then the weeks of a structure. Hours are wall clocks of the place."""

import json
import re
from typing import Annotated
from urllib.parse import urlencode

from pydantic import Field
from w3lib.url import url_query_parameter

from configs.strict import Strict
from crawler.parsing.answers import ACCEPT, Answer, Day, Id, OrNone, Wall, origin, parsed
from crawler.parsing.calendars import instant_of
from crawler.parsing.listing import Listing, Opens, first_window, listed
from crawler.parsing.shapes import PAGE, shaped
from crawler.reading import Ask, Covered, Outcome, Page, Reading, Visit

SYSTEM = "custom"
COST = 2  # the session, the first week
EXAMPLE = "https://rendezvousonline.fr/alias/exemple-75004"
EXAMPLE_PARAMETERS = {"structure": 1, "reason": 1}

_DAYS = 7
_SESSION = "session_id"
_TRACES = 3  # texts of a taken hour that look like a moment, at most
# What a message says where there is nothing: any other is no answer.
_NONE = re.compile(
    r"(?i)\b(?:aucune?|(?:plus|pas) (?:de|d['\u2019]))\s?(?:cr[ée]neau|disponib|rendez-vous|horaire|plage)"
)


class Parameters(Strict):
    """Citopia's numbers of the structure and of what people come for, and how many people come."""

    structure: Id
    reason: Id
    people: Id = 1


class _Session(Answer):
    session_id: Annotated[str, Field(min_length=1, max_length=200)]


class _Message(Answer, extra="forbid"):
    message: str


class _Hour(Answer):
    free: bool = Field(alias="is_visible")
    start: OrNone[Wall] = Field(None, alias="start_at")


class _Day(Answer):
    date: Day
    availabilities: list[OrNone[_Hour]]


def first(visit: Visit) -> Ask:
    """Ask for a session: the weeks are not shown without one."""
    shaped(visit.url, PAGE, "Citopia", "alias/<name>")
    return Ask(f"{_api(visit)}/auth/session", "session", headers=ACCEPT)


def read(page: Page) -> Reading:
    """Read a session, a week, or the message that there is nothing."""
    if session := parsed(page, _Session):
        week = first_window(page.visit, _opens(session.session_id), _DAYS)
        return Reading(reason="a session has begun", asks=(week,))
    opens = _opens(url_query_parameter(page.ask.url, _SESSION) or "")
    if message := parsed(page, _Message):
        if _NONE.search(message.message):
            return listed(page, Listing(), opens, _DAYS)
        return Reading(Outcome.UNREADABLE, f"says {message.message[:200]!r}")
    days = parsed(page, dict[str, _Day])
    return listed(page, _listing(page, list(days.values())), opens, _DAYS) if days else Reading()


def _listing(page: Page, days: list[_Day]) -> Listing:
    hours = [hour for day in days for hour in day.availabilities]
    free = [hour for hour in hours if not hour or hour.free]
    moments = [instant_of(hour.start, page.visit.zone) if hour and hour.start else None for hour in free]
    shown = [day.date for day in days]
    others = _TRACES * (len(hours) - len(free))
    return Listing(moments, begins=min(shown), last=max(shown), others=others)


def _opens(session: str) -> Opens:
    def ask(visit: Visit, window: Covered) -> Ask:
        desk = visit.parameters
        reasons = json.dumps({f"{desk.reason}": desk.people}, separators=(",", ":"))
        asked = {_SESSION: session, "reasons": reasons, "date": window.first, "direction": 1}
        where = f"{_api(visit)}/structures/{desk.structure}/availabilities/week"
        return Ask(f"{where}?{urlencode(asked)}", "week", headers=ACCEPT)

    return ask


def _api(visit: Visit) -> str:
    return origin(visit.url).replace("//rendezvousonline.", "//pro.rendezvousonline.") + "/api-web"
