"""Attribution of a plain 403: to one page where other pages of the host were just read, else to the host."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.desk import DeskState
from configs.settings.constants import Constant
from configs.world.desk import Desk
from configs.world.outcome import Outcome
from configs.world.prefecture import desks
from crawler.items import FinishedCheck
from crawler.scheduling.desk_budgets import desks_on

# A page that answers 403 is closed, and its host not blocked, where another page there was read so lately
REFUSAL_SECONDS = Constant("REFUSAL_SECONDS", 3600.0)

_SIBLINGS = sa.select(sa.func.max(DeskState.last_proven_at), sa.func.max(DeskState.refused_at))


def reclassify_page_refusals(
    session: Session, results: Sequence[FinishedCheck], now: datetime
) -> list[FinishedCheck]:
    """Return the results, `closed` in place of `blocked` where only this page was refused.

    That takes a conclusive answer to another desk of the host within REFUSAL_SECONDS, and later than any other
    desk's refusal: a host that begins to refuse everything closes one page at most before it counts as blocked.
    """
    return [
        _mark_closed(result) if result.check.refused and _only_this(session, result, results, now) else result
        for result in results
    ]


def _only_this(
    session: Session, result: FinishedCheck, results: Sequence[FinishedCheck], now: datetime
) -> bool:
    desk = desks().get(result.check.desk_id)
    if desk is None:
        return False
    host = desk.host
    proven, refused = _last_answers_elsewhere(session, desk, host)
    beside = [each.check for each in results if _is_other_page_of(each, desk, host)]
    proofs = [proven, *(check.started_at for check in beside if check.outcome.conclusive)]
    refusals = [refused, *(check.started_at for check in beside if check.refused)]
    last = max(filter(None, proofs), default=None)
    if last is None or now - last > timedelta(seconds=REFUSAL_SECONDS()):
        return False
    return all(last > refusal for refusal in refusals if refusal)


def _last_answers_elsewhere(
    session: Session, desk: Desk, host: str
) -> tuple[datetime | None, datetime | None]:
    """Return when another desk of the host was last proven, and when one was last refused."""
    others = [other.id for other in desks_on(host) if other.id != desk.id]
    proven, refused = session.execute(_SIBLINGS.where(DeskState.id.in_(others))).one()
    return proven, refused


def _is_other_page_of(result: FinishedCheck, desk: Desk, host: str) -> bool:
    other = desks().get(result.check.desk_id)
    return other is not None and host == other.host and other.id != desk.id


def _mark_closed(result: FinishedCheck) -> FinishedCheck:
    reason = f"{result.check.reason}, while other pages of its host are read"
    return replace(result, check=replace(result.check, outcome=Outcome.CLOSED, reason=reason))
