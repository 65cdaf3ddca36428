"""A withdrawal and a notice of cancellation of one contract: the withdrawal ends it, and nothing brings it back."""

from datetime import timedelta

import pytest

from api.declarations.service import undo_own
from api.models.declaration import Declaration, DeclarationKind
from tests.api.billing.till import Till
from tests.api.declarations.notices import (
    TOTAL,
    at_stripe,
    cancel,
    move,
    paid_until,
    press,
    read_notices,
    send,
    settle,
)
from tests.api.declarations.orders import buy, list_amounts, withdraw
from tests.api.payments.shop import list_messages


def read_cancellations() -> list[Declaration]:
    return [each for each in read_notices() if each.kind is DeclarationKind.CANCELLATION]


@pytest.mark.parametrize("wish", [{"on": "2026-11-25"}, {"periodEnd": True}])
def test_a_withdrawal_closes_the_notice_that_waits(till: Till, wish: dict[str, object]) -> None:
    order = buy(till, TOTAL)
    cancel(till.person.id, wish)
    till.shop.pass_time(days=1)
    done = withdraw(till, order)
    (notice,) = read_cancellations()
    assert (notice.refused_because, notice.undone_at) == ("ended_before", None)
    press(till.shop.client, notice, "undo")
    assert not undo_own(till.person.id)
    settle(till)
    move(till, notice.made_at + timedelta(days=40))
    assert list_amounts() == [done.refund_cents], "for all days left, once"
    assert at_stripe(till)["status"] == "canceled"
    assert "cancelled" not in list_messages()


def test_no_undo_revives_a_withdrawn_contract_while_stripe_is_away(till: Till) -> None:
    order = buy(till, TOTAL)
    cancel(till.person.id, {"periodEnd": True})
    settle(till)
    till.shop.control.mode("error_500")
    withdraw(till, order)
    send(till, order.order_number)
    *_, late = read_cancellations()
    for which in ("confirm", "undo"):
        press(till.shop.client, late, which)
    assert not undo_own(till.person.id)
    till.shop.control.mode("normal")
    till.shop.clock.shift(timedelta(minutes=30))
    settle(till)
    assert at_stripe(till)["status"] == "canceled"


def test_a_withdrawal_after_the_notice_took_effect_gives_no_cent_twice(till: Till) -> None:
    order = buy(till, TOTAL)
    cancel(till.person.id, {"on": "2026-11-25"})
    (notice,) = read_cancellations()
    assert notice.takes_effect_at
    move(till, notice.takes_effect_at)
    (unused,) = list_amounts()
    till.shop.pass_time(days=2)
    done = withdraw(till, order)
    assert (done.refund_cents or 0) + unused <= order.amount_cents
    assert (done.refund_cents, list_amounts()) == (0, [unused])
    assert paid_until(till) == notice.takes_effect_at
