"""Pages of departments, and of the advice for a wish, with the hours of the week in which slots of a desk opened."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import time
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from babel import Locale
from babel.dates import format_time, get_day_names
from babel.numbers import format_decimal
from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import LazyString, get_locale, lazy_gettext

from api.pages.area import Access, Area
from api.pages.choices import (
    PROCEDURE_NAMES,
    find_place,
    find_procedure,
    list_department_options,
    list_places,
    list_procedures,
    search_places,
    write_slug,
)
from api.pages.words import CLASSES, classify_desk, classify_watch, explain_desk, name_website
from api.prefectures.outlook import read_outlook
from api.prefectures.outlook_schemas import HeatCell, OpeningHistory, Outlook, OutlookDesk
from api.prefectures.queries import list_serving_desks, read_prefecture_page
from api.prefectures.schemas import PrefecturePage
from api.web.languages import find_linked_language
from api.web.public_answers import read_cached
from configs.world.desk import Desk, Procedure, WatchLevel
from configs.world.plan import PlanName
from configs.world.prefecture import Prefecture, desks

_LEVELS = 4
_BUSIEST = 3
_AXIS = (0, 6, 12, 18)


@dataclass(frozen=True, slots=True)
class _Words:
    """Names of weekdays, Monday first, and the 24 hours of a day, in one language."""

    days: list[str]
    hours: list[str]


def build_heat_map(cells: Iterable[HeatCell]) -> dict[str, Any] | None:
    """Return the heat map of a desk; None where no slots opened."""
    shown = sorted((cell for cell in cells if cell.openings), key=lambda cell: (cell.weekday, cell.hour))
    if not shown:
        return None
    locale = _locale()
    words = _list_words(locale)
    counts = {each: format_decimal(each, locale=locale) for each in {cell.openings for cell in shown}}
    by_day: dict[str, list[str]] = {}
    for cell in shown:
        hour = f"{words.hours[cell.hour]} ({counts[cell.openings]})"
        by_day.setdefault(words.days[cell.weekday - 1], []).append(hour)
    return {
        "paths": _draw(shown),  # one for each level, 1 to 4
        "days": [get_day_names("abbreviated", locale=locale)[index] for index in range(7)],
        "axis": [words.hours[hour] for hour in _AXIS],
        # Hours of the week with the most openings, in the page's language
        "busiest": [
            _describe(cell, words) for cell in sorted(shown, key=lambda cell: -cell.openings)[:_BUSIEST]
        ],
        "by_day": by_day,  # all hours with openings: `10:00 (3)`
    }


def _draw(cells: list[HeatCell]) -> dict[int, str]:
    most = max(cell.openings for cell in cells)
    paths: dict[int, str] = {}
    for cell in cells:
        level = -(-_LEVELS * cell.openings // most)
        paths[level] = paths.get(level, "") + f"M{cell.hour} {cell.weekday - 1}h1v1h-1z"
    return dict(sorted(paths.items()))


def _describe(cell: HeatCell, words: _Words) -> dict[str, Any]:
    return {
        "weekday": words.days[cell.weekday - 1],
        "begins": words.hours[cell.hour],
        "ends": words.hours[(cell.hour + 1) % 24],
        "openings": cell.openings,
    }


@lru_cache(maxsize=8)
def _list_words(locale: Locale) -> _Words:
    """Return names of weekdays and hours: a page of many desks has thousands of them, and Babel takes its time."""
    names = get_day_names("wide", locale=locale)
    hours = [format_time(time(hour), "short", locale=locale) for hour in range(24)]
    return _Words([names[index] for index in range(7)], hours)


def _locale() -> Locale:
    return get_locale() or Locale("fr")


_l = lazy_gettext
_FEW_OPENINGS = 10
_FEW_DAYS = 14
_NONE_KNOWN = _l("Aucune page de rendez-vous n’est connue pour cette démarche dans ce département.")
_CLOSED = _l("La préfecture a fermé ou déplacé la page de rendez-vous.")
_CAPTCHA = _l(
    "Un captcha cache les créneaux de cette démarche. Nous n’en résolvons aucun : nous ne pouvons avertir personne."
)
_UNWATCHED = _l("Aucune page de cette démarche ne peut être surveillée pour le moment.")
area = Area("advice", __name__)


def read_advice(place: Prefecture, procedure: Procedure) -> dict[str, Any]:
    """Return the advice for a wish."""
    found = read_cached(
        Outlook, f"outlook:{place.id}:{procedure}", lambda s: read_outlook(s, place, procedure)
    )
    views = sorted(map(_build_desk, found.desks), key=lambda view: not view["answer"].is_seen)
    return {
        "outlook": found,
        "watch": classify_watch(len(found.desks), found.watch_level, found.status),
        "desks": views,  # those that are seen first
        "openings": sum(each.history.openings for each in found.desks),  # of all desks
        "reason": _explain(found.desks) if found.unwatched else None,  # why no slots are seen
        "waiting_url": build_register_url(place, procedure),  # where to ask to be told when they are
    }


def read_place(place: Prefecture) -> PrefecturePage:
    """Return a department with its desks and what was seen there lately."""
    return read_cached(PrefecturePage, f"prefecture:{place.id}", lambda s: read_prefecture_page(s, place))


def list_procedures_of(place: Prefecture, page: PrefecturePage) -> list[dict[str, Any]]:
    """Return all procedures with how they are watched at a department, those with desks first."""
    statuses = {desk.id: desk.status for desk in page.desks}
    views = []
    for procedure, name in PROCEDURE_NAMES.items():
        serving = list_serving_desks(place, procedure)
        classes = [classify_desk(desk, statuses[desk.id], is_seen=desk.shows_slots) for desk in serving] or [
            classify_watch(0, WatchLevel.NONE, None)
        ]
        best = min(classes, key=CLASSES.index)
        views.append({"slug": write_slug(procedure), "name": name, "desks": len(serving), "watch": best})
    return sorted(views, key=lambda view: not view["desks"])


def build_register_url(place: Prefecture, procedure: Procedure, plan: PlanName | None = None) -> str:
    """Return the page that opens an account, which keeps wish and plan."""
    wish = {
        "prefecture": place.id,
        "procedure": procedure.value,
        "plan": plan,
        "lang": find_linked_language(),
    }
    return f"/register?{urlencode({name: value for name, value in wish.items() if value})}"


def _build_desk(answer: OutlookDesk) -> dict[str, Any]:
    desk: Desk = desks()[answer.id]
    return {
        "answer": answer,
        "watch": classify_desk(desk, answer.status, is_seen=answer.is_seen),
        "reason": explain_desk(desk, answer.status, is_seen=answer.is_seen),  # why it is not seen
        "website": name_website(desk),
        "heat": build_heat_map(answer.history.cells),
        "is_thin": _is_thin(answer.history),  # its figures rest on few observations
    }


def _is_thin(history: OpeningHistory) -> bool:
    return history.openings < _FEW_OPENINGS or history.watched_days < _FEW_DAYS


def _explain(answers: Sequence[OutlookDesk]) -> LazyString:
    known = [desks()[each.id] for each in answers]
    if not known:
        return _NONE_KNOWN
    if any(desk.shows_slots for desk in known):
        return _CLOSED
    return _CAPTCHA if any(desk.schedulable for desk in known) else _UNWATCHED


@area.page("/departements", Access.PUBLIC)
def list_departments() -> ResponseReturnValue:
    """List all departments, or those that a search means; the form of a wish leads to its advice."""
    wanted, wish = request.args.get("place", ""), request.args.get("procedure", "")
    if not wanted:
        search = request.args.get("q", "")
        return _render_list(search, search_places(search), wish)
    place, procedure = find_place(wanted), find_procedure(wish)
    if place and procedure:
        return redirect(url_for("advice.show_advice", id=place.id, procedure=write_slug(procedure)))
    return (
        redirect(url_for("advice.show_place", id=place.id)) if place and not wish else _answer_unknown(wanted)
    )


@area.page("/departements/<id>", Access.PUBLIC)
def show_place(id: str) -> ResponseReturnValue:
    """Show what is watched in a department, by procedure."""
    place = find_place(id)
    if place is None:
        return _answer_unknown(id)
    if place.id != id:
        return redirect(url_for("advice.show_place", id=place.id), 301)
    page = read_place(place)
    return render_template(
        "advice/place.html", place=place, page=page, procedures=list_procedures_of(place, page)
    )


@area.page("/departements/<id>/<procedure>", Access.PUBLIC)
def show_advice(id: str, procedure: str) -> ResponseReturnValue:
    """Show the advice for a wish: what is watched and how well, when slots open, what an alert costs."""
    place, wish = find_place(id), find_procedure(procedure)
    if place is None or wish is None:
        return _answer_unknown(id if place is None else "")
    slug = write_slug(wish)
    if (place.id, slug) != (id, procedure):
        return redirect(url_for("advice.show_advice", id=place.id, procedure=slug), 301)
    return render_template(
        "advice/advice.html",
        place=place,
        procedure=wish,
        slug=slug,
        name=PROCEDURE_NAMES[wish],
        names=PROCEDURE_NAMES,
        advice=read_advice(place, wish),
        register_url=lambda plan: build_register_url(place, wish, plan),
    )


def _render_list(search: str, found: list[Prefecture], wish: str = "", *, unknown: bool = False) -> str:
    procedure = find_procedure(wish)
    return render_template(
        "advice/departments.html",
        unknown=unknown,
        search=search[:80],
        found=found,
        places=list_places(),
        departments=list_department_options(),
        procedures=list_procedures(),
        chosen=write_slug(procedure) if procedure else "",
    )


def _answer_unknown(wanted: str) -> ResponseReturnValue:
    """Return the page for a department or procedure that does not exist, with a search."""
    found = search_places(wanted.partition("_")[0]) if wanted else []
    return _render_list("", found, unknown=True), 404
