"""The notice that a plan ends soon, where no other follows."""

from datetime import datetime

from api.models.user import Grant
from configs.languages import MESSAGE_LANGUAGES
from notifier.content.plan_end_notices import PlanEndNotice


class PlanExpiring(PlanEndNotice):
    """Comes a day before the end; of a plan of 24 hours two hours before."""

    languages = tuple(MESSAGE_LANGUAGES)

    def is_true(self, grant: Grant, now: datetime) -> bool:
        """Return whether the grant is not over."""
        return grant.ends_at > now
