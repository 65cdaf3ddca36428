"""The accounts of `make chaos` read both sides of real payments."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from api.models.base import engine, session
from api.models.payment import RefundReason
from api.payments import jobs
from api.payments.ledger import lock_payment
from api.payments.refunds import plan_refund
from configs.clock import clock
from deploy.chaos.journal import OpeningJournal
from deploy.chaos.payment_accounts import (
    PaymentAccount,
    StripePayment,
    read_ours,
    read_stripe,
    read_waiting,
    wait_for_payments,
)
from tests.api.payments.shop import Shop
from tests.api.world import Person


def test_real_payments_agree_and_what_the_worker_has_not_done_waits(shop: Shop, buyer: Person) -> None:
    inbox: Any = SimpleNamespace(received=lambda _: (clock(),))

    def account() -> PaymentAccount:
        return wait_for_payments(engine(), inbox, shop.control, OpeningJournal(), 0)

    paid = shop.buy(buyer.id)
    assert account() == PaymentAccount(payments=1, paid=1499, grants=1, order_mails=1)
    with session() as s:
        plan_refund(s, lock_payment(s, paid), 100, RefundReason.OPERATOR)
    (ours,) = read_ours(engine(), inbox)
    assert (ours.refunded, ours.is_order, ours.ended) == (100, True, False)
    assert read_stripe(shop.control.ledger()) == [StripePayment(ours.intents[0], str(paid), 1499, 0, 1499)]
    assert [each.partition(" ")[0] for each in read_waiting(engine())] == ["refund"]
    assert len(account().differences) == 2
    shop.clock.shift(timedelta(minutes=2))
    jobs.work_off()
    shop.deliver()
    assert account() == PaymentAccount(payments=1, paid=1499, refunded=100, grants=1, order_mails=1)
