"""A renewal that is not paid: its days of grace, the end of plan and subscription, and each order of events around it."""

from datetime import datetime, timedelta

import pytest

from api.jobs import schedule as jobs
from api.models.base import session
from api.models.notification import Notification
from api.models.payment import Refund, Subscription, WatchCredit
from api.models.user import Contact
from api.payments.exchange import jobs as payment_jobs
from configs.ground.clock import clock
from configs.world.plan import PlanName
from notifier.content.message_kind_base import ClaimedRow, Skip, TemplateContext
from notifier.content.messages import render
from notifier.message_kinds import kinds
from tests.api.payments.declarations.orders import hand_over
from tests.api.payments.shop import find_customer, get_subscription, list_grants, list_messages
from tests.api.payments.till import Till
from tests.clients import problem
from tests.factories import rows
from tests.samples import try_first

pytestmark = pytest.mark.months

DAY, WEEK, TOTAL, NONE = PlanName.URGENCE_24H, PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL, PlanName.NONE


@pytest.fixture
def unpaid(till: Till) -> Till:
    """Give a subscriber whose renewal is refused, and whose days of grace are over this minute."""
    till.buy(TOTAL)
    till.confirm()
    hand_over()
    till.shop.pass_time(days=20)
    till.use_bad_card()
    till.shop.pass_time(days=10, hours=2)
    ends = max(each.ends_at for each in list_grants(till.person.id))
    till.shop.pass_time(seconds=(ends - clock()).total_seconds() + 1)
    till.sign_in()
    assert till.read_plan() is NONE
    return till


def read_charges(till: Till) -> list[int]:
    """Return what Stripe took, by its invoices and its short orders."""
    found = till.shop.control.objects("payment_intent")
    return sorted(each["amount_received"] for each in found if each["amount_received"])


def read_status(till: Till) -> tuple[str, list[str]]:
    """Return the status of the subscription and of its renewals at Stripe."""
    (subscription,) = till.shop.control.objects("subscription")
    invoices = till.shop.control.objects("invoice")
    return subscription["status"], [
        each["status"] for each in invoices if each["billing_reason"] == "subscription_cycle"
    ]


def let_card_pass(till: Till) -> None:
    till.shop.control.use_card(find_customer(till.person.id), "visa")


def pay_renewal(till: Till) -> None:
    """Pay the open invoice at Stripe, as its user may on Stripe's page."""
    let_card_pass(till)
    (invoice,) = [each for each in till.shop.control.objects("invoice") if each["status"] == "open"]
    till.shop.control.pay_invoice(invoice["id"])


def wait(till: Till, days: int) -> None:
    """Let days pass with the jobs of a day, and what Stripe tries meanwhile."""
    for _ in range(2 * days):
        till.shop.pass_time(hours=12)
        jobs.end_unpaid_plans()
        jobs.remind_of_failed_renewals()
        jobs.tell_plan_ends()
        payment_jobs.work_off()
        jobs.credit_outages()
        till.shop.deliver()


def read_last_mail(kind: str = "payment_failed") -> str | None:
    """Return the text of the newest mail of a kind as it would leave now; None where it says nothing any more."""
    row = max(rows(Notification, Notification.kind == kind), key=lambda each: each.id)
    with session() as s:
        found = kinds()[kind].prepare(s, ClaimedRow.of(row), s.get_one(Contact, row.contact_id), clock())
    if isinstance(found, Skip):
        return None
    assert isinstance(found, TemplateContext)
    return render(kind, "email", "fr", found).text


def test_the_plan_ends_with_its_days_of_grace_and_nothing_is_charged_any_more(unpaid: Till) -> None:
    jobs.tell_plan_ends()
    assert read_last_mail() is None, "what the refusal said of the days of grace"
    assert "plan_ended" not in list_messages(), "Stripe has not agreed yet"
    assert jobs.end_unpaid_plans() == {"asked": 1}
    assert len(rows(Notification, Notification.kind == "payment_failed")) == 1
    unpaid.shop.deliver()
    assert read_status(unpaid) == ("canceled", ["void"])
    text = read_last_mail()
    assert text
    assert "Votre formule est terminée" in text
    assert "Rien de plus ne sera débité" in text
    assert "Changer de moyen de paiement" not in text
    let_card_pass(unpaid)
    wait(unpaid, 20)
    assert read_charges(unpaid) == [2999]
    assert list_messages().count("payment_failed") == 2
    assert "plan_ended" not in list_messages()


@pytest.mark.parametrize("paid_meanwhile", try_first([False, True], 1))
def test_a_notice_for_a_later_day_lets_no_month_be_charged_after_the_days_of_grace(
    till: Till, *, paid_meanwhile: bool
) -> None:
    """It was given during them, for a day after their end."""
    till.buy(TOTAL)
    hand_over()
    till.shop.pass_time(days=20)
    till.use_bad_card()
    till.shop.pass_time(days=10, hours=2)
    till.sign_in()
    assert till.post("cancel", {"on": f"{clock() + timedelta(days=9):%Y-%m-%d}"}).status_code == 200
    payment_jobs.work_off()
    till.shop.pass_time(days=2, hours=22)
    assert till.read_plan() is NONE
    if paid_meanwhile:
        pay_renewal(till)
    assert jobs.end_unpaid_plans() == {"asked": 1}
    till.shop.deliver()
    let_card_pass(till)
    for _ in range(10):
        wait(till, 1)
        jobs.apply_declarations()
    assert read_charges(till) == [2999] * (1 + paid_meanwhile)
    assert read_status(till) == ("canceled", ["paid" if paid_meanwhile else "void"])
    last = max(rows(Notification, Notification.kind == "payment_failed"), key=lambda each: each.id)
    assert ("over" in last.params) is not paid_meanwhile
    # 927 cents for 9 days and 14 hours of 31 days stay.
    assert [each.amount_cents for each in rows(Refund)] == [2072] * paid_meanwhile
    assert [each.kind for each in rows(Notification, Notification.kind == "cancelled")] == (
        ["cancelled"] * paid_meanwhile
    )


@pytest.mark.parametrize("job_ran", try_first([True, False], 1))
@pytest.mark.parametrize("name", try_first([TOTAL, DAY, WEEK], 1))
def test_an_order_waits_for_its_end_and_no_day_is_paid_twice(
    unpaid: Till, name: PlanName, *, job_ran: bool
) -> None:
    if job_ran:
        jobs.end_unpaid_plans()
    assert problem(unpaid.order(name)) == (503, "payments-away")
    payment_jobs.work_off()
    answer = unpaid.order(name)
    assert answer.status_code == 200, answer.json
    assert read_status(unpaid) == ("canceled", ["void"])
    let_card_pass(unpaid)
    unpaid.pay(answer)
    wait(unpaid, 6)
    price = {DAY: 499, WEEK: 1499, TOTAL: 2999}[name]
    assert read_charges(unpaid) == sorted([2999, price])
    assert rows(Refund) == []


@pytest.mark.journey
def test_an_order_waits_while_stripe_does_not_answer(unpaid: Till) -> None:
    unpaid.shop.control.mode("error_500", count=1, path="/v1/subscriptions")
    for _ in range(2):
        assert problem(unpaid.order(WEEK)) == (503, "payments-away")
        payment_jobs.work_off()
    assert len(unpaid.sessions()) == 1
    assert list_messages().count("payment_failed") == 1, "nothing is over yet"
    unpaid.shop.pass_time(minutes=2)
    unpaid.buy(WEEK)
    assert unpaid.read_plan() is WEEK
    assert read_status(unpaid) == ("canceled", ["void"])
    assert list_messages().count("payment_failed") == 2


def read_late(till: Till) -> timedelta:
    """Check that the late month stands to its end, renews, and that the days without it are given; return these."""
    jobs.credit_outages()
    till.shop.deliver()
    wait(till, 1)
    assert till.read_plan() is TOTAL
    assert read_charges(till) == [2999, 2999]
    assert read_status(till) == ("active", ["paid"])
    (row,) = rows(Subscription)
    assert (row.cancel_wanted_at, row.lapsed_at, row.ended_at) == (None, None, None)
    assert max(each.ends_at for each in list_grants(till.person.id)) == row.period_ends_at
    assert list_messages().count("paid_late") == list_messages().count("credited") == 1
    assert "terminée" not in (read_last_mail() or "")
    text = read_last_mail("paid_late")
    assert text
    assert "elle court jusqu’au" in text.lower()
    (credit,) = rows(WatchCredit)
    return timedelta(seconds=credit.seconds)


def test_paid_late_and_heard_before_the_end_is_decided(unpaid: Till) -> None:
    unpaid.shop.pass_time(hours=12)
    pay_renewal(unpaid)
    unpaid.shop.deliver()
    assert jobs.end_unpaid_plans() == {"asked": 0}
    assert read_late(unpaid) == timedelta(hours=12, seconds=1)


def test_paid_late_and_heard_before_stripe_is_asked_to_end_it(unpaid: Till) -> None:
    jobs.end_unpaid_plans()
    unpaid.shop.clock.shift(timedelta(hours=12))
    pay_renewal(unpaid)
    events = unpaid.shop.control.take_deliveries()
    for each in events:
        if each.type == "invoice.paid":
            assert unpaid.shop.post(each.body, each.headers) == 200
    payment_jobs.work_off()
    unpaid.shop.pass_time(minutes=2)
    assert read_late(unpaid) == timedelta(hours=12, seconds=1)


@pytest.mark.parametrize("orders", try_first([True, False], 1))
def test_paid_late_and_not_heard_of_when_stripe_is_asked(unpaid: Till, *, orders: bool) -> None:
    unpaid.shop.clock.shift(timedelta(hours=12))
    pay_renewal(unpaid)
    unpaid.shop.control.take_deliveries()  # they never reach us
    if orders:
        assert problem(unpaid.order(WEEK)) == (503, "payments-away")
    else:
        jobs.end_unpaid_plans()
    payment_jobs.work_off()
    unpaid.shop.pass_time(minutes=2)
    payment_jobs.work_off()
    assert problem(unpaid.order(WEEK)) == (409, "plan-held")
    assert timedelta(hours=12) <= read_late(unpaid) < timedelta(hours=13)


@pytest.mark.journey
def test_who_cancels_while_stripe_is_asked_keeps_no_month_that_is_paid_late(unpaid: Till) -> None:
    jobs.end_unpaid_plans()
    answer = unpaid.post("cancel", {"periodEnd": True})
    assert answer.status_code == 200, answer.json
    pay_renewal(unpaid)
    unpaid.shop.deliver()
    wait(unpaid, 1)
    assert unpaid.read_plan() is NONE
    assert sum(each.amount_cents for each in rows(Refund)) > 2600
    assert "paid_late" not in list_messages()


def test_a_draft_is_waited_for(till: Till) -> None:
    """Stripe finalises a renewal up to 72 hours late while our webhook does not answer."""
    till.buy(TOTAL)
    ends = get_period_end()
    till.shop.clock.move_to(ends - timedelta(minutes=5))
    jobs.begin_days_of_grace()
    till.shop.clock.move_to(ends + timedelta(minutes=5))
    till.shop.control.advance()  # the draft; nothing is heard of it
    till.shop.control.take_deliveries()
    (draft,) = [each for each in till.shop.control.objects("invoice") if each["status"] == "draft"]
    with_grace = max(each.ends_at for each in list_grants(till.person.id))
    till.shop.clock.move_to(with_grace + timedelta(minutes=1))
    assert jobs.end_unpaid_plans() == {"asked": 1}
    payment_jobs.work_off()
    assert till.shop.control.objects("subscription")[0]["status"] in ("active", "past_due"), draft["id"]


@pytest.mark.journey
def test_the_mail_of_a_month_that_is_paid_late_names_the_end_that_a_notice_set(till: Till) -> None:
    till.buy(TOTAL)
    till.confirm()
    till.shop.pass_time(days=20)
    till.use_bad_card()
    till.shop.pass_time(days=10, hours=2)
    till.sign_in()
    assert till.post("cancel", {"on": f"{clock() + timedelta(days=9):%Y-%m-%d}"}).status_code == 200
    till.shop.pass_time(days=3, hours=12)
    jobs.end_unpaid_plans()
    pay_renewal(till)
    till.shop.deliver()
    said = read_last_mail("paid_late") or ""
    assert "Elle court jusqu’au 29 décembre 2026, 23:59. Elle n’est plus renouvelée ensuite." in said


def get_period_end() -> datetime:
    ends = get_subscription().period_ends_at
    assert ends
    return ends


def test_the_end_is_repeated_after_a_kill_between_its_two_calls(unpaid: Till) -> None:
    unpaid.shop.control.mode("error_500", count=1, path="/v1/subscriptions")
    jobs.end_unpaid_plans()
    unpaid.shop.work()
    assert read_status(unpaid) == ("past_due", ["void"])
    unpaid.shop.pass_time(minutes=2)
    payment_jobs.work_off()
    unpaid.shop.deliver()
    assert read_status(unpaid) == ("canceled", ["void"])
    assert list_messages().count("payment_failed") == 2
