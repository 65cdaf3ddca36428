"""Words of documents in French, which binds: for the PDF, and for what a page quotes of it."""

from api.invoices.contents import InvoiceContents, InvoiceLine, LineKind
from api.models.invoice import InvoiceKind
from configs.plan import name_plan

TITLES = {InvoiceKind.INVOICE: "Facture", InvoiceKind.CREDIT_NOTE: "Avoir"}
SERVICE = "Surveillance de créneaux de rendez-vous"
PLACE = "Service en ligne, fourni à distance"
PRIVATE = "RDVPriority est un service privé. Le rendez-vous en préfecture est gratuit."
_LINES = {
    LineKind.PLAN: f"{SERVICE}, formule {{plan}}",
    LineKind.RENEWAL: f"{SERVICE}, formule {{plan}}, mois suivant",
    LineKind.UPGRADE_CREDIT: "Reste de la formule {plan}, déduit",
    LineKind.DISCOUNT: "Remise",
    LineKind.REFUND: "Remboursement, formule {plan}",
    LineKind.REFUND_RETURNED: "Remboursement que la banque a renvoyé, formule {plan}",
    LineKind.DISPUTE: "Remboursement par la banque après contestation, formule {plan}",
    LineKind.DISPUTE_RETURNED: "Contestation que la banque a rejetée, formule {plan}",
}


def describe_line(line: InvoiceLine) -> str:
    """Return what a line is about."""
    return _LINES[line.kind].format(plan=name_plan(line.plan))


def describe_correction(kind: InvoiceKind, contents: InvoiceContents, day: str) -> str | None:
    """Return the sentence that names the corrected document of that day; None where there is none."""
    if contents.corrects is None:
        return None
    number = contents.corrects.number
    if kind is InvoiceKind.CREDIT_NOTE:
        return f"Avoir sur la facture {number} du {day}."
    return f"Annule l’avoir {number} du {day}."
