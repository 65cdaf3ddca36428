"""Unsubscriptions by the link of a mail: what stops, alerts or a group of messages, and may start again."""

from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.orm import Session

from api.accounts.consents import withdraw_news_consent
from api.alerts.service import has_waiting, may_reopen, reopen_alert, stop_alerts
from api.alerts.targets import get_prefecture_id
from api.models.alert import Alert
from api.models.user import Contact, User
from configs.ground.addresses import digest
from configs.ground.clock import clock
from configs.ground.message_groups import MessageGroup
from configs.ground.signing import StopAlerts, read_unsubscription
from configs.world.prefecture import Prefecture, prefectures


@dataclass(slots=True)
class UnsubscribeSubject:
    """The alerts, or the group of messages to a contact, that a token is about, as far as they still exist."""

    group: MessageGroup
    alerts: list[Alert] = field(default_factory=list)
    is_of_one_alert: bool = False
    contact: Contact | None = None

    @property
    def user_id(self) -> UUID | None:
        """The owner; None where nothing exists any more."""
        if self.contact:
            return self.contact.user_id
        return self.alerts[0].user_id if self.alerts else None

    @property
    def is_stopped(self) -> bool:
        """Whether nothing of it is left to stop."""
        if self.contact:
            asked = {
                MessageGroup.NEWS: self.contact.wants_news,
                MessageGroup.SUMMARY: self.contact.wants_summary,
            }
            return not asked.get(self.group, True) or self.group in self.contact.stopped_groups
        return all(alert.closed_at is not None for alert in self.alerts)

    @property
    def may_start_again(self) -> bool:
        """Whether the link can undo it: an alert for a day, a group as long as the link is good; never news."""
        if self.contact:
            return self.group is not MessageGroup.NEWS and self.is_stopped
        return any(may_reopen(alert) for alert in self.alerts)

    @property
    def places(self) -> list[Prefecture]:
        """The prefectures of the alerts. No procedure: it could reveal a person's immigration status."""
        ids = dict.fromkeys(get_prefecture_id(alert.targets) for alert in self.alerts)
        return [place for each in ids if (place := prefectures().get(each))]


def find_subject(session: Session, token: str) -> UnsubscribeSubject:
    """Return what a token is about.

    Raises:
        configs.ground.signing.LinkRefused: it is expired or forged.
    """
    wish = read_unsubscription(token)
    if isinstance(wish, StopAlerts):
        found = (session.get(Alert, each) for each in wish.alerts)
        return UnsubscribeSubject(
            MessageGroup.SLOTS, [alert for alert in found if alert], is_of_one_alert=len(wish.alerts) == 1
        )
    contact = session.get(Contact, wish.contact, with_for_update={"key_share": True})
    is_same = contact is not None and digest(contact.address) == wish.address
    return UnsubscribeSubject(wish.group, contact=contact if is_same else None)


def stop_subject(session: Session, subject: UnsubscribeSubject) -> None:
    """Stop it; a repetition changes nothing."""
    if subject.alerts:
        owner = subject.alerts[0].user_id
        stop_alerts(session, owner, [each.id for each in subject.alerts if each.user_id == owner])
    elif subject.contact and subject.group is MessageGroup.NEWS:
        withdraw_news_consent(subject.contact, "link")
    elif subject.contact and subject.group is MessageGroup.SUMMARY:
        subject.contact.summary_since = None
    elif subject.contact and subject.group not in subject.contact.stopped_groups:
        subject.contact.stopped_groups = [*subject.contact.stopped_groups, subject.group.value]


def restart_subject(session: Session, subject: UnsubscribeSubject) -> None:
    """Undo it where that may be.

    Raises:
        ApiError: 402 or 409 where the plan carries no more alerts.
    """
    if subject.contact and subject.group is MessageGroup.SUMMARY:
        subject.contact.summary_since = subject.contact.summary_since or clock()
    elif subject.contact:
        kept = [each for each in subject.contact.stopped_groups if each != subject.group]
        subject.contact.stopped_groups = kept
    for alert in subject.alerts:
        reopen_alert(session, alert)


def find_owner(session: Session, subject: UnsubscribeSubject) -> tuple[User | None, bool]:
    """Return the user whom it is about, and whether further alerts of theirs wait."""
    user = session.get(User, subject.user_id) if subject.user_id else None
    besides = [each.id for each in subject.alerts]
    return user, user is not None and has_waiting(session, user.id, besides)
