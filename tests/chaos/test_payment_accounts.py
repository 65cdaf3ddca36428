"""The account of payments: it finds what was lost, invented, doubled or not done, on either side."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from api.models.payment import PaymentStatus
from deploy.chaos.journal import Kill, OpeningJournal
from deploy.chaos.payment_accounts import OurPayment, PaymentAccount, StripePayment, settle_payments

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ORDER = OurPayment(
    id="one",
    status=PaymentStatus.COMPLETED,
    amount=1499,
    refunded=0,
    cash=1499,
    intents=("pi_1",),
    grants=1,
    ended=False,
    is_order=True,
    mails=((NOON,),),
)
RENEWAL = replace(
    ORDER, id="two", amount=2999, refunded=500, cash=2499, intents=("pi_2",), is_order=False, mails=()
)
MONEY = (StripePayment("pi_1", "one", 1499, 0, 1499), StripePayment("pi_2", None, 2999, 500, 2499))


def books(
    *ours: OurPayment,
    theirs: tuple[StripePayment, ...] = MONEY,
    waiting: tuple[str, ...] = (),
    journal: OpeningJournal | None = None,
) -> PaymentAccount:
    return settle_payments(ours or (ORDER, RENEWAL), theirs, waiting, journal or OpeningJournal())


def test_both_sides_agree() -> None:
    unpaid = replace(ORDER, id="three", status=PaymentStatus.PENDING, intents=(), grants=0, mails=())
    assert books(ORDER, RENEWAL, unpaid) == PaymentAccount(2, 4498, 500, 2, 1)


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        (replace(ORDER, amount=1498), "one: paid 1498 cents here, 1499 at Stripe"),
        (replace(ORDER, refunded=1), "one: refunded 1 cents here, 0 at Stripe"),
        (replace(ORDER, cash=1498), "one: in the book 1498 cents here, 1499 at Stripe"),
        (replace(ORDER, grants=0), "one: COMPLETED with 0 grants"),
        (replace(ORDER, grants=2), "one: COMPLETED with 2 grants"),
        (replace(ORDER, mails=()), "one: COMPLETED with order mails taken at ()"),
        (replace(ORDER, mails=((),)), "one: COMPLETED with order mails taken at ((),)"),
        (replace(ORDER, mails=((NOON,), (NOON,))), "one: COMPLETED with order mails"),
        (replace(ORDER, mails=((NOON, NOON),)), "one: the order mail came twice, first at 12:00:00"),
        (
            replace(ORDER, status=PaymentStatus.PENDING, grants=0, mails=()),
            "one: Stripe took 1499 cents by pi_1, here it is PENDING",
        ),
    ],
)
def test_each_difference_is_named(ours: OurPayment, said: str) -> None:
    (difference,) = books(ours, RENEWAL).differences
    assert difference.startswith(said)


def test_money_that_only_one_side_knows_is_named() -> None:
    assert books(RENEWAL).differences == ["one: Stripe took 1499 cents by pi_1, here it is unknown"]
    assert books(theirs=MONEY[:1]).differences == ["two: COMPLETED here, and Stripe took nothing"]
    again = replace(MONEY[0], intent="pi_3")
    assert "one: paid 2 times" in books(theirs=(*MONEY, again)).differences


def test_what_waits_for_longer_than_the_patience_is_a_difference() -> None:
    assert books(waiting=("refund 7",)).differences == ["still waits: refund 7"]


def test_what_went_back_or_was_upgraded_may_have_no_grant_and_no_mail() -> None:
    back = replace(ORDER, status=PaymentStatus.REFUNDED, refunded=1499, cash=0, grants=0, mails=())
    assert books(back, RENEWAL, theirs=(replace(MONEY[0], refunded=1499, net=0), MONEY[1])).differences == []
    assert books(replace(ORDER, ended=True, grants=0), RENEWAL).differences == []


@pytest.mark.parametrize(("who", "allowed"), [("payments-worker", 1), ("worker", 1), ("scheduler", 0)])
def test_a_copy_of_an_order_mail_is_allowed_where_who_sent_it_died(who: str, allowed: int) -> None:
    journal = OpeningJournal(kills=[Kill(who, 1, NOON + timedelta(seconds=1))])
    twice = replace(ORDER, mails=((NOON, NOON + timedelta(seconds=5)),))
    account = books(twice, RENEWAL, journal=journal)
    assert (account.copies_allowed, len(account.differences)) == (allowed, 1 - allowed)
