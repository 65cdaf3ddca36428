"""Numbers have no gap and no double, also where several processes issue at once and some die."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from api.invoices.issuing import issue_due
from api.models.invoice import Invoice, InvoiceKind
from api.models.payment import RefundStatus
from tests.api.invoices.documents import issue, pay, refund, sum_documents, sum_ledger
from tests.factories import rows
from tests.waiting import until

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
