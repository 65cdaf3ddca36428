"""Reasons why a message did not arrive, did not leave or leaves later, in the user's words.

Rows have the notifier's reasons, and what providers answered: words of theirs are never shown.
"""

from collections.abc import Mapping
from enum import StrEnum

from api.models.notification import HeldFor, State

_SOURCE = "fr"


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
WORDS: Mapping[Reason, Mapping[str, str]] = {
    Reason.HOURLY_CAP: {
        "fr": "Vous avez déjà reçu beaucoup d’alertes cette heure-ci : celle-ci attend son tour.",
        "en": "You were sent many alerts within this hour: this one waits for its turn.",
        "ar": "تلقيت تنبيهات كثيرة خلال هذه الساعة: هذا التنبيه ينتظر دوره.",
    },
    Reason.TRIED_AGAIN: {
        "fr": "Le premier envoi n’a pas abouti : nous réessayons.",
        "en": "The first try did not succeed: we are trying again.",
        "ar": "لم تنجح المحاولة الأولى: نحاول من جديد.",
    },
    Reason.UNCONFIRMED: {
        "fr": "Ces créneaux n’ont pas été revus depuis un moment : nous attendons la prochaine visite de la page.",
        "en": "These slots were not seen again for a while: we wait for the next look at the page.",
        "ar": "لم تُرَ هذه المواعيد منذ فترة: ننتظر الزيارة التالية للصفحة.",
    },
    Reason.SLOTS_GONE: {
        "fr": "Les créneaux étaient déjà pris au moment de l’envoi.",
        "en": "The slots were gone when it was about to leave.",
        "ar": "كانت المواعيد قد حُجزت قبل الإرسال.",
    },
    Reason.ALERT_STOPPED: {
        "fr": "L’alerte était arrêtée ou fermée au moment de l’envoi.",
        "en": "The alert was stopped or closed when it was about to leave.",
        "ar": "كان التنبيه متوقفًا أو مغلقًا عند الإرسال.",
    },
    Reason.OUTDATED: {
        "fr": "Ce message n’avait plus d’objet au moment de l’envoi.",
        "en": "There was nothing left to say when it was about to leave.",
        "ar": "لم يعد لهذه الرسالة داعٍ عند الإرسال.",
    },
    Reason.UNSUBSCRIBED: {
        "fr": "Vous avez demandé à ne plus recevoir de tels messages.",
        "en": "You asked for no more messages like this.",
        "ar": "طلبت عدم تلقي مثل هذه الرسائل.",
    },
    Reason.CHANNEL_OFF: {
        "fr": "Ce canal était désactivé.",
        "en": "This channel was switched off.",
        "ar": "كانت هذه القناة معطلة.",
    },
    Reason.NOT_CONFIRMED: {
        "fr": "Cette adresse ou ce numéro n’était pas confirmé.",
        "en": "This address or number was not confirmed.",
        "ar": "لم يكن هذا العنوان أو الرقم مؤكدًا.",
    },
    Reason.BOUNCED: {
        "fr": "Votre messagerie ou votre opérateur renvoie nos messages : vérifiez l’adresse ou le numéro.",
        "en": "Your mail service or operator returns our messages: check the address or the number.",
        "ar": "يعيد بريدك أو مشغّلك رسائلنا: تحقق من العنوان أو الرقم.",
    },
    Reason.BLOCKED: {
        "fr": "Vous avez bloqué notre robot Telegram.",
        "en": "You blocked our Telegram bot.",
        "ar": "حظرت روبوتنا على تيليغرام.",
    },
    Reason.NO_ADDRESS: {
        "fr": "Il n’y avait plus d’adresse ni de numéro pour ce canal.",
        "en": "There was no address or number left for this channel.",
        "ar": "لم يعد لهذه القناة عنوان ولا رقم.",
    },
    Reason.SMS_BUDGET: {
        "fr": "Les SMS qui n’annoncent pas de créneau étaient suspendus ce jour-là.",
        "en": "SMS that announce no slots were suspended on that day.",
        "ar": "كانت الرسائل القصيرة التي لا تعلن عن مواعيد موقوفة في ذلك اليوم.",
    },
    Reason.MAY_HAVE_ARRIVED: {
        "fr": "Il est peut-être arrivé : le service d’envoi n’a pas répondu. Nous ne l’envoyons pas une fois de plus.",
        "en": "It may have arrived: the sending service did not answer. We do not send it once more.",
        "ar": "ربما وصلت: لم تُجب خدمة الإرسال. لن نرسلها مرة أخرى.",
    },
    Reason.NOT_ACCEPTED: {
        "fr": "Le service d’envoi ne l’a pas accepté.",
        "en": "The sending service did not accept it.",
        "ar": "لم تقبلها خدمة الإرسال.",
    },
    Reason.QUIET_HOURS: {
        "fr": "Il attend la fin de vos heures calmes. Ensuite nous vérifions s’il est encore utile.",
        "en": "It waits for the end of your quiet hours. Then we check whether it is still of use.",
        "ar": "تنتظر انتهاء ساعات الهدوء التي اخترتها، ثم نتحقق من أنها لا تزال مفيدة.",
    },
    Reason.DIGEST: {
        "fr": "Il attend votre récapitulatif, qui n’annonce que les créneaux encore ouverts.",
        "en": "It waits for your digest, which names only the slots that are still open.",
        "ar": "تنتظر ملخصك الذي لا يذكر إلا المواعيد التي لا تزال متاحة.",
    },
    Reason.GONE_IN_QUIET_HOURS: {
        "fr": "Les créneaux ont été pris pendant vos heures calmes.",
        "en": "The slots were taken during your quiet hours.",
        "ar": "حُجزت المواعيد خلال ساعات الهدوء التي اخترتها.",
    },
    Reason.GONE_BEFORE_DIGEST: {
        "fr": "Les créneaux ont été pris avant votre récapitulatif.",
        "en": "The slots were taken before your digest.",
        "ar": "حُجزت المواعيد قبل إرسال ملخصك.",
    },
    Reason.NO_CONSENT: {
        "fr": "Vous n’avez pas demandé de nouvelles ni d’offres.",
        "en": "You did not ask for news or offers.",
        "ar": "لم تطلب أخبارًا ولا عروضًا.",
    },
    Reason.NOBODY_ANSWERED: {
        "fr": "Personne n’a décroché, ou un répondeur.",
        "en": "Nobody answered, or a machine did.",
        "ar": "لم يُجب أحد، أو أجاب مجيب آلي.",
    },
    Reason.CALLS_ENDED: {
        "fr": "Vous aviez déjà répondu au sujet de ces créneaux.",
        "en": "You had answered about these slots already.",
        "ar": "كنت قد أجبت بشأن هذه المواعيد من قبل.",
    },
    Reason.OUTSIDE_CALL_HOURS: {
        "fr": "Vos heures d’appel étaient passées.",
        "en": "Your hours of calls were over.",
        "ar": "كانت ساعات الاتصال التي اخترتها قد انتهت.",
    },
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
    return WORDS[reason].get(language, WORDS[reason][_SOURCE])
