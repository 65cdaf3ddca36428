"""Words for the channels and the states of messages."""

from flask_babel import LazyString, lazy_gettext

from api.models.notification import State
from api.models.user import Channel

_l = lazy_gettext
CHANNEL_NAMES: dict[Channel, LazyString] = {
    Channel.EMAIL: _l("E-mail"),
    Channel.SMS: _l("SMS"),
    Channel.TELEGRAM: _l("Telegram"),
    Channel.PUSH: _l("Navigateur"),
    Channel.VOICE: _l("Appel"),
}
STATE_WORDS: dict[State, tuple[str, LazyString]] = {  # with the tone of its badge
    State.PENDING: ("info", _l("En route")),
    State.SENDING: ("info", _l("En route")),
    State.SENT: ("good", _l("Envoyé")),
    State.DELIVERED: ("good", _l("Reçu")),
    State.NO_RECEIPT: ("", _l("Envoyé, réception non confirmée")),
    State.BOUNCED: ("bad", _l("Refusé par la messagerie")),
    State.FAILED: ("bad", _l("Échec")),
    State.EXPIRED: ("", _l("Trop tard pour être utile")),
    State.SKIPPED: ("", _l("Non envoyé")),
}
_OF_CALLS: dict[State, tuple[str, LazyString]] = {
    State.SENT: ("info", _l("Appel en cours")),
    State.DELIVERED: ("good", _l("Décroché")),
    State.NO_RECEIPT: ("", _l("Appelé, fin inconnue")),
    State.BOUNCED: ("", _l("Sans réponse")),
    State.SKIPPED: ("", _l("Pas d’appel")),
}


def describe_state(channel: Channel, state: State) -> tuple[str, LazyString]:
    """Return the tone of a message's badge, and its words: a call is not sent but made."""
    return (_OF_CALLS if channel is Channel.VOICE else {}).get(state, STATE_WORDS[state])
