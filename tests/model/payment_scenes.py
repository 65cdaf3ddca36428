"""Scenes of lives of payments: each makes what it needs, so that random lives reach where money is hard."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from api.models.payment import PaymentEventKind
from api.models.user import User
from api.payments.ledger.grants import FRIEND
from configs.world.plan import PlanName
from deploy.sandbox.stripe import controls
from tests.factories import rows
from tests.model.payments_books import Books
from tests.model.payments_world import PaymentsWorld

# Classes of events, and how often each occurs at least in 200 lives
LEAST = {
    "renewals": 50,
    "upgrades": 30,
    "disputes": 20,
    "lost disputes": 8,
    "friends' grants": 20,
    "suspensions": 20,
}
DAY = timedelta(days=1)
_DAY_PASS, WEEK, MONTHS = PlanName.URGENCE_24H, PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL


def renew(world: PaymentsWorld) -> None:
    """Two months follow the first one."""
    world.buy(MONTHS)
    world.pass_time(63 * DAY)
    world.deliver_all()


def fail_to_renew(world: PaymentsWorld) -> None:
    """The card refuses the second month, in whose days of grace it is paid by another one."""
    world.buy(MONTHS)
    _use_card(world, "fails_later")
    world.pass_time(32 * DAY)
    world.deliver_all()
    _use_card(world, "visa")
    world.stripe.control(controls.pay_invoice, world.choose("invoice", 0, status="open"), card="visa")
    world.deliver_all()


def end_unpaid(world: PaymentsWorld) -> None:
    """The card refuses the second month until the plan ends."""
    world.buy(MONTHS)
    _use_card(world, "fails_later")
    world.pass_time(48 * DAY)
    world.deliver_all()


def renew_behind_given_days(world: PaymentsWorld) -> None:
    """A friend's order gives days to who pays each month, who then pays on."""
    world.buy(MONTHS)
    _befriend(world)
    world.pass_time(48 * DAY)
    world.deliver_all()


def cancel_behind_given_days(world: PaymentsWorld) -> None:
    """Who has a friend's days cancels, and then the friend's order goes back."""
    world.buy(MONTHS)
    buyer = world.user_id
    _befriend(world)
    world.user_id = buyer
    world.cancel(None)
    world.deliver_all()
    intent = world.choose("payment_intent", 0, status="succeeded")
    world.stripe.control(controls.refund, intent, amount=600)
    world.deliver_all()
    world.pass_time(20 * DAY)


def upgrade(world: PaymentsWorld) -> None:
    """A day becomes a week, and the week a month."""
    world.buy(_DAY_PASS)
    world.pass_time(DAY / 4)
    world.buy(WEEK)
    world.pass_time(2 * DAY)
    world.buy(MONTHS)


def upgrade_in_friends_days(world: PaymentsWorld) -> None:
    """A larger plan is ordered while a friend's days run or wait."""
    world.buy(WEEK)
    buyer = world.user_id
    _befriend(world)
    world.user_id = buyer
    world.buy(MONTHS)
    world.pass_time(7 * DAY)


def lose_a_dispute(world: PaymentsWorld) -> None:
    """The bank takes a month's money, and gives it again by an appeal."""
    world.buy(MONTHS)
    _dispute(world, "lost")
    world.pass_time(3 * DAY)
    world.stripe.control(controls.close_dispute, world.choose("dispute", 0), status="won")
    world.deliver_all()


def lose_a_part_after_an_upgrade(world: PaymentsWorld) -> None:
    """A week is credited to a month, and the bank takes a part of the week."""
    world.buy(WEEK)
    world.pass_time(DAY)
    week = world.choose("payment_intent", 0, status="succeeded")
    world.buy(MONTHS)
    world.stripe.control(controls.dispute, week, amount=700)
    world.stripe.control(controls.close_dispute, world.choose("dispute", 0), status="lost")
    world.deliver_all()


def lose_a_bill(world: PaymentsWorld) -> None:
    """What an organisation paid by card is taken back by its bank, and paid again by a transfer."""
    world.use(48)
    world.open_bill(0)
    world.pay(0, card="visa")
    world.deliver_all()
    _dispute(world, "lost")
    world.receive(0, waives=False)


def suspend_and_withdraw(world: PaymentsWorld) -> None:
    """Who is suspended withdraws."""
    world.buy(MONTHS)
    world.pass_time(5 * DAY)
    world.suspend()
    world.pass_time(DAY)
    world.withdraw(0)
    world.deliver_all()


def suspend_with_a_day(world: PaymentsWorld) -> None:
    """Who is suspended has a day of 24 hours, and is let in again."""
    world.buy(_DAY_PASS)
    world.pass_time(DAY / 3)
    world.suspend()
    world.pass_time(DAY)
    world.resume()


def restore_in_the_middle(world: PaymentsWorld) -> None:
    """A backup comes back after a month was renewed and another person had bought."""
    world.buy(MONTHS)
    world.back_up()
    world.pass_time(33 * DAY)
    world.add_user()
    world.buy(WEEK)
    world.restore()
    world.pass_time(15 * DAY)


SCENES: dict[str, Callable[[PaymentsWorld], None]] = {
    each.__name__: each
    for each in (
        renew, fail_to_renew, end_unpaid, renew_behind_given_days, cancel_behind_given_days, upgrade, upgrade_in_friends_days,
        lose_a_dispute, lose_a_part_after_an_upgrade, lose_a_bill, suspend_and_withdraw, suspend_with_a_day, restore_in_the_middle,
    )
}  # fmt: skip


def _use_card(world: PaymentsWorld, card: str) -> None:
    world.stripe.control(controls.use_card, world.choose("customer", 0), card=card)


def _befriend(world: PaymentsWorld) -> None:
    """Let a friend order by the buyer's link, until both have their days."""
    world.order_as_friend(WEEK)
    world.pay(0, card="paypal")
    world.deliver_all()
    world.pass_time(18 * DAY)


def _dispute(world: PaymentsWorld, status: str) -> None:
    intent = world.choose("payment_intent", 0, status="succeeded")
    world.stripe.control(controls.dispute, intent)
    world.deliver_all()
    world.stripe.control(controls.close_dispute, world.choose("dispute", 0), status=status)
    world.deliver_all()


def count_events(books: Books) -> Counter[str]:
    """Return how often each class of LEAST occurred in a life."""
    kinds = Counter(each.kind for events in books.events.values() for each in events)
    paid = {each.id: each for each in books.payments if each.paid_at and not each.due_at}
    return Counter({
        "renewals": sum(each.consented_at is None for each in paid.values()),
        "upgrades": len(paid.keys() & {each.payment_id for each in books.credits}),
        "disputes": kinds[PaymentEventKind.DISPUTE_OPENED],
        "lost disputes": kinds[PaymentEventKind.DISPUTE_LOST],
        "friends' grants": sum(each.source == FRIEND for grants in books.grants.values() for each in grants),
        "suspensions": len(rows(User, User.suspended_at.is_not(None))),
    })  # fmt: skip
