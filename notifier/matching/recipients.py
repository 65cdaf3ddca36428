"""Recipients: the contacts that a slot alert may go to."""

from collections.abc import Collection
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from api.models.base import is_any_given
from api.models.encrypted_text import read_stored_address
from api.models.notification import Notification, State
from api.models.user import Channel, Contact, ContactState, Grant, User
from configs.ground.message_groups import MessageGroup
from configs.world.plan import PlanName, plan, rank_plan
from notifier.content.message_kind_base import SLOT_DETECTED
from notifier.content.messages import choose_language
from notifier.message_kinds.message_times import Hold, MessageTimes, read_times, select_times


class Recipient(NamedTuple):
    """A contact that may get a slot alert: one of thousands that are looked at together."""

    contact_id: UUID
    user_id: UUID
    channel: Channel
    language: str  # of its user
    stored_address: str  # as the table has it; see `address`
    has_waiting_alert: bool  # a slot alert to it is pending already
    is_after_report: bool = False  # it was switched on again after a spam report or a STOP
    plan_rank: int = 0  # of the highest plan that covers the moment
    times: MessageTimes | None = None  # when its user wants messages, where anything was chosen

    def find_hold(self, matched_at: datetime) -> Hold | None:
        """Return why and until when a slot alert waits that is matched at an instant; None where it leaves at once."""
        return self.times.find_hold(MessageGroup.SLOTS, matched_at, matched_at) if self.times else None

    @property
    def address(self) -> str:
        """Return the address, decrypted now: of most contacts it is not asked."""
        return read_stored_address(self.stored_address)

    def pick_language(self, wanted: str | None) -> str:
        """Return the language of a slot alert: that of its alert where it has one, else the user's."""
        return choose_language(SLOT_DETECTED, wanted) if wanted else self.language


def recipients(session: Session, user_ids: Collection[UUID], moment: datetime) -> list[Recipient]:
    """Return the reachable contacts of these users on the channels of the plans that cover the moment.

    Those of higher plans are in front.
    """
    found: list[Any] = list(session.execute(_select_reachable(), {"user_ids": user_ids, "moment": moment}))
    reached = [
        Recipient(
            contact_id, user_id, channel, choose_language(SLOT_DETECTED, language), address, has_waiting,
            is_after_report, max(map(rank_plan, plans)), read_times(times),
        )
        for contact_id, user_id, channel, language, address, has_waiting, is_after_report, plans, times in found
        if allowed(channel, plans)
    ]  # fmt: skip
    return sorted(reached, key=lambda each: -each.plan_rank)


@lru_cache(maxsize=1)
def _select_reachable() -> sa.Select[*tuple[Any, ...]]:
    moment = sa.bindparam("moment", type_=sa.DateTime(timezone=True))
    covering = sa.and_(Grant.user_id == Contact.user_id, Grant.starts_at <= moment, Grant.ends_at > moment)
    waiting = sa.exists().where(
        Notification.contact_id == Contact.id,
        Notification.state == State.PENDING,
        Notification.kind == SLOT_DETECTED,
    )
    query = (
        sa.select(
            Contact.id,
            Contact.user_id,
            Contact.channel,
            User.language,
            sa.type_coerce(Contact.address, sa.Text),
            waiting,
            Contact.select_after_report(),
            sa.type_coerce(sa.func.array_agg(Grant.plan.distinct()), ARRAY(sa.Text())),
            select_times(),
        )
        .join(User, User.id == Contact.user_id)
        .join(Grant, covering)
        .where(is_any_given(Contact.user_id, "user_ids"))
        .where(Contact.enabled, Contact.verified_at.is_not(None), Contact.state == ContactState.OK)
        .where(sa.literal(MessageGroup.SLOTS.value) != sa.all_(Contact.stopped_groups))
        .group_by(Contact.id, User.id)
        .order_by(Contact.id)
    )
    return query.execution_options(prepare=True)


def allowed(channel: Channel, plans: Collection[PlanName | str]) -> bool:
    """Whether one of the plans has the channel."""
    return any(channel.value in plan(name).channels for name in plans)
