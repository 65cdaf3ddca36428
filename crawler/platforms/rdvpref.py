"""rdvpref, the prefectures' present booking site: `/rdvpref/reservation/demarche/<id>/`.

A captcha precedes the slots, and nothing is ever sent: a check proves that the procedure exists. If a slot page is
given, it is read; its hours are in the state that it carries for its own script.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from lxml import etree
from lxml.html import HtmlElement

from crawler.parsing.absence import Statement, check_page, doubt_of
from crawler.parsing.dates import day_of, days_from, moment_in_figures, moment_of, moments_behind
from crawler.parsing.error_pages import read_error_status
from crawler.parsing.hidden_parts import CONCEALED, HIDDEN, UNSEEN
from crawler.parsing.html_text import rendered_text, title
from crawler.parsing.json_calendar import Listing, read_self_contained_listing
from crawler.parsing.no_slot_phrases import speaks_of_page_trouble
from crawler.parsing.normal_form import contains_phrase, normalize
from crawler.platforms import Platform, match_address
from crawler.reading import ANYWHERE, Outcome, Page, PageRequest, Reading, Release, Slot, VisitContext

_ADDRESS = re.compile(r"(?P<root>https?://[^/]+(?:/[^?#]*?)?/reservation/demarche/\d+)(?![\w-])/?")

_ACTION = re.compile(r"/_\w")  # `/_validerCaptcha` and all other actions
_LANDING = re.compile(r"(?i)que souhaitez-vous faire")
_CHOICES = ("Prendre un rendez-vous", "Gérer mes rendez-vous")  # the landing page's links
_CONDITIONS_PATH = re.compile(r"/cgu/?$")
_SLOTS = re.compile(r"(?i)choisissez votre créneau")
_MOST_FORMS = 20
# The calendar is in the form that submits an hour.
_BOX = etree.XPath(f"(//form)[position() <= {_MOST_FORMS + 1}][not({HIDDEN})]")
_FIRST = "premiereDispo"  # part of the next availability's key, which is `datePremiereDispo` in `critere`
_ASIDE = (
    "ancestor::*[self::aside or self::details or self::blockquote or self::dialog or self::footer"
    " or @role='dialog']"
)
_SAID = etree.XPath(
    "descendant-or-self::*[text()[contains(., 'Aucun créneau') or contains(., 'réessayer')"
    " or contains(., 'mise en ligne') or contains(., 'Prochaine disponibilité')]"
    f"[not({HIDDEN} or {_ASIDE})]]"
)
_CONDITIONS = re.compile(r"(?i)constituez votre dossier")
_CAPTCHA = (
    "//*[self::rdv-captchetat or @name='captchaUsercode' or @name='captchaId'"
    " or self::button[contains(@formaction, '_validerCaptcha')]]"
)
_OFF = f"@disabled or @type='hidden' or ancestor::fieldset[@disabled] or {UNSEEN} or ancestor::*[{CONCEALED}]"
_HOURS = f"//input[@name='trhId'][starts-with(@id, 'trhId_')][not({_OFF})]"
_STATE = "vui-init-data"
_PUBLISHED = "instantPublication"  # of a release: no slot's moment
_NONE_LEFT = "Aucun créneau disponible à partir de cette date"
_NEXT = "Prochaine disponibilité"
_RELEASE = "Prochaine mise en ligne de nouveaux rendez-vous"
_RELEASED = "Dernière mise en ligne de rendez-vous"
_IN_WORDS = re.compile(
    r"mise en ligne de (?:nouveaux )?rendez-vous : le (\d\d/\d\d/\d{4}) à (\d\d:\d\d)\W+"
    r"pour des créneaux de la semaine du (\d\d/\d\d/\d{4})"
)
_LATER = "Veuillez réessayer ultérieurement"
# In the page's `uiMessageStack`: what the server could not do
_ERRORS = ("globalErrors", "objectFieldErrors")


class Rdvpref(Platform):
    """rdvpref, the prefectures' present booking site."""

    SYSTEM = "prefenligne"
    COST = 2  # the landing page and the captcha's
    EXAMPLE = "https://www.rdv-prefecture.interieur.gouv.fr/rdvpref/reservation/demarche/1/"
    WATCH = "people"
    ADDRESS = _ADDRESS
    MARKS = (
        "//rdv-captchetat",
        "//input[@name='trhId']",
        "//script[@id='vui-init-data'][contains(., 'trhId')]",
    )

    def first_request(self, visit: VisitContext) -> PageRequest:
        """Return the request for the landing page."""
        return PageRequest(f"{_root(visit)}/", "landing")

    def read_page(self, page: Page) -> Reading:
        """Read any page of this platform."""
        root, own = _root(page.visit), _ADDRESS.match(page.url)
        behind = page.url[own.end() :] if own and own["root"] == root else None
        entry = behind is not None and behind[:1] in ("", "?", "#", ";")
        if error := read_error_status(page, entry=entry, gone="there is no such procedure"):
            return error
        told = page.shown
        if (reading := _slots(page, _calendar(page))) or behind is None:
            return reading or Reading()
        if page.root.xpath(_CAPTCHA):
            return Reading(Outcome.CAPTCHA, f"captcha: {title(page.root)}")
        if _CONDITIONS.search(title(page.root)):
            return Reading(
                reason="no captcha stands before the slots", asks=(PageRequest(f"{root}/creneau/", "slots"),)
            )
        if _LANDING.search(f"{title(page.root)} {told}") or all(
            contains_phrase(told, each) for each in _CHOICES
        ):
            return Reading(reason="the procedure exists", asks=(PageRequest(f"{root}/cgu/", "conditions"),))
        return Reading()

    def is_forbidden(self, url: str, method: str) -> bool:
        """Forbid requests that submit a captcha or take a slot."""
        return method != "GET" or _ACTION.search(urlsplit(url).path) is not None


def _root(visit: VisitContext) -> str:
    return match_address(visit.url, _ADDRESS, "rdvpref", "rdvpref/reservation/demarche/<id>/")["root"]


def _calendar(page: Page) -> list[HtmlElement]:
    """Return the calendar's forms; none on other pages, which can only quote its sentences."""
    ours = _SLOTS.search(title(page.root)) and not _CONDITIONS_PATH.search(urlsplit(page.url).path)
    return list(_BOX(page.root)) if ours else []


def _stands(texts: list[str], sentence: str) -> bool:
    """Tell whether one of these texts begins with a sentence: after other words it may be a quote."""
    return any(normalize(text).startswith(normalize(sentence)) for text in texts)


def _slots(page: Page, boxes: list[HtmlElement]) -> Reading | None:
    """Read the slot page: its state, and the text that its script rendered if a browser saved the page."""
    if len(boxes) > _MOST_FORMS:
        return Reading(Outcome.UNREADABLE, f"shows more than {_MOST_FORMS} forms, which no page does")
    data, visit, told = read_state(page), page.visit, " ".join(map(rendered_text, boxes))
    parts = [each for box in boxes for each in _SAID(box)]
    said = [rendered_text(each) for each in parts]
    whole = [each for each in said if not doubt_of(each, _NONE_LEFT)]
    free, none_left = rows(data), _stands(whole, _NONE_LEFT) or _hides_calendar(data, said)
    first = values_called(data, _FIRST)
    named = [_moment(each, visit) for each in first if each not in (None, "")]
    ahead = [each for each in said if normalize(each).startswith(normalize(_NEXT))]
    named += [moment for each in ahead for moment in moments_behind(_NEXT, each, visit)]
    if _NEXT in told and not ahead:
        named.append(None)  # a quote, or an unknown form of it
    if not free and page.root.xpath(_HOURS):
        return Reading(Outcome.SLOTS, "hours can be chosen", (Slot(ANYWHERE, None, visit.url),))
    if not free and None in named:
        return Reading(Outcome.UNREADABLE, "names a next availability that cannot be read")
    # Several states, or half of one: the words may belong to another page.
    unread = "trhId" in page.text or (data is None and _STATE in page.text) or not (named or none_left)
    if not free and [] not in values(data, "tranches") and unread:
        return None
    found = Listing(
        [moment_in_figures(row.get("dateLocale"), row.get("minutesDebut"), visit.zone) for row in free],
        next_at=min(filter(None, named), key=lambda each: day_of(each, visit.zone), default=None),
        final=none_left or only(data, "isCurrentMaxWeek") is True or "" in first,
        # The site's framework writes a release in ISO since March 2025.
        others=sum(isinstance(each, str) and each[4:5] == "-" for each in values(data, _PUBLISHED)),
    )
    window = days_from(ANYWHERE, only(data, "premierJour"), only(data, "nombreDeJour"))
    reading = read_self_contained_listing(page, found, window, data, said=none_left)
    if reading.outcome is Outcome.NO_SLOTS and (doubt := _doubt(page, parts, told)):
        return Reading(Outcome.UNREADABLE, f"{reading.reason}, {doubt}")
    publications = tuple(_publications(data, told, visit))
    return replace(reading, releases_at=_release(data, told, visit), publications=publications)


def _doubt(page: Page, parts: list[HtmlElement], told: str) -> str:
    """Return why a page without hours proves no absence: an error, or a next availability in words of its own."""
    stack = _read_script(page).get("uiMessageStack")
    if any(each for key in _ERRORS for each in values(stack, key)):
        return "beside an error of the server"
    if trouble := speaks_of_page_trouble(told, _NONE_LEFT):
        return f"beside words of trouble: {trouble!r}"
    known = tuple(map(normalize, (_RELEASE, _RELEASED, _NEXT)))
    aside = [each for each in parts if normalize(rendered_text(each)).startswith(known)]
    return check_page(page, Statement(_NONE_LEFT), aside).doubt


def _moment(value: Any, visit: VisitContext) -> date | None:
    return moment_of(value, None, visit) if isinstance(value, str) else None


def _hides_calendar(data: Any, said: list[str]) -> bool:
    """Tell whether the page shows the next release of hours instead of a calendar: then no hour can be chosen."""
    by_words = _stands(said, _LATER) and (_stands(said, _RELEASE) or _stands(said, _RELEASED))
    return only(data, "isDisplayCalendar") is False or by_words


def _release(data: Any, told: str, visit: VisitContext) -> datetime | None:
    """Return the next release of hours, if the page names it."""
    planned = only(data, "prochainePub")
    text = planned.get(_PUBLISHED) if isinstance(planned, dict) else None
    said: list[date | None] = [_moment(text, visit)] if text else moments_behind(_RELEASE, told, visit)
    return next((moment for moment in said if isinstance(moment, datetime)), None)


def _publications(data: Any, told: str, visit: VisitContext) -> Iterator[Release]:
    """Yield the last and the next release of hours with their days, by the state or by the page's words.

    The words name the first day of a week.
    """
    for key in ("precedentePub", "prochainePub"):
        planned = only(data, key)
        if isinstance(planned, dict):
            at, *days = (_moment(planned.get(each), visit) for each in (_PUBLISHED, "dateMin", "dateMax"))
            first, last = (each if type(each) is date else None for each in days)
            if isinstance(at, datetime) and first and last:
                yield Release(at, first, last)
    for day, hour, monday in _IN_WORDS.findall(told):
        at, week = moment_in_figures(day, hour, visit.zone), moment_in_figures(monday, None, visit.zone)
        if isinstance(at, datetime) and type(week) is date:
            yield Release(at, week, week + timedelta(days=6))


# The JSON state in a page's script is searched by key: its nesting differs from page to page.


def read_state(page: Page) -> Any:
    """Return `vueData` of the JSON object in the page's only script of its state; None without it."""
    return _read_script(page).get("vueData")


def _read_script(page: Page) -> dict[str, Any]:
    if _STATE.encode() not in page.body:
        return {}
    found = page.root.xpath(f"//script[@id='{_STATE}'][not({UNSEEN})]")
    try:
        state = json.loads(found[0].text or "") if len(found) == 1 else None
    except (ValueError, RecursionError):
        return {}
    return state if isinstance(state, dict) else {}


def values(state: Any, key: str) -> list[Any]:
    """Return every value of a key, at any depth."""
    return [each[key] for each in _nodes(state) if isinstance(each, dict) and key in each]


def values_called(state: Any, words: str) -> list[Any]:
    """Return every value, at any depth, whose key contains these words in any case."""
    nodes = (each for each in _nodes(state) if isinstance(each, dict))
    return [value for each in nodes for key, value in each.items() if words.lower() in key.lower()]


def only(state: Any, key: str) -> Any:
    """Return the value of a key if all its values are equal; None without one, or with several."""
    found = values(state, key)
    return found[0] if found and all(value == found[0] for value in found) else None


def rows(state: Any) -> list[dict[str, Any]]:
    """Return the hours: list items with `trhId`, in their order, each once.

    Two are the same by their own values, without their inner lists and objects: those are rows of their own.
    """
    once: dict[frozenset[tuple[str, str]], dict[str, Any]] = {}
    for row in (row for each in _nodes(state) if isinstance(each, list) for row in each):
        if isinstance(row, dict) and "trhId" in row:
            own = {key: repr(value) for key, value in row.items() if not isinstance(value, dict | list)}
            once.setdefault(frozenset(own.items()), row)
    return list(once.values())


def _nodes(state: Any) -> Iterator[Any]:
    waiting = [state]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, dict):
            waiting += reversed(node.values())
        elif isinstance(node, list):
            waiting += reversed(node)
