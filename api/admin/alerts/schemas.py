"""Bodies of /api/admin/alerts."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from api.alerts.schemas import AlertAnswer
from api.models.alert import ClosedBecause
from api.paging import PageQuery
from api.schemas import Answer
from configs.world.prefecture import Procedure


class AnyAlertQuery(PageQuery):
    """Alerts of a user, about a prefecture, and only those that wait, or none of them."""

    user_id: UUID | None = None
    prefecture_id: str | None = Field(None, max_length=100)
    is_active: bool | None = None


class AnyAlertEntry(Answer):
    """An alert of a user, in a list."""

    id: UUID
    user_id: UUID
    prefecture_id: str
    procedures: list[Procedure]
    desk_ids: list[str]
    is_active: bool
    awaits_watch: bool
    created_at: datetime
    closed_at: datetime | None
    closed_because: ClosedBecause | None


class AnyAlertPage(Answer):
    """The newest first; `next` is the `before` of the following page, null at the end."""

    items: list[AnyAlertEntry]
    next: UUID | None


class AnyAlertDetails(Answer):
    """An alert as its owner sees it, and whose it is."""

    user_id: UUID
    closed_at: datetime | None
    closed_because: ClosedBecause | None
    alert: AlertAnswer
