"""Numbers have no gap and no double, and documents add up to the ledger, through failures and killed processes."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.invoices.contents import measure_vat
from api.invoices.issuing import issue_due
from api.models.invoice import Invoice, InvoiceKind
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
from tests.factories import rows
from tests.fuzz import times
from tests.waiting import until

if TYPE_CHECKING:
    from uuid import UUID

ALL = 267  # 200 invoices, 67 credit notes
ROOT = Path(__file__).parents[3]
# A number is held for a moment before its commit, so that most kills meet a transaction that has one.
_ISSUER = """
import time
from api.invoices import issuing
from api.invoices.issuing import issue_due

take = issuing.take_number

def take_and_hold(*arguments):
    taken = take(*arguments)
    time.sleep(0.02)
    return taken

issuing.take_number = take_and_hold
while True:
    issue_due(60)
"""


def check_series() -> None:
    """Look for gaps and doubles, and at the order of the dates."""
    for kind in InvoiceKind:
        found = sorted((each for each in rows(Invoice) if each.kind is kind), key=lambda each: each.number)
        assert [int(each.number[-6:]) for each in found] == list(range(1, len(found) + 1))
        assert [each.issued_at for each in found] == sorted(each.issued_at for each in found)


def test_four_that_issue_at_once_leave_no_gap(database: str) -> None:
    payments = [pay() for _ in range(12)]
    for each in payments[:6]:
        refund(each, 100)
    with ThreadPoolExecutor(4) as pool:
        issued = list(pool.map(issue_due, [60.0] * 4))
    assert sum(done for done, _ in issued) == len(issue()) == 18
    check_series()
    assert sum_documents(rows(Invoice)) == sum_ledger()


@contextmanager
def issuing(number: int) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Run so many processes that issue what is due, and end them."""
    running = [start() for _ in range(number)]
    try:
        yield running
    finally:
        for each in running:
            kill(each)


def start() -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", _ISSUER], cwd=ROOT, env=os.environ)


def kill(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def has_grown(before: int) -> bool:
    found = len(rows(Invoice))
    return found > before or found == ALL


@pytest.mark.journey
@pytest.mark.timeout(600)
def test_two_hundred_payments_at_once_with_kills(database: str) -> None:
    """Ten payers at once, twenty times; a refund for every third payment. Each time one of four issuers is killed."""
    drawn = random.Random(7)

    def buy(number: int) -> None:
        payment = pay(cents=499 + number)
        if number % 3 == 0:
            refund(payment, 100)
        if number % 5 == 0:
            refund(payment, 50, RefundStatus.FAILED)

    with issuing(4) as running, ThreadPoolExecutor(10) as pool:
        for wave in range(20):
            before = len(rows(Invoice))
            bought = [pool.submit(buy, 10 * wave + each) for each in range(10)]
            until(partial(has_grown, before), pause=0.001)
            victim = drawn.randrange(len(running))
            kill(running[victim])
            running[victim] = start()
            for each in bought:
                each.result()
        until(lambda: len(rows(Invoice)) == ALL)
    check_series()
    assert sum_documents(rows(Invoice)) == sum_ledger()


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
        databases.empty(name)
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
