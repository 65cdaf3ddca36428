"""Words for channels, states of messages and payments, and how well a place or a desk is watched."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from flask_babel import LazyString, lazy_gettext
from flask_babel import gettext as _

from api.models.notification import State
from api.models.payment import PaymentStatus, RefundReason, RefundStatus
from api.models.user import Channel
from api.models.watchability import Hindrance, Standing
from api.outlook.schemas import WatchFacts
from api.pages.context import write_duration
from api.prefectures.schemas import DeskAnswer, MapTile
from configs.ground.clock import clock
from configs.world.desk import Desk, WatchLevel, missing_token
from configs.world.prefecture import host_rules

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
REFUND_REASONS: dict[RefundReason, LazyString] = {
    RefundReason.WITHDRAWAL: _l("Rétractation"),
    RefundReason.NOT_WATCHED: _l("Page fermée par la préfecture"),
    RefundReason.OUTAGE: _l("Temps non surveillé"),
    RefundReason.CANCELLED: _l("Jours non utilisés après la résiliation"),
    RefundReason.DUPLICATE: _l("Commande payée deux fois"),
}
PAYMENT_STATUSES: dict[PaymentStatus, tuple[str, LazyString]] = {  # with the tone of its badge
    PaymentStatus.PENDING: ("warn", _l("En attente")),
    PaymentStatus.COMPLETED: ("good", _l("Payé")),
    PaymentStatus.FAILED: ("", _l("Non payé")),
    PaymentStatus.REFUNDED: ("info", _l("Remboursé")),
}
REFUND_STATUSES: dict[RefundStatus, LazyString] = {
    RefundStatus.PLANNED: _l("demandé"),
    RefundStatus.PENDING: _l("en route"),
    RefundStatus.SUCCEEDED: _l("arrivé"),
    RefundStatus.FAILED: _l("n’a pas pu partir"),
}
CREDIT_REASONS: dict[str, LazyString] = {
    "upgrade": _l("Reste de l’offre précédente, déduit du prix"),
    "outage": _l("Temps non surveillé, rendu"),
    "withdrawal": _l("L’offre précédente reprend"),
    "grace": _l("Jours en attendant le paiement"),
}
_OF_CALLS: dict[State, tuple[str, LazyString]] = {
    State.SENT: ("info", _l("Appel en cours")),
    State.DELIVERED: ("good", _l("Décroché")),
    State.NO_RECEIPT: ("", _l("Appelé, fin inconnue")),
    State.BOUNCED: ("", _l("Sans réponse")),
    State.SKIPPED: ("", _l("Pas d’appel")),
}
_WEBSITES = {"ants": "France Titres (ANTS)"}  # names of national sites, by platform


def describe_state(channel: Channel, state: State) -> tuple[str, LazyString]:
    """Return the tone of a message's badge, and its words: a call is not sent but made."""
    return (_OF_CALLS if channel is Channel.VOICE else {}).get(state, STATE_WORDS[state])


@dataclass(frozen=True, slots=True)
class WatchClass:
    """A class: `key` is a CSS class of the map, `tone` one of badges and notices."""

    key: str
    tone: str
    text: LazyString | str = field(compare=False)


SEEN = WatchClass("seen", "good", _l("Places surveillées"))
DOUBTED = WatchClass("doubted", "warn", _l("Pas de réponse sûre en ce moment"))
TRIED = WatchClass("tried", "info", _l("À l’essai"))
TROUBLED = WatchClass("troubled", "warn", _l("Surveillance interrompue"))
READ = WatchClass("read", "info", _l("Lu par ceux qui attendent"))
HIDDEN = WatchClass("captcha", "info", _l("Places cachées par un captcha"))
UNWATCHED = WatchClass("unwatched", "", _l("Surveillance impossible"))
UNKNOWN = WatchClass("unknown", "", _l("Aucune page connue"))
CLASSES = (SEEN, DOUBTED, TRIED, TROUBLED, READ, HIDDEN, UNWATCHED, UNKNOWN)

_REFUSED = _l("Le site demande que les programmes ne le consultent pas.")
_BY_HINDRANCE = {
    Hindrance.UNPROVEN: TRIED,
    Hindrance.DOUBTED: TRIED,
    **dict.fromkeys(
        (
            Hindrance.RETURNING,
            Hindrance.INTERRUPTED,
            Hindrance.FAILING,
            Hindrance.SILENT,
            Hindrance.CAPTCHA,
            Hindrance.STOPPED,
        ),
        TROUBLED,
    ),
    Hindrance.PEOPLE: READ,
    Hindrance.HIDDEN: HIDDEN,
}
_REASONS = {
    Hindrance.RETURNING: _l(
        "Cette page répond de nouveau : nous attendons qu’une deuxième vérification le confirme."
    ),
    Hindrance.UNPROVEN: _l(
        "Nous essayons cette page : aucune vérification n’a encore donné de réponse sûre."
    ),
    Hindrance.DOUBTED: _l(
        "Cette ancienne page répond de nouveau : nous cherchons à savoir si l’on y prend encore ce rendez-vous."
    ),
    Hindrance.INTERRUPTED: _l("Cette page n’est pas vérifiée pour le moment."),
    Hindrance.FAILING: _l("Les dernières vérifications ont échoué. Nous réessayons."),
    Hindrance.SILENT: _l("La dernière réponse sûre est trop ancienne. Nous réessayons."),
    Hindrance.CAPTCHA: _l("Un captcha est apparu : nous n’en résolvons aucun."),
    Hindrance.STOPPED: _l("Nous avons arrêté de vérifier cette page pour le moment."),
    Hindrance.MOVED: _l("La préfecture a fermé ou déplacé cette page."),
    Hindrance.FORBIDDEN: _REFUSED,
    Hindrance.CLOSED: _l("La préfecture a fermé ou déplacé cette page."),
    Hindrance.LONG_ROUNDS: _l(
        "Un tour de ses mairies prend plus de 15 minutes : il n’est pas vendu, l’alerte ne coûte rien."
    ),
    Hindrance.PEOPLE: _l("Un captcha cache les places : ceux qui attendent ici se disent ce qu’ils voient."),
    Hindrance.HIDDEN: _l("Un captcha cache les places : nous voyons que la page existe, rien de plus."),
}
_UNREAD = _l("Pour le moment, nous ne demandons à personne de regarder cette page.")
_STALE = _l("L’adresse connue est très ancienne ou ne répond plus.")
_PROBED = _l("L’adresse connue est ancienne : nous regardons chaque jour si elle sert encore.")
_UNDECIDED = _l("Nous n’avons pas encore vérifié que ce site accepte d’être consulté par un programme.")
_LOGIN = _l("Il faut un compte personnel pour voir cette page.")
_LACKING = _l("Il nous manque un accès que ce site demande.")


def classify_watch(found: DeskAnswer | MapTile | WatchFacts | Standing | None) -> WatchClass:
    """Return the class of a place or a desk, by what hinders the one of its desks that is nearest to be watchable.

    Of one that nothing hinders its last proof counts, and until when that is sure: the page's clock decides, for
    answers are kept in caches. Of one that people watch their last look counts, with its age.
    """
    if found is None or (isinstance(found, MapTile) and not found.desks):
        return UNKNOWN
    if found.not_watchable is Hindrance.PEOPLE and (look_at := _find_look(found)):
        return replace(READ, text=_("Lu %(ago)s", ago=write_duration(0, ago_from=look_at)))
    if found.not_watchable is not None:
        return _BY_HINDRANCE.get(found.not_watchable, UNWATCHED)
    if found.last_proven_at is None or found.sure_until is None or found.sure_until > clock():
        return SEEN
    age = write_duration((clock() - found.last_proven_at).total_seconds())
    return replace(DOUBTED, text=_("Pas de réponse sûre depuis %(age)s", age=age))


def _find_look(found: DeskAnswer | MapTile | WatchFacts | Standing) -> datetime | None:
    """Return when people looked last, where that is known."""
    if isinstance(found, MapTile):
        return found.last_look_at
    return found.looks.last_at if isinstance(found, DeskAnswer) and found.looks else None


def explain_desk(desk: Desk, hindrance: Hindrance | None) -> LazyString | None:
    """Return why no slots of a desk are seen now; None where they are."""
    if hindrance is None:
        return None
    if hindrance is Hindrance.STOPPED and desk.watch is WatchLevel.PEOPLE:
        return _UNREAD
    return _REASONS.get(hindrance) or _explain_unscheduled(desk)


def name_website(desk: Desk) -> str:
    """Return the site on which a desk is booked: its name where it has one, otherwise its host."""
    return _WEBSITES.get(desk.platform) or desk.host.rpartition(":")[0]


def _explain_unscheduled(desk: Desk) -> LazyString:
    if desk.is_former:
        return _PROBED if desk.is_probed else _STALE
    if desk.refused:
        rule = host_rules().get(desk.host)
        undecided = rule and rule.is_undecided
        return _UNDECIDED if undecided else _REFUSED
    return _LACKING if desk.because or missing_token(desk.platform) or desk.fetch == "browser" else _LOGIN
