"""Reads of the map: for each department what can be watched there now, and how it goes."""

from collections.abc import Collection

from sqlalchemy.orm import Session

from api.models.desk import DeskStatus
from api.prefectures.desk_queries import WatchStates, read_watch_states
from api.prefectures.schemas import MapTile, TileMap
from configs.desk import Desk
from configs.prefecture import Grade, Prefecture, Procedure, WatchLevel, prefectures
from configs.tile_grid import Tile, load_tiles

_BEST_STATUS = tuple(DeskStatus)
_BEST_LEVEL = tuple(WatchLevel)


def read_map(session: Session, procedure: Procedure | None) -> TileMap:
    """Return all departments; `procedure`: only desks that serve it count."""
    places = {place.department: place for place in prefectures().values()}
    serving = {code: list_serving_desks(place, procedure) for code, place in places.items()}
    now = read_watch_states(session, [desk for desks in serving.values() for desk in desks])
    return TileMap(
        procedure=procedure,
        items=[
            _build_tile(code, tile, places.get(code), serving.get(code, []), now)
            for code, tile in load_tiles().items()
        ],
    )


def list_serving_desks(place: Prefecture, procedure: Procedure | None) -> list[Desk]:
    """Return the desks of a prefecture that serve a procedure (any, where it is None), without those that are gone."""
    return [
        desk
        for desk in place.desks
        if desk.grade is not Grade.RETIRED and (procedure is None or procedure in desk.procedures)
    ]


def find_best_level(desks: Collection[Desk], lost: Collection[str]) -> WatchLevel:
    """Return the best that checks of these desks can prove now; `lost`: ids of those whose page closed or moved."""
    levels = [desk.watch for desk in desks if desk.schedulable and desk.id not in lost]
    return min(levels, key=_BEST_LEVEL.index, default=WatchLevel.NONE)


def _build_tile(
    code: str, tile: Tile, place: Prefecture | None, desks: list[Desk], now: WatchStates
) -> MapTile:
    statuses = [now.build_public_answer(desk).status for desk in desks]
    return MapTile(
        department=code,
        row=tile.row,
        column=tile.column,
        prefecture_id=place.id if place else None,
        name=place.name if place else None,
        desks=len(desks),
        watch_level=find_best_level(desks, now.lost),
        status=min(statuses, key=_BEST_STATUS.index, default=None),
    )
