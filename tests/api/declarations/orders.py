"""Helpers for tests of withdrawals: orders, their mails, and what became of them."""

import sqlalchemy as sa

from api.declarations import service
from api.declarations.records import Author
from api.models.base import session
from api.models.declaration import Declaration, DeclaredBy
from api.models.notification import Notification
from api.models.payment import Payment, Refund
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.billing.till import Till
from tests.factories import change, rows

BY_ACCOUNT = Author(DeclaredBy.ACCOUNT, "fr")


def buy(till: Till, name: PlanName = PlanName.URGENCE_7J) -> Payment:
    """Buy a plan, whose order mail is handed over at once; return the order."""
    till.buy(name)
    hand_over()
    with session() as s:
        orders = sa.select(Payment).where(Payment.plan == name, Payment.consented_at.is_not(None))
        return s.scalars(orders.order_by(Payment.id.desc()).limit(1)).one()


def hand_over() -> None:
    """Note that a provider took the order mails, as the notifier does."""
    change(
        Notification, Notification.kind == "order", Notification.accepted_at.is_(None), accepted_at=clock()
    )


def withdraw(till: Till, order: Payment) -> Declaration:
    """Withdraw in the account, whatever became of the login."""
    return service.withdraw_order(order.id, BY_ACCOUNT, till.person.id)


def read_declarations() -> list[Declaration]:
    return sorted(rows(Declaration), key=lambda each: each.made_at)


def list_amounts() -> list[int]:
    """Return the amounts of all refunds, the smallest first."""
    return sorted(each.amount_cents for each in rows(Refund))


def count_mails(kind: str) -> int:
    return len(list_mails(kind))


def list_mails(kind: str) -> list[Notification]:
    return [each for each in rows(Notification) if each.kind == kind]
