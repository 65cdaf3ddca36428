"""Orders after a withdrawal: each begins once its own time to withdraw is over, so that a use of minutes is not free."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from api.background import jobs
from api.models.alert import Alert
from api.models.payment import Payment, PaymentStatus, RefundReason
from api.models.user import Grant, User
from api.payments import jobs as payment_jobs
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.billing.till import ALERT, Till, make_consent
from tests.api.declarations.orders import buy, count_mails, hand_over, list_amounts, list_mails
from tests.api.declarations.test_forms import declare, press
from tests.api.payments.shop import get_payment, list_grants, list_messages, list_refunds
from tests.clients import People, problem
from tests.factories import add_desk, remove, rows

DAY, WEEK, TOTAL = PlanName.URGENCE_24H, PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL
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
    add_desk()
    till.buy(WEEK, alert=ALERT)
    (alert,) = rows(Alert)
    assert (alert.enabled, "alerts_paused" in list_messages()) == (True, False)
    assert till.person.get("/api/auth/me").json["nextPlan"] == WEEK
    assert till.person.get("/api/auth/me").json["nextPlanStartsAt"] == "2026-12-04T23:00:00Z"
    assert till.person.send("POST", "/api/alerts", ALERT).status_code == 402, "no plan runs yet"
    till.shop.pass_time(seconds=(LATER - clock()).total_seconds())
    till.sign_in()
    jobs.pause_excess_alerts()
    assert till.person.get(f"/api/alerts/{alert.id}").json["isActive"] is True
    assert till.person.get("/api/auth/me").json["nextPlan"] is None
    assert till.person.send("POST", "/api/alerts", ALERT | {"name": "Maman"}).status_code == 201


def test_what_runs_beside_it_is_neither_credited_nor_ended(till: Till) -> None:
    given_back = buy(till, WEEK)
    till.buy(WEEK)
    till.shop.pass_time(minutes=1)
    withdraw(till, given_back)
    assert till.read_plan() is WEEK, "bought before the withdrawal, it runs"
    (running,) = (each for each in list_grants(till.person.id) if each.ends_at > clock())
    till.buy(WEEK)
    assert [each.starts_at for each in list_grants(till.person.id) if each.starts_at > clock()] == [LATER]
    assert running in list_grants(till.person.id) or running.ends_at > clock()


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
