"""POST /api/billing/cancel/undo: it lets the contract go on until the notice has taken effect, and says so each time."""

from datetime import timedelta

import pytest

from api.declarations.service import keep_own, undo_own
from api.errors import ApiError
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
from tests.clients import Answer


def undo(till: Till) -> Answer:
    return till.person.send("POST", "/api/billing/cancel/undo")


def read_type(answer: Answer) -> str:
    return str(answer.json["type"]).rpartition(":")[2]


def test_it_takes_the_notice_back_and_says_when_it_renews(till: Till) -> None:
    buy(till, TOTAL)
    assert till.post("cancel", {"on": "2026-11-25"}).status_code == 200
    settle(till)
    answers = [undo(till), undo(till)]
    assert [each.status_code for each in answers] == [200, 200]
    assert [each.json for each in answers] == [{"renewsAt": f"{paid_until(till):%Y-%m-%dT%H:%M:%SZ}"}] * 2
    settle(till)
    assert (at_stripe(till)["cancel_at"], read_notices()[0].undone_at is None) == (None, False)


def test_a_stranger_s_notice_is_undone_and_another_user_s_is_not(till: Till) -> None:
    order = buy(till, TOTAL)
    send(till, order.order_number, "stranger@example.org")
    assert till.shop.client.post("/api/billing/cancel/undo").status_code == 401
    assert undo(till).status_code == 200
    assert read_notices()[0].undone_at


def test_after_it_took_effect_it_is_too_late_also_where_the_job_is_late(till: Till) -> None:
    order = buy(till, TOTAL)
    send(till, order.order_number)
    (row,) = read_notices()
    assert row.takes_effect_at
    till.shop.clock.move_to(row.takes_effect_at + timedelta(seconds=1))
    with pytest.raises(ApiError) as late:  # the token of the route has expired
        keep_own(till.person.id)
    assert (late.value.status, late.value.word) == (409, "undo-too-late")
    settle(till)
    with pytest.raises(ApiError) as ended:
        keep_own(till.person.id)
    assert (ended.value.status, ended.value.word) == (409, "no-subscription")


def test_an_end_of_the_portal_or_by_a_withdrawal_stays(till: Till) -> None:
    order = buy(till, TOTAL)
    till.shop.control.cancel_subscription(at_stripe(till)["id"], at_period_end=True)
    till.shop.deliver()
    assert read_type(undo(till)) == "undo-too-late"
    withdraw(till, order)
    assert read_type(undo(till)) == "undo-too-late"
    settle(till)
    assert at_stripe(till)["status"] == "canceled"


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
