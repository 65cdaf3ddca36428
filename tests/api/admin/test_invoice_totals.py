"""Daily totals of documents, as operators export them."""

import csv
import io
from datetime import UTC, datetime

import pytest
import time_machine

from tests.api.admin.conftest import audit
from tests.api.invoices.documents import issue, pay, refund, sum_documents
from tests.clients import Operator

PATH = "/invoice-totals"


@pytest.fixture
def three_days(frozen: time_machine.Traveller, database: str) -> None:
    """Issue documents on two days in Paris; the second begins at 23:00 UTC."""
    frozen.move_to(datetime(2026, 11, 20, 22, 59, tzinfo=UTC))
    first = pay(cents=1499)
    pay(cents=499)
    issue()
    frozen.move_to(datetime(2026, 11, 20, 23, 0, tzinfo=UTC))
    refund(first, 500)
    issue()


def test_each_day_has_its_totals(three_days: None, admin: Operator) -> None:
    found = admin.get(PATH, first="2026-11-20", last="2026-11-21")["items"]
    assert [(each["day"], each["invoices"], each["creditNotes"], each["gross"]) for each in found] == [
        ("2026-11-20", 2, 0, 1998),
        ("2026-11-21", 0, 1, -500),
    ]
    assert {each["vatLine"] for each in found} == {"TVA non applicable, art. 293 B du CGI"}
    assert sum(each["gross"] for each in found) == sum_documents(issue())
    assert [each["gross"] for each in admin.get(PATH, first="2026-11-21", last="2026-11-30")["items"]] == [
        -500
    ]


def test_the_month_so_far_is_what_is_asked_for_without_days(three_days: None, admin: Operator) -> None:
    assert len(admin.get(PATH)["items"]) == 2


def test_the_file_has_the_same(three_days: None, admin: Operator) -> None:
    answer = admin.ask("GET", f"{PATH}.csv", query_string={"first": "2026-11-01", "last": "2026-11-30"})
    assert answer.mimetype == "text/csv"
    found = list(csv.DictReader(io.StringIO(answer.text)))
    assert [int(each["gross"]) for each in found] == [1998, -500]
    assert [each.changes for each in audit(action="invoice-totals.export")] == [
        {"first": "2026-11-01", "last": "2026-11-30"}
    ]


@pytest.mark.parametrize(
    "days",
    [
        {"first": "2026-11-02", "last": "2026-11-01"},
        {"first": "2024-01-01", "last": "2026-11-01"},
        {"first": "2026-02-30", "last": "2026-03-01"},
        {"first": "0001-01-01", "last": "0001-01-02"},
        {"first": "9999-12-31", "last": "9999-12-31"},
        {"last": "9999-12-31"},
    ],
)
def test_days_that_make_no_sense_are_refused_or_empty(admin: Operator, days: dict[str, str]) -> None:
    answer = admin.ask("GET", PATH, query_string=days)
    assert answer.status_code == 422 or (answer.json or {})["items"] == []
