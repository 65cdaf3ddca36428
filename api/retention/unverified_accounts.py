"""Accounts that were never confirmed."""

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from api.models.login import PendingRegistration
from api.models.payment import Payment, Subscription
from api.models.user import Channel, Contact, Grant, Role, User
from api.retention.batches import delete_in_batches
from configs.ground.clock import clock
from configs.world.retention import UNVERIFIED_KEPT_FOR


def drop_unverified_accounts() -> int:
    """Delete accounts no address of which was confirmed within UNVERIFIED_KEPT_FOR; return how many.

    Another registration of the address begins the time anew. An account that ever had a plan or an order stays.
    """
    oldest = clock() - UNVERIFIED_KEPT_FOR
    confirmed, money = aliased(Contact), (Payment, Subscription, Grant)
    waiting = sa.select(Contact.user_id).where(
        Contact.channel == Channel.EMAIL, Contact.verified_at.is_(None), Contact.created_at < oldest
    )
    kept_by = (
        sa.select(confirmed.id).where(confirmed.user_id == User.id, confirmed.verified_at.is_not(None)),
        # by name: its password hashes are none of this program's
        sa.select(PendingRegistration.id).where(
            PendingRegistration.user_id == User.id, PendingRegistration.created_at >= oldest
        ),
        *(sa.select(table.id).where(table.user_id == User.id) for table in money),
    )
    return delete_in_batches(
        User.id, User.id.in_(waiting), User.role == Role.USER, *(~reason.exists() for reason in kept_by)
    )
