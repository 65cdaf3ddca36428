"""Paid time without watching is given back: as time, on the next invoice, or as money, and never twice."""

from datetime import datetime, timedelta

from api.background import jobs
from api.models.alert import Alert
from api.models.desk import Outage, OutageReason
from api.models.payment import Payment
from api.models.watch_credit import CreditForm, WatchCredit
from configs.ground.clock import clock
from configs.world.outcome import Outcome
from configs.world.plan import PlanName
from tests.api.billing.till import ALERT, Till, make_consent
from tests.api.payments.shop import list_grants, list_messages
from tests.clients import People
from tests.factories import BOBIGNY, add_checks, add_desk, rows, save
from tests.refused_writes import broken_row

TOTAL = PlanName.URGENCE_TOTAL


def check(*minutes: float, outcome: Outcome = Outcome.NO_SLOTS, since: datetime | None = None) -> None:
    """Write checks, so many minutes from now on."""
    add_checks(BOBIGNY, since or clock(), minutes, outcome)


def watch(hours: float) -> None:
    """Write a proven answer each half hour."""
    check(*(30 * each for each in range(1, int(hours * 2))))


def test_a_short_plan_lasts_longer_by_a_hole_of_two_hours(till: Till) -> None:
    till.buy(PlanName.URGENCE_24H, alert=ALERT)
    check(30, 60, 180, 210)  # none from 60 to 180
    check(90, 120, outcome=Outcome.UNREACHABLE)
    till.shop.pass_time(hours=4)
    for _ in range(2):
        jobs.credit_outages()
    first, credit = list_grants(till.person.id)
    assert (credit.source, credit.starts_at) == ("credit", first.ends_at)
    assert credit.ends_at - credit.starts_at == timedelta(hours=2)
    (row,) = rows(WatchCredit)
    assert (row.form, row.amount_cents) == (CreditForm.TIME, 42)  # 41.58, rounded up
    assert list_messages().count("credited") == 1
    (entry,) = till.get("history").json["items"][0]["credits"]
    assert (entry["reason"], entry["seconds"]) == ("outage", 7200)


def test_an_account_that_fails_keeps_no_other_from_its_credit(till: Till, person: People) -> None:
    other = Till(till.shop, person("other@example.org", confirmed=True))
    for each in (till, other):
        each.buy(PlanName.URGENCE_24H, alert=ALERT)
    check(30, 60, 180, 210)
    till.shop.pass_time(hours=4)
    first = next(each.id for each in rows(Payment) if each.user_id == till.person.id)
    with broken_row("watch_credits", "payment_id", first):
        counts = jobs.credit_outages()
    assert (counts["users"], counts["failed"]) == (1, 1)
    assert [each.source for each in list_grants(till.person.id)] == ["payment"]
    assert [each.source for each in list_grants(other.person.id)] == ["payment", "credit"]
    counts = jobs.credit_outages()
    assert (counts["failed"], len(rows(WatchCredit))) == (0, 2)


def test_an_outage_of_an_upgraded_plan_is_priced_with_what_was_credited(till: Till) -> None:
    till.buy(PlanName.URGENCE_24H, alert=ALERT)
    till.buy(PlanName.URGENCE_7J)
    check(30, 60, 180, 210)  # none from 60 to 180
    till.shop.pass_time(hours=4)
    jobs.credit_outages()
    paid = sorted(each.amount_cents for each in rows(Payment))
    (row,) = rows(WatchCredit)
    assert (paid, row.amount_cents) == ([499, 1000], 18)  # 2 h of 7 days for 14.99 €: 17.85, rounded up


def test_an_hour_is_not_counted_where_that_was_accepted(till: Till) -> None:
    till.buy(PlanName.URGENCE_24H, alert=ALERT)
    check(59, 118, 170)
    till.shop.pass_time(hours=3)
    jobs.credit_outages()
    assert rows(WatchCredit) == []


def test_without_the_acceptance_every_unproven_minute_counts(till: Till) -> None:
    till.buy(PlanName.URGENCE_24H, alert=ALERT, consent=make_consent(acceptsHourThreshold=False))
    check(2, 4, 14, *range(15, 30))
    till.shop.pass_time(minutes=30)
    jobs.credit_outages()
    (row,) = rows(WatchCredit)
    assert row.seconds == 10 * 60


def test_the_interval_that_a_site_allows_is_no_hole(till: Till) -> None:
    add_desk(feasible_seconds=600)
    till.buy(PlanName.URGENCE_24H, alert=ALERT, consent=make_consent(acceptsHourThreshold=False))
    check(10, 20, 30, 42, 50)
    till.shop.pass_time(hours=1)
    jobs.credit_outages()
    (row,) = rows(WatchCredit)
    assert row.seconds == 12 * 60


def test_time_before_a_desk_was_asked_for_is_no_hole(till: Till) -> None:
    till.buy(PlanName.URGENCE_7J, withoutAlert=True)
    add_desk()
    alerts, headers = "/api/alerts", till.person.headers
    made = till.shop.client.post(alerts, json=ALERT, headers=headers).json or {}
    check(30, 60, 90)
    till.shop.pass_time(hours=1, minutes=30)
    for _ in range(2):  # paused, then resumed a day later
        assert till.shop.client.patch(f"{alerts}/{made['id']}/toggle", headers=headers).status_code == 200
        till.shop.pass_time(days=1)
    check(-60 * 24 + 1, *range(-60 * 23, 0, 30))
    jobs.credit_outages()
    assert rows(WatchCredit) == []


def test_a_desk_that_an_edit_adds_was_not_missed_before(till: Till) -> None:
    till.buy(PlanName.URGENCE_7J, alert={"prefectureId": "melun_77", "procedures": ["TITRE_SEJOUR"]})
    (alert,) = rows(Alert)
    till.shop.pass_time(hours=5)
    path = f"/api/alerts/{alert.id}"
    answer = till.person.patch(path, ALERT)
    assert answer.status_code == 200, answer.json
    check(20, 40, 55)
    till.shop.pass_time(hours=1, minutes=10)
    jobs.credit_outages()
    (row,) = rows(WatchCredit)
    assert row.seconds == (5 * 60 + 20) * 60  # up to the first answer


def test_a_plan_that_ends_in_a_hole_goes_on(till: Till) -> None:
    till.buy(PlanName.URGENCE_24H, alert=ALERT)
    watch(20)
    till.shop.pass_time(hours=25)
    jobs.credit_outages()
    _, credit = list_grants(till.person.id)
    assert credit.starts_at == clock()
    assert credit.ends_at - credit.starts_at == timedelta(hours=4, minutes=30)


def test_a_subscription_s_next_invoice_is_lower_once(till: Till) -> None:
    till.buy(TOTAL, alert=ALERT)
    check(60, 780, 800)  # twelve hours of thirty days
    till.shop.pass_time(hours=14)
    jobs.credit_outages()
    till.shop.work()
    till.shop.pass_time(minutes=6)
    for _ in range(2):
        jobs.credit_outages()
        till.shop.work()
    (item,) = till.shop.control.objects("invoiceitem")
    (row,) = rows(WatchCredit)
    assert (row.form, row.amount_cents) == (CreditForm.INVOICE, 50)
    assert item["amount"] == -50
    till.shop.pass_time(days=30)
    order, renewal = sorted(rows(Payment), key=lambda each: each.id)
    assert (order.amount_cents, renewal.amount_cents) == (2999, 2949)


def test_a_desk_that_closed_for_good_leaves_a_choice(till: Till) -> None:
    till.buy(PlanName.URGENCE_7J, alert=ALERT)
    add_desk()
    save(Outage(desk_id=BOBIGNY, starts_at=clock(), reason=OutageReason.CLOSED))
    assert jobs.tell_closed_desks() == {"mails": 0}
    till.shop.pass_time(days=1)
    assert jobs.tell_closed_desks() == {"mails": 1}
    assert jobs.tell_closed_desks() == {"mails": 0}
    assert list_messages()[-1] == "desk_closed_choice"
