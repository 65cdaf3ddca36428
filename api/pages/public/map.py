"""The map of all departments, and its twin that answers its parts while it is open."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from flask import Response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from api.ground.errors import not_found
from api.pages.area import Access, Area, answer_live
from api.pages.choices import PROCEDURE_NAMES, find_procedure, list_procedures, write_slug
from api.pages.words import CLASSES, classify_watch
from api.prefectures.queries import build_map_key, read_map
from api.prefectures.schemas import MapTile, TileMap
from api.web.public_answers import read_cached
from configs.world.desk import Procedure

_ANY = "PLACE"  # ids are in small letters
PITCH = 44  # units from one tile to the next, of which a tile takes 40
area = Area("map", __name__)
_PARTS = ("picture", "legend", "rows")


def read_map_view(procedure: Procedure | None) -> dict[str, Any]:
    """Return the map of a procedure, or of all: its tiles, and how many departments each class has."""
    found = read_cached(TileMap, build_map_key(procedure), lambda s: read_map(s, procedure))
    build_url = _prepare_urls(procedure)
    tiles = [_build_tile(tile, build_url) for tile in found.items]
    counts = Counter(each["watch"].key for each in tiles)
    return {
        "tiles": tiles,
        "width": PITCH * max(tile.column for tile in found.items),
        "height": PITCH * max(tile.row for tile in found.items),
        "counts": [(each, counts[each.key]) for each in CLASSES],
        "by_procedure": found.seen.by_procedure,
    }


def _build_tile(tile: MapTile, build_url: Callable[[str], str]) -> dict[str, Any]:
    return {
        "tile": tile,
        "x": PITCH * (tile.column - 1) + 2,  # the corner of its tile
        "y": PITCH * (tile.row - 1) + 2,
        "watch": classify_watch(tile),
        "url": build_url(tile.prefecture_id) if tile.prefecture_id else "",  # if it has a file here
    }


def _prepare_urls(procedure: Procedure | None) -> Callable[[str], str]:
    """Return what makes the address of a place from its id: the route is looked up once, not for each tile."""
    if procedure:
        pattern = url_for("advice.show_advice", id=_ANY, procedure=write_slug(procedure))
    else:
        pattern = url_for("advice.show_place", id=_ANY)
    return lambda place_id: pattern.replace(_ANY, place_id)


@area.page("/carte", Access.PUBLIC)
def show_map() -> ResponseReturnValue:
    """Ask for the procedure, with where slots are seen for each; show the map of the one that is chosen."""
    procedure = _read_filter()
    slug = write_slug(procedure) if procedure else ""
    return render_template(
        "map/map.html",
        map=read_map_view(procedure),
        procedures=list_procedures(),
        names=PROCEDURE_NAMES,
        procedure=procedure,
        slug_of=write_slug,
        chosen=slug,
        live_url=url_for("map.show_parts", procedure=slug or None),
    )


@area.page("/carte/direct", Access.PUBLIC, polled=True)
def show_parts() -> Response:
    view = read_map_view(_read_filter())
    parts = {name: render_template(f"map/_{name}.html", map=view) for name in _PARTS}
    response = answer_live(parts)
    response.headers["Cache-Control"] = "public, max-age=5"
    return response


def _read_filter() -> Procedure | None:
    """Return the procedure of the filter, None for all.

    Raises:
        ApiError: 404, there is no such procedure.
    """
    asked = request.args.get("procedure", "")
    found = find_procedure(asked)
    if asked and found is None:
        raise not_found("procedure")
    return found
