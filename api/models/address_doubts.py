"""Doubts about desks whose checks prove them: what must be known before anybody may pay for one.

"No slots" for ever is no proof that people book at a stale address, which an abandoned page says for years. Such a desk
is sold only once slots were seen there, or a page of the prefecture's own site links it today; and only if the
page's own title fits the desk's label. What robots.txt forbids is sold nowhere. An operator who knows better grades it
`confirmed` in its file, with the date: then it is not stale any more.
"""

import re
import unicodedata
from datetime import timedelta

import sqlalchemy as sa

from api.models.desk import DeskState, is_forbidden
from api.models.discovery import DeskLink
from configs.world.desk import Desk

# Whether a page of the prefecture's own site linked a desk at `now`, within two days: there is a walk a day
IS_LINKED = sa.exists().where(
    DeskLink.desk_id == DeskState.id,
    DeskLink.seen_at >= sa.bindparam("now", type_=sa.DateTime(timezone=True)) - timedelta(days=2),
)
_WORD = re.compile(r"[a-z]{4,}")
_STEM = 6  # letters that forms of a word share: renouvellement, renouveler
# Words of every such page, and of none in particular
_GENERAL = re.compile(
    "avec|dans|demande|depot|guichet|page|pour|prefecture|prendre|prise|rendez|reservation|selon|votre|vous"
)


def describe_doubt(desk: Desk, state: DeskState, *, is_linked: bool) -> str | None:
    """Return why a desk is not for sale whatever its checks prove; `is_linked`: IS_LINKED of its row."""
    if is_forbidden(desk, state.forbidden_at):
        return "its site's robots.txt forbids us the page"
    if not desk.is_tried:
        return None
    wanted = _stems(desk.label)
    # At least half of its words
    if not wanted or 2 * len(wanted & _stems(state.page_title or "")) < len(wanted):
        return "its old address answers again, but the page's title does not say that it is for this"
    if not (is_linked or state.last_slot_at):
        return "its old address answers again, and nothing proves yet that people book there"
    return None


def _stems(text: str) -> set[str]:
    plain = unicodedata.normalize("NFKD", text.lower())
    letters = "".join(each for each in plain if not unicodedata.combining(each))
    return {word[:_STEM] for word in _WORD.findall(letters) if not _GENERAL.fullmatch(word)}
