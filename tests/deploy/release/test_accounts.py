"""Accounts of a release: what counts as failed, as doubled, and what the exit code follows from."""

from datetime import UTC, datetime, timedelta

import pytest

from api.models.user import Channel
from deploy.chaos.accounting import DeliveryAccount
from deploy.chaos.payment_accounts import PaymentAccount
from deploy.release.accounts import (
    CheckAccount,
    CheckRow,
    Step,
    count_checks,
    count_requests,
    find_failures,
    render,
    summarise,
)
from deploy.release.load import Request

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DUE = (("a_91/b", NOON), (Channel.EMAIL, "ana@example.org"))
STEPS = [Step("the new API starts", 100.0, 10.0), Step("the old one ends", 110.0, 5.0)]


def check(seconds: float, desk_id: str = "a_91/b", outcome: str = "no_slots", took: int = 500) -> CheckRow:
    return CheckRow(desk_id, NOON + timedelta(seconds=seconds), took, outcome)


def figures(
    answers: list[Request] | None = None,
    *,
    alerts: tuple[int, int] = (3, 3),
    checks: CheckAccount | None = None,
    messages: DeliveryAccount | None = None,
    payments: PaymentAccount | None = None,
    errors: tuple[str, ...] = (),
    ended: tuple[str, ...] = (),
) -> list[str]:
    found = summarise(
        answers or [], alerts, checks or CheckAccount(), messages or DeliveryAccount(),
        payments or PaymentAccount(), purchases={"paid": 2}, errors=errors, ended=ended,
    )  # fmt: skip
    assert "counted" in render(found, STEPS)
    return find_failures(found)


def test_a_release_that_lost_nothing_has_no_failure() -> None:
    assert figures([Request(101.0, "GET /", 200, 0.1), Request(101.0, "POST /", 303, 0.1)]) == []


@pytest.mark.parametrize("status", [0, 400, 404, 429, 500, 502, 503])
def test_every_other_answer_is_a_failure(status: int) -> None:
    answers = [Request(101.0, "GET /", status, 0.1), Request(112.0, "GET /", 200, 0.1)]
    assert figures(answers) == ["requests that failed: 1, none is allowed"]


@pytest.mark.parametrize(
    ("what", "found"),
    [
        ("alerts lost or doubled: 1", figures(alerts=(3, 2))),
        ("alerts lost or doubled: 1", figures(alerts=(3, 4))),
        ("messages lost: 1", figures(messages=DeliveryAccount(lost=[DUE]))),
        ("messages doubled: 1", figures(messages=DeliveryAccount(doubled=[DUE]))),
        ("messages later than a slot stays: 1", figures(messages=DeliveryAccount(late=[(DUE, 60.0)]))),
        ("messages to strangers: 1", figures(messages=DeliveryAccount(strangers=[DUE]))),
        ("payments that differ: 1", figures(payments=PaymentAccount(differences=["one"]))),
        ("purchases that failed: 1", figures(errors=("refused",))),
        ("programs that ended by themselves: 1", figures(ended=("notifier",))),
        ("checks that failed: 1", figures(checks=count_checks([check(0, outcome="unreachable")]))),
        ("checks of a desk at the same time: 1", figures(checks=count_checks([check(0), check(0.4)]))),
    ],
)
def test_whatever_was_lost_or_doubled_is_a_failure(what: str, found: list[str]) -> None:
    assert found == [f"{what}, none is allowed"]


def test_checks_beside_each_other_are_of_different_desks() -> None:
    rows = [check(0), check(0.1, "c_92/d"), check(0.5), check(4.5)]
    account = count_checks(rows)
    assert (account.count, account.doubled, account.longest_pause) == (4, [], 4.0)


def test_failures_are_named_with_the_step_in_which_they_began() -> None:
    answers = [
        Request(112.0, "GET /", 503, 0.1),
        Request(113.0, "GET /", 503, 0.1),
        Request(99.0, "POST /api/alerts", 0, 0.1, "ConnectionRefusedError()"),
        Request(112.0, "GET /", 200, 0.1),
    ]
    assert count_requests(answers, STEPS) == [
        "2 of GET /: 503, first during: the old one ends",
        "1 of POST /api/alerts: ConnectionRefusedError(), first between two steps",
    ]


def test_a_promise_of_a_step_that_was_broken_is_a_failure() -> None:
    assert find_failures({}, ["it started with a wrong setting"]) == ["it started with a wrong setting"]
