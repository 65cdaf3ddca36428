"""The account of withdrawals: it finds receipts that are missing, doubled or wrong, and cents that are owed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from deploy.chaos.inbox import ShopperMail
from deploy.chaos.journal import Kill, OpeningJournal
from deploy.chaos.withdrawal_accounts import (
    OurWithdrawal,
    WithdrawalAccount,
    WithdrawnPayment,
    settle_withdrawals,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = 86_400
# Of 24 hours six are used.
ORDER = WithdrawnPayment(
    id="order",
    amount=499,
    paid_at=NOON,
    informed_at=NOON,
    bought=DAY,
    began_at=NOON,
    withdrawn=375,
    others=0,
    went_back=375,
)
MADE_AT = NOON + timedelta(hours=6)
WITHDRAWAL = OurWithdrawal(
    "one", "7KQ2M9XWPA", MADE_AT, open=False, applied=True, refund=375, payments=(ORDER,)
)
RECEIPT = ShopperMail(
    "a@shop.example.org",
    MADE_AT,
    frozenset({"n1"}),
    "Accusé de réception de votre rétractation – RDVPriority",
    "le 20 novembre 2026 à 19:00:00 (heure de Paris)\nCommande n° 7KQ2M9XWPA",
)


def books(
    ours: OurWithdrawal = WITHDRAWAL,
    *mails: ShopperMail,
    answered: tuple[str, ...] = ("one",),
    journal: OpeningJournal | None = None,
) -> WithdrawalAccount:
    return settle_withdrawals([ours], answered, mails or [RECEIPT], journal or OpeningJournal())


def test_a_withdrawal_with_its_receipt_and_its_refund_is_right() -> None:
    assert books() == WithdrawalAccount(1, 375, 0, ())


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (replace(ORDER, went_back=374), "one: of 499 cents of order 374 went back, 375 are owed"),
        (replace(ORDER, went_back=376), "one: of 499 cents of order 376 went back, 375 are owed"),
        (replace(ORDER, withdrawn=374), "one: says 375 cents, 374 were planned"),
        (
            replace(ORDER, began_at=None, went_back=374),
            "one: of 499 cents of order 374 went back, 375 are owed",
        ),
        (replace(ORDER, others=10, went_back=374), "one: of 499 cents of order 374 went back, 375 are owed"),
        (replace(ORDER, others=200, went_back=500), "one: of 499 cents of order 500 went back, 375 are owed"),
    ],
)
def test_each_cent_that_differs_is_named(order: WithdrawnPayment, said: str) -> None:
    assert books(replace(WITHDRAWAL, payments=(order,))).differences == (f"withdrawal {said}",)


def test_a_renewal_that_was_paid_after_the_declaration_goes_back_whole() -> None:
    late = replace(
        ORDER, id="late", paid_at=MADE_AT + timedelta(hours=1), began_at=None, withdrawn=0, went_back=498
    )
    (difference,) = books(replace(WITHDRAWAL, payments=(ORDER, late))).differences
    assert difference == "withdrawal one: of 499 cents of late 498 went back, 499 are owed"


@pytest.mark.parametrize("informed_at", [None, MADE_AT + timedelta(seconds=1)])
def test_without_the_notice_all_is_owed(informed_at: datetime | None) -> None:
    order = replace(ORDER, informed_at=informed_at)
    (difference,) = books(replace(WITHDRAWAL, payments=(order,))).differences
    assert difference == "withdrawal one: of 499 cents of order 375 went back, 499 are owed"


def test_all_may_go_back_where_the_notice_came_just_then() -> None:
    order = replace(ORDER, informed_at=MADE_AT - timedelta(seconds=2), withdrawn=499, went_back=499)
    assert books(replace(WITHDRAWAL, refund=499, payments=(order,))).differences == ()


def test_what_went_back_before_counts() -> None:
    order = replace(ORDER, withdrawn=199, others=300, went_back=499)
    assert books(replace(WITHDRAWAL, refund=199, payments=(order,))).differences == ()


def test_less_may_be_planned_where_the_dashboard_was_quicker() -> None:
    order = replace(ORDER, withdrawn=199, others=300, went_back=499)
    assert books(replace(WITHDRAWAL, payments=(order,))).differences == ()


def test_one_that_was_answered_and_is_not_there_is_named() -> None:
    assert books(answered=("one", "two")).differences == ("withdrawal two: answered, and lost",)


def test_one_that_waits_is_named() -> None:
    waiting = replace(WITHDRAWAL, open=True, applied=False, refund=None)
    assert books(waiting).differences == ("still waits: withdrawal one",)


@pytest.mark.parametrize(
    ("mails", "said"),
    [
        ((replace(RECEIPT, text="7KQ2M9XWPA"),), "its receipt is without 19:00:00"),
        ((replace(RECEIPT, text="19:00:00 2KQ2M9XWPA"),), "0 receipts"),
        ((replace(RECEIPT, subject="Votre commande est confirmée"),), "0 receipts"),
        ((RECEIPT, replace(RECEIPT, notifications=frozenset({"n2"}))), "2 receipts"),
        ((RECEIPT, RECEIPT), "its receipt came twice"),
    ],
)
def test_each_receipt_that_is_wrong_is_named(mails: tuple[ShopperMail, ...], said: str) -> None:
    assert books(WITHDRAWAL, *mails).differences == (f"withdrawal one: {said}",)


def test_a_copy_is_allowed_where_who_sent_it_died() -> None:
    journal = OpeningJournal(kills=[Kill("worker", 1, MADE_AT + timedelta(seconds=1))])
    assert books(WITHDRAWAL, RECEIPT, RECEIPT, journal=journal) == WithdrawalAccount(1, 375, 1, ())
