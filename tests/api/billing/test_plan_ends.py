from datetime import UTC, datetime, time, timedelta

import pytest
import sqlalchemy as sa
import time_machine

from api.background import jobs
from api.models.base import session
from api.models.notification import HeldFor, Notification, State
from api.models.user import Channel, Contact, Grant, User
from configs.ground.clock import clock
from configs.world.plan import PlanName
from notifier.content.message_kind_base import ClaimedRow, Skip, TemplateContext
from notifier.content.messages import render
from notifier.delivery.reader_wishes import find_wish, read_recipients
from tests.api.billing.till import Till
from tests.api.messages import read_again
from tests.clients import Person
from tests.factories import add_contact, change, remove, rows

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
    (grant,) = rows(Grant)
    till.shop.clock.move_to(grant.ends_at + timedelta(minutes=1))  # no job ran, and nothing came from Stripe
    assert tell() == []
    jobs.begin_days_of_grace()
    assert tell() == []
    till.shop.clock.move_to(max(each.ends_at for each in rows(Grant)))  # it was never paid
    assert tell() == ["plan_ended"]


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
