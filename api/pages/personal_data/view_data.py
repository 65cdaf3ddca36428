"""Sorts of personal data: what each is, why it is kept, and until when."""

from dataclasses import dataclass

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from api.pages.error_texts import Texts


@dataclass(frozen=True, slots=True)
class KnownData:
    """One sort of data, the reason why it is kept, and until when."""

    what: LazyString
    why: LazyString
    until: LazyString


_WITH_ACCOUNT = _l("Jusqu’à la suppression du compte")
KNOWN = (
    KnownData(
        _l("Adresse e-mail, mot de passe (son empreinte seulement), langue, fuseau horaire"),
        _l("Ouvrir votre compte et vous écrire : le contrat"),
        _WITH_ACCOUNT,
    ),
    KnownData(
        _l(
            "Numéro de téléphone, conversation Telegram, navigateurs qui reçoivent nos notifications, chiffrés"
        ),
        _l("Vous prévenir par le canal que vous avez choisi : le contrat"),
        _l("Jusqu’à ce que vous les retiriez, ou à la suppression du compte"),
    ),
    KnownData(
        _l(
            "Alertes, créneaux trouvés, rendez-vous signalés. Ils peuvent révéler votre situation administrative"
        ),
        _l("Surveiller ce que vous attendez : le contrat"),
        _l("Jusqu’à la suppression du compte ; un rendez-vous signalé, 90 jours après sa date"),
    ),
    KnownData(
        _l("Messages envoyés : canal, heures, résultat"),
        _l("Prouver qu’une alerte est partie à temps : le contrat"),
        _l("Textes et adresses, 90 jours ; le reste, jusqu’à la suppression du compte"),
    ),
    KnownData(
        _l("Commandes, paiements, remboursements, ce que vous avez accepté"),
        _l("Les comptes et la preuve du contrat : la loi"),
        _l("Dix ans ; sans votre nom dès la suppression du compte. Stripe garde le sien 120 jours de plus"),
    ),
    KnownData(
        _l("Connexions : navigateur et heures, sans adresse réseau"),
        _l("Vous signaler une connexion étrangère : notre intérêt légitime, votre sécurité"),
        _l("90 jours après leur fin"),
    ),
    KnownData(
        _l("Messages à l’assistance"),
        _l("Vous répondre : notre intérêt légitime"),
        _l("Un an"),
    ),
)
DELETION_TEXTS: Texts = {
    "plan-running": _l("Cochez la case : une formule est en cours, et elle serait perdue."),
    "operator": _l(
        "Ce compte agit pour d’autres : un administrateur doit d’abord en faire un compte ordinaire."
    ),
}
