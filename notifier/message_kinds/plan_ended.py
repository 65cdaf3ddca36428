"""The notice that a plan has ended, where no other follows."""

from datetime import datetime

from api.models.user import Grant
from notifier.content.plan_end_notices import PlanEndNotice


class PlanEnded(PlanEndNotice):
    """Comes at the end. One that a refund or a withdrawal ended has their message instead."""

    def is_true(self, grant: Grant, now: datetime) -> bool:
        """Return whether the grant is over."""
        return grant.ends_at <= now
