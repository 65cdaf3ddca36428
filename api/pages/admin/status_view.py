"""View data of the status: the parts that `make status` shows, as sections in French."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import structlog
from flask import url_for

from api.admin.health.lines import BAD, Line, Piece, Words, list_lines
from api.admin.health.status_report import Parts, find_trouble
from api.models.desk import DeskStatus
from api.pages.admin.desks import build_desk_url
from api.pages.admin.status_words import TITLES, build_words
from configs.ground.clock import clock
from configs.settings import settings

_SHOWN = 6  # lines of a list that may be long
# What a program wrote, in English.
_DETAILS = frozenset({"away", "detail", "error", "store", "subject", "trouble"})
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ShownPiece:
    """A piece of a line; `url` leads to the thing."""

    text: str
    tone: str
    is_detail: bool
    url: str | None

    @classmethod
    def build(cls, part: str, piece: Piece) -> Self:
        """Return a piece with its link."""
        is_detail = piece.field in _DETAILS or (part, piece.field) == ("health", "reason")
        return cls(piece.text, piece.tone, is_detail, _find_url(part, piece.field, piece.value))


def _find_url(part: str, field: str, value: Any) -> str | None:
    if field in ("desk", "desks"):
        desk = value[0] if isinstance(value, list) else value
        return build_desk_url(desk) if isinstance(desk, str) else None
    if field == "by_status" and value not in DeskStatus.__members__:
        return None
    leads = {
        "by_status": ("admin.list_desks", "status"),
        "host": ("admin.show_host", "host"),
        "id": ("admin.show_incident", "id"),
    } | ({"job": ("admin.list_jobs", "job")} if part == "runs" else {})
    endpoint, name = leads.get(field, (None, ""))
    return url_for(endpoint, **{name: value}) if endpoint else None


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the status."""

    title: str
    lines: list[list[ShownPiece]]


@dataclass(frozen=True, slots=True)
class StatusView:
    """All parts; `down` names, as programs do, what does not work."""

    at: datetime
    environment: str
    down: list[str]
    sections: list[Section]

    @classmethod
    def build(cls, parts: Parts) -> Self:
        """Return what is shown of the parts. One that is away, or cannot be written, hides no other."""
        words = build_words()
        sections = [Section(title, _show(name, parts[name], words)) for name, title in TITLES.items()]
        return cls(clock(), settings().app_env, find_trouble(parts), sections)


def _show(part: str, found: Any, words: Words) -> list[list[ShownPiece]]:
    try:
        lines: list[Line] = list_lines(part, found, words, _SHOWN)
        return [[ShownPiece.build(part, piece) for piece in line] for line in lines]
    except Exception as error:
        log.exception("a part of the status cannot be shown: `make status` shows it", part=part)
        text = f"Ne peut pas être affiché, voyez `make status` : {type(error).__name__}"
        return [[ShownPiece(text, BAD, is_detail=False, url=None)]]
