"""The nightly checks of the book: each finds the fault that is planted for it, and is reported like a difference."""

from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from api.invoices.issuing import issue_due
from api.models.base import session
from api.models.payment import Payment
from api.models.stripe_event import PaymentDifference
from api.models.user import Role
from api.payments.book_checks import QUERIES, find_book_faults
from api.payments.reconciliation import reconcile
from configs.world.plan import PlanName
from tests.api.payments.shop import Shop, list_messages
from tests.clients import Person
from tests.factories import give_role, rows

_CREDIT = (
    "INSERT INTO watch_credits (id, payment_id, seconds, form, amount_cents, created_at)"
    " SELECT gen_random_uuid(), id, 3600, 'time', 0, paid_at FROM payments"
)
_IS_OWED = "UPDATE book_lines SET account = 'owed' WHERE account = 'unearned'"
# By the check that finds it: what is planted beside a paid month.
FAULTS = {
    "a transaction does not sum to 0": ("UPDATE book_lines SET cents = -5 WHERE cents < 0",),
    "cash is not what was paid, less refunds and disputes": (
        "DELETE FROM book_lines WHERE account = 'cash'",
    ),
    "the bank keeps another amount": ("UPDATE payments SET lost_cents = 1",),
    "more is held back than is disputed": (
        "UPDATE book_lines SET account = 'disputed' WHERE account = 'cash'",
    ),
    "documents are not the money that moved": ("UPDATE invoices SET amount_cents = 1",),
    "more or less is owed than refunds and credits will give": (_IS_OWED,),
    "an outage waits for an invoice without its credit": (
        _IS_OWED,
        "UPDATE book_transactions SET kind = 'unwatched'",
    ),
    "a credit waits for an invoice that never comes": (
        _CREDIT,
        "UPDATE watch_credits SET form = 'invoice', amount_cents = 5",
        "UPDATE subscriptions SET ended_at = created_at",
    ),
    "a refund waits, and nobody will ask for it": (
        "INSERT INTO refunds (id, payment_id, amount_cents, reason) SELECT gen_random_uuid(), id, 5, 'outage' FROM payments",
    ),
    "more time was given back than was not watched": (_CREDIT,),
    "an account is negative": ("UPDATE book_lines SET cents = -cents",),
}


@pytest.fixture
def payment_id(shop: Shop, camille: Person) -> UUID:
    """Give a paid month that is two hours old, with its invoice."""
    found = shop.buy(camille.id, PlanName.URGENCE_TOTAL)
    issue_due(60)
    shop.clock.shift(timedelta(hours=2))
    return found


def plant(*statements: str) -> None:
    """Write what no program may: without the triggers that keep the book."""
    with session() as s:
        s.execute(sa.text("SET LOCAL session_replication_role = replica"))
        for each in statements:
            s.execute(sa.text(each))


def list_found() -> dict[str, UUID | None]:
    with session() as s:
        return {each.object_id.partition(": ")[0]: each.payment_id for each in find_book_faults(s)}


def test_each_check_has_its_fault() -> None:
    assert FAULTS.keys() == QUERIES.keys()


@pytest.mark.parametrize("check", FAULTS)
def test_a_check_finds_its_fault(payment_id: UUID, check: str) -> None:
    assert list_found() == {}
    plant(*FAULTS[check])
    assert list_found()[check] == payment_id


def test_a_fault_is_a_difference_that_the_admins_hear_of(payment_id: UUID, camille: Person) -> None:
    give_role(camille.id, Role.ADMIN)
    assert reconcile()["left"] == 0
    plant(*FAULTS["the bank keeps another amount"])
    assert reconcile()["left"] == 1
    (found,) = rows(PaymentDifference)
    assert found.object_id == f"the bank keeps another amount: {payment_id}"
    assert (found.payment_id, found.ours, found.stripe, found.repaired) == (
        payment_id, {"book": 0, "tables": 1}, {}, False,
    )  # fmt: skip
    assert list_messages().count("payment_trouble") == 1


def test_documents_have_an_hour(shop: Shop, camille: Person) -> None:
    shop.buy(camille.id)
    assert list_found() == {}
    shop.clock.shift(timedelta(hours=2))
    assert [each.id for each in rows(Payment)] == [list_found()["documents are not the money that moved"]]
