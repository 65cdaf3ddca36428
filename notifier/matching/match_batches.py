"""Parts: where very many wait for one detection, each part of their alerts is a job of its own.

What is still to be done stands in `match_parts`, so that whoever dies loses none.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from itertools import chain
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.alert import Alert
from api.models.notification import MatchPart
from api.models.slot import Detection
from api.models.user import Grant
from configs.world.plan import PlanName, rank_plan
from notifier.matching.queries import WantedSlots, describe_wait, select_waiting

_PEOPLE = 1000  # in one part, at most: some 200 ms of work. Each statement of a part costs the more the smaller it is
_FEWEST = 2  # parts, one for each of the usual workers


def open_parts(session: Session, detection_id: UUID) -> list[int]:
    """Return the numbers of a detection's parts that are not matched yet."""
    query = sa.select(MatchPart.number).where(MatchPart.detection_id == detection_id)
    return list(session.scalars(query.order_by(MatchPart.number)))


def make_parts(session: Session, detection: Detection) -> list[int]:
    """Put all alerts that wait for a detection into parts, those of one person together; return their numbers.

    People with higher plans are in the first parts, which leave first.
    """
    person = sa.func.dense_rank().over(order_by=(_plan_rank(detection.seen_at).desc(), Alert.user_id)) - 1
    query = select_waiting(sa.select(Alert.id, person.label("person")))
    found = query.params(describe_wait(detection, detection.seen_at)).subquery()
    part = sa.select(found.c.id, _number_part(found.c.person).label("part")).subquery()
    shared = sa.select(
        sa.literal(detection.id, sa.Uuid()), part.c.part, sa.func.array_agg(sa.distinct(part.c.id))
    ).group_by(part.c.part)
    made = insert(MatchPart).from_select(["detection_id", "number", "alert_ids"], shared)
    return sorted(session.scalars(made.on_conflict_do_nothing().returning(MatchPart.number)))


def _number_part(person: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    """Return the part of a person, who has a place from 0 on: as few parts as hold all, of the same size."""
    people = sa.func.max(person).over() + 1
    parts = sa.func.greatest(_FEWEST, (people + _PEOPLE - 1) // _PEOPLE)
    return sa.cast(person * parts // people, sa.Integer)


def _plan_rank(moment: datetime) -> sa.ScalarSelect[int]:
    """Return the place of the highest plan by which an alert's user is entitled at a moment."""
    rank = sa.case({name: rank_plan(name) for name in PlanName}, value=Grant.plan)
    mine = (Grant.user_id == Alert.user_id, Grant.starts_at <= moment, Grant.ends_at > moment)
    return sa.select(sa.func.max(rank)).where(*mine).correlate(Alert).scalar_subquery()


def split_by_person(wishes: Iterable[WantedSlots]) -> list[list[UUID]]:
    """Put alerts that are to be notified into parts, those of one person together; return the alerts of each."""
    of_user: dict[UUID, list[UUID]] = defaultdict(list)
    for wish in wishes:
        of_user[wish.user_id].append(wish.alert_id)
    people = list(of_user.values())
    return [
        list(chain.from_iterable(people[start : start + _PEOPLE])) for start in range(0, len(people), _PEOPLE)
    ]


def take_part(session: Session, detection_id: UUID, number: int) -> list[UUID]:
    """Return a part's alerts and let it go with the caller's commit; none where it was matched before."""
    mine = sa.delete(MatchPart).where(MatchPart.detection_id == detection_id, MatchPart.number == number)
    return list(session.scalar(mine.returning(MatchPart.alert_ids)) or ())


def finish_detection(session: Session, detection_id: UUID, now: datetime) -> bool:
    """Call a detection matched when none of its parts is left; return whether it was so just now.

    Call it after the commit that removed the part: of two that end together, at least one sees no other.
    """
    others = sa.exists().where(MatchPart.detection_id == detection_id)
    done = sa.update(Detection).where(Detection.id == detection_id, Detection.matched_at.is_(None), ~others)
    return session.execute(done.values(matched_at=now).returning(Detection.id)).first() is not None
