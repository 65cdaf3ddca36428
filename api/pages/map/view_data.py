"""Data of the map's page, from the answer of the API's query."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from flask import url_for

from api.middleware.public_answers import read_cached
from api.pages.procedures import write_slug
from api.pages.watch_words import CLASSES, WatchClass, classify_watch
from api.prefectures.map_queries import read_map
from api.prefectures.schemas import MapTile, TileMap
from configs.world.desk import Procedure

_ANY = "PLACE"  # ids are in small letters
PITCH = 44  # units from one tile to the next, of which a tile takes 40


@dataclass(frozen=True, slots=True)
class TileView:
    """A department: the corner of its tile, its class, its page (if it has a file here)."""

    tile: MapTile
    x: int
    y: int
    watch: WatchClass
    url: str


@dataclass(frozen=True, slots=True)
class MapView:
    """All tiles, the size of the picture, and how many departments each class has."""

    tiles: list[TileView]
    width: int
    height: int
    counts: list[tuple[WatchClass, int]]


def read_tile_map(procedure: Procedure | None) -> TileMap:
    """Return what the API answers of the map of a procedure, or of all."""
    key = f"map:{procedure.value if procedure else 'all'}"
    return read_cached(TileMap, key, lambda s: read_map(s, procedure))


def read_map_view(procedure: Procedure | None) -> MapView:
    """Return the map of a procedure, or of all."""
    found = read_tile_map(procedure)
    build_url = _prepare_urls(procedure)
    tiles = [_build_tile(tile, build_url) for tile in found.items]
    counts = Counter(view.watch.key for view in tiles)
    return MapView(
        tiles=tiles,
        width=PITCH * max(tile.column for tile in found.items),
        height=PITCH * max(tile.row for tile in found.items),
        counts=[(each, counts[each.key]) for each in CLASSES],
    )


def _build_tile(tile: MapTile, build_url: Callable[[str], str]) -> TileView:
    return TileView(
        tile=tile,
        x=PITCH * (tile.column - 1) + 2,
        y=PITCH * (tile.row - 1) + 2,
        watch=classify_watch(tile.desks, tile.watch_level, tile.status),
        url=build_url(tile.prefecture_id) if tile.prefecture_id else "",
    )


def _prepare_urls(procedure: Procedure | None) -> Callable[[str], str]:
    """Return what makes the address of a place from its id: the route is looked up once, not for each tile."""
    if procedure:
        pattern = url_for("advice.show_advice", id=_ANY, procedure=write_slug(procedure))
    else:
        pattern = url_for("advice.show_place", id=_ANY)
    return lambda place_id: pattern.replace(_ANY, place_id)
