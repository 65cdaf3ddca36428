"""The money of each payment as Stripe counts it, to be compared with ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.objects import Json


_HELD = ("needs_response", "under_review", "appeal_")  # by these statuses the bank holds the money back


def read_ledger(account: Account) -> list[Json]:
    """Return a line for each paid payment intent, oldest first; amounts in cents.

    ``net`` is what is left: captured, less what is refunded, in an open dispute, or lost.
    """
    sessions = {each["_intent"]: each["id"] for each in account.all("checkout.session") if each["_intent"]}
    payments = account.all("invoice_payment")
    invoices = {each["payment"]["payment_intent"]: each["invoice"] for each in payments}
    disputed: dict[str, dict[str, int]] = {}
    for each in account.all("dispute"):
        sums = disputed.setdefault(each["payment_intent"], {})
        sums[each["status"]] = sums.get(each["status"], 0) + each["amount"]
    lines = []
    for intent in account.where("payment_intent", status="succeeded"):
        charge, sums = account.find("charge", intent["latest_charge"]), disputed.get(intent["id"], {})
        line = {
            "payment_intent": intent["id"],
            "customer": intent["customer"],
            "session": sessions.get(intent["id"]),
            "invoice": invoices.get(intent["id"]),
            "currency": intent["currency"],
            "captured": charge["amount_captured"],
            "refunded": charge["amount_refunded"],
            "disputed": sum(cents for status, cents in sums.items() if status.startswith(_HELD)),
            "lost": sums.get("lost", 0),
        }
        net = line["captured"] - line["refunded"] - line["disputed"] - line["lost"]
        lines.append(line | {"net": net, "metadata": intent["metadata"]})
    return lines
