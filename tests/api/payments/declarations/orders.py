"""Helpers for tests of withdrawals and of notices of cancellation: orders, forms, mails, links, and time with what Stripe does."""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.jobs import schedule as jobs
from api.models.base import session
from api.models.declaration import Declaration, DeclaredBy
from api.models.notification import Notification
from api.models.payment import Payment, Refund
from api.payments.billing.schemas import Cancellation
from api.payments.declarations import service
from api.payments.declarations.records import Author
from api.payments.declarations.service import cancel_own
from api.payments.exchange import jobs as payment_jobs
from configs.ground.clock import clock
from configs.ground.signing import ConfirmCancellation, write_token
from configs.world.plan import PlanName
from tests.api.payments.shop import list_grants
from tests.api.payments.till import Till
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


FORM, TOTAL = "/l/resilier", PlanName.URGENCE_TOTAL
TEN_DAYS = timedelta(days=10)


def send(till: Till, number: str | None, email: str = "camille@example.org", **fields: str) -> TestResponse:
    """Send the last step of the form."""
    data = {"name": "Camille Martin", "email": email, "reference": number or "", "wished": "2026-11-25"}
    return till.shop.client.post(FORM, data=data | {"confirmed": "true"} | fields)


def press(client: FlaskClient, row: Declaration, which: str) -> TestResponse:
    token = write_token(ConfirmCancellation(row.id))
    return client.post(f"/l/{token}", data={which: "true"})


def read_notices() -> list[Declaration]:
    return sorted(rows(Declaration), key=lambda each: (each.made_at, each.id))


def move(till: Till, at: datetime) -> None:
    """Let time pass, with what Stripe does meanwhile, then let the job run."""
    till.shop.clock.move_to(at)
    till.shop.control.advance()
    till.shop.deliver()
    settle(till)


def settle(till: Till) -> None:
    jobs.apply_declarations()
    payment_jobs.work_off()
    till.shop.deliver()


def paid_until(till: Till) -> datetime:
    return max(each.ends_at for each in list_grants(till.person.id))


def at_stripe(till: Till) -> dict[str, object]:
    (found,) = till.shop.control.objects("subscription")
    return dict(found)


def cancel(user_id: UUID, wish: dict[str, object]) -> None:
    cancel_own(user_id, Cancellation.model_validate(wish), Author(DeclaredBy.ACCOUNT, "fr"))
