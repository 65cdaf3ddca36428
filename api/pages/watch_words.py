"""How well a place or a desk is watched, as people read it: five classes, each with a text and a colour's name."""

from dataclasses import dataclass

from flask_babel import LazyString, lazy_gettext

from api.models.desk import DeskStatus
from configs.world.desk import Desk, Grade, WatchLevel
from configs.world.site_tokens import missing_token

_l = lazy_gettext
_WEBSITES = {"ants": "France Titres (ANTS)"}  # names of national sites, by platform


@dataclass(frozen=True, slots=True)
class WatchClass:
    """A class: `key` is a CSS class of the map, `tone` one of badges and notices."""

    key: str
    tone: str
    text: LazyString


SEEN = WatchClass("seen", "good", _l("Créneaux surveillés"))
TROUBLED = WatchClass("troubled", "warn", _l("Surveillance interrompue"))
HIDDEN = WatchClass("captcha", "info", _l("Créneaux cachés par un captcha"))
UNWATCHED = WatchClass("unwatched", "", _l("Surveillance impossible"))
UNKNOWN = WatchClass("unknown", "", _l("Aucune page connue"))
CLASSES = (SEEN, TROUBLED, HIDDEN, UNWATCHED, UNKNOWN)

_TROUBLES = {
    DeskStatus.CAPTCHA: _l("Un captcha est apparu : nous n’en résolvons aucun."),
    DeskStatus.PAUSED: _l("Cette page n’est pas vérifiée pour le moment."),
    DeskStatus.ERROR: _l("Les dernières vérifications ont échoué. Nous réessayons."),
}
_CLOSED = _l("La préfecture a fermé ou déplacé cette page.")
_CAPTCHA = _l("Un captcha cache les créneaux : nous voyons que la page existe, rien de plus.")
_STALE = _l("L’adresse connue est très ancienne ou ne répond plus.")
_REFUSED = _l("Le site demande que les programmes ne le consultent pas.")
_LOGIN = _l("Il faut un compte personnel pour voir cette page.")
_LACKING = _l("Il nous manque un accès que ce site demande.")


def classify_watch(desks: int, level: WatchLevel, status: DeskStatus | None) -> WatchClass:
    """Return the class of a place by its number of desks, the best of their levels and of their statuses."""
    if level is WatchLevel.FULL:
        return SEEN if status is DeskStatus.ACTIVE else TROUBLED
    if level is WatchLevel.PRESENCE:
        return HIDDEN
    return UNWATCHED if desks else UNKNOWN


def classify_desk(desk: Desk, status: DeskStatus, *, is_seen: bool) -> WatchClass:
    """Return the class of a desk; `is_seen`: checks can see its slots now."""
    if is_seen:
        return classify_watch(1, WatchLevel.FULL, status)
    is_hidden = desk.schedulable and desk.watch is WatchLevel.PRESENCE
    return HIDDEN if is_hidden else UNWATCHED


def explain_desk(desk: Desk, status: DeskStatus, *, is_seen: bool) -> LazyString | None:
    """Return why no slots of a desk are seen, or not just now; None where all is well."""
    if is_seen:
        return _TROUBLES.get(status)
    if desk.schedulable:
        return _CLOSED if desk.shows_slots else _CAPTCHA
    return _explain_unscheduled(desk)


def name_website(desk: Desk) -> str:
    """Return the site on which a desk is booked: its name where it has one, otherwise its host."""
    return _WEBSITES.get(desk.platform) or desk.host.rpartition(":")[0]


def _explain_unscheduled(desk: Desk) -> LazyString:
    if desk.grade in (Grade.STALE, Grade.RETIRED):
        return _STALE
    if desk.refused:
        return _REFUSED
    return _LACKING if desk.because or missing_token(desk.platform) or desk.fetch == "browser" else _LOGIN
