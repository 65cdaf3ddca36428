"""Subscriptions that are not paid: each of Stripe's statuses decides whether their user has a plan, and may buy one."""

import pytest

from api.accounts.queries import find_entitlement
from api.models.base import session
from api.models.payment import Payment, PaymentStatus
from api.models.user import User
from api.payments import jobs as payment_jobs
from configs.ground.clock import clock
from configs.world.plan import PlanName
from deploy.sandbox.running import Running
from tests.api.billing.till import Till
from tests.clients import problem
from tests.factories import get, rows

TOTAL = PlanName.URGENCE_TOTAL


def lapse(till: Till, after: str, days: int, step: int = 1) -> None:
    """Buy a month, let its renewals be refused, and days pass."""
    till.buy(TOTAL)
    till.shop.control.settings(after_retries=after)
    customer = get(User, till.person.id).stripe_customer_id
    till.shop.control.use_card(str(customer), "fails_later")
    for _ in range(0, days, step):
        till.shop.pass_time(days=step)
        payment_jobs.work_off()


def read_plan(till: Till) -> PlanName:
    with session() as s:
        return find_entitlement(s, till.person.id, clock()).plan.name


def say_status(till: Till, sandbox: Running, status: str) -> None:
    """Let Stripe say that the subscription has another status."""
    account = sandbox._sandbox.stripe.account
    (known,) = account.all("subscription")
    account.change(known, "customer.subscription.updated", status=status)
    till.shop.deliver()


def statuses(till: Till) -> list[str]:
    """Return the subscriptions' statuses at Stripe, the oldest first."""
    found = till.shop.control.objects("subscription")
    return [each["status"] for each in sorted(found, key=lambda each: each["created"])]


@pytest.mark.parametrize("status", ["unpaid", "incomplete"])
def test_14_who_has_no_plan_buys_one_and_the_old_subscription_ends(
    till: Till, sandbox: Running, status: str
) -> None:
    lapse(till, "past_due", 36, step=3)
    say_status(till, sandbox, status)
    assert read_plan(till) is PlanName.NONE
    till.sign_in()
    till.buy(TOTAL)
    payment_jobs.work_off()
    assert read_plan(till) is TOTAL
    assert statuses(till) == ["canceled", "active"]
    paid = [each.status for each in rows(Payment) if each.consented_at]
    assert paid == [PaymentStatus.COMPLETED, PaymentStatus.COMPLETED]


@pytest.mark.parametrize("status", ["trialing"])
def test_14_one_that_runs_is_not_bought_twice(till: Till, sandbox: Running, status: str) -> None:
    till.buy(TOTAL)
    say_status(till, sandbox, status)
    refused = till.order(TOTAL)
    assert problem(refused) == (409, "plan-held")


def test_14_within_the_days_of_grace_the_plan_runs(till: Till) -> None:
    lapse(till, "past_due", 31)
    till.sign_in()
    assert read_plan(till) is TOTAL
    assert till.order(TOTAL).status_code == 409
