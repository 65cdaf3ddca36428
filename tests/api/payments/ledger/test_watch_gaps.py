"""Time without watching belongs to the person's paid time: counted whole, in one sum a period, told once a day."""

from datetime import datetime, timedelta

import pytest

from api.jobs import schedule as jobs
from api.models.alert import Alert
from api.models.base import session
from api.models.payment import CreditForm, Payment, Refund, WatchCredit
from api.payments.exchange import jobs as payment_jobs
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.payments.declarations.orders import buy, hand_over, withdraw
from tests.api.payments.shop import list_grants, list_messages
from tests.api.payments.till import ALERT, Till, make_consent
from tests.factories import BOBIGNY, add_checks, add_desk, change, rows

DAY, WEEK, TOTAL = PlanName.URGENCE_24H, PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL
pytestmark = pytest.mark.months
OTHER = {"prefectureId": "melun_77", "procedures": ["TITRE_SEJOUR"]}


@pytest.fixture(autouse=True)
def _desk(till: Till) -> None:
    add_desk(feasible_seconds=1800)  # it is asked each half hour


def check(start: datetime, *minutes: float) -> None:
    add_checks(BOBIGNY, start, minutes)


def pass_hours(till: Till, hours: int, step: int = 1) -> None:
    for _ in range(0, hours, step):
        till.shop.pass_time(hours=step)
        jobs.credit_outages()
        till.shop.deliver()


def wish(till: Till, form: str) -> None:
    till.sign_in()
    assert till.person.send("PATCH", "/api/users/profile", {"outageCredit": form}).status_code == 200


def sum_hours() -> float:
    return float(sum(each.seconds / 3600 for each in rows(WatchCredit)))


def sum_kept(till: Till) -> int:
    return sum(each["captured"] - each["refunded"] for each in till.shop.control.ledger())


@pytest.mark.parametrize(
    ("act", "runs"), [("resume", False), ("delete", True), ("delete", False), ("change", True)]
)
def test_09_eight_hours_count_whatever_becomes_of_the_alert(till: Till, act: str, *, runs: bool) -> None:
    """`runs`: the job ran while they lasted."""
    till.buy(WEEK, alert=ALERT)
    start = clock()
    check(start, 30)
    (alert,) = rows(Alert)
    till.shop.pass_time(hours=8)
    if runs:
        jobs.credit_outages()
    path = f"/api/alerts/{alert.id}"
    till.sign_in()
    if act == "resume":
        for _ in range(2):
            assert till.person.send("PATCH", f"{path}/toggle", {}).status_code == 200
    if act == "delete":
        assert till.person.send("DELETE", path).status_code == 204
    if act == "change":
        assert till.person.send("PATCH", path, OTHER).status_code == 200
    check(start, *(480 + 30 * each for each in range(200)))
    till.shop.pass_time(days=1)
    jobs.credit_outages()
    till.shop.pass_time(days=1)
    jobs.credit_outages()
    if act != "change":  # nothing of its new place is checked here
        assert sum_hours() <= 8
    assert sum_hours() >= 7.5
    if act != "change":
        assert list_messages().count("credited") <= 2


def test_10_a_long_outage_counts_whole(till: Till) -> None:
    """Of twenty days; between two runs of the job six pass."""
    days = 20
    till.buy(TOTAL, alert=ALERT)
    start = clock()
    check(start, 30, *(days * 1440 + 30 * each for each in range(48 * (32 - days))))
    pass_hours(till, 30 * 24, step=6 * 24)
    assert abs(sum_hours() - days * 24 + 0.5) < 0.2  # the last minutes are not worth a cent
    assert sum(each.amount_cents for each in rows(WatchCredit)) == -(-2999 * (days * 48 - 1) // (30 * 48))


def test_15_the_hour_is_measured_over_the_seam_of_two_periods(till: Till) -> None:
    till.buy(DAY, alert=ALERT)
    till.shop.clock.shift(timedelta(minutes=11))
    till.buy(DAY)
    start = list_grants(till.person.id)[0].starts_at
    check(start, *(30 * each for each in range(1, 47)), 23 * 60 + 10)
    check(start, *(24 * 60 + 50 + 30 * each for each in range(50)))
    till.shop.pass_time(hours=30)
    for _ in range(2):
        jobs.credit_outages()
    parts = [each.seconds / 60 for each in rows(WatchCredit)]
    assert sorted(parts) == [50, 50]
    assert list_messages().count("credited") == 1


@pytest.mark.parametrize(
    ("form", "hour", "cents"),
    [("credit", False, 24), pytest.param("refund", True, 0, marks=pytest.mark.journey)],
)
def test_21_small_holes_are_one_sum_told_once(till: Till, form: str, cents: int, *, hour: bool) -> None:
    """Ten hours with a hole of 2.5 minutes in each eight: 3 h in a month, 24 cents; what the terms let wait is less than 20."""
    add_desk(feasible_seconds=60)
    wish(till, form)
    till.buy(TOTAL, alert=ALERT, consent=make_consent(acceptsHourThreshold=hour))
    start = clock()
    busy = [8 * block + 0.5 * each for block in range(75) for each in range(1, 12)]
    check(start, *busy)
    check(start, *(600 + 2 * each for each in range(420)), *(1440 + 30 * each for each in range(31 * 48)))
    pass_hours(till, 6, step=2)
    assert rows(WatchCredit) == []
    pass_hours(till, 18, step=6)
    add_desk(feasible_seconds=1800)
    pass_hours(till, 30 * 24, step=6 * 24)
    found = [each for each in rows(WatchCredit) if each.form is not CreditForm.TIME]
    assert abs(sum(each.amount_cents for each in found) - cents) <= 12 * bool(cents)
    assert len(found) == bool(cents)
    assert list_messages().count("credited") == bool(cents)


def test_21_a_second_hole_of_a_day_is_given_and_told_on_the_next(till: Till) -> None:
    till.buy(WEEK, alert=ALERT)
    watched = (30, *range(240, 361, 30), *range(540, 3000, 30))
    check(clock(), *watched)
    pass_hours(till, 12, step=4)
    assert (list_messages().count("credited"), round(sum_hours())) == (1, 4)
    pass_hours(till, 12, step=6)
    assert (list_messages().count("credited"), round(sum_hours())) == (2, 6)


def test_21_a_least_amount_binds_only_orders_whose_terms_name_it(till: Till) -> None:
    wish(till, "refund")
    till.buy(WEEK, alert=ALERT)
    with session() as s:
        s.query(Payment).update({"terms_version": "2026-11-24"})
    check(clock(), 30, 150, *(180 + 30 * each for each in range(20)))
    till.shop.pass_time(hours=6)
    for _ in range(2):
        jobs.credit_outages()
    assert [each.amount_cents for each in rows(Refund)] == [18]


def test_18_time_that_was_given_and_not_used_becomes_money(till: Till) -> None:
    """However often the wish changes."""
    till.buy(WEEK, alert=ALERT)
    check(clock(), 30, 30 + 24 * 60, *(60 + 24 * 60 + 30 * each for each in range(48 * 9)))
    pass_hours(till, 48, step=12)
    assert next(each.form for each in rows(WatchCredit)) is CreditForm.TIME
    for form in ("refund", "credit", "refund"):
        wish(till, form)
        pass_hours(till, 25, step=25)
    assert sum(each.amount_cents for each in rows(Refund)) == 215  # a day of seven
    assert [each.source for each in list_grants(till.person.id)] == ["payment"]
    pass_hours(till, 24 * 6, step=24)
    assert sum_kept(till) == 1499 - 215


@pytest.mark.parametrize(
    ("end", "form"),
    [
        ("withdraw", "credit"),
        ("cancel", "refund"),
        pytest.param("delete", "refund", marks=pytest.mark.journey),
        pytest.param("upgrade", "credit", marks=pytest.mark.journey),
        pytest.param("delete", "credit", marks=pytest.mark.journey),
    ],
)
def test_unwatched_time_is_given_once_however_the_plan_ends(till: Till, end: str, form: str) -> None:
    wish(till, form)
    name = TOTAL if end == "cancel" else WEEK
    till.buy(name, alert=ALERT)
    check(clock(), 30, 30 + 48 * 60, *(60 + 48 * 60 + 30 * each for each in range(48 * 40)))
    pass_hours(till, 36, step=6)
    till.shop.pass_time(hours=24)
    till.sign_in()
    (payment,) = rows(Payment)
    change(Payment, Payment.id == payment.id, order_mail_at=payment.paid_at)
    if end == "withdraw":
        assert till.post("withdraw", {"paymentId": str(payment.id)}).status_code == 200
    elif end == "upgrade":
        till.buy(TOTAL)
    elif end == "cancel":
        assert till.post("cancel", {"periodEnd": True}).status_code == 200
    else:
        assert till.person.send("DELETE", "/api/users/me", {"understood": True}).status_code == 204
    till.shop.work_off()
    pass_hours(till, *((24 * 4, 24) if end != "cancel" else (24 * 32, 96)))
    if end == "withdraw":
        assert abs(sum_kept(till) - 1499 * 12 / 168) <= 1
    if end == "upgrade":
        assert abs(sum_kept(till) - 2999 - 1499 * 12 / 168) <= 1
    if end == "cancel":
        assert abs(sum_kept(till) - 2999 * 28 / 30) <= 1
    if end == "delete":  # what was given as time ends with the account
        assert sum_kept(till) == 1499 - 429 + (155 if form == "credit" else 0)


def test_a_day_that_a_step_of_the_clock_leaves_out_was_not_used(till: Till) -> None:
    week = buy(till)
    till.person.post("/api/alerts", ALERT)
    till.shop.clock.shift(timedelta(days=1, minutes=5))
    assert withdraw(till, week).refund_cents == 1499


def test_what_an_outage_takes_off_an_invoice_follows_a_withdrawal(till: Till) -> None:
    till.buy(TOTAL, alert=ALERT)
    hand_over()
    till.shop.clock.shift(timedelta(days=1))
    jobs.credit_outages()
    till.shop.work()
    till.shop.clock.shift(timedelta(days=-1, minutes=6))
    (order,) = rows(Payment)
    row = withdraw(till, order)
    payment_jobs.work_off()
    till.shop.deliver()
    assert (row.refund_cents, till.shop.control.ledger()[0]["refunded"]) == (2899, 2899)
    jobs.credit_outages()  # hourly
    till.shop.clock.shift(timedelta(minutes=2))
    payment_jobs.work_off()
    till.shop.deliver()
    assert till.shop.control.ledger()[0]["refunded"] == 2999
