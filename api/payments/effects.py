"""Effects of a change of payments after its commit; all are found again where a program dies before."""

from dataclasses import dataclass, field
from uuid import UUID

import notifier


@dataclass(slots=True)
class Effects:
    """Ids of rows that the transaction wrote or changed."""

    confirmations: list[UUID] = field(default_factory=list)  # order mails, handed over before any alert
    mails: list[UUID] = field(default_factory=list)  # notifications to nudge
    alerts: list[UUID] = field(default_factory=list)  # alerts to catch up

    def add(self, other: "Effects") -> None:
        """Take over the effects of another change."""
        self.confirmations += other.confirmations
        self.mails += other.mails
        self.alerts += other.alerts

    def run(self) -> None:
        """Deliver, nudge and catch up. Call it after the commit.

        The order mail comes first: the contract must be confirmed before the service begins (L.221-13 Code de la
        consommation). While no provider takes it, the alert goes out nevertheless.
        """
        notifier.deliver(self.confirmations)
        notifier.nudge(self.mails)
        for alert_id in dict.fromkeys(self.alerts):
            notifier.catch_up(alert_id)
