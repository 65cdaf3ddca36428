"""Pages of departments, and of the advice for a wish."""

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from api.pages.advice.place_search import find_place, list_places, search_places
from api.pages.advice.view_data import build_register_url, list_procedures_of, read_advice, read_place
from api.pages.area import Access, Area
from api.pages.procedure_names import PROCEDURE_NAMES
from api.pages.procedures import find_procedure, list_procedures, write_slug

area = Area("advice", __name__)


@area.page("/departements", Access.PUBLIC)
def list_departments() -> ResponseReturnValue:
    """List all departments, or those that a search means; the form of a wish leads to its advice."""
    wanted, wish = request.args.get("place", ""), request.args.get("procedure", "")
    if not wanted:
        return _render_list(request.args.get("q", ""), wish)
    place, procedure = find_place(wanted), find_procedure(wish)
    if place and procedure:
        return redirect(url_for("advice.show_advice", id=place.id, procedure=write_slug(procedure)))
    return (
        redirect(url_for("advice.show_place", id=place.id)) if place and not wish else _answer_unknown(wanted)
    )


@area.page("/departements/<id>", Access.PUBLIC)
def show_place(id: str) -> ResponseReturnValue:  # noqa: A002 -- as in the API
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
def show_advice(id: str, procedure: str) -> ResponseReturnValue:  # noqa: A002
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


def _render_list(search: str, wish: str) -> str:
    procedure = find_procedure(wish)
    return render_template(
        "advice/departments.html",
        unknown=False,
        search=search[:80],
        found=search_places(search),
        places=list_places(),
        procedures=list_procedures(),
        chosen=write_slug(procedure) if procedure else "",
    )


def _answer_unknown(wanted: str) -> ResponseReturnValue:
    """Return the page for a department or procedure that does not exist, with a search."""
    page = render_template(
        "advice/departments.html",
        unknown=True,
        search="",
        found=search_places(wanted.partition("_")[0]) if wanted else [],
        places=list_places(),
        procedures=list_procedures(),
        chosen="",
    )
    return page, 404
