"""Reminders of a renewal with Stripe's own price, and the address of a customer at Stripe."""

from typing import Any

from api.accounts.service import apply_new_email
from api.jobs import schedule as jobs
from api.models.base import session
from api.models.user import Contact
from api.payments.exchange import jobs as payment_jobs
from configs.world.plan import PlanName
from tests.api.payments.declarations.orders import hand_over, list_mails
from tests.api.payments.shop import find_customer
from tests.api.payments.till import Till
from tests.factories import change, one
from tests.running_sandbox import Running

TOTAL = PlanName.URGENCE_TOTAL


def test_a_reminder_says_what_stripe_will_charge_not_our_price_list(till: Till, sandbox: Running) -> None:
    till.buy(TOTAL)
    hand_over()
    till.shop.pass_time(days=27, hours=1)
    account = sandbox._sandbox.stripe.account
    (subscription,) = account.all("subscription")
    subscription["items"]["data"][0]["price"]["unit_amount"] = 2599  # an older price than that of plans.yaml
    till.shop.control.mode("error_500", count=1, path="/v1/invoices/create_preview")
    assert jobs.tell_renewals() == {"mails": 0, "failed": 1}
    till.shop.pass_time(minutes=1)
    assert [jobs.tell_renewals()["mails"] for _ in range(2)] == [1, 0]
    assert list_mails("renewal_soon")[0].params | {"subscription": "", "ends": ""} == {
        "subscription": "",
        "ends": "",
        "amount": 2599,
        "price": 2599,
        "credit": 0,
        "discount": 0,
    }
    till.shop.pass_time(days=3)
    assert max(each["amount_paid"] for each in till.shop.control.objects("invoice")) == 2999
    assert min(each["amount_paid"] for each in till.shop.control.objects("invoice")) == 2599


def test_what_renews_no_more_at_stripe_has_no_reminder(till: Till, sandbox: Running) -> None:
    till.buy(TOTAL)
    hand_over()
    till.shop.pass_time(days=27, hours=1)
    (subscription,) = sandbox._sandbox.stripe.account.all("subscription")
    subscription["cancel_at"] = 1  # we have not heard of it yet
    assert jobs.tell_renewals() == {"mails": 0, "failed": 0}
    assert list_mails("renewal_soon") == []


def read_addresses(till: Till) -> list[Any]:
    return [each.get("email") for each in till.shop.control.objects("customer")]


def test_the_customer_at_stripe_gets_the_new_address(till: Till) -> None:
    till.buy(PlanName.URGENCE_24H)
    change(Contact, Contact.user_id == till.person.id, new_address="nouvelle@example.org")
    till.shop.control.mode("error_500", count=1, path=f"/v1/customers/{find_customer(till.person.id)}")
    with session() as s:
        apply_new_email(s, s.get_one(Contact, one(Contact, Contact.user_id == till.person.id).id))
    payment_jobs.work_off()
    assert read_addresses(till) == ["camille@example.org"]
    till.shop.pass_time(minutes=1)
    payment_jobs.work_off()
    assert read_addresses(till) == ["nouvelle@example.org"]
