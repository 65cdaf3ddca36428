"""Exports and deletions as the API and the pages share them: bodies, the account of the request, its last mail."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

import structlog
from pydantic import Field, model_validator
from sqlalchemy.exc import OperationalError

from api.ground.background_nudges import ask_job
from api.ground.schemas import Answer, Body, Flag
from api.models.base import write_once
from api.models.job import MAINTENANCE
from api.models.user import Export
from api.privacy.deletion import delete_account
from api.web.auth import current_user_id
from api.web.rate_limits import forget_counts

_TRIES = 5
# A deadlock, or a row that is locked: https://www.postgresql.org/docs/18/errcodes-appendix.html
_MET = ("40P01", "55P03")
log = structlog.get_logger(__name__)


def delete_signed_in(*, understood: bool) -> None:
    """Delete the account of the request, then its traces in Redis and in the store.

    Raises:
        ApiError: see `api.privacy.deletion.delete_account`.
    """
    user_id = current_user_id()
    email = _delete(user_id, understood=understood)
    forget_counts(user_id, email)
    ask_job(MAINTENANCE, "drop_exports")


def delete_named(user_id: UUID) -> None:
    """Delete an account again that a restore brought back, then its file in the store; its counts in Redis run out.

    Raises:
        ApiError: see `api.privacy.deletion.delete_account`.
    """
    _delete(user_id, understood=True, repeated=True)
    ask_job(MAINTENANCE, "drop_exports")


def _delete(user_id: UUID, *, understood: bool, repeated: bool = False) -> str:
    """Delete an account, again where that met a transaction that waited for it; return its address.

    Matching writes rows of many users.
    """
    for left in reversed(range(_TRIES)):
        try:
            email = write_once(delete_account, user_id, understood=understood, repeated=repeated)
        except OperationalError as error:
            if not left or getattr(error.orig, "pgcode", None) not in _MET:
                raise
        else:
            log.info("an account was deleted")  # whose, no log tells
            return email
    raise AssertionError("the last try returns or raises")


class DeletionWish(Body):
    """A deletion; without a body it says that nothing is understood yet."""

    understood: Flag = Field(
        default=False, description="What a running plan loses was read: `lost` of the 409."
    )

    @model_validator(mode="before")
    @classmethod
    def _read_missing_body(cls, found: Any) -> Any:
        return {} if found is None else found


class ExportState(StrEnum):
    """How far an export is."""

    PREPARING = "preparing"
    READY = "ready"


class ExportAnswer(Answer):
    """An export. Its file, a ZIP with a JSON file for each table, is at `/api/users/export/file` once it is ready."""

    state: ExportState
    requested_at: datetime
    expires_at: datetime | None
    size_bytes: int | None

    @classmethod
    def of(cls, export: Export) -> Self:
        """Return an export as its user sees it."""
        return cls.of_row(export, state=ExportState.READY if export.ready_at else ExportState.PREPARING)
