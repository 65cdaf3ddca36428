"""Facts of how desks are watched, and how often slots open there: the same on the advice and on the order."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.ground.cache import answer_cache
from api.models.check import CheckDay
from api.models.slot import GoneReason, SlotRow, is_from_check
from api.models.watchability import Standing, find_slightest
from api.outlook.schemas import OpeningRecord, WatchFacts
from api.prefectures.detections import get_public_cutoff

PERIOD = timedelta(days=90)
HISTORY_SECONDS = 600.0  # 90 days change little in that time
# The other reasons say when we stopped looking, not when the slot went.
REAL_ENDS = (GoneReason.TAKEN, GoneReason.PAST)
_WEEK = 7
_WEEKS = PERIOD.days // _WEEK
_WATCHED_DAYS = 5  # of a week that counts as watched


def read_watch_facts(session: Session, standings: Iterable[Standing]) -> WatchFacts | None:
    """Return what is known of desks that a person may wait for together; None without any.

    Where some of them are watched, what opened is theirs, and the interval is that of the slowest.
    """
    about = list(standings)
    best = find_slightest(about)
    if best is None:
        return None
    seen = [each for each in about if each.is_watchable]
    feasible = [each.state.feasible_seconds for each in seen if each.state and each.state.feasible_seconds]
    return WatchFacts.of_row(
        best,
        is_overloaded=any(each.is_overloaded for each in seen),
        feasible_interval=max(feasible, default=None),
        record=_keep_record(session, sorted(each.desk.id for each in seen)),
    )


def _keep_record(session: Session, ids: Sequence[str]) -> OpeningRecord:
    def build() -> bytes:
        return read_opening_record(session, ids).model_dump_json(by_alias=True).encode()

    kept = answer_cache().get(f"opened:{' '.join(ids)}", build, HISTORY_SECONDS)
    return OpeningRecord.model_validate_json(kept.body)


def read_opening_record(session: Session, ids: Sequence[str]) -> OpeningRecord:
    """Return how often slots of these desks opened in ninety days, told with the delay of all public pages."""
    ends = get_public_cutoff()
    begins = ends - PERIOD
    mine = sa.and_(SlotRow.desk_id.in_(ids), SlotRow.opened_at.between(begins, ends), is_from_check(SlotRow))
    day = sa.cast(sa.func.timezone("UTC", SlotRow.opened_at), sa.Date)
    times = sa.func.count(sa.distinct(sa.tuple_(SlotRow.desk_id, SlotRow.opened_at)))
    # A place that is "open" counts again when its hours are shown: as one opening at most.
    shown = SlotRow.gone_reason.is_distinct_from(GoneReason.SUPERSEDED)
    opened = session.execute(sa.select(day, times, sa.func.count()).where(mine, shown).group_by(day)).all()
    seconds = sa.extract("epoch", SlotRow.gone_at - SlotRow.opened_at)
    median = sa.cast(sa.func.percentile_cont(0.5).within_group(seconds), sa.Float)
    over = (mine, SlotRow.gone_at <= ends, SlotRow.gone_reason.in_(REAL_ENDS))
    lives, life = session.execute(sa.select(sa.func.count(), median).where(*over)).one()
    watched = sa.select(CheckDay.day).where(
        CheckDay.desk_id.in_(ids), CheckDay.proven > 0, CheckDay.day >= begins.date()
    )
    proven = Counter(_number_week(each, ends.date()) for each in set(session.scalars(watched)))
    weeks = {week for week, days in proven.items() if week in range(_WEEKS) and days >= _WATCHED_DAYS}
    return OpeningRecord(
        openings=sum(number for _, number, _ in opened),
        slots=sum(number for *_, number in opened),
        lives=lives,
        median_life=life,
        watched_weeks=len(weeks),
        opened_weeks=len(weeks & {_number_week(each, ends.date()) for each, *_ in opened}),
    )


def _number_week(day: date, today: date) -> int:
    """Return how many whole weeks before yesterday a day lies; -1 for today, which is not over."""
    return ((today - day).days - 1) // _WEEK
