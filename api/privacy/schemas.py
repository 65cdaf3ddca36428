"""Bodies of a copy of all personal data, and of a deletion."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from pydantic import Field, model_validator

from api.ground.schemas import Answer, Body, Flag
from api.models.user import Export


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
