"""Messages that a transaction writes, and alerts that it wakes: both are nudged after its commit, never before.

A nudge that is lost is found by the notifier's sweep.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

import notifier
from api.models.base import do_after_commit

_EFFECTS = "effects"  # key of a session's


@dataclass(slots=True)
class CommitEffects:
    """Ids of rows that a transaction wrote or changed; what follows its commit."""

    confirmations: list[UUID] = field(default_factory=list)  # order mails, handed over before any alert
    messages: list[UUID] = field(default_factory=list)  # notifications to nudge
    alerts: list[UUID] = field(default_factory=list)  # alerts to catch up

    def run(self) -> None:
        """Deliver, nudge and catch up.

        The order mail comes first: the contract must be confirmed before the service begins (L.221-13 Code de la
        consommation). While no provider takes it, the alert goes out nevertheless.
        """
        if self.confirmations:
            notifier.deliver_here(self.confirmations)
        notifier.ask_deliver(self.messages)
        for alert_id in dict.fromkeys(self.alerts):
            notifier.ask_catch_up(alert_id)


def get_effects(session: Session) -> CommitEffects:
    """Return the effects of a session's transaction, which run after its commit."""
    if _EFFECTS not in session.info:
        made = session.info[_EFFECTS] = CommitEffects()
        do_after_commit(session, made.run)
    known: CommitEffects = session.info[_EFFECTS]
    return known


def ask_deliver_later(session: Session, written: list[UUID]) -> list[UUID]:
    """Nudge these notifications after the commit; return them."""
    get_effects(session).messages += written
    return written


def ask_catch_up_later(session: Session, alert_ids: Iterable[UUID]) -> None:
    """Have slots that are open matched for these alerts after the commit."""
    get_effects(session).alerts += alert_ids


def write_message(
    session: Session, user_id: UUID, kind: str, params: dict[str, Any], dedupe_key: str, **how: Any
) -> list[UUID]:
    """Write a message to a user as `notifier.create_notifications` does; return the ids of the new rows."""
    return ask_deliver_later(
        session, notifier.create_notifications(session, user_id, kind, params, dedupe_key, **how)
    )


def write_to_address(
    session: Session, address: str, kind: str, params: dict[str, Any], dedupe_key: str, **how: Any
) -> None:
    """Write an e-mail to an address as `notifier.notify_address` does."""
    ask_deliver_later(session, notifier.notify_address(session, address, kind, params, dedupe_key, **how))
