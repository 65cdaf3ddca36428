"""Log lines of a detection on its way: `detection=<id>` from its match to the receipt of each message."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from configs.ground.logs import EachOf

log = structlog.get_logger(__name__)


def find_detection(params: object) -> dict[str, str]:
    """Return the field `detection` of a notification's lines, from its params: any JSON."""
    found = params.get("detection_id") if isinstance(params, Mapping) else None
    return {"detection": found} if isinstance(found, str) else {}


def log_when_committed(session: Session, event: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Log a line once what it says is written; nothing where the transaction is rolled back."""
    sa.event.listen(session, "after_commit", lambda _: log.log(level, event, **fields), once=True)


def log_each(
    session: Session,
    event: str,
    messages: Iterable[tuple[UUID, Mapping[str, Any]]],
    *,
    level: int = logging.INFO,
) -> None:
    """Log a line for each notification, by its id and its other fields, once what it says is written."""
    alike: dict[tuple[tuple[str, Any], ...], list[UUID]] = defaultdict(list)
    for key, fields in messages:
        alike[tuple(fields.items())].append(key)
    for named, keys in alike.items():
        log_when_committed(session, event, level=level, notification=EachOf.of(keys), **dict(named))
