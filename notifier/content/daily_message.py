"""Base class of the daily messages to admins: numbers of a time that ended a moment ago, in French."""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Contact
from configs.plan import PlanName, name_plan
from notifier.content.desk_message_content import since_at_home, skip_unreachable
from notifier.content.operators import is_operator_no_more
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class DailyMessage(MessageKind):
    """Says numbers that were counted when it was written. Names no person."""

    @abstractmethod
    def fill(self, row: ClaimedRow) -> dict[str, Any]:
        """Return the values of the texts, besides the time they are about."""

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return the numbers; a user who is no operator any more is skipped."""
        if is_operator_no_more(session, contact):
            return Skip(State.SKIPPED, "no operator any more")
        span = {name: _write_moment(row.params[name], row.language) for name in ("since", "until")}
        return skip_unreachable(contact) or TemplateContext(self.fill(row) | span)


def list_plans(numbers: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return names of plans with their numbers, in the order of the plans."""
    return [(name_plan(each), numbers[each.value]) for each in PlanName if each.value in numbers]


def _write_moment(moment: str, language: str) -> str:
    found = since_at_home({"since": moment}, language)
    return f"{found['since_day']} à {found['since_hour']}"
