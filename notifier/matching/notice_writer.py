"""The writer of notices: what the app itself shows, in the transaction of the messages that say the same.

A user needs no contact for them. Those of a slot alert go to everybody whose alert matched; a text is rendered once for
all who read the same language and were matched with the same slots.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from rq.timeouts import JobTimeoutException
from sqlalchemy.orm import Session

from api.models.base import is_any_of, new_id, write_array
from api.models.slot import Detection, SlotRow
from api.models.user import User
from notifier.content.message_kind_base import SLOT_DETECTED
from notifier.content.messages import (
    NoticeText,
    choose_language,
    choose_notice_language,
    render_notice,
)
from notifier.content.slot_alert_content import ContentCache, SlotOpening
from notifier.matching.queries import WantedSlots
from notifier.message_kinds import kind_of

# A part of the statement that writes matches and notifications: one round trip for all of it.
INSERT_SLOT_NOTICES = """
notice_texts AS (
  SELECT * FROM unnest(CAST(:notice_languages AS text[]), CAST(:notice_titles AS text[]),
      CAST(:notice_bodies AS text[])) WITH ORDINALITY AS t(language, title, body, number)
),
inserted_notices AS (
  INSERT INTO notices (id, user_id, kind, language, title, body, link, detection_id, created_at)
  SELECT n.id, n.user_id, :kind, t.language, t.title, t.body, :notice_link, CAST(:detection_id AS uuid),
    CAST(:now AS timestamptz)
  FROM unnest(CAST(:notice_ids AS uuid[]), CAST(:notice_users AS uuid[]), CAST(:notice_numbers AS int[]))
    AS n(id, user_id, number)
  JOIN notice_texts t ON t.number = n.number
)
"""
_LANGUAGES = sa.select(User.id, User.language)

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class SlotNotices:
    """Notices of one detection, while they are put together: for each user the number of a text, from 1."""

    detection: Detection
    seen_at: datetime
    slots: Mapping[int, SlotRow]
    contents: ContentCache
    texts: list[NoticeText] = field(default_factory=list)
    users: list[UUID] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    # by language and slots, as each of a user's alerts wants them; None where the text cannot be rendered
    _known: dict[tuple[Any, ...], int | None] = field(default_factory=dict)

    def add(self, user_id: UUID, language: str, wishes: Sequence[WantedSlots]) -> None:
        """Add the notice of one user. One that cannot be rendered stops no message."""
        key = (language, *(wish.slots for wish in wishes))
        if key not in self._known:
            self._known[key] = self._render(language, wishes)
        if number := self._known[key]:
            self.users.append(user_id)
            self.numbers.append(number)

    def _render(self, language: str, wishes: Sequence[WantedSlots]) -> int | None:
        wanted = sorted({slot for wish in wishes for slot in wish.slots})
        try:
            opening = SlotOpening(self.detection, tuple(self.slots[each] for each in wanted), self.seen_at)
            spoken = choose_notice_language(SLOT_DETECTED, language)
            values = {"openings": [self.contents.values_of(opening, spoken)]}
            self.texts.append(render_notice(SLOT_DETECTED, spoken, values))
        except JobTimeoutException:
            raise
        except Exception:
            log.exception("no notice", detection=str(self.detection.id), language=language)
            return None
        return len(self.texts)

    def list_parameters(self) -> dict[str, Any]:
        """Return the parameters of INSERT_SLOT_NOTICES that are the notices' own."""
        arrays: dict[str, Iterable[object]] = {
            "notice_languages": (text.language for text in self.texts),
            "notice_titles": (text.title for text in self.texts),
            "notice_bodies": (text.body for text in self.texts),
            "notice_ids": (new_id() for _ in self.users),
            "notice_users": self.users,
            "notice_numbers": self.numbers,
        }
        link = kind_of(SLOT_DETECTED).notice_link
        return {name: write_array(values) for name, values in arrays.items()} | {"notice_link": link}


def read_languages(session: Session, user_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the languages of users whom no contact reaches: those of the others are known with their contacts."""
    if not user_ids:
        return {}
    found = session.execute(_LANGUAGES.where(is_any_of(User.id, user_ids)))
    return {user_id: choose_language(SLOT_DETECTED, language) for user_id, language in found}
