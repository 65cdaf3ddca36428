"""A friend's first order that names a person's link: days for both, what refuses and bounds them, and their way back."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from api.admin.audit import Actor, AuditedWork
from api.admin.user_changes import Suspension, suspend_user
from api.jobs import schedule as jobs
from api.models.audit import ActorKind
from api.models.base import session
from api.models.notification import Notification
from api.models.payment import Payment, Referral, ReferralReason, ReferralState, RefundReason, Subscription
from api.models.user import Channel, Contact, Grant, User
from api.payments.billing.referrals import write_friend_link
from api.privacy.deletion import delete_account
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.payments.declarations.orders import hand_over
from tests.api.payments.shop import find_intent, order_refund, send_commands, take_back
from tests.api.payments.till import Till
from tests.clients import People
from tests.factories import add_contact, change, rows, save
from tests.samples import try_first

DAY, WEEK, TOTAL = PlanName.URGENCE_24H, PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL
PERIOD = 18  # days, after which a right to withdraw is over
GIVEN, REFUSED, TAKEN = ReferralState.GIVEN, ReferralState.REFUSED, ReferralState.TAKEN_BACK


@pytest.fixture
def friend(till: Till, person: People, settings_env: Callable[..., None]) -> Till:
    """Give the till at which a friend of Camille's buys."""
    settings_env(FRIENDS="true")
    return Till(till.shop, person("anna@example.org"))


def token(till: Till) -> str:
    return write_friend_link(till.person.id).rpartition("/")[2]


def buy_by_link(till: Till, friend: Till, name: PlanName = WEEK, card: str = "paypal") -> Payment:
    """Have the friend order by the person's link; return the order."""
    answer = friend.order(name, friend=token(till))
    assert answer.status_code == 200, answer.json
    friend.pay(answer, card)
    hand_over()
    found: list[Payment] = rows(Payment, Payment.user_id == friend.person.id)
    return found[-1]


def decide(friend: Till, days: int = PERIOD) -> Referral:
    """Let the time to withdraw pass, and decide."""
    friend.shop.pass_time(days=days)
    jobs.give_friends_days()
    send_commands()
    friend.shop.deliver()
    found: list[Referral] = rows(Referral)
    return found[-1]


def list_given(till: Till) -> list[tuple[PlanName, timedelta, timedelta]]:
    """Return the plan of each grant for an order of a friend, when it begins from now on, and its length."""
    found = rows(Grant, Grant.user_id == till.person.id, Grant.source == "friend")
    return [(each.plan, each.starts_at - clock(), each.ends_at - each.starts_at) for each in found]


def list_told(till: Till) -> list[str]:
    mails = rows(Notification, Notification.user_id == till.person.id, Notification.kind == "credited")
    return [each.params["given"] for each in mails if each.channel is Channel.EMAIL]


@pytest.mark.parametrize(
    ("plans", "reason", "days"),
    [
        ((TOTAL, WEEK), None, (5, 2)),
        pytest.param((TOTAL, TOTAL), None, (5, 5), marks=pytest.mark.journey),
        ((DAY, WEEK), ReferralReason.NO_PLAN, (0, 2)),
    ],
)
def test_both_get_the_days_of_their_plan_when_the_right_to_withdraw_is_over(
    till: Till,
    friend: Till,
    plans: tuple[PlanName, PlanName],
    reason: ReferralReason | None,
    days: tuple[int, int],
) -> None:
    till.buy(plans[0])
    buy_by_link(till, friend, plans[1])
    waiting = decide(friend, days=10)
    assert (waiting.state, list_given(friend)) == (ReferralState.PENDING, [])
    row = decide(friend, days=PERIOD - 10)
    assert (row.state, row.reason, (row.days, row.friend_days)) == (GIVEN, reason, days)
    for each, number in zip((till, friend), days, strict=True):
        assert sum((length for _, _, length in list_given(each)), timedelta()) == timedelta(days=number)
        assert len(list_told(each)) == bool(number)
    jobs.give_friends_days()
    assert len(rows(Grant, Grant.source == "friend")) == sum(map(bool, days))


@pytest.mark.journey
def test_the_next_charge_moves_by_the_days_and_the_plan_goes_on_without_a_hole(
    till: Till, friend: Till
) -> None:
    till.buy(TOTAL)
    buy_by_link(till, friend)
    (row,) = rows(Subscription)
    paid_until = row.period_ends_at
    decide(friend)
    assert list_given(till) == [(TOTAL, paid_until - clock(), timedelta(days=5))]
    (known,) = till.shop.control.objects("subscription")
    moved = paid_until + timedelta(days=5)
    assert known["items"]["data"][0]["current_period_end"] == moved.timestamp()
    (row,) = rows(Subscription)
    assert (row.status, row.period_ends_at, row.next_charge_at) == ("trialing", paid_until, moved)
    while clock() < moved - timedelta(hours=2):
        till.shop.pass_time(hours=12)
        jobs.tell_plan_ends()
        jobs.begin_days_of_grace()
        jobs.tell_renewals()
    assert till.read_plan() is TOTAL
    assert len([each for each in till.shop.control.objects("invoice") if each["amount_paid"]]) == 1
    assert jobs.reconcile_payments()["left"] == 0
    till.shop.pass_time(hours=6)
    paid = [each for each in till.shop.control.objects("invoice") if each["amount_paid"]]
    assert len(paid) == 2
    assert till.read_plan() is TOTAL
    grants = rows(Grant, Grant.user_id == till.person.id)
    spans = sorted((each.starts_at, each.ends_at) for each in grants)
    assert all(before[1] >= after[0] for before, after in pairwise(spans))
    told = {each.kind for each in rows(Notification, Notification.user_id == till.person.id)}
    assert "renewal_soon" in told
    assert not told & {"plan_expiring", "plan_ended", "payment_failed"}


@pytest.mark.journey
def test_a_subscription_ends_where_the_days_that_were_given_end(till: Till, friend: Till) -> None:
    till.buy(TOTAL)
    buy_by_link(till, friend)
    decide(friend)
    till.sign_in()
    (row,) = rows(Subscription)
    held = row.next_charge_at
    assert held is not None
    assert held - row.period_ends_at == timedelta(days=5)
    answer = till.post("cancel", {"periodEnd": True})
    assert answer.json == {"endsAt": f"{held:%Y-%m-%dT%H:%M:%SZ}", "refund": 0, "currency": "eur"}
    send_commands()
    (known,) = till.shop.control.objects("subscription")
    assert known["cancel_at"] == held.timestamp()
    pass_until(till, held - timedelta(hours=2))
    assert till.read_plan() is TOTAL
    pass_until(till, held + timedelta(hours=2))
    assert till.read_plan() is PlanName.NONE
    assert len([each for each in till.shop.control.objects("invoice") if each["amount_paid"]]) == 1


def pass_until(till: Till, at: datetime) -> None:
    till.shop.pass_time(seconds=(at - clock()).total_seconds())
    for _ in range(2):
        jobs.apply_declarations()
    send_commands()
    till.shop.deliver()


@pytest.mark.parametrize("days", try_first([3, 9], 1))
def test_a_day_that_is_chosen_ends_the_days_that_were_given(till: Till, friend: Till, days: int) -> None:
    """The first day lies within what is paid, the other one within the days that were given."""
    till.buy(TOTAL)
    buy_by_link(till, friend)
    decide(friend)
    (row,) = rows(Subscription)
    till.shop.pass_time(seconds=(row.period_ends_at - clock()).total_seconds() - 6 * 86400)
    till.sign_in()
    answer = till.post("cancel", {"on": f"{clock() + timedelta(days=days):%Y-%m-%d}"})
    ends = datetime.fromisoformat(answer.json["endsAt"])
    assert (answer.json["refund"] > 0) is (days == 3)
    pass_until(till, ends - timedelta(minutes=5))
    assert till.read_plan() is TOTAL
    pass_until(till, ends + timedelta(minutes=5))
    assert till.read_plan() is PlanName.NONE
    assert not [each for each in rows(Grant, Grant.user_id == till.person.id) if each.ends_at > clock()]


def refund(friend: Till, order: Payment) -> None:
    order_refund(order.id, order.amount_cents)
    send_commands()
    friend.shop.deliver()


def dispute(friend: Till, order: Payment) -> None:
    friend.shop.control.dispute(find_intent(order.id))
    friend.shop.deliver()


def lose(friend: Till, order: Payment) -> None:
    dispute(friend, order)
    (known,) = friend.shop.control.objects("dispute")
    friend.shop.control.close_dispute(known["id"], "lost")
    friend.shop.deliver()


def withdraw(friend: Till, order: Payment) -> None:
    take_back(order.id)
    friend.shop.deliver()


Act = Callable[[Till, Payment], Any]


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (withdraw, ReferralReason.MONEY_BACK),
        (lambda friend, _: add_number(friend), ReferralReason.ONESELF),
        *(
            pytest.param(*each, marks=pytest.mark.journey)
            for each in (
                (refund, ReferralReason.MONEY_BACK),
                (lambda friend, _: move_mailbox(friend), ReferralReason.ONESELF),
                (lambda friend, _: delete(friend), ReferralReason.ACCOUNT_GONE),
            )
        ),
    ],
)
def test_nobody_gets_days_for_an_order_that_was_not_kept_or_that_was_ones_own(
    till: Till, friend: Till, act: Act, reason: ReferralReason
) -> None:
    till.buy(TOTAL)
    order = buy_by_link(till, friend)
    act(friend, order)
    row = decide(friend)
    assert (row.state, row.reason) == (REFUSED, reason)
    assert rows(Grant, Grant.source == "friend") == []


@pytest.mark.journey
def test_a_friend_keeps_the_days_where_who_was_named_deletes_the_account(till: Till, friend: Till) -> None:
    till.buy(TOTAL)
    buy_by_link(till, friend)
    delete(till)
    row = decide(friend)
    assert (row.state, row.reason, row.days) == (GIVEN, ReferralReason.ACCOUNT_GONE, 0)
    assert [length for _, _, length in list_given(friend)] == [timedelta(days=2)]


def add_number(friend: Till) -> None:
    """Have both accounts name a number, which one of them may confirm."""
    for each in {each.user_id for each in rows(Contact)}:
        add_contact(each, Channel.SMS, verified_at=clock() if each == friend.person.id else None)


def delete(friend: Till) -> None:
    with session() as s:
        delete_account(s, friend.person.id, understood=True)


def move_mailbox(friend: Till) -> None:
    """Have both accounts name one mailbox, in two spellings."""
    change(Contact, Contact.user_id != friend.person.id, address="camille.m@gmail.com")
    change(Contact, Contact.user_id == friend.person.id, new_address="Cami.llem+2@googlemail.com")


def test_who_pays_with_the_same_card_gets_no_days_and_stripe_away_decides_nothing(
    till: Till, friend: Till
) -> None:
    till.buy(TOTAL)
    buy_by_link(till, friend, card="visa")
    till.shop.control.mode("error_500", count=1, path="/v1/payment_intents")
    assert decide(friend).state is ReferralState.PENDING
    till.shop.pass_time(minutes=2)
    row = decide(friend, days=0)
    assert (row.state, row.reason) == (REFUSED, ReferralReason.ONESELF)


@pytest.mark.parametrize("act", try_first([refund, lose], 1))
def test_what_goes_back_later_takes_back_what_is_unused_and_the_charge_is_where_it_was(
    till: Till, friend: Till, act: Act
) -> None:
    order = buy_first(till, friend)
    decide(friend)
    (row,) = rows(Subscription)
    paid_until = row.period_ends_at
    act(friend, order)
    row = decide(friend, days=0)
    assert (row.state, row.reason) == (TAKEN, None)
    assert list_given(till) == []
    assert all(starts + length <= timedelta() for _, starts, length in list_given(friend))
    (known,) = till.shop.control.objects("subscription")
    assert known["items"]["data"][0]["current_period_end"] == paid_until.timestamp()
    assert [list_told(each) for each in (till, friend)] == [
        ["charge", "taken_back"],
        ["friend", "taken_back"],
    ]


def suspend(friend: Till, _: Payment) -> None:
    with session() as s:
        work = AuditedWork(s, Actor(None, ActorKind.COMMAND))
        suspend_user(work, friend.person.id, Suspension(reason="x"))


def give_for_outage(_: Till, order: Payment) -> None:
    order_refund(order.id, 100, RefundReason.OUTAGE)


@pytest.mark.parametrize(("act", "state"), [
    (suspend, TAKEN), pytest.param(give_for_outage, GIVEN, marks=pytest.mark.journey),
])  # fmt: skip
def test_money_for_unused_days_takes_back_and_money_for_an_outage_does_not(
    till: Till, friend: Till, act: Act, state: ReferralState
) -> None:
    order = buy_first(till, friend, TOTAL)
    decide(friend)
    assert (len(list_given(till)), len(list_given(friend))) == (1, 1)
    act(friend, order)
    send_commands()
    friend.shop.deliver()
    assert decide(friend, days=0).state is state
    number = int(state is GIVEN)
    assert (len(list_given(till)), len(list_given(friend))) == (number, number)


def buy_first(till: Till, friend: Till, name: PlanName = WEEK) -> Payment:
    """Have the friend's order be so old that the person's month is new when it is decided."""
    till.buy(DAY)
    order = buy_by_link(till, friend, name)
    till.shop.pass_time(days=8)
    till.sign_in()
    till.buy(TOTAL)
    return order


@pytest.mark.parametrize("hours", try_first([12, 0, 72], 1))
def test_a_dispute_takes_days_back_until_it_is_won_and_what_ran_is_not_given_again(
    till: Till, friend: Till, hours: int
) -> None:
    order = buy_first(till, friend)
    decide(friend)
    friend.shop.pass_time(hours=hours)
    dispute(friend, order)
    assert decide(friend, days=0).state is ReferralState.PENDING
    assert list_given(till) == []
    (known,) = friend.shop.control.objects("dispute")
    friend.shop.control.close_dispute(known["id"], "won")
    friend.shop.deliver()
    row = decide(friend, days=0)
    assert (row.state, row.days) == (GIVEN, 5)
    assert list_told(till) == ["charge", "taken_back", "charge"]
    assert sum((length for _, _, length in list_given(friend)), timedelta()) == timedelta(days=2)


@pytest.mark.journey
def test_a_friend_counts_once_however_many_orders_wait_to_be_paid(till: Till, friend: Till) -> None:
    till.buy(TOTAL)
    answers = []
    for _ in range(2):
        answers.append(friend.order(WEEK, friend=token(till)))
        friend.shop.pass_time(minutes=12)
    for each in answers:
        friend.pay(each, "paypal")
    hand_over()
    assert len(rows(Referral)) == 2
    assert (decide(friend).state, len(rows(Referral)), len(list_given(till))) == (GIVEN, 1, 1)


@pytest.mark.journey
def test_the_days_of_a_suspended_friend_wait(till: Till, friend: Till) -> None:
    till.buy(TOTAL)
    buy_by_link(till, friend)
    change(User, User.id == friend.person.id, suspended_at=clock(), suspended_because="abuse")
    assert decide(friend).state is ReferralState.PENDING
    change(User, User.id == friend.person.id, suspended_at=None, suspended_because=None)
    assert decide(friend, days=0).state is GIVEN


@pytest.mark.journey
def test_a_charge_made_while_stripe_was_away_shortens_no_paid_month(till: Till, friend: Till) -> None:
    till.buy(TOTAL)
    buy_by_link(till, friend)
    (row,) = rows(Subscription)
    paid_until = row.period_ends_at
    till.shop.control.mode("error_500", path="/v1/subscriptions")
    decide(friend)
    till.shop.pass_time(seconds=(paid_until - clock()).total_seconds() + 7200)
    till.shop.control.mode("normal")
    for _ in range(3):
        till.shop.pass_time(hours=2)
        send_commands()
    (row,) = rows(Subscription)
    (known,) = till.shop.control.objects("subscription")
    (given,) = rows(Grant, Grant.user_id == till.person.id, Grant.source == "friend")
    paid = [each for each in till.shop.control.objects("invoice") if each["amount_paid"]]
    assert (len(paid), given.starts_at > paid_until + timedelta(days=27)) == (2, True)
    assert known["items"]["data"][0]["current_period_end"] == given.ends_at.timestamp()
    assert (row.charge_at, given.ends_at - given.starts_at) == (given.ends_at, timedelta(days=5))


@pytest.mark.journey
def test_a_charge_whose_day_is_told_stays(till: Till, friend: Till) -> None:
    till.buy(TOTAL)
    order = buy_by_link(till, friend)
    decide(friend)
    till.shop.pass_time(days=11)
    refund(friend, order)
    row = decide(friend, days=0)
    assert (row.state, row.reason) == (TAKEN, ReferralReason.CHARGE_TOLD)
    assert len(list_given(till)) == 1


@pytest.mark.journey
def test_a_year_has_days_for_so_many_friends(till: Till, friend: Till) -> None:
    till.buy(TOTAL)
    order = buy_by_link(till, friend)
    for _ in range(6):
        other = till.shop.buy(friend.person.id, WEEK, card="paypal")
        save_given(other, till)
    decide_one(friend)
    (row,) = rows(Referral, Referral.payment_id == order.id)
    assert (row.state, row.reason, row.days) == (GIVEN, ReferralReason.YEAR_FULL, 0)
    assert len(list_given(friend)) == 1


def save_given(order_id: Any, till: Till) -> None:
    values = {"state": GIVEN, "friend_days": 2, "days": 5, "created_at": clock(), "decided_at": clock()}
    save(Referral(payment_id=order_id, user_id=till.person.id, **values))


def decide_one(friend: Till) -> None:
    friend.shop.pass_time(days=PERIOD)
    jobs.give_friends_days()


def test_an_order_names_only_who_paid_and_only_the_first_one_and_nothing_while_it_is_off(
    till: Till, friend: Till, settings_env: Callable[..., None]
) -> None:
    assert friend.order(friend=token(till)).status_code == 422  # Camille has not paid
    till.buy(TOTAL)
    assert friend.order(friend="forged").status_code == 422
    assert friend.order(friend=token(friend)).status_code == 422
    settings_env(FRIENDS="false")
    assert friend.order(friend=token(till)).status_code == 422
    assert friend.person.get(f"/ami/{token(till)}").status_code == 404
    settings_env(FRIENDS="true")
    assert friend.order(friend=token(till)).status_code == 200
    assert len(rows(Referral)) == 1
    assert friend.order().status_code == 200  # the same order, without the link
    assert rows(Referral) == []
    friend.buy(DAY)
    assert friend.order(friend=token(till)).status_code == 422
