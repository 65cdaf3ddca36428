"""A run fails by any of its accounts, and says by which."""

from typing import Any

import pytest

from deploy.chaos import summary
from deploy.chaos.accounting import DeliveryAccount
from deploy.chaos.call_accounts import CallAccount
from deploy.chaos.faults import partitions, places, providers, receipts
from deploy.chaos.job_accounts import JobAccount
from deploy.chaos.journal import OpeningJournal
from deploy.chaos.legal_accounts import LegalAccount
from deploy.chaos.message_accounts import MessageAccount
from deploy.chaos.payment_accounts import PaymentAccount
from deploy.chaos.proofs import Proven
from deploy.chaos.push_accounts import PushAccount


def figures(**changed: Any) -> dict[str, Any]:
    found = summary.figures(
        OpeningJournal(),
        [],
        DeliveryAccount(),
        Proven(),
        jobs=JobAccount(),
        payments=PaymentAccount(),
        law=LegalAccount(),
        messages=MessageAccount(),
        calls=CallAccount(),
        push=PushAccount(),
    )
    return found | changed


def test_a_clean_run_has_no_failures() -> None:
    measured = {partitions.WAITED: 0.02, places.OUTLIVED: 26.0}
    assert summary.find_failures(figures(**measured)) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lost", 1),
        ("late after an outage", 2),
        ("contacts above their cap", 1),
        ("job runs that failed", 1),
        ("job runs that are late", 1),
        ("payments that differ", 1),
        ("breaches of law", 1),
        ("messages that differ", 1),
        ("calls that differ", 1),
        (providers.RETURNED, providers.LONGEST_RETURN),
        (receipts.TOLD_ELSEWHERE, receipts.LONGEST_FALLBACK),
        (partitions.WAITED, partitions.LONGEST_WAIT),
        (places.OUTLIVED, places.LONGEST_STAY),
    ],
)
def test_each_account_alone_fails_a_run_and_is_named(name: str, value: float) -> None:
    (failure,) = summary.find_failures(figures(**{name: value}))
    assert failure.startswith(f"{name}: {value}")
