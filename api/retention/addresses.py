"""Mails to addresses that no account has, or none any more, lose them once they have ended."""

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.notification import FORGOTTEN, Notification, State
from configs.ground.clock import clock

_REPLAYED_FOR = timedelta(days=7)  # in which an operator may send once more what failed


def erase_addresses(session: Session) -> int:
    """Take address and words from the last mails of accounts, and from those about declarations; return how many."""
    n = Notification
    ended = sa.or_(
        n.state.not_in((State.PENDING, State.SENDING, State.FAILED)),
        sa.and_(n.state == State.FAILED, n.failed_at < clock() - _REPLAYED_FOR),
    )
    owed = sa.or_(n.kind == "account_deleted", n.params.has_key("declaration"))
    mine = sa.update(n).where(n.user_id.is_(None), n.address != FORGOTTEN, owed, ended)
    erased = session.execute(
        mine.values(address=FORGOTTEN, params={}).returning(n.id),
        execution_options={"synchronize_session": False},
    )
    return len(erased.all())
