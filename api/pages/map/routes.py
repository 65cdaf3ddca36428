"""The map of all departments, and its twin that answers its parts while it is open."""

from flask import Response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from api.errors import not_found
from api.pages.area import Access, Area
from api.pages.live import answer_live
from api.pages.map.view_data import read_map_view
from api.pages.procedures import find_procedure, list_procedures, write_slug
from configs.world.desk import Procedure

area = Area("map", __name__)
_PARTS = ("picture", "legend", "rows")


@area.page("/carte", Access.PUBLIC)
def show_map() -> ResponseReturnValue:
    """Show what can be watched in each department, for one procedure or all."""
    procedure = _read_filter()
    slug = write_slug(procedure) if procedure else ""
    return render_template(
        "map/map.html",
        map=read_map_view(procedure),
        procedures=list_procedures(),
        chosen=slug,
        live_url=url_for("map.show_parts", procedure=slug or None),
    )


@area.page("/carte/direct", Access.PUBLIC)
def show_parts() -> Response:
    """Return the parts of the map that change."""
    view = read_map_view(_read_filter())
    parts = {name: render_template(f"map/_{name}.html", map=view) for name in _PARTS}
    response = answer_live(parts)
    response.headers["Cache-Control"] = "public, max-age=5"
    return response


def _read_filter() -> Procedure | None:
    """Return the procedure of the filter, None for all.

    Raises:
        api.errors.ApiError: 404, there is no such procedure.
    """
    asked = request.args.get("procedure", "")
    found = find_procedure(asked)
    if asked and found is None:
        raise not_found("procedure")
    return found
