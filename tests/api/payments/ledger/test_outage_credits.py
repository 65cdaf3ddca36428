"""Paid time without watching is given back, never twice; a desk that closes for good leaves a choice of desk or money; a notice of the end of a plan."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
import time_machine

from api.jobs import schedule as jobs
from api.models.alert import Alert
from api.models.base import session
from api.models.desk import DeskState, HostState, Outage, OutageReason
from api.models.notification import HeldFor, Notification, State
from api.models.payment import CreditForm, Payment, Refund, RefundReason, Subscription, WatchCredit
from api.models.user import Channel, Contact, Grant, User
from configs.ground.clock import clock
from configs.world.desk import Outcome
from configs.world.plan import PlanName
from configs.world.prefecture import prefecture
from notifier.content.message_kind_base import ClaimedRow, Skip, TemplateContext
from notifier.content.messages import render
from notifier.delivery.reader_wishes import find_wish, read_recipients
from notifier.message_kinds import kinds
from tests.api.messages import read_again
from tests.api.payments.shop import list_grants, list_messages
from tests.api.payments.till import ALERT, Till, make_consent
from tests.clients import People, Person, problem
from tests.desk_proofs import prove_desks
from tests.factories import BOBIGNY, add_checks, add_contact, add_desk, change, one, remove, rows, save
from tests.refused_writes import broken_row
from tests.waiting import at_once


def check(*minutes: float, outcome: Outcome = Outcome.NO_SLOTS, since: datetime | None = None) -> None:
    """Write checks, so many minutes from now on."""
    add_checks(BOBIGNY, since or clock(), minutes, outcome)


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


def fail() -> None:
    for _ in range(5):
        prove_desks(BOBIGNY, outcome=Outcome.UNREACHABLE, times=1)


def pause() -> None:
    change(DeskState, paused_at=clock(), pause_reason="they wrote to us")


def stop_host() -> None:
    host = prefecture("bobigny_93").desks[0].host
    save(HostState(host=host, stopped_at=clock(), stop_reason="they wrote to us"))


@pytest.mark.parametrize("lose", [fail, pause, stop_host])
def test_what_may_not_be_sold_any_more_closes_nothing_that_was_sold(
    till: Till, lose: Callable[[], None]
) -> None:
    till.buy(PlanName.URGENCE_24H, alert=ALERT)
    check(30, 60)
    till.shop.pass_time(hours=1)
    lose()
    assert till.order(PlanName.URGENCE_24H, is_proven=False, alert=ALERT).status_code == 422
    for hours in (4, 20):  # in the hole, and after the end of the plan
        till.shop.pass_time(hours=hours)
        jobs.credit_outages()
        (alert,) = till.person.get("/api/alerts").json["items"]
        assert (alert["isActive"], alert["awaitsWatch"], rows(Refund)) == (True, False, [])
    (row,) = rows(WatchCredit)
    assert (row.seconds // 3600, till.read_plan()) == (23, PlanName.URGENCE_24H)


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


@pytest.mark.parametrize(
    ("accepts", "feasible", "watched", "passed", "holes"),
    [
        (True, None, [59, 118, 170], 180, []),
        (False, None, [2, 4, 14, *range(15, 30)], 30, [10]),
        (False, 600, [10, 20, 30, 42, 50], 60, [12]),  # the interval that a site allows is no hole
    ],
)
def test_an_hour_counts_where_nobody_accepted_that_it_does_not(
    till: Till, *, accepts: bool, feasible: float | None, watched: list[int], passed: int, holes: list[float]
) -> None:
    if feasible:
        add_desk(feasible_seconds=feasible)
    till.buy(PlanName.URGENCE_24H, alert=ALERT, consent=make_consent(acceptsHourThreshold=accepts))
    check(*watched)
    till.shop.pass_time(minutes=passed)
    jobs.credit_outages()
    assert [each.seconds / 60 for each in rows(WatchCredit)] == holes


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
    check(*(30 * each for each in range(1, 40)))  # for twenty hours
    till.shop.pass_time(hours=25)
    jobs.credit_outages()
    _, credit = list_grants(till.person.id)
    assert credit.starts_at == clock()
    assert credit.ends_at - credit.starts_at == timedelta(hours=4, minutes=30)


ROUTE = "closed-desk-refund"


def close_desk(since: datetime | None = None) -> None:
    add_desk()
    save(Outage(desk_id=BOBIGNY, starts_at=since or clock(), reason=OutageReason.CLOSED))


def read_alert_id(till: Till) -> str:
    found: Any = till.person.get("/api/alerts").json
    return str(found["items"][0]["id"])


def find_link(till: Till, *, confirmed: bool = True) -> str:
    """Return the path of the refund's link, as its mail has it."""
    change(Contact, verified_at=clock() if confirmed else None)
    with session() as s:
        row = s.scalars(sa.select(Notification).where(Notification.kind == "desk_closed_choice")).one()
        contact = s.get_one(Contact, row.contact_id)
        context = kinds()[row.kind].prepare(s, ClaimedRow.of(row), contact, clock())
        assert isinstance(context, TemplateContext)
        return str(context.values["signed_url"]).removeprefix("http://localhost:4000")


@pytest.fixture
def closed(till: Till) -> Till:
    """Give a buyer of seven days whose desk closed after one, a day and a half ago."""
    till.buy(PlanName.URGENCE_7J, alert=ALERT)
    add_checks(BOBIGNY, clock(), [30 * each for each in range(49)])
    till.shop.pass_time(days=1)
    close_desk()
    assert jobs.tell_closed_desks() == {"mails": 0}, "before a day"
    till.shop.pass_time(days=1, hours=12)
    assert [jobs.tell_closed_desks()["mails"] for _ in range(2)] == [1, 0]
    return till


def test_the_time_since_the_closing_is_refunded_once_and_the_plan_ends(closed: Till) -> None:
    alert_id = read_alert_id(closed)
    answers = at_once(lambda _: closed.post(ROUTE, {"alertId": alert_id}), range(4))
    assert sorted(each.status_code for each in answers) == [200, 409, 409, 409]
    (answer,) = (each for each in answers if each.status_code == 200)
    assert answer.json == {"refund": 1285, "currency": "eur"}  # 6 of 7 days, 1284.9
    (grant,) = list_grants(closed.person.id)
    assert grant.ends_at == clock()
    closed.shop.deliver()
    (refund,) = rows(Refund)
    assert (refund.amount_cents, refund.reason, refund.status.value) == (
        1285,
        RefundReason.NOT_WATCHED,
        "succeeded",
    )
    (item,) = closed.get("history").json["items"]
    assert [(each["amount"], each["reason"]) for each in item["refunds"]] == [(1285, "not_watched")]
    assert list_messages()[-1] == "refunded"
    closed.shop.pass_time(hours=2)
    jobs.credit_outages()
    assert len(rows(WatchCredit)) == len(rows(Refund)) == 1, "the hole up to the choice is given back once"


def test_a_desk_that_closed_today_or_is_open_again_leaves_nothing_to_refund(till: Till) -> None:
    till.buy(PlanName.URGENCE_7J, alert=ALERT)
    close_desk()
    till.shop.pass_time(hours=23)
    assert till.post(ROUTE, {"alertId": read_alert_id(till)}).status_code == 409
    till.shop.pass_time(hours=2)
    change(Outage, ends_at=clock())
    assert till.post(ROUTE, {"alertId": read_alert_id(till)}).status_code == 409
    assert rows(Refund) == []


def test_a_subscription_is_cancelled_too_and_that_is_confirmed(till: Till) -> None:
    till.buy(PlanName.URGENCE_TOTAL, alert=ALERT)
    close_desk()
    till.shop.pass_time(days=3)
    assert till.post(ROUTE, {"alertId": read_alert_id(till)}).json["refund"] == 2999
    (row,) = rows(Subscription)
    assert row.cancel_wanted_at == clock()
    assert "cancelled" in list_messages()


def test_an_extension_that_has_not_begun_goes_back_whole(closed: Till) -> None:
    closed.shop.buy(closed.person.id, PlanName.URGENCE_7J)
    assert closed.post(ROUTE, {"alertId": read_alert_id(closed)}).json["refund"] == 1285 + 1499
    assert [each.ends_at for each in list_grants(closed.person.id)] == [clock()]


def test_neither_somebody_elses_alert_nor_rubbish_nor_one_that_names_another_desk_is_refunded(
    closed: Till, person: People
) -> None:
    alert_id = read_alert_id(closed)
    stranger = Till(closed.shop, person("stranger@example.org"))
    assert stranger.post(ROUTE, {"alertId": alert_id}).status_code == 404
    assert closed.post(ROUTE, {"alertId": str(uuid4())}).status_code == 404
    for body in ({}, {"alertId": 7}, {"alertId": "x" * 4000}, {"alertId": None}):
        assert closed.post(ROUTE, body).status_code == 422
    wish = {"prefectureId": "melun_77", "procedures": ["TITRE_SEJOUR"]}
    prove_desks("melun_77/titre-sejour")
    answer = closed.person.patch(f"/api/alerts/{alert_id}", wish)
    assert answer.status_code == 200, answer.json
    assert problem(closed.post(ROUTE, {"alertId": alert_id})) == (409, "desk-open")
    assert rows(Refund) == []


def test_an_alert_that_is_changed_to_wait_at_a_closed_desk_gives_nothing_back(till: Till) -> None:
    till.buy(PlanName.URGENCE_7J, alert=ALERT)
    check(*range(0, 2 * 1440, 10))
    for desk in prefecture("melun_77").desks:
        add_desk(desk.id)
        save(Outage(desk_id=desk.id, starts_at=clock() - timedelta(days=60), reason=OutageReason.CLOSED))
    till.shop.pass_time(days=2)
    wish = {"prefectureId": "melun_77", "procedures": ["TITRE_SEJOUR"], "acceptWaiting": True}
    assert till.person.patch(f"/api/alerts/{read_alert_id(till)}", wish).status_code == 200
    assert problem(till.post(ROUTE, {"alertId": read_alert_id(till)})) == (409, "desk-open")


def test_the_mail_s_link_shows_the_amount_and_refunds_by_its_button(closed: Till) -> None:
    assert find_link(closed, confirmed=False) == "", "no link to an address that is not confirmed"
    link, client = find_link(closed), closed.shop.client
    assert client.post(link[:-3] + "abc").status_code == 400
    for _ in range(2):
        shown = client.get(link)
        assert "12,85" in shown.text
        assert 'method="post"' in shown.text
    assert rows(Refund) == []
    address = one(Contact).address
    for at, said in (("new@example.org", "Rien à rembourser"), (address, "est enregistré")):
        change(Contact, address=at)
        assert said in client.post(link).text
    for answer in (client.post(link), client.get(link)):
        assert "Rien à rembourser" in answer.text
    assert len(rows(Refund)) == 1
    closed.shop.clock.shift(timedelta(days=31))
    assert client.get(link).status_code == 410


def test_a_desk_that_left_the_desk_files_counts_as_closed(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    till.buy(PlanName.URGENCE_7J, alert=ALERT)
    monkeypatch.setattr("api.payments.billing.plan_ends.find_watched_desks", lambda _targets: [])
    assert jobs.tell_closed_desks() == {"mails": 1}


def test_time_is_not_given_for_ever_for_a_desk_that_stays_closed(till: Till) -> None:
    till.buy(PlanName.URGENCE_24H, alert=ALERT)
    for _ in range(5):
        till.shop.pass_time(days=1, hours=1)
        jobs.credit_outages()
    till.shop.deliver()
    assert [each.source for each in list_grants(till.person.id)] == ["payment", "credit"]
    (refund,) = rows(Refund)
    assert refund.reason is RefundReason.OUTAGE
    assert list_messages().count("credited") == 2


START = datetime(2026, 11, 20, 9, tzinfo=UTC)  # the frozen clock's
DAY, WEEK, MONTH = PlanName.URGENCE_24H, PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL


def tell() -> list[str]:
    """Run the job; return the kinds of all notices so far, in their order."""
    jobs.tell_plan_ends()
    with session() as s:
        mine = sa.select(Notification.kind).where(Notification.kind.in_(("plan_expiring", "plan_ended")))
        return list(s.scalars(mine.order_by(Notification.id)))


@pytest.mark.parametrize(
    ("plan", "days", "lead"), [(DAY, 1, timedelta(hours=2)), (WEEK, 7, timedelta(days=1))]
)
def test_a_plan_is_told_of_before_its_end_and_at_its_end_each_once(
    frozen: time_machine.Traveller, camille: Person, plan: PlanName, days: float, lead: timedelta
) -> None:
    camille.holds(plan, days=days)
    end, second = START + timedelta(days=days), timedelta(seconds=1)
    told = []
    for moment in (end - lead - second, end - lead, end - second, end, end + timedelta(hours=1)):
        frozen.move_to(moment)
        told.append(tell())
    before, both = ["plan_expiring"], ["plan_expiring", "plan_ended"]
    assert told == [[], before, before, both, both]


def test_the_end_stands_in_the_clock_of_its_user(frozen: time_machine.Traveller, camille: Person) -> None:
    camille.holds(WEEK, days=7)
    change(User, time_zone="Indian/Reunion")
    frozen.move_to(START + timedelta(days=6, hours=12))
    tell()
    said = read_again("plan_expiring")
    assert isinstance(said, TemplateContext)
    text = render("plan_expiring", "email", "fr", said)
    assert "Votre formule URGENCE 7J se termine le 27 novembre 2026 à 13:00." in text.text
    assert "URGENCE" not in text.subject


def test_nothing_is_told_where_the_next_grant_follows_nor_long_after_an_end(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    camille.holds(DAY, days=1)
    camille.holds(WEEK, days=7, starts=1)
    for hours in (23, 24, 25):
        frozen.move_to(START + timedelta(hours=hours))
        assert tell() == []
    frozen.move_to(START + timedelta(days=7, hours=1))
    assert tell() == ["plan_expiring"]
    frozen.move_to(START + timedelta(days=10))  # the job was away
    assert tell() == ["plan_expiring"]


def test_of_two_grants_that_end_at_once_one_is_told_of(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    camille.holds(WEEK, days=7)
    camille.holds(MONTH, days=7)
    frozen.move_to(START + timedelta(days=7))
    assert tell() == ["plan_ended"]


@pytest.mark.parametrize("meanwhile", ["bought", "over", "taken back"])
def test_a_warning_that_is_wrong_by_now_is_not_sent(
    frozen: time_machine.Traveller, camille: Person, meanwhile: str
) -> None:
    camille.holds(WEEK, days=7)
    frozen.move_to(START + timedelta(days=6, hours=1))
    assert tell() == ["plan_expiring"]
    assert isinstance(read_again("plan_expiring"), TemplateContext)
    if meanwhile == "bought":
        camille.holds(WEEK, days=7)
    elif meanwhile == "over":
        frozen.move_to(START + timedelta(days=8))
    else:
        remove(Grant)
    held = read_again("plan_expiring")
    assert isinstance(held, Skip)
    assert held.state is State.EXPIRED


def test_it_goes_to_telegram_too_and_to_a_mailbox_without_alerts(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    camille.holds(DAY)
    change(Contact, enabled=False)
    add_contact(camille.id, Channel.TELEGRAM, "7")
    frozen.move_to(START + timedelta(hours=23))
    assert tell() == ["plan_expiring"] * 2
    assert {each.channel for each in rows(Notification)} == {Channel.EMAIL, Channel.TELEGRAM}


def test_in_quiet_hours_the_mail_leaves_and_telegram_waits(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    camille.holds(DAY)
    add_contact(camille.id, Channel.TELEGRAM, "7")
    change(User, quiet_from=time(8), quiet_until=time(10))
    frozen.move_to(START + timedelta(hours=23))  # 9:00 in Paris
    tell()
    with session() as s:
        to = read_recipients(s, list(s.scalars(sa.select(Contact.id))))
        waits = {
            row.channel: find_wish(ClaimedRow.of(row), to[row.contact_id], clock())
            for row in s.scalars(sa.select(Notification))
            if row.contact_id
        }
    assert waits.pop(Channel.EMAIL) is None
    assert waits == {
        Channel.TELEGRAM: Skip(State.PENDING, "", START + timedelta(hours=24), HeldFor.QUIET_HOURS)
    }


def test_a_month_that_renews_is_told_of_by_another_message_and_one_that_was_cancelled_by_this(
    till: Till,
) -> None:
    till.buy(MONTH)
    till.confirm()
    till.shop.pass_time(days=29, hours=12)
    assert tell() == []
    till.sign_in()
    till.post("cancel", {"periodEnd": True})
    assert tell() == ["plan_expiring"]


def test_a_month_whose_days_of_grace_begin_late_has_not_ended(till: Till) -> None:
    till.buy(MONTH)
    till.confirm()
    till.use_bad_card()
    (grant,) = rows(Grant)
    till.shop.clock.move_to(grant.ends_at + timedelta(minutes=1))  # no job ran, and nothing came from Stripe
    assert tell() == []
    jobs.begin_days_of_grace()
    assert tell() == []
    till.shop.clock.move_to(max(each.ends_at for each in rows(Grant)))  # it was never paid
    assert tell() == []
    jobs.end_unpaid_plans()
    till.shop.work()
    assert (tell(), list_messages()[-1]) == ([], "payment_failed"), "Stripe agreed, and another mail says so"


def test_a_plan_that_was_withdrawn_from_has_the_message_of_that(till: Till) -> None:
    till.buy(WEEK)
    till.confirm()
    till.shop.pass_time(hours=1)
    (bought,) = till.get("history").json["items"]
    answer = till.post("withdraw", {"paymentId": bought["id"], "name": "Camille Martin"})
    assert answer.status_code in (200, 202), answer.json
    jobs.apply_declarations()
    (grant,) = rows(Grant)
    assert grant.ends_at <= clock()
    assert tell() == []
