"""Reasons why a message did not arrive, did not leave or leaves later, in the user's words.

Rows have the notifier's reasons, and what providers answered: words of theirs are never shown.
"""

from collections.abc import Mapping
from enum import StrEnum

from api.ground.translations import mark, translate
from api.models.notification import HeldFor, State


class Reason(StrEnum):
    """Why a message has its state, for its reader."""

    HOURLY_CAP = "hourly_cap"
    TRIED_AGAIN = "tried_again"
    UNCONFIRMED = "unconfirmed"
    SLOTS_GONE = "slots_gone"
    ALERT_STOPPED = "alert_stopped"
    OUTDATED = "outdated"
    UNSUBSCRIBED = "unsubscribed"
    CHANNEL_OFF = "channel_off"
    NOT_CONFIRMED = "not_confirmed"
    BOUNCED = "bounced"
    BLOCKED = "blocked"
    NO_ADDRESS = "no_address"
    SMS_BUDGET = "sms_budget"
    MAY_HAVE_ARRIVED = "may_have_arrived"
    NOT_ACCEPTED = "not_accepted"
    QUIET_HOURS = "quiet_hours"
    DIGEST = "digest"
    GONE_IN_QUIET_HOURS = "gone_in_quiet_hours"
    GONE_BEFORE_DIGEST = "gone_before_digest"
    NO_CONSENT = "no_consent"
    NOBODY_ANSWERED = "nobody_answered"
    CALLS_ENDED = "calls_ended"
    OUTSIDE_CALL_HOURS = "outside_call_hours"


# The beginnings of the notifier's reasons of messages that were not sent. What is not among them is OUTDATED.
_HELD_BACK: Mapping[str, Reason] = {
    "slots gone": Reason.SLOTS_GONE,
    "no consent": Reason.NO_CONSENT,
    "alert stopped": Reason.ALERT_STOPPED,
    "alert deleted": Reason.ALERT_STOPPED,
    "stopped by its reader": Reason.UNSUBSCRIBED,
    "address unsubscribed": Reason.UNSUBSCRIBED,
    "address bounced": Reason.BOUNCED,
    "address blocked": Reason.BLOCKED,
    "address not verified": Reason.NOT_CONFIRMED,
    "switched off": Reason.CHANNEL_OFF,
    "no address": Reason.NO_ADDRESS,
    "SMS budget": Reason.SMS_BUDGET,
    "slots answered": Reason.CALLS_ENDED,
    "outside the hours of calls": Reason.OUTSIDE_CALL_HOURS,
}
# What a message waits for that leaves later. What is not among them is TRIED_AGAIN.
_WAITING: Mapping[HeldFor, Reason] = {
    HeldFor.CAP: Reason.HOURLY_CAP,
    HeldFor.SLOTS: Reason.UNCONFIRMED,
    HeldFor.QUIET_HOURS: Reason.QUIET_HOURS,
    HeldFor.DIGEST: Reason.DIGEST,
}
_GONE_MEANWHILE: Mapping[HeldFor | None, Reason] = {
    HeldFor.QUIET_HOURS: Reason.GONE_IN_QUIET_HOURS,
    HeldFor.DIGEST: Reason.GONE_BEFORE_DIGEST,
}
UNKNOWN = "unknown: "
_OF_CALLS = "twilio_calls "  # how the reasons of calls begin
TEXTS: Mapping[Reason, str] = {
    Reason.HOURLY_CAP: mark(
        "Vous avez déjà reçu beaucoup d’alertes cette heure-ci : celle-ci attend son tour."
    ),
    Reason.TRIED_AGAIN: mark("Le premier envoi n’a pas abouti : nous réessayons."),
    Reason.UNCONFIRMED: mark(
        "Ces places n’ont pas été revues depuis un moment : nous attendons la prochaine visite de la page."
    ),
    Reason.SLOTS_GONE: mark("Les places étaient déjà prises au moment de l’envoi."),
    Reason.ALERT_STOPPED: mark("L’alerte était arrêtée ou fermée au moment de l’envoi."),
    Reason.OUTDATED: mark("Ce message n’avait plus d’objet au moment de l’envoi."),
    Reason.UNSUBSCRIBED: mark("Vous avez demandé à ne plus recevoir de tels messages."),
    Reason.CHANNEL_OFF: mark("Ce canal était désactivé."),
    Reason.NOT_CONFIRMED: mark("Cette adresse ou ce numéro n’était pas confirmé."),
    Reason.BOUNCED: mark(
        "Votre messagerie ou votre opérateur renvoie nos messages : vérifiez l’adresse ou le numéro."
    ),
    Reason.BLOCKED: mark("Vous avez bloqué notre robot Telegram."),
    Reason.NO_ADDRESS: mark("Il n’y avait plus d’adresse ni de numéro pour ce canal."),
    Reason.SMS_BUDGET: mark("Les SMS qui n’annoncent pas de place libre étaient suspendus ce jour-là."),
    Reason.MAY_HAVE_ARRIVED: mark(
        "Il est peut-être arrivé : le service d’envoi n’a pas répondu. Nous ne l’envoyons pas une fois de plus."
    ),
    Reason.NOT_ACCEPTED: mark("Le service d’envoi ne l’a pas accepté."),
    Reason.QUIET_HOURS: mark(
        "Il attend la fin de vos heures calmes. Ensuite nous vérifions s’il est encore utile."
    ),
    Reason.DIGEST: mark("Il attend votre récapitulatif, qui n’annonce que les places encore libres."),
    Reason.GONE_IN_QUIET_HOURS: mark("Les places ont été prises pendant vos heures calmes."),
    Reason.GONE_BEFORE_DIGEST: mark("Les places ont été prises avant votre récapitulatif."),
    Reason.NO_CONSENT: mark("Vous n’avez pas demandé de nouvelles ni d’offres."),
    Reason.NOBODY_ANSWERED: mark("Personne n’a décroché, ou un répondeur."),
    Reason.CALLS_ENDED: mark("Vous aviez déjà répondu au sujet de ces places."),
    Reason.OUTSIDE_CALL_HOURS: mark("Vos heures d’appel étaient passées."),
}


def find_reason(state: State, stored: str | None, held_for: HeldFor | None = None) -> Reason | None:
    """Return why a message has its state, from what its row has; None where nothing is wrong."""
    said = stored or ""
    if state is State.BOUNCED:
        return Reason.NOBODY_ANSWERED if said.startswith(_OF_CALLS) else Reason.BOUNCED
    if state is State.FAILED:
        return Reason.MAY_HAVE_ARRIVED if said.startswith(UNKNOWN) else Reason.NOT_ACCEPTED
    if state in (State.EXPIRED, State.SKIPPED):
        reason = next((each for word, each in _HELD_BACK.items() if said.startswith(word)), Reason.OUTDATED)
        return _GONE_MEANWHILE.get(held_for, reason) if reason is Reason.SLOTS_GONE else reason
    if state is State.PENDING and (said or held_for):
        return _WAITING.get(held_for, Reason.TRIED_AGAIN) if held_for else Reason.TRIED_AGAIN
    return None


def write_reason(reason: Reason, language: str) -> str:
    """Return a reason in a language; in French where there is no other."""
    return translate(TEXTS[reason], language)
