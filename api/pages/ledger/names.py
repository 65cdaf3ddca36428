"""Words of the ledger for channels, reasons of outages, and ways of giving back."""

from flask_babel import LazyString, lazy_gettext

from api.models.desk import OutageReason
from api.models.user import Channel
from api.models.watch_credit import CreditForm

_l = lazy_gettext
CHANNEL_NAMES: dict[Channel, LazyString] = {
    Channel.EMAIL: _l("E-mail"),
    Channel.TELEGRAM: _l("Telegram"),
    Channel.PUSH: _l("Navigateur"),
    Channel.SMS: _l("SMS"),
    Channel.VOICE: _l("Appel"),
}
REASON_NAMES: dict[OutageReason, LazyString] = {
    OutageReason.CAPTCHA: _l("La page demande un captcha"),
    OutageReason.BLOCKED: _l("Le site nous refuse"),
    OutageReason.RATE_LIMITED: _l("Le site limite les visites"),
    OutageReason.MAINTENANCE: _l("Le site est en maintenance"),
    OutageReason.CLOSED: _l("La page est fermée"),
    OutageReason.UNREACHABLE: _l("Le site ne répond pas"),
    OutageReason.UNREADABLE: _l("La page a changé, nous ne la lisons plus"),
    OutageReason.STOPPED: _l("Arrêté par nous"),
}
FORM_NAMES: dict[CreditForm, LazyString] = {
    CreditForm.TIME: _l("Formules prolongées"),
    CreditForm.INVOICE: _l("Déduit de la facture suivante"),
    CreditForm.REFUND: _l("Remboursé"),
}
