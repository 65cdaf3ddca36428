"""Stripe's customers of deleted accounts: kept for 120 days, longer while a dispute is open, then deleted at Stripe."""

from datetime import timedelta
from uuid import UUID

import pytest

from api.background import jobs
from api.models.payment import FormerCustomer
from api.models.user import User
from api.payments.client import call
from configs.world.plan import PlanName
from tests.api.payments.shop import Shop
from tests.clients import Person
from tests.factories import rows


@pytest.fixture
def payment(shop: Shop, camille: Person) -> UUID:
    """A payment whose account was deleted."""
    made = shop.buy(camille.id, PlanName.URGENCE_TOTAL)
    answer = camille.delete("/api/users/me", {"understood": True})
    assert answer.status_code == 204
    return made


def is_deleted(shop: Shop, customer: str) -> bool:
    (known,) = (each for each in shop.control.objects("customer") if each["id"] == customer)
    return bool(known.get("deleted"))


def test_a_customer_is_deleted_at_stripe_after_120_days_or_once_it_answers(shop: Shop, payment: UUID) -> None:
    (row,) = rows(FormerCustomer)
    assert (row.payment_id, rows(User)) == (payment, [])
    shop.clock.shift(timedelta(days=120, seconds=-1))
    assert jobs.drop_former_customers() == {"deleted": 0, "left": 0}
    assert not is_deleted(shop, row.customer)
    shop.clock.shift(1)
    shop.control.mode("error_500", count=1)
    assert jobs.drop_former_customers() == {"deleted": 0, "left": 1}
    assert jobs.drop_former_customers() == {"deleted": 1, "left": 0}
    assert is_deleted(shop, row.customer)
    assert rows(FormerCustomer) == []


def test_one_that_is_deleted_already_is_no_error(shop: Shop, payment: UUID) -> None:
    (row,) = rows(FormerCustomer)
    call(lambda c: c.v1.customers.delete(row.customer))
    shop.clock.shift(timedelta(days=120))
    assert jobs.drop_former_customers() == {"deleted": 1, "left": 0}
