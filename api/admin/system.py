"""Background jobs and this process's settings as operators see them, without secrets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pydantic import Field, SecretStr
from sqlalchemy.orm import Session

from api.ground.paging import Found
from api.ground.schemas import Body
from api.models.base import session
from api.models.job import JobResult, JobState
from configs.ground.logs import mask_entry
from configs.settings import settings


class JobQuery(Body):
    """A background job, or those that ended so the last time."""

    job: str | None = Field(None, max_length=60)
    result: JobResult | None = None


def list_jobs(work: Session, wanted: JobQuery) -> Found[JobState]:
    """Return the background jobs that are wanted, in the order of their names."""
    rows = work.scalars(sa.select(JobState).order_by(JobState.name))
    return Found(
        [each for each in rows if wanted.job in (None, each.name) and wanted.result in (None, each.result)]
    )


def list_job_names() -> Sequence[str]:
    """Return the names of all background jobs, in order."""
    with session() as s:
        return s.scalars(sa.select(JobState.name).order_by(JobState.name)).all()


class SettingQuery(Body):
    """All settings: there is nothing to choose."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of this process: its value as text, None of a secret and of one that is not set."""

    name: str
    value: str | None
    is_set: bool
    is_secret: bool


def list_settings() -> Found[Setting]:
    """Return all settings of this process without secrets, in the order of their names."""
    current = settings()
    names = sorted(type(current).model_fields)
    return Found([_build_setting(name, getattr(current, name)) for name in names])


def _build_setting(name: str, value: Any) -> Setting:
    secret = "SecretStr" in str(type(settings()).model_fields[name].annotation) or _holds_secret(value)
    is_set = value not in (None, (), {})
    shown = str(mask_entry(name, str(value))) if is_set and not secret else None
    return Setting(name.upper(), shown, is_set, secret)


def _holds_secret(value: Any) -> bool:
    """Return whether a value is or contains a secret; a proxy contains its password."""
    if isinstance(value, tuple | list):
        return any(_holds_secret(each) for each in value)
    fields = getattr(value, "__dataclass_fields__", ())
    return isinstance(value, SecretStr) or any(_holds_secret(getattr(value, each)) for each in fields)
