"""Words of pages about people whom organisations help."""

from flask_babel import lazy_gettext as _l

from api.models.notification import State
from api.models.organisation import Told
from api.models.user import Channel
from api.organisations.person_schemas import AlertState, ConsentState

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
CHANNELS = {
    Channel.EMAIL: _l("E-mail"),
    Channel.SMS: _l("SMS"),
    Channel.TELEGRAM: _l("Telegram"),
    Channel.PUSH: _l("Notification"),
}
HISTORY = {
    "person.add": _l("Inscrite"),
    "person.change": _l("Modifiée"),
    "person.invite": _l("Accord demandé"),
    "person.alert": _l("Alerte"),
    "person.found": _l("Trouvé"),
    "person.show": _l("Consultée"),
    "person.end": _l("Fin de l’aide"),
    "person.keep": _l("Aide poursuivie"),
}
_FAILED = (State.FAILED, State.BOUNCED, State.EXPIRED, State.SKIPPED)


def has_failed(state: State) -> bool:
    """Return whether a message did not reach its reader."""
    return state in _FAILED
