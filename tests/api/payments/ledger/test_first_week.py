"""Subscriptions that a person begins within 90 days of another: cancelled in their first week, they end with it."""

from datetime import UTC, datetime

import pytest

from api.jobs import schedule as jobs
from api.models.declaration import Declaration, DeclaredBy
from api.models.payment import Payment, Refund
from api.payments.declarations import service
from api.payments.exchange import jobs as payment_jobs
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.payments.declarations.orders import hand_over, list_mails, send
from tests.api.payments.till import Till
from tests.api.privacy.traces import delete, prove
from tests.factories import change, one, rows

TOTAL = PlanName.URGENCE_TOTAL


def cancel_today(till: Till) -> str:
    """Cancel with the end of today, let that come, and return when the plan ended."""
    till.sign_in()
    answer = till.post("cancel", {"on": f"{clock():%Y-%m-%d}"})
    assert answer.status_code == 200, answer.json
    return str(answer.json["endsAt"])


def pass_days(till: Till, days: int) -> None:
    for _ in range(days):
        till.shop.pass_time(days=1)
        jobs.apply_declarations()
        payment_jobs.work_off()
        till.shop.deliver()


@pytest.fixture
def again(till: Till) -> Till:
    """Give a person whose first month was cancelled on its day, and who has begun another on the day after."""
    till.buy(TOTAL)
    hand_over()
    assert cancel_today(till) == "2026-11-20T23:00:00Z", "a first subscription ends on any day"
    pass_days(till, 1)
    till.sign_in()
    quote = till.get("quote", plan=TOTAL).json
    assert quote["cancelledFrom"] == "2026-11-27T23:00:00Z"
    assert "prend effet à la fin du septième, le 27 novembre 2026." in quote["words"]["fr"]
    till.buy(TOTAL)
    hand_over()
    return till


def test_a_month_by_the_day_costs_seven_days_from_the_second_on(again: Till) -> None:
    assert cancel_today(again) == "2026-11-27T23:00:00Z"
    pass_days(again, 7)
    assert again.read_plan() is PlanName.NONE
    first, second = sorted(each.amount_cents for each in rows(Refund))
    assert 2999 - second < 100, "the first day alone"
    assert 650 < 2999 - first < 700, "seven days, less the hours before its beginning"


def test_the_form_takes_effect_at_the_end_of_the_week_too(again: Till) -> None:
    order = max(rows(Payment), key=lambda each: each.id)
    assert send(again, order.order_number, wished="2026-11-22").status_code == 200
    assert list_mails("cancel_noticed")[-1].params["held"] == "2026-11-27T23:00:00+00:00"
    row = one(Declaration, Declaration.made_by == DeclaredBy.FORM)
    service.confirm(row.id)
    assert one(Declaration, Declaration.id == row.id).takes_effect_at == datetime(
        2026, 11, 27, 23, tzinfo=UTC
    )


@pytest.mark.journey
def test_who_deletes_the_account_waits_for_nothing(again: Till) -> None:
    prove(again.person)
    assert delete(again.person, {"understood": True}).status_code in (202, 204)
    payment_jobs.work_off()
    again.shop.deliver()
    assert {each["status"] for each in again.shop.control.objects("subscription")} == {"canceled"}


def test_after_its_first_week_it_ends_on_any_day(again: Till) -> None:
    pass_days(again, 8)
    assert cancel_today(again) == f"{clock():%Y-%m-%d}T23:00:00Z"


@pytest.mark.journey
def test_an_order_under_earlier_terms_ends_on_any_day(again: Till) -> None:
    change(Payment, terms_version="2026-11-25")
    assert cancel_today(again) == "2026-11-21T23:00:00Z"


@pytest.mark.journey
@pytest.mark.months
def test_after_90_days_it_is_a_first_one_again(till: Till) -> None:
    till.buy(TOTAL)
    hand_over()
    cancel_today(till)
    pass_days(till, 1)
    till.shop.pass_time(days=89)
    till.sign_in()
    assert till.get("quote", plan=TOTAL).json["cancelledFrom"] is None
    till.buy(TOTAL)
    hand_over()
    ends = cancel_today(till)
    assert ends == f"{clock():%Y-%m-%d}T23:00:00Z"
