"""Words of pages about organisations and people helped, and where a press on these pages leads."""

from typing import Any

from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l

from api.ground.schemas import Body
from api.models.notification import State
from api.models.organisation import Told
from api.organisations.schemas import AlertState, ConsentState
from api.pages.cookies import lead_to
from api.pages.forms import Form, Texts

# Refusals of more than one page
REFUSALS: Texts = {
    "contract-needed": _l(
        "Une personne responsable accepte d’abord le contrat, sur la page « Organisation »."
    ),
    "too-many-people": _l("L’organisation aide autant de personnes qu’elle le peut pour l’instant."),
    "organisation-ending": _l("L’organisation prend déjà fin."),
    "organisation-ended": _l("L’organisation est arrêtée."),
    "role-too-low": _l("Votre rôle ne le permet pas : demandez à une personne responsable."),
    "vat-abroad": _l(
        "Nous ne facturons pas encore les organisations d’un autre État de l’Union, qui paient la TVA chez elles : "
        "retirez ce numéro de TVA s’il n’est pas le vôtre, ou écrivez-nous."
    ),
    "not-opened": _l("Un opérateur doit d’abord ouvrir l’organisation."),
}
ALERT_STATES = {
    AlertState.OPEN: _l("Places libres"),
    AlertState.WAITING: _l("En attente"),
    AlertState.PAUSED: _l("En pause"),
    AlertState.NEEDS_CONSENT: _l("Attend l’accord de la personne (santé)"),
    AlertState.NO_WATCH: _l("Pas encore surveillée"),
    AlertState.FOUND: _l("Trouvé"),
    AlertState.STOPPED: _l("Arrêtée"),
}
CONSENTS = {
    ConsentState.NO_CONTACT: _l("Sans contact"),
    ConsentState.NOT_ASKED: _l("Pas encore demandé"),
    ConsentState.ASKED: _l("Demandé, sans réponse"),
    ConsentState.GIVEN: _l("Oui"),
    ConsentState.STOPPED: _l("Non"),
}
TOLD = {
    Told.CASEWORKER: _l("Qui l’accompagne"),
    Told.PERSON: _l("La personne"),
    Told.BOTH: _l("Les deux"),
}
ACTS = {
    "person.add": _l("Inscrite"),
    "person.change": _l("Modifiée"),
    "person.invite": _l("Accord demandé"),
    "person.contact": _l("Contact confirmé retiré"),
    "person.alert": _l("Alerte"),
    "person.found": _l("Trouvé"),
    "person.show": _l("Consultée"),
    "person.end": _l("Fin de l’aide"),
    "person.keep": _l("Aide poursuivie"),
    "person.list": _l("Consultée"),
    "person.detections": _l("Consultée"),
    "person.import": _l("Inscrire des personnes par un fichier"),
    "member.invite": _l("Inviter"),
    "member.join": _l("Accepter l’invitation"),
    "member.role": _l("Rôle"),
    "member.end": _l("Terminer"),
    "organisation.change": _l("Réglages"),
    "organisation.accept": _l("Accepter le contrat"),
    "organisation.end": _l("Mettre fin à l’organisation"),
    "key.make": _l("Créer une clé"),
    "key.end": _l("Terminer"),
    "webhook.make": _l("Créer un webhook"),
    "webhook.end": _l("Terminer"),
}
SUBJECTS = {
    "person": _l("Personne"),
    "member": _l("Membres"),
    "organisation": _l("Organisation"),
    "key": _l("Clés"),
    "webhook": _l("Webhooks"),
}
_FAILED = (State.FAILED, State.BOUNCED, State.EXPIRED, State.SKIPPED)


class Press(Body):
    """A form of one button."""


def has_failed(state: State) -> bool:
    """Return whether a message did not reach its reader."""
    return state in _FAILED


def lead_back(form: Form[Any], endpoint: str, done: str, **values: Any) -> ResponseReturnValue:
    """Lead to a page that says what a press did, or why it was refused."""
    if form.errors:
        return lead_to(endpoint, next(iter(form.errors.values())), "problem", **values)
    return lead_to(endpoint, done, **values)
