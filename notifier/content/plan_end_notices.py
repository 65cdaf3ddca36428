"""Base class of the messages about the end of a plan: the plan and its end in words, and when they are left out."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased, load_only

from api.models.notification import State
from api.models.user import Channel, Contact, Grant, User
from configs.desk import zone_or_home
from configs.plan import PlanName, name_plan
from notifier.content.message_links import account_page
from notifier.content.payment_notices import write_instant
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class PlanEndNotice(MessageKind):
    """Params: `grant`, `plan`, `ends` (ISO 8601). It sells nothing: that would need consent."""

    makes_notice = True
    notice_link = "/formule"
    chats_wait = True

    def accepts_contact(self, contact: Contact) -> bool:
        """Whether it can be reached, or is a confirmed e-mail address where alerts by mail are switched off."""
        is_mail = contact.channel is Channel.EMAIL and contact.verified_at is not None
        return contact.reachable or (is_mail and contact.takes_account_mail)

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, now: datetime
    ) -> TemplateContext | Skip:
        """Return the plan and its end, unless another grant follows by now."""
        if not self.accepts_contact(contact):
            return Skip(State.SKIPPED, f"address {contact.state.value}")
        grant = session.get(Grant, UUID(row.params["grant"]))
        if grant is None or _is_followed(session, grant) or not self.is_true(grant, now):
            return Skip(State.EXPIRED, "the plan goes on, or ended otherwise")
        return self.restore(session, row, contact)

    def restore(self, session: Session, row: ClaimedRow, contact: Contact) -> TemplateContext:
        """Return the plan and its end as the row has them."""
        user = session.get_one(User, contact.user_id, options=[load_only(User.time_zone)])
        zone = zone_or_home(user.time_zone)
        ends = write_instant(datetime.fromisoformat(row.params["ends"]), zone, row.language)
        url = account_page("formule")
        values = {"plan": name_plan(PlanName(row.params["plan"])), "url": url}
        return TemplateContext(values | {"day": ends["since_day"], "hour": ends["since_hour"]}, url)

    def is_true(self, grant: Grant, now: datetime) -> bool:
        """Return whether the grant still is what the message says."""
        raise NotImplementedError


def _is_followed(session: Session, grant: Grant) -> bool:
    """Return whether another grant covers the end of this one."""
    following = aliased(Grant)
    later = sa.select(following.id).where(
        following.user_id == grant.user_id,
        following.starts_at <= grant.ends_at,
        following.ends_at > grant.ends_at,
    )
    return session.scalar(later.limit(1)) is not None
