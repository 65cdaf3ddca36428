"""Cancelling a subscription, its portal, the history, renewals that fail, and subscriptions that are not paid."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from api.background import jobs
from api.billing.schemas import Cancellation
from api.declarations.records import Author
from api.declarations.service import cancel_own
from api.models.base import session
from api.models.declaration import DeclaredBy
from api.models.notification import Notification
from api.models.payment import Payment, PaymentStatus, Refund, Subscription
from api.models.user import Contact, Grant, User
from api.payments import jobs as payment_jobs
from configs.ground.clock import clock
from configs.world.plan import PlanName
from deploy.sandbox.running import Running
from notifier.content.message_kind_base import ClaimedRow, TemplateContext
from notifier.message_kinds import kinds
from tests.api.billing.till import Till
from tests.api.payments.shop import list_grants, list_messages
from tests.clients import problem
from tests.factories import change, get, one, rows

WEEK, TOTAL = PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL


def test_cancelling_on_a_day_refunds_the_unused_days_when_it_comes(till: Till) -> None:
    till.buy(TOTAL)
    (before,) = list_grants(till.person.id)
    answer = till.post("cancel", {"on": "2026-11-25"})
    assert answer.status_code == 200, answer.json
    # Five days and fourteen hours of thirty are used: to midnight in Paris of the 25th.
    assert answer.json == {"endsAt": "2026-11-25T23:00:00Z", "refund": 2441, "currency": "eur"}
    assert till.post("cancel", {"on": "2026-11-25"}).json == answer.json
    till.shop.work_off()
    (grant,) = list_grants(till.person.id)
    (row,) = rows(Subscription)
    assert (grant.ends_at, row.cancel_wanted_at, rows(Refund)) == (before.ends_at, before.ends_at, [])
    (at_stripe,) = till.shop.control.objects("subscription")
    assert at_stripe["cancel_at"] == int(before.ends_at.timestamp()), "it does not renew meanwhile"
    end(till, "2026-11-25T23:00:00+00:00")
    (grant,) = list_grants(till.person.id)
    assert f"{grant.ends_at:%Y-%m-%dT%H:%M}" == "2026-11-25T23:00"
    assert [(each.amount_cents, each.reason.value) for each in rows(Refund)] == [(2441, "cancelled")]
    assert [each for each in list_messages() if each.startswith("cancel")] == ["cancel_noticed", "cancelled"]
    assert till.shop.control.objects("subscription")[0]["status"] == "canceled"


def end(till: Till, at: str) -> None:
    """Let the time of a notice come, and the job run, twice."""
    till.shop.clock.move_to(datetime.fromisoformat(at))
    for _ in range(2):
        jobs.apply_declarations()
    payment_jobs.work_off()
    till.shop.work_off()


def test_a_sooner_end_takes_the_place_of_a_later_one(till: Till) -> None:
    till.buy(TOTAL)
    late, soon = till.post("cancel", {"on": "2026-11-30"}), till.post("cancel", {"on": "2026-11-25"})
    assert late.json["refund"] < soon.json["refund"] == 2441
    assert till.post("cancel", {"on": "2026-11-30"}).json["endsAt"] == "2026-11-25T23:00:00Z"
    end(till, "2026-12-01T00:00:00+00:00")
    assert [each.amount_cents for each in rows(Refund)] == [2441], "also where the job comes late"


def test_a_month_that_a_credit_paid_in_most_goes_on_to_its_end_and_then_as_the_cheaper_plan(
    till: Till,
) -> None:
    till.buy(WEEK)
    till.buy(TOTAL)
    assert till.post("cancel", {"on": "2026-11-22"}).json["refund"] == 1500  # all that was paid in money
    end(till, "2026-11-22T23:00:00+00:00")
    assert [each.amount_cents for each in rows(Refund)] == [1500]
    month = next(each for each in list_grants(till.person.id) if each.plan is TOTAL)
    (week,) = running(till)
    assert f"{month.ends_at:%m-%d %H:%M}" == "11-22 23:00"
    assert (week.plan, week.starts_at) == (WEEK, month.ends_at)
    unused = 2999 * (timedelta(days=30) - (month.ends_at - month.starts_at)) / timedelta(days=30)
    paid_by_credit = timedelta(days=7) * (unused - 1500) / 1499
    assert abs(week.ends_at - week.starts_at - paid_by_credit) < timedelta(minutes=10)  # cents are rounded up


def running(till: Till) -> list[Grant]:
    return [each for each in list_grants(till.person.id) if each.ends_at > clock() + timedelta(seconds=1)]


def test_where_a_renewal_was_not_paid_cancelling_ends_it_now(till: Till) -> None:
    till.buy(TOTAL)
    till.use_bad_card()
    till.shop.pass_time(days=31)
    (row,) = rows(Subscription)
    assert (row.status, row.period_ends_at > clock()) == ("past_due", True)  # Stripe counts the unpaid period
    wish = Cancellation.model_validate({"periodEnd": True})
    done = cancel_own(till.person.id, wish, Author(DeclaredBy.ACCOUNT, "fr"))
    assert done.ends_at == clock()
    assert all(each.ends_at <= clock() for each in list_grants(till.person.id))
    till.shop.clock.shift(timedelta(days=1))
    assert jobs.remind_of_failed_renewals() == {"mails": 0}


def test_the_portal_opens_for_who_has_paid(till: Till) -> None:
    assert till.post("portal", {}).status_code == 409
    till.buy(TOTAL)
    assert get(User, till.person.id).stripe_customer_id
    answer = till.post("portal", {})
    assert answer.status_code == 200, answer.json
    assert answer.json["portalUrl"].startswith(till.shop.control.url)


def test_the_history_has_pages_and_only_one_s_own(till: Till, person: Any) -> None:
    for _ in range(3):
        till.buy(PlanName.URGENCE_24H)
    first = till.get("history", limit=2).json
    second = till.get("history", limit=2, before=first["next"]).json
    assert [len(first["items"]), len(second["items"]), second["next"]] == [2, 1, None]
    newest = first["items"][0]
    assert (newest["plan"], newest["amount"], newest["status"]) == ("URGENCE_24H", 499, "COMPLETED")
    assert (newest["from"], newest["to"]) == ("2026-11-22T09:00:00Z", "2026-11-23T09:00:00Z")
    assert newest["stripePaymentId"].startswith("pi_")
    assert newest["stripeSessionId"].startswith("cs_")
    stranger = Till(till.shop, person("stranger@example.org"))
    assert stranger.get("history").json == {"items": [], "next": None}
    assert stranger.get("history", before=str(rows(Payment)[0].id)).json["items"] == []


def test_a_renewal_is_announced_three_days_before_and_once_and_no_end(till: Till, person: Any) -> None:
    other = Till(till.shop, person("other@example.org"))
    for each in (till, other):
        each.buy(TOTAL)
    other.post("cancel", {"periodEnd": True})
    till.shop.pass_time(days=26)
    assert jobs.tell_renewals() == {"mails": 0}
    till.shop.pass_time(days=1, hours=1)
    assert [jobs.tell_renewals()["mails"] for _ in range(2)] == [1, 0]
    assert one(Notification, Notification.kind == "renewal_soon").user_id == till.person.id


def read_mails() -> list[dict[str, str]]:
    """Return the values of the mails about failed payments, the oldest first."""
    with session() as s:
        found = []
        for row in s.scalars(
            sa.select(Notification).where(Notification.kind == "payment_failed").order_by(Notification.id)
        ):
            context = kinds()[row.kind].prepare(
                s, ClaimedRow.of(row), s.get_one(Contact, row.contact_id), clock()
            )
            assert isinstance(context, TemplateContext)
            found.append(context.values)
        return found


def confirm(*, confirmed: bool = True) -> None:
    change(Contact, verified_at=clock() if confirmed else None)


@pytest.fixture
def refused(till: Till) -> Till:
    """Give a subscriber whose first renewal is refused."""
    till.buy(PlanName.URGENCE_TOTAL)
    till.use_bad_card()
    till.shop.pass_time(days=30, hours=2)
    confirm()
    return till


def test_the_mail_leads_to_a_page_whose_button_opens_the_portal(refused: Till) -> None:
    confirm(confirmed=False)
    assert [each["signed_url"] for each in read_mails()] == [""], "such an address gets the account only"
    confirm()
    (mail,) = read_mails()
    link, client = mail["signed_url"].removeprefix("http://localhost:4000"), refused.shop.client
    asked = len(refused.shop.control.requests("/v1/billing_portal"))
    assert 'method="post"' in client.get(link).text
    assert len(refused.shop.control.requests("/v1/billing_portal")) == asked  # mail scanners open links
    refused.shop.control.mode("error_500", count=1, path="/v1/billing_portal")
    answer = client.post(link)
    assert (answer.status_code, "Patientez 1 minute, puis réessayez" in answer.text) == (503, True)
    answer = client.post(link)
    where = answer.headers["Refresh"].removeprefix("0; url=")
    assert answer.status_code == 200
    assert where.startswith(refused.shop.control.url)
    assert where in answer.text
    change(Contact, address="new@example.org")
    answer = client.post(link)
    assert "n’est plus valable" in answer.text, "that address was left"
    assert "Refresh" not in answer.headers


def test_the_mail_says_until_when_the_plan_goes_on_and_comes_each_day_of_grace(refused: Till) -> None:
    told = [jobs.remind_of_failed_renewals()["mails"]]
    for _ in range(4):
        refused.shop.clock.shift(timedelta(days=1))
        told.append(jobs.remind_of_failed_renewals()["mails"])
    assert told == [0, 1, 1, 0, 0]  # the first day's came with the refusal
    assert len(read_mails()) == 3
    assert read_mails()[0]["until"] == ""  # the days are over by now


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
    till.buy(TOTAL)
    sandbox._sandbox.stripe.account.after_retries = "past_due"
    till.use_bad_card()
    for _ in range(3):  # the renewal is refused, and the days of grace end
        till.shop.pass_time(days=12)
        payment_jobs.work_off()
    say_status(till, sandbox, status)
    assert till.read_plan() is PlanName.NONE
    till.sign_in()
    till.buy(TOTAL)
    payment_jobs.work_off()
    assert till.read_plan() is TOTAL
    assert statuses(till) == ["canceled", "active"]
    paid = [each.status for each in rows(Payment) if each.consented_at]
    assert paid == [PaymentStatus.COMPLETED, PaymentStatus.COMPLETED]


def test_14_one_that_runs_is_not_bought_twice(till: Till, sandbox: Running) -> None:
    till.buy(TOTAL)
    say_status(till, sandbox, "trialing")
    assert problem(till.order(TOTAL)) == (409, "plan-held")
