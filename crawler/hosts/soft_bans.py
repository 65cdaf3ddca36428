"""Whether a host bans us without saying so: pure facts of its desk's checks and its canary's, judged as they are kept.

The second check in a row that neither the desk nor its canary could be read makes its host one that refuses us.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.desk import DeskState
from configs.outcome import Outcome
from configs.prefecture import desks
from configs.settings import settings
from crawler.scheduling.schedule import desks_on

if TYPE_CHECKING:
    from crawler.hosts.canary import Canary
    from crawler.recording.rows import Result

_IN_A_ROW = 2


def judged(session: Session, results: Sequence["Result"], now: datetime) -> list["Result"]:
    """Return the results, `blocked` in place of what a soft ban made of them; what the canary said stands in each."""
    return [
        _told(result, canary, ban=_is_ban(session, result, canary, now))
        if (canary := result.check.canary)
        else result
        for result in results
    ]


def soft_ban(*, silent: bool, in_a_row: int, unreachable: bool, others_answer: bool) -> bool:
    """Tell whether a host bans us softly.

    `silent`: the desk's canary could not be read either; `in_a_row`: how many of the desk's checks have counted
    towards the pause, this one included. Where nothing came at all (`unreachable`), our own line may be cut: then
    another host must have answered lately.
    """
    return silent and in_a_row >= _IN_A_ROW and (others_answer or not unreachable)


def _is_ban(session: Session, result: "Result", canary: "Canary", now: datetime) -> bool:
    desk = desks().get(result.check.desk_id)
    if desk is None or not canary.silent:
        return False
    before = session.scalar(sa.select(DeskState.inconclusive).where(DeskState.id == desk.id)) or 0
    return soft_ban(
        silent=True,
        in_a_row=before + 1,
        unreachable=result.check.outcome is canary.outcome is Outcome.UNREACHABLE,
        others_answer=_others_answer(session, desk.host, now),
    )


def _others_answer(session: Session, host: str, now: datetime) -> bool:
    """Whether a desk of another host was proven within LAPSE_SECONDS."""
    here = [desk.id for desk in desks_on(host)]
    last = session.scalar(sa.select(sa.func.max(DeskState.last_proven_at)).where(DeskState.id.not_in(here)))
    return last is not None and now - last <= timedelta(seconds=settings().lapse_seconds)


def _told(result: "Result", canary: "Canary", *, ban: bool) -> "Result":
    check = result.check
    said = f"its canary {'cannot be read either' if canary.silent else 'answers'}: {canary.reason}"
    told = replace(check, reason=f"{'soft ban: ' if ban else ''}{check.reason}; {said}", soft_ban=ban)
    return replace(result, check=replace(told, outcome=Outcome.BLOCKED) if ban else told)
