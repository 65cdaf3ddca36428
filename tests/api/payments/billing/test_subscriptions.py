"""Cancelling a subscription, its portal, the history, renewals that fail; and orders after a withdrawal: each begins once its own time to withdraw is over."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from api.admin.audit import Actor, AuditedWork
from api.admin.user_changes import end_grant
from api.jobs import schedule as jobs
from api.models.alert import Alert
from api.models.audit import ActorKind
from api.models.base import session
from api.models.declaration import DeclaredBy
from api.models.notification import Notification
from api.models.payment import Payment, PaymentStatus, Refund, RefundReason, Subscription
from api.models.user import Contact, Grant, User
from api.payments.billing.schemas import Cancellation
from api.payments.declarations.records import Author
from api.payments.declarations.service import cancel_own
from api.payments.exchange import jobs as payment_jobs
from configs.ground.clock import clock
from configs.world.plan import PlanName
from notifier.content.message_kind_base import ClaimedRow, TemplateContext
from notifier.message_kinds import kinds
from tests.api.payments.declarations.orders import buy, count_mails, hand_over, list_amounts, list_mails
from tests.api.payments.declarations.test_forms import declare, press
from tests.api.payments.shop import get_payment, list_grants, list_messages, list_refunds
from tests.api.payments.till import ALERT, Till, make_consent
from tests.clients import People, problem
from tests.desk_proofs import prove_desks
from tests.factories import add_alert, add_desk, change, get, one, remove, rows
from tests.running_sandbox import Running
from tests.samples import try_first

DAY, WEEK, TOTAL = PlanName.URGENCE_24H, PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL


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


def test_the_history_shows_what_was_bought_and_its_time(till: Till) -> None:
    for _ in range(2):
        till.buy(PlanName.URGENCE_24H)
    newest = till.get("history").json["items"][0]
    assert (newest["plan"], newest["amount"], newest["status"]) == ("URGENCE_24H", 499, "COMPLETED")
    assert (newest["from"], newest["to"]) == ("2026-11-21T09:00:00Z", "2026-11-22T09:00:00Z")
    assert newest["stripePaymentId"].startswith("pi_")
    assert newest["stripeSessionId"].startswith("cs_")


def test_a_renewal_is_announced_three_days_before_and_once_and_no_end(till: Till, person: Any) -> None:
    other = Till(till.shop, person("other@example.org"))
    for each in (till, other):
        each.buy(TOTAL)
    other.post("cancel", {"periodEnd": True})
    till.shop.pass_time(days=26)
    assert jobs.tell_renewals() == {"mails": 0, "failed": 0}
    till.shop.pass_time(days=1, hours=1)
    assert [jobs.tell_renewals()["mails"] for _ in range(2)] == [1, 0]
    assert one(Notification, Notification.kind == "renewal_soon").user_id == till.person.id


def read_mails() -> list[dict[str, str]]:
    """Return the values of the mails about failed payments that still say something, the oldest first."""
    with session() as s:
        found = []
        for row in s.scalars(
            sa.select(Notification).where(Notification.kind == "payment_failed").order_by(Notification.id)
        ):
            context = kinds()[row.kind].prepare(
                s, ClaimedRow.of(row), s.get_one(Contact, row.contact_id), clock()
            )
            if isinstance(context, TemplateContext):
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
    assert list_messages().count("payment_failed") == 3
    assert read_mails() == [], "the days are over by now"


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


@pytest.mark.parametrize("status", try_first(["unpaid", "incomplete"], 1))
@pytest.mark.months
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
    assert problem(till.order(TOTAL)) == (503, "payments-away")
    payment_jobs.work_off()
    till.buy(TOTAL)
    assert till.read_plan() is TOTAL
    assert statuses(till) == ["canceled", "active"]
    paid = [each.status for each in rows(Payment) if each.consented_at]
    assert paid == [PaymentStatus.COMPLETED, PaymentStatus.COMPLETED]


def test_14_one_that_runs_is_not_bought_twice(till: Till, sandbox: Running) -> None:
    till.buy(TOTAL)
    say_status(till, sandbox, "trialing")
    assert problem(till.order(TOTAL)) == (409, "plan-held")


LATER = datetime(2026, 12, 4, 23, tzinfo=UTC)  # midnight in Paris after the fourteenth day from 20 November


def withdraw(till: Till, order: Payment) -> None:
    answer = till.post("withdraw", {"paymentId": str(order.id)})
    assert answer.status_code == 200, answer.json
    till.shop.deliver()


def buy_and_withdraw(till: Till, name: PlanName = WEEK) -> None:
    """Do one round: buy, use for a minute, withdraw."""
    order = buy(till, name)
    till.shop.pass_time(minutes=1)
    withdraw(till, order)
    payment_jobs.work_off()  # a subscription ends at Stripe
    till.shop.deliver()


@pytest.mark.journey
def test_rounds_of_buying_and_withdrawing_give_one_use(till: Till) -> None:
    for number in range(2):
        order = buy(till, WEEK)
        assert (till.read_plan() is WEEK) is (number == 0)
        till.shop.pass_time(hours=1)
        withdraw(till, order)
        assert (list_refunds(order.id)[0].amount_cents < order.amount_cents) is (number == 0)
    assert [(each.plan, each.ends_at) for each in rows(Grant)] == [(WEEK, rows(Grant)[0].ends_at)]
    till.buy(WEEK)
    (grant,) = (each for each in list_grants(till.person.id) if each.ends_at > clock())
    assert (grant.starts_at, grant.ends_at) == (LATER, LATER + timedelta(days=7))
    till.shop.pass_time(seconds=(LATER - clock()).total_seconds())
    assert till.read_plan() is WEEK


@pytest.mark.journey
@pytest.mark.months
def test_a_month_can_be_ordered_again_after_90_days(till: Till) -> None:
    buy_and_withdraw(till, TOTAL)
    until = clock() + timedelta(days=90)
    refused = till.order(TOTAL)
    assert problem(refused) == (409, "after-withdrawal")
    assert refused.json["availableFrom"] == f"{until:%Y-%m-%dT%H:%M:%SZ}"
    assert all(each in refused.json["detail"] for each in ("URGENCE_24H", "URGENCE_7J", f"{until:%Y-%m-%d}"))
    assert till.get("quote", plan=TOTAL).status_code == 409
    till.shop.pass_time(days=90, seconds=-1)
    till.sign_in()
    assert till.order(TOTAL).status_code == 409
    till.shop.pass_time(seconds=1)
    assert till.get("quote", plan=DAY).json["beginsLater"] is False
    till.buy(TOTAL)
    assert till.read_plan() is TOTAL


def test_it_is_not_asked_to_begin_at_once_and_nothing_is_owed_before(till: Till) -> None:
    buy_and_withdraw(till)
    before = list_amounts()
    till.buy(DAY, consent=make_consent(acceptsHourThreshold=False))
    hand_over()
    order: Payment = max(rows(Payment), key=lambda each: each.id)
    assert order.consent
    assert (order.consent["startNow"], order.consent["acknowledgesLoss"]) == (False, False)
    assert order.consent_text == ""
    till.shop.pass_time(seconds=(LATER - clock()).total_seconds() - 1)
    till.sign_in()
    withdraw(till, order)
    assert sorted([*before, order.amount_cents]) == list_amounts()
    assert till.read_plan() is PlanName.NONE


def test_once_it_began_the_time_to_withdraw_is_over(till: Till) -> None:
    buy_and_withdraw(till)
    order = buy(till, DAY)
    till.shop.pass_time(seconds=(LATER - clock()).total_seconds())
    till.sign_in()
    answer = till.post("withdraw", {"paymentId": str(order.id)})
    assert problem(answer) == (409, "period-over")


def test_a_mail_that_passes_midnight_gives_no_free_day(till: Till) -> None:
    buy_and_withdraw(till)
    till.shop.pass_time(hours=13, minutes=58, seconds=50)  # ten seconds before midnight in Paris
    till.buy(DAY)
    till.shop.pass_time(seconds=20)
    hand_over()
    (grant,) = (each for each in list_grants(till.person.id) if each.ends_at > clock())
    assert grant.starts_at == datetime(2026, 12, 7, 23, tzinfo=UTC)  # the fifth of December is a Saturday
    till.sign_in()
    (entry, *_) = till.get("history").json["items"]
    assert entry["withdrawUntil"] == "2026-12-07T23:00:00Z"


def test_an_order_that_waited_for_its_payment_is_no_way_round(till: Till) -> None:
    order = buy(till, WEEK)
    open_pages = [till.order(DAY), till.order(WEEK)]
    till.shop.pass_time(minutes=1)
    withdraw(till, order)
    for page in open_pages[1:]:
        till.pay(page)
        late = get_payment(UUID(page.json["paymentId"]))
        assert late.status is PaymentStatus.REFUNDED
        assert [each.reason for each in list_refunds(late.id)] == [RefundReason.DUPLICATE]
    assert till.read_plan() is PlanName.NONE


@pytest.mark.journey
def test_plans_that_wait_follow_each_other_and_none_moves_up(till: Till) -> None:
    buy_and_withdraw(till)
    first = buy(till, WEEK)
    till.shop.pass_time(days=3)
    till.sign_in()
    second = buy(till, DAY)
    starts = {each.payment_id: each.starts_at for each in list_grants(till.person.id)}
    assert (starts[first.id], starts[second.id]) == (LATER, LATER + timedelta(days=7))
    withdraw(till, first)
    (grant,) = (each for each in list_grants(till.person.id) if each.ends_at > clock())
    assert grant.starts_at == LATER + timedelta(days=7)


def test_its_alert_waits_for_the_plan_and_needs_no_other_click(till: Till) -> None:
    buy_and_withdraw(till)
    till.buy(WEEK, alert=ALERT)
    (alert,) = rows(Alert, Alert.enabled)
    assert (alert.enabled, "alerts_paused" in list_messages()) == (True, False)
    assert till.person.get("/api/auth/me").json["nextPlan"] == WEEK
    assert till.person.get("/api/auth/me").json["nextPlanStartsAt"] == "2026-12-04T23:00:00Z"
    other = ALERT | {"name": "Maman"}
    assert till.person.send("POST", "/api/alerts", other).status_code == 402, "no plan runs yet"
    till.shop.pass_time(seconds=(LATER - clock()).total_seconds())
    till.sign_in()
    prove_desks()
    jobs.pause_excess_alerts()
    assert till.person.get(f"/api/alerts/{alert.id}").json["isActive"] is True
    assert till.person.get("/api/auth/me").json["nextPlan"] is None
    assert till.person.send("POST", "/api/alerts", other).status_code == 201


def test_what_runs_beside_it_is_neither_credited_nor_ended(till: Till) -> None:
    given_back = buy(till, WEEK)
    till.buy(WEEK)
    till.shop.pass_time(minutes=1)
    withdraw(till, given_back)
    assert till.read_plan() is WEEK, "bought before the withdrawal, it runs"
    (running,) = (each for each in list_grants(till.person.id) if each.ends_at > clock())
    till.buy(WEEK)
    assert [each.starts_at for each in list_grants(till.person.id) if each.starts_at > clock()] == [LATER]
    assert running.id in {each.id for each in list_grants(till.person.id) if each.ends_at > clock()}


def test_an_alert_of_a_plan_that_waits_is_not_paused_by_the_one_that_runs(till: Till) -> None:
    add_desk()
    buy(till, DAY)
    second = buy(till, DAY)
    till.sign_in()
    assert till.person.send("POST", "/api/alerts", ALERT).status_code == 201
    withdraw(till, second)
    till.buy(WEEK, alert=ALERT | {"name": "Maman"})
    jobs.pause_excess_alerts()
    ids = [each.id for each in rows(Alert, Alert.enabled)]
    assert len(ids) == 2  # besides the paused one for which the first plans were bought
    ids.append(add_alert(till.person.id, name="Papa"))
    jobs.pause_excess_alerts()
    carried = {each.name: each.enabled for each in rows(Alert, Alert.id.in_(ids))}
    assert carried == {None: True, "Maman": True, "Papa": False}, (
        "the running plan carries one; the later one its own"
    )


def test_a_month_that_an_operator_ends_has_no_days_of_grace(till: Till) -> None:
    till.buy(TOTAL)
    (grant,) = list_grants(till.person.id)
    with session() as s:
        end_grant(AuditedWork(s, Actor(None, ActorKind.COMMAND)), till.person.id, grant.id)
    jobs.begin_days_of_grace()
    assert till.read_plan() is PlanName.NONE


def test_a_declaration_by_the_form_counts_from_its_second_and_for_nobody_whose_address_was_typed(
    till: Till, person: People
) -> None:
    order, other = buy(till, WEEK), Till(till.shop, person("other@example.org"))
    declare(till, order, email="other@example.org")
    assert other.get("quote", plan=DAY).json["beginsLater"] is False
    declare(till, order)
    assert till.get("quote", plan=WEEK).json["beginsLater"] is True


def test_a_withdrawal_by_the_form_follows_its_address_to_a_new_account(till: Till, person: People) -> None:
    order = buy(till, WEEK)
    remove(User, User.id == till.person.id)
    declare(till, order, email="Camille@example.org")
    again = Till(till.shop, person("camille@example.org"))
    assert again.get("quote", plan=DAY).json["beginsLater"] is False, "nobody confirmed it yet"
    press(till)
    assert again.get("quote", plan=DAY).json["beginsLater"] is True


@pytest.mark.journey
def test_admins_hear_once_a_day_of_who_withdraws_again_and_again(
    till: Till, settings_env: Callable[..., None]
) -> None:
    settings_env(SUPPORT_EMAIL="aide@example.org")
    buy_and_withdraw(till)
    assert count_mails("payment_trouble") == 0
    for _ in range(2):
        buy_and_withdraw(till)
    (mail,) = list_mails("payment_trouble")
    assert (mail.params["trouble"], "withdrawal 2 of one person" in mail.params["detail"]) == (
        "withdrawn_again",
        True,
    )
    assert str(till.person.id) not in mail.dedupe_key, "it outlives the account"
    till.shop.pass_time(days=1)
    till.sign_in()
    buy_and_withdraw(till)
    assert ["withdrawal 4" in each.params["detail"] for each in list_mails("payment_trouble")].count(
        True
    ) == 1
