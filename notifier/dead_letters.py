"""`python -m notifier.dead_letters list|replay`: notifications that failed for good, listed or made pending again."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE
from sqlalchemy.orm import Session, aliased

from api.models.base import database_clock, is_any_of, session
from api.models.notification import Match, Notification, State, is_told
from api.models.user import Channel
from configs.ground.clock import clock
from configs.ground.logs import set_up_logs
from configs.programs.startup import exit_on_config_error
from configs.world.retention import messages_kept_for
from notifier.delivery import nudges
from notifier.delivery.retry_policy import UNKNOWN


def letters(given: argparse.Namespace) -> sa.Select[Notification]:
    """Return the query for the dead letters of these arguments, the newest first."""
    query = sa.select(Notification).where(Notification.state == State.FAILED)
    if given.ids:
        query = query.where(is_any_of(Notification.id, given.ids))
    if given.channel:
        query = query.where(Notification.channel == Channel(given.channel))
    if given.kind:
        query = query.where(Notification.kind == given.kind)
    if given.reason:
        query = query.where(Notification.reason.contains(given.reason, autoescape=True))
    since = clock() - timedelta(hours=given.hours)
    return query.where(Notification.failed_at >= since).order_by(Notification.failed_at.desc())


def told_since(session: Session, rows: Sequence[Notification]) -> set[UUID]:
    """Return those of which another message to the same contact tells: desks are re-armed, alerts catch up."""
    other, its, mine = aliased(Notification), aliased(Match), aliased(Match)
    query = (
        sa.select(Notification.id)
        .join(mine, mine.announcement_id == Notification.announcement_id)
        .join(other, other.contact_id == Notification.contact_id)
        .join(its, its.announcement_id == other.announcement_id)
        .where(
            other.id != Notification.id,
            other.kind == Notification.kind,
            sa.type_coerce(its.slots, INT8MULTIRANGE()).overlaps(mine.slots),
        )
        .where(is_told(other), is_any_of(Notification.id, [row.id for row in rows]))
    )
    return set(session.scalars(query))


def replay(session: Session, notification_ids: Iterable[UUID], *, unsure: bool = False) -> list[UUID]:
    """Make dead letters pending again, with all their attempts; return their ids, to be nudged after the commit.

    Left dead is what was told by another message meanwhile and, unless `unsure`, what may have arrived. Whether
    there is still something to say is decided when it is sent, as for any other: slots that are gone expire.
    What is no dead letter, and rows that another replay holds, are left alone.
    """
    dead = is_any_of(Notification.id, list(notification_ids)), Notification.state == State.FAILED
    query = sa.select(Notification).where(*dead).execution_options(populate_existing=True)
    rows = session.scalars(query.with_for_update(skip_locked=True)).all()
    told, now = told_since(session, rows), database_clock(session)
    has_text = now - messages_kept_for()  # what is older has lost it
    alive = [
        row
        for row in rows
        if row.id not in told
        and row.created_at > has_text
        and (unsure or not (row.unknown_attempts or (row.reason or "").startswith(UNKNOWN)))
    ]
    for row in alive:
        row.state, row.reason, row.failed_at = State.PENDING, None, None
        row.attempts, row.unknown_attempts = 0, 0
        row.next_attempt_at = now
    return [row.id for row in alive]


@exit_on_config_error("notifier.dead_letters")
def main(arguments: list[str] | None = None) -> int:
    """List or replay; return 0."""
    given = _parser().parse_args(arguments)
    set_up_logs("dead")
    with session() as opened:
        rows = opened.scalars(letters(given).limit(given.most)).all()
        if given.act == "list":
            for row in rows:  # without addresses
                about = f"{row.channel.value:8}  {row.kind:16}  {row.attempts} tries  {row.reason}"
                print(f"{row.id}  {row.failed_at:%Y-%m-%d %H:%M:%S}  {about}")
            print(f"{len(rows)} dead letters")
            return 0
        alive = replay(opened, [row.id for row in rows], unsure=given.unsure)
    nudges.ask_deliver(alive)
    print(f"{len(alive)} of {len(rows)} dead letters replayed")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m notifier.dead_letters", description=__doc__)
    parser.add_argument("act", choices=["list", "replay"])
    parser.add_argument("ids", nargs="*", type=UUID, metavar="ID", help="only these; none: all that fit")
    parser.add_argument("--channel", choices=[each.value for each in Channel])
    parser.add_argument("--kind", help="e.g. slot_detected")
    parser.add_argument("--reason", help="part of it, e.g. 'sendgrid answered 500'")
    parser.add_argument("--hours", type=float, default=24, help="how long ago they failed at most (24)")
    parser.add_argument("--most", type=int, default=1000, help="how many at most (1000)")
    parser.add_argument(
        "--unsure",
        action="store_true",
        help="replay also what may have arrived: whoever got it gets it twice",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
