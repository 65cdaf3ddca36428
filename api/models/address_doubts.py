"""Doubts about desks whose checks prove them: what must be known before anybody may pay for one.

"No slots" for ever is no proof that people book at a stale address, which an abandoned page says for years. Such a desk
is sold only once slots were seen there, or a page of the prefecture's own site links it today; and only if the
page's own title fits the desk's label. What robots.txt forbids is sold nowhere. An operator who knows better grades it
`confirmed` in its file, with the date: then it is not stale any more.
"""

import re
import unicodedata
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.desk import DeskState, is_forbidden
from api.models.discovery import DeskLink
from configs.ground.clock import clock
from configs.world.desk import Desk

_LINKED = timedelta(days=2)  # since the walk that saw a link, of which there is one a day
_WORD = re.compile(r"[a-z]{4,}")
_STEM = 6  # letters that forms of a word share: renouvellement, renouveler
# Words of every such page, and of none in particular
_GENERAL = re.compile(
    "avec|dans|demande|depot|guichet|page|pour|prefecture|prendre|prise|rendez|reservation|selon|votre|vous"
)


def find_doubts(session: Session, about: Iterable[Desk]) -> dict[str, str]:
    """Return why desks are not for sale whatever their checks prove, by id; by one query."""
    known = {desk.id: desk for desk in about}
    is_linked = sa.exists().where(DeskLink.desk_id == DeskState.id, DeskLink.seen_at >= clock() - _LINKED)
    query = sa.select(DeskState, is_linked).where(
        DeskState.id.in_(known), sa.or_(DeskState.forbidden_at.is_not(None), DeskState.tried_at.is_not(None))
    )
    rows = session.execute(query)
    return {state.id: why for state, linked in rows if (why := _doubt(known[state.id], state, linked))}


def _doubt(desk: Desk, state: Any, linked: bool) -> str | None:
    if is_forbidden(desk, state.forbidden_at):
        return "its site's robots.txt forbids us the page"
    if not desk.is_tried:
        return None
    if not fits_label(state.page_title or "", desk.label):
        return "its old address answers again, but the page's title does not say that it is for this"
    if not (linked or state.last_slot_at):
        return "its old address answers again, and nothing proves yet that people book there"
    return None


def fits_label(title: str, label: str) -> bool:
    """Return whether a page's title names at least half of what a desk's label says that it is for."""
    wanted = _stems(label)
    return bool(wanted) and 2 * len(wanted & _stems(title)) >= len(wanted)


def _stems(text: str) -> set[str]:
    plain = unicodedata.normalize("NFKD", text.lower())
    letters = "".join(each for each in plain if not unicodedata.combining(each))
    return {word[:_STEM] for word in _WORD.findall(letters) if not _GENERAL.fullmatch(word)}
