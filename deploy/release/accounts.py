"""Accounts of a release: requests, checks, messages and payments counted, the table of them, and what did not hold."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from deploy.chaos.accounting import DeliveryAccount
from deploy.chaos.payment_accounts import PaymentAccount
from deploy.release.load import Request

# What checks of stand-ins that always answer well end as.
_WELL = {"slots", "no_slots"}
_CHECKS = sa.text("""
SELECT desk_id, started_at, milliseconds, outcome FROM checks WHERE started_at >= :since ORDER BY started_at
""")
_NONE_ALLOWED = (
    "requests that failed",
    "alerts lost or doubled",
    "checks that failed",
    "checks of a desk at the same time",
    "messages lost",
    "messages doubled",
    "messages later than a slot stays",
    "messages to strangers",
    "payments that differ",
    "purchases that failed",
    "programs that ended by themselves",
)


@dataclass(frozen=True)
class Step:
    """One step of a release or a rollback: when it began (time.monotonic()), how long it took, what it said."""

    name: str
    began: float
    seconds: float
    note: str = ""


@dataclass(frozen=True)
class CheckRow:
    """One row of `checks`."""

    desk_id: str
    started_at: datetime
    milliseconds: int
    outcome: str


@dataclass
class CheckAccount:
    """Checks that were recorded: their number, the longest pause, failures, desks that were checked twice at once."""

    count: int = 0
    longest_pause: float = 0.0  # seconds between the beginnings of two checks, of any desks
    failed: Counter[str] = field(default_factory=Counter)
    doubled: list[str] = field(default_factory=list)


def read_checks(engine: sa.Engine, since: datetime) -> list[CheckRow]:
    """Return the checks that began since, in their order."""
    with engine.connect() as connection:
        return [CheckRow(*row) for row in connection.execute(_CHECKS, {"since": since})]


def count_checks(rows: Sequence[CheckRow]) -> CheckAccount:
    """Count checks, which come in the order of their beginnings."""
    account = CheckAccount(len(rows), failed=Counter(row.outcome for row in rows if row.outcome not in _WELL))
    by_desk: dict[str, list[CheckRow]] = defaultdict(list)
    for row in rows:
        by_desk[row.desk_id].append(row)
    pauses = [(later.started_at - earlier.started_at).total_seconds() for earlier, later in pairwise(rows)]
    account.longest_pause = max(pauses, default=0.0)
    for desk_id, own in by_desk.items():
        account.doubled += [
            f"{desk_id} at {later.started_at:%H:%M:%S}"
            for earlier, later in pairwise(own)
            if later.started_at < earlier.started_at + timedelta(milliseconds=earlier.milliseconds)
        ]
    return account


def count_requests(answers: Iterable[Request], steps: Sequence[Step]) -> list[str]:
    """Return a line for each kind of failure: what was asked, the status, how often, first in which step."""
    found: dict[tuple[str, int], list[Request]] = defaultdict(list)
    for answer in answers:
        if answer.failed:
            found[answer.what, answer.status].append(answer)
    return [
        f"{len(failed)} of {what}: {status or failed[0].error}, first {_name_step(failed[0].due, steps)}"
        for (what, status), failed in found.items()
    ]


def _name_step(at: float, steps: Sequence[Step]) -> str:
    during = [step.name for step in steps if step.began <= at <= step.began + step.seconds]
    return f"during: {during[-1]}" if during else "between two steps"


def summarise(
    answers: Sequence[Request],
    alerts: tuple[int, int],
    checks: CheckAccount,
    messages: DeliveryAccount,
    payments: PaymentAccount,
    *,
    purchases: Mapping[str, int],
    errors: Sequence[str],
    ended: Sequence[str],
) -> dict[str, Any]:
    """Return every count by its name. `alerts`: how many there must be, and how many there are."""
    times = sorted(answer.seconds for answer in answers)
    return {
        "requests": len(answers),
        "requests that failed": sum(answer.failed for answer in answers),
        "half of the requests took, ms, at most": round(1000 * _quantile(times, 0.5)),
        "99 of 100 took, ms, at most": round(1000 * _quantile(times, 0.99)),
        "the slowest request took, ms": round(1000 * _quantile(times, 1.0)),
        "alerts lost or doubled": abs(alerts[0] - alerts[1]),
        "checks": checks.count,
        "checks that failed": sum(checks.failed.values()),
        "checks of a desk at the same time": len(checks.doubled),
        "longest time without a check, s": round(checks.longest_pause, 1),
        "messages expected": messages.expected,
        "messages lost": len(messages.lost),
        "messages doubled": len(messages.doubled),
        "messages later than a slot stays": len(messages.late),
        "messages to strangers": len(messages.strangers),
        "the slowest message took, s": round(messages.worst, 1),
        "purchases": purchases.get("paid", 0),
        "purchases that failed": len(errors),
        "payments": payments.payments,
        "cents paid": payments.paid,
        "payments that differ": len(payments.differences),
        "programs that ended by themselves": len(ended),
    }


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def find_failures(figures: Mapping[str, Any], broken: Sequence[str] = ()) -> list[str]:
    """Return, in words, what did not hold; `broken` are promises of single steps that were not kept."""
    return [
        *broken,
        *(f"{name}: {figures[name]}, none is allowed" for name in _NONE_ALLOWED if figures.get(name)),
    ]


def render(figures: Mapping[str, Any], steps: Sequence[Step]) -> str:
    """Return the table that a person reads."""
    lines = [f"  {step.name:<58}{step.seconds:8.1f} s  {step.note}".rstrip() for step in steps]
    counts = [f"  {name:<58}{value:8}" for name, value in figures.items()]
    return "\n".join(["steps", *lines, "", "counted, from the first step to the last", *counts])
