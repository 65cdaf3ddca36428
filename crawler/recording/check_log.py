"""One log line per recorded check; a check that found new slots names its detection."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog

from crawler.items import FinishedCheck

log = structlog.get_logger(__name__)


def describe_checks(results: Sequence[FinishedCheck], detections: Mapping[str, UUID]) -> list[dict[str, Any]]:
    """Return the fields of each check's line; `detections` by desk. None where the level leaves them out."""
    if not logging.getLogger(__name__).isEnabledFor(logging.INFO):
        return []
    return [_describe(result, detections.get(result.check.desk_id)) for result in results]


def _describe(result: FinishedCheck, detection: UUID | None) -> dict[str, Any]:
    check = result.check
    return {
        "desk": check.desk_id,
        "outcome": check.outcome.value,
        "slots": len(check.slots),
        "requests": check.requests,
        "milliseconds": check.milliseconds,
        **({"detection": str(detection)} if detection else {}),
    }


def log_checks(lines: Sequence[Mapping[str, Any]]) -> None:
    """Log the checks of a transaction that is committed."""
    for line in lines:
        log.info("check", **line)
