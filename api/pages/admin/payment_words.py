"""Words of operators' pages of payments, in French."""

from api.admin.payments import OperatorPayment
from api.models.payment import PaymentEventKind, PaymentStatus, RefundReason, RefundStatus
from api.pages.context import write_money

_PLURAL = 200  # cents: French has the plural from two on
_LENGTH = 8  # of the part of an id that is typed

# With the tone of a badge.
PAYMENT_STATUSES: dict[PaymentStatus, tuple[str, str]] = {
    PaymentStatus.PENDING: ("warn", "En attente"),
    PaymentStatus.COMPLETED: ("good", "Payé"),
    PaymentStatus.FAILED: ("", "Non payé"),
    PaymentStatus.REFUNDED: ("info", "Remboursé"),
}
REFUND_REASONS: dict[RefundReason, str] = {
    RefundReason.OPERATOR: "Par un opérateur",
    RefundReason.WITHDRAWAL: "Rétractation",
    RefundReason.NOT_WATCHED: "Page fermée par la préfecture",
    RefundReason.OUTAGE: "Temps non surveillé",
    RefundReason.CANCELLED: "Jours non utilisés après la résiliation",
    RefundReason.NO_ACCOUNT: "Compte supprimé avant le paiement",
    RefundReason.DUPLICATE: "Commande payée deux fois",
    RefundReason.EXTERNAL: "Fait dans Stripe",
}
REFUND_STATUSES: dict[RefundStatus, str] = {
    RefundStatus.PLANNED: "demandé",
    RefundStatus.PENDING: "en route",
    RefundStatus.SUCCEEDED: "fait",
    RefundStatus.FAILED: "a échoué",
}
PAYMENT_EVENTS: dict[PaymentEventKind, str] = {
    PaymentEventKind.PAID: "Payé",
    PaymentEventKind.FAILED: "Refusé, ou jamais payé",
    PaymentEventKind.EXPIRED: "Page de paiement abandonnée",
    PaymentEventKind.REFUNDED: "Tout est rendu",
    PaymentEventKind.REFUND_UNDONE: "Remboursement revenu de la banque",
    PaymentEventKind.DISPUTE_OPENED: "Contestation ouverte",
    PaymentEventKind.DISPUTE_WON: "Contestation gagnée",
    PaymentEventKind.DISPUTE_LOST: "Contestation perdue",
    PaymentEventKind.DISPUTE_CLOSED: "Contestation close sans perte",
    PaymentEventKind.FRAUD_WARNING: "Alerte de fraude",
    PaymentEventKind.PLAN_ENDED: "Fin de la formule",
    PaymentEventKind.WITHDRAWN: "Rétractation",
}
CREDIT_REASONS: dict[str, str] = {
    "upgrade": "Reste de la formule précédente, déduit du prix",
    "outage": "Temps non surveillé, rendu",
    "withdrawal": "La formule précédente reprend",
    "grace": "Jours en attendant le paiement",
}


def write_refundable(cents: int, currency: str = "EUR") -> str:
    """Return what can go back: `1,99 € peut encore être rendu`, in the plural from two euros on."""
    verb = "peuvent encore être rendus" if cents >= _PLURAL else "peut encore être rendu"
    return f"{write_money(cents, currency)} {verb}"


def name_payment(payment: OperatorPayment) -> str:
    """Return the order number of a payment; of a renewal, which has none, the end of its id."""
    return payment.entry.order_number or payment.id.hex[-_LENGTH:].upper()
