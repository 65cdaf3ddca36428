"""Summary of a run: the lines at its end, and the same as JSON."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

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
from deploy.chaos.runner import FaultRound

LIMITS = {  # seconds
    partitions.WAITED: partitions.LONGEST_WAIT,
    places.OUTLIVED: places.LONGEST_STAY,
    providers.TAKEN_OVER: providers.LONGEST_SWITCH,
    providers.RETURNED: providers.LONGEST_RETURN,
    receipts.TOLD_ELSEWHERE: receipts.LONGEST_FALLBACK,
}


def figures(
    journal: OpeningJournal,
    rounds: Sequence[FaultRound],
    account: DeliveryAccount,
    proven: Proven,
    *,
    jobs: JobAccount,
    payments: PaymentAccount,
    law: LegalAccount,
    messages: MessageAccount,
    calls: CallAccount,
    push: PushAccount,
) -> dict[str, Any]:
    """Return every count of a run."""
    struck = [spell for spell in journal.spells if not spell.missed]
    named = [spell for spell in struck if spell.said is not None]
    return {
        "kills": len(journal.kills),
        "killed": dict(sorted(Counter(kill.who for kill in journal.kills).items())),
        "faults": len(struck),
        "struck": dict(sorted(Counter(spell.fault for spell in struck).items())),
        "missed": {spell.fault: spell.missed for spell in journal.spells if spell.missed},
        "slots opened": len(journal.openings),
        "messages expected": account.expected,
        "lost": len(account.lost),
        "doubled, allowed": len(account.doubled_allowed),
        "doubled, not allowed": len(account.doubled),
        "told to strangers": len(account.strangers),
        "contacts above their cap": len(account.over_cap),
        "most messages to a contact in an hour": account.fullest_hour,
        "late": len(account.late),
        "late after an outage": len(account.after_outage),
        "proofs kept": proven.kept,
        "proofs lost, allowed": len(proven.excused),
        "proofs lost": len(proven.lost),
        "job runs done": jobs.done,
        "job runs that failed": jobs.failed,
        "job runs that are late": jobs.late,
        "payments": payments.payments,
        "cents paid": payments.paid,
        "cents refunded": payments.refunded,
        "grants": payments.grants,
        "order mails": payments.order_mails,
        "order mails doubled, allowed": payments.copies_allowed,
        "payments that differ": len(payments.differences),
        "cents that differ": payments.cents_that_differ,
        "withdrawals": law.withdrawals,
        "cents withdrawn": law.cents,
        "invoices": law.invoices,
        "credit notes": law.credit_notes,
        "exports": law.exports,
        "accounts deleted": law.deletions,
        "receipts doubled, allowed": law.copies_allowed,
        "breaches of law": len(law.differences),
        "messages delivered": messages.delivered,
        "messages bounced": messages.bounced,
        "without a receipt, allowed": messages.unconfirmed,
        "SMS told elsewhere": messages.fallbacks,
        "copies of unknown fate": messages.copies,
        "messages that differ": len(messages.differences),
        "calls that rang": calls.rang,
        "calls ended by a key": calls.ended_by_key,
        "calls that differ": len(calls.differences),
        "pushes sent": push.sent,
        "pushes that came": push.came,
        "pushes that differ": len(push.differences),
        "worst recovery, s": round(account.worst, 1),
        **{name: round(value, 2) for name, value in journal.figures.items()},
        "rounds": len(rounds),
        "rounds that were not well in time": sum(not each.well for each in rounds),
        "health named what was down": f"{sum(bool(spell.said) for spell in named)} of {len(named)}",
        "health was silent in": sorted({spell.fault for spell in named if not spell.said}),
    }


def find_failures(found: dict[str, Any]) -> list[str]:
    """Return, in words, what the run should have proved and did not: one line each."""
    bad = (
        "lost",
        "late after an outage",
        "doubled, not allowed",
        "told to strangers",
        "contacts above their cap",
        "proofs lost",
        "job runs that failed",
        "job runs that are late",
        "payments that differ",
        "breaches of law",
        "messages that differ",
        "calls that differ",
        "pushes that differ",
        "rounds that were not well in time",
    )
    wrong = [f"{name}: {found[name]}, none is allowed" for name in bad if found[name]]
    over = [
        f"{name}: {found[name]}, less than {limit:g} is allowed"
        for name, limit in LIMITS.items()
        if found.get(name, 0.0) >= limit
    ]
    return [*wrong, *over, *(f"health named nothing during {name}" for name in found["health was silent in"])]


def line(found: dict[str, Any]) -> str:
    """Return the last line of a run."""
    names = (
        "kills", "faults", "slots opened", "messages expected", "lost", "doubled, allowed",
        "doubled, not allowed", "late", "late after an outage",
        "told to strangers", "contacts above their cap", "proofs kept", "proofs lost",
        "job runs done", "payments", "cents paid", "cents refunded", "grants", "order mails",
        "payments that differ", "cents that differ", "withdrawals", "cents withdrawn", "invoices", "credit notes",
        "exports", "accounts deleted", "breaches of law", "messages delivered", "without a receipt, allowed",
        "SMS told elsewhere", "copies of unknown fate", "messages that differ", "worst recovery, s",
    )  # fmt: skip
    return " · ".join(f"{name}: {found[name]}" for name in names)
