"""Words for the lines of documents, and for why money went back."""

from flask_babel import LazyString, lazy_gettext

from api.invoices.contents import LineKind
from api.models.payment import RefundReason

_l = lazy_gettext
LINE_NAMES: dict[LineKind, LazyString] = {  # with the plan's name behind
    LineKind.PLAN: _l("Surveillance de créneaux de rendez-vous, formule"),
    LineKind.RENEWAL: _l("Surveillance de créneaux de rendez-vous, mois suivant, formule"),
    LineKind.UPGRADE_CREDIT: _l("Reste de la formule précédente, déduit :"),
    LineKind.DISCOUNT: _l("Remise, formule"),
    LineKind.REFUND: _l("Remboursement, formule"),
    LineKind.REFUND_RETURNED: _l("Remboursement que la banque nous a renvoyé, formule"),
    LineKind.DISPUTE: _l("Remboursement par la banque après contestation, formule"),
    LineKind.DISPUTE_RETURNED: _l("Contestation que la banque a rejetée, formule"),
}
REASON_NAMES: dict[RefundReason, LazyString] = {
    RefundReason.WITHDRAWAL: _l("Rétractation"),
    RefundReason.NOT_WATCHED: _l("Page fermée par la préfecture"),
    RefundReason.OUTAGE: _l("Temps non surveillé"),
    RefundReason.CANCELLED: _l("Jours non utilisés après la résiliation"),
    RefundReason.DUPLICATE: _l("Commande payée deux fois"),
}
