"""Form of the profile, its choices and its error texts."""

from flask_babel import lazy_gettext as _l

from api.models.user import OutageCredit
from api.pages.error_texts import Texts
from api.schemas import Body
from api.users.schemas import TimeZone
from configs.world.languages import Language

CREDITS = (
    (OutageCredit.CREDIT.value, _l("Du temps en plus, ou une facture moins élevée")),
    (OutageCredit.REFUND.value, _l("Un remboursement")),
)
ADDRESS_TEXTS: Texts = {"too-many-mails": _l("Trop d’adresses ont été essayées aujourd’hui.")}


class ProfileSettings(Body):
    """The settings of an account that need no proof."""

    language: Language
    time_zone: TimeZone
    outage_credit: OutageCredit
