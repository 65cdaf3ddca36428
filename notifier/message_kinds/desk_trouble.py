"""The alarm of a site or a desk in trouble, to operators, with what to do about it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from api.models.user import Contact
from configs.languages import FRENCH
from configs.signed_links import write_proof_link
from notifier.content.alarm_message import AlarmMessage
from notifier.content.desk_message_content import desk_infos, since_at_home
from notifier.message_kind_base import ClaimedRow, Skip, TemplateContext


class DeskTrouble(AlarmMessage):
    """Lists the desks in trouble, the reason and since when; after false alarms also the pages that proved slots."""

    languages = (FRENCH,)

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, now: datetime
    ) -> TemplateContext | Skip:
        """Return the values, with links to the proofs; a message that is shown again has none."""
        found = super().prepare(session, row, contact, now)
        if isinstance(found, Skip):
            return found
        proofs = [
            _name_proof(each, row.language, write_proof_link(UUID(each["detection"])))
            for each in row.params.get("proofs", ())
        ]
        return replace(found, values=found.values | {"proofs": proofs})

    def fill(self, row: ClaimedRow) -> dict[str, Any]:
        """Return what is in trouble since when."""
        found = desk_infos(row.params["desks"])
        return {
            "subject": row.params["subject"],
            "reason": row.params["reason"],
            "spots": found,
            "more": row.params["count"] - len(found),
            "people": row.params.get("people", 0),
            "proofs": [_name_proof(each, row.language, "") for each in row.params.get("proofs", ())],
            **since_at_home(row.params, row.language),
        }


def _name_proof(proof: Mapping[str, str], language: str, url: str) -> dict[str, str]:
    """Return when the page was read, in words, and the link to it."""
    seen = since_at_home({"since": proof["seen_at"]}, language)
    return {"day": seen["since_day"], "hour": seen["since_hour"], "url": url}
