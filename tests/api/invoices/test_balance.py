"""Any history of payments and refunds: the documents add up to the ledger, to the cent, tax included."""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.invoices.contents import measure_vat
from api.models.payment import RefundStatus
from tests import databases
from tests.api.invoices.documents import (
    end_dispute,
    issue,
    pay,
    refund,
    return_refund,
    sum_documents,
    sum_ledger,
)
from tests.fuzz import times

if TYPE_CHECKING:
    from uuid import UUID

STEPS = st.one_of(
    st.tuples(st.just("pay"), st.integers(50, 2999)),
    st.tuples(st.just("refund"), st.integers(1, 400)),
    st.tuples(st.just("return"), st.just(0)),
    st.tuples(st.just("lose"), st.just(0)),
    st.tuples(st.just("win"), st.just(0)),
    st.tuples(st.just("issue"), st.just(0)),
)


def test_invoices_less_credit_notes_are_the_ledger(database: str, settings_env: Callable[..., None]) -> None:
    settings_env(SELLER_VAT="FR32123456789")
    name = database.rpartition("/")[2]

    @settings(
        max_examples=times(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(history=st.lists(STEPS, min_size=3, max_size=20))
    def check(history: list[tuple[str, int]]) -> None:
        databases.clean(name)
        play(history)
        documents = issue()
        assert sum_documents(documents) == sum_ledger()
        for payment in {each.payment_id for each in documents}:
            mine = [each for each in documents if each.payment_id == payment]
            assert sum_documents(mine, "vat_cents") == measure_vat(sum_documents(mine), Decimal(20))

    check()


def play(history: list[tuple[str, int]]) -> None:
    left: dict[UUID, int] = {}
    made: list[UUID] = []
    lost: list[tuple[UUID, int]] = []
    for step, cents in history:
        if step == "pay":
            left[pay(cents=cents)] = cents
        elif step == "refund" and left:
            payment = max(left, key=lambda each: left[each])
            if left[payment] >= cents:
                made.append(refund(payment, cents, RefundStatus.SUCCEEDED))
                left[payment] -= cents
        elif step == "return" and made:
            return_refund(made.pop())
        elif step == "lose" and left:
            payment = max(left, key=lambda each: left[each])
            lost.append((payment, left.pop(payment)))
            end_dispute(*lost[-1])
        elif step == "win" and lost:
            end_dispute(*lost.pop(), "won")
        elif step == "issue":
            issue()
