"""Pages of departments, and of the advice for a wish."""

from typing import Any

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext

from api.admin.activity import count_step
from api.models.watchability import Hindrance, is_unseen
from api.outlook.queries import read_outlook
from api.outlook.schemas import Outlook, OutlookDesk
from api.pages.area import Access, Area
from api.pages.choices import (
    PROCEDURE_NAMES,
    find_place,
    find_procedure,
    list_place_options,
    list_places,
    list_procedures,
    search_places,
    write_slug,
)
from api.pages.heat_map import build_heat_map
from api.pages.targets import list_targets
from api.pages.words import CLASSES, UNKNOWN, classify_watch, explain_desk, name_website
from api.prefectures.queries import list_serving_desks, read_prefecture_page
from api.prefectures.schemas import PrefecturePage
from api.web.languages import find_linked_language
from api.web.public_answers import read_cached
from configs.world.desk import Procedure
from configs.world.other_ways import list_other_ways
from configs.world.prefecture import Prefecture, desks

_l = lazy_gettext
_FOREIGNERS = {Procedure.TITRE_SEJOUR, Procedure.NATURALISATION, Procedure.VISA, Procedure.AUTRE}
_FEW_OPENINGS = 10
_FEW_DAYS = 14
_NONE_KNOWN = _l("Aucune page de rendez-vous n’est connue pour cette démarche dans ce département.")
area = Area("advice", __name__)


def read_advice(place: Prefecture, procedure: Procedure) -> dict[str, Any]:
    """Return the advice for a wish."""
    found = read_cached(
        Outlook, f"outlook:{place.id}:{procedure}", lambda s: read_outlook(s, place, procedure)
    )
    views = sorted(map(_build_desk, found.desks), key=lambda view: CLASSES.index(view["watch"]))
    return {
        "outlook": found,
        "watch": views[0]["watch"] if views else UNKNOWN,
        "desks": views,  # those that are nearest to be watchable first
        "facts_watch": classify_watch(found.facts),  # of all its desks
        "targets": list_targets(place, [procedure], {each.id: each for each in found.desks}),
        # Why none are seen
        "reason": (views[0]["reason"] if views else _NONE_KNOWN) if found.unwatched else None,
        # What helps without a watch
        "ways": list_other_ways(procedure) if found.unwatched else [],
        # Desks that people watch, where checks see nothing
        "read_desks": [each for each in found.desks if each.not_watchable is Hindrance.PEOPLE]
        if found.unwatched
        else [],
        "is_foreigners": procedure in _FOREIGNERS,
        # Where to ask to be told when they are
        "waiting_url": url_for("waiting.ask_address", id=place.id, procedure=write_slug(procedure)),
    }


def list_procedures_of(place: Prefecture, page: PrefecturePage) -> list[dict[str, Any]]:
    """Return all procedures with how they are watched at a department, those with desks first."""
    answers = {desk.id: classify_watch(desk) for desk in page.desks}
    views = []
    for procedure, name in PROCEDURE_NAMES.items():
        serving = list_serving_desks(place, procedure)
        classes = [answers[desk.id] for desk in serving]
        best = min(classes, key=CLASSES.index, default=UNKNOWN)
        views.append({"slug": write_slug(procedure), "name": name, "desks": len(serving), "watch": best})
    return sorted(views, key=lambda view: not view["desks"])


def _build_desk(answer: OutlookDesk) -> dict[str, Any]:
    desk, history = desks()[answer.id], answer.history
    return {
        "answer": answer,
        "watch": classify_watch(answer),
        "is_folded": is_unseen(answer.not_watchable),  # nobody watches it: one of a folded list
        "reason": explain_desk(desk, answer.not_watchable),  # why it is not seen
        "website": name_website(desk),
        "heat": build_heat_map(history.cells),
        # Its figures rest on few observations
        "is_thin": history.openings < _FEW_OPENINGS or history.watched_days < _FEW_DAYS,
    }


@area.page("/departements", Access.PUBLIC)
def list_departments() -> ResponseReturnValue:
    """List all departments, or those that a search means; the form of a wish leads to its advice."""
    wanted, wish = request.args.get("place", ""), request.args.get("procedure", "")
    if wanted or request.args.get("q"):
        count_step("search")
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
    place = find_place(id)
    if place is None:
        return _answer_unknown(id)
    if place.id != id:
        return redirect(url_for("advice.show_place", id=place.id), 301)
    page = read_cached(PrefecturePage, f"prefecture:{place.id}", lambda s: read_prefecture_page(s, place))
    return render_template(
        "advice/place.html",
        place=place,
        page=page,
        procedures=list_procedures_of(place, page),
        names=PROCEDURE_NAMES,
    )


@area.page("/departements/<id>/<procedure>", Access.PUBLIC)
def show_advice(id: str, procedure: str) -> ResponseReturnValue:
    """Show the advice for a wish: what is watched and how well, when slots open, what an alert costs."""
    place, wish = find_place(id), find_procedure(procedure)
    if place is None or wish is None:
        return _answer_unknown(id if place is None else "")
    slug, language = write_slug(wish), find_linked_language()
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
        # What the page that opens an account keeps of it
        wish_fields={"prefecture": place.id, "procedure": wish.value}
        | ({"lang": language} if language else {}),
        desk_of=lambda target: "".join(target.key[1]),  # none for all of them
    )


def _render_list(search: str, found: list[Prefecture], wish: str = "", *, unknown: bool = False) -> str:
    procedure = find_procedure(wish)
    return render_template(
        "advice/departments.html",
        unknown=unknown,
        search=search[:80],
        found=found,
        places=list_places(),
        departments=list_place_options(),
        procedures=list_procedures(),
        chosen=write_slug(procedure) if procedure else "",
    )


def _answer_unknown(wanted: str) -> ResponseReturnValue:
    """Return the page for a department or procedure that does not exist, with a search."""
    found = search_places(wanted.partition("_")[0]) if wanted else []
    return _render_list("", found, unknown=True), 404
