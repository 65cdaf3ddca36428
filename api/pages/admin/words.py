"""Words of operators' pages. They are French only, hence in no catalogue."""

from flask_babel import LazyString

from api.admin.payments.queries import OperatorPayment
from api.ground.alarms import name_incident
from api.models.desk import DeskStatus
from api.models.incident import IncidentReason
from api.models.payment import PaymentEventKind, RefundReason
from api.pages.context import write_money
from api.pages.forms import Texts
from api.pages.words import REFUND_REASONS
from configs.world.desk import Grade, Outcome, WatchLevel

REASON_TEXTS: Texts = {
    ("reason", "missing"): "Écrivez la raison, pour les autres opérateurs.",
    "not-found": "Rien de tel n’existe plus.",
}
# With the tone of a badge.
DESK_STATUSES: dict[DeskStatus, tuple[str, str]] = {
    DeskStatus.ACTIVE: ("good", "Surveillé"),
    DeskStatus.CAPTCHA: ("info", "Captcha"),
    DeskStatus.PAUSED: ("warn", "En pause"),
    DeskStatus.ERROR: ("bad", "En erreur"),
}
GRADES: dict[str, str] = {
    Grade.CONFIRMED: "confirmée",
    Grade.UNCONFIRMED: "non confirmée",
    Grade.STALE: "périmée",
    Grade.RETIRED: "retirée",
}
WATCH_LEVELS: dict[str, str] = {
    WatchLevel.FULL: "complète",
    WatchLevel.PEOPLE: "par ceux qui regardent",
    WatchLevel.PRESENCE: "présence seule",
    WatchLevel.NONE: "aucune",
}
OUTCOMES: dict[Outcome, str] = {
    Outcome.SLOTS: "des créneaux",
    Outcome.NO_SLOTS: "aucun créneau",
    Outcome.CAPTCHA: "un captcha",
    Outcome.BLOCKED: "accès refusé",
    Outcome.RATE_LIMITED: "trop de requêtes",
    Outcome.OVERLOADED: "site surchargé",
    Outcome.MAINTENANCE: "site en maintenance",
    Outcome.CLOSED: "page fermée",
    Outcome.UNREACHABLE: "site injoignable",
    Outcome.UNREADABLE: "page illisible",
}
_SHORT = {
    IncidentReason.BLOCKED: "Accès refusé",
    IncidentReason.RATE_LIMITED: "Trop de requêtes",
    IncidentReason.MAINTENANCE: "Maintenance",
    IncidentReason.CLOSED: "Page fermée",
    IncidentReason.UNREACHABLE: "Site injoignable",
    IncidentReason.UNREADABLE: "Page illisible",
    IncidentReason.UNLINKED: "Page qui n’est plus liée",
    IncidentReason.SILENT: "Page sans rendez-vous",
    IncidentReason.PROVIDER_DOWN: "Fournisseur en panne",
    IncidentReason.OLD_QUEUE: "File en retard",
    IncidentReason.QUOTA: "Quota bientôt épuisé",
    IncidentReason.MAIL_CEILING: "E-mails demandés par des inconnus",
    IncidentReason.FAILURES_RISING: "Échecs en hausse",
    IncidentReason.FRAUD_WARNING: "Alerte de fraude",
    IncidentReason.FALSE_ALARMS: "Fausses alertes",
}
INCIDENT_REASONS: dict[str, str] = {  # as the digest's, where none is shorter
    each: _SHORT.get(each, name[:1].upper() + name[1:])
    for each in IncidentReason
    if (name := name_incident(each))
}
_PLURAL = 200  # cents: French has the plural from two on
_LENGTH = 8  # of the part of an id that is typed

ALL_REFUND_REASONS: dict[RefundReason, LazyString | str] = {
    **REFUND_REASONS,
    RefundReason.OPERATOR: "Par un opérateur",
    RefundReason.NO_ACCOUNT: "Compte supprimé ou suspendu avant le paiement",
    RefundReason.EXTERNAL: "Fait dans Stripe",
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


def count(number: int, one: str, many: str) -> str:
    """Return a number with its noun: French counts 0 and 1 in the singular."""
    return f"{number} {one if abs(number) < 2 else many}"  # noqa: PLR2004


def write_refundable(cents: int, currency: str = "EUR") -> str:
    """Return what can go back: `1,99 € peut encore être rendu`, in the plural from two euros on."""
    verb = "peuvent encore être rendus" if cents >= _PLURAL else "peut encore être rendu"
    return f"{write_money(cents, currency)} {verb}"


def name_payment(payment: OperatorPayment) -> str:
    """Return the order number of a payment; of a renewal, which has none, the end of its id."""
    return payment.entry.order_number or payment.id.hex[-_LENGTH:].upper()
