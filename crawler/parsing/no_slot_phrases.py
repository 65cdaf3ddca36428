"""Sentences that say that no slot is free: which words deny slots, and which speak of trouble instead.

There is no complete list of such messages. One counts if a denial is directly before the word for a slot: `Aucun motif
de rendez-vous sélectionné` and `Vous ne pouvez pas prendre plus de 2 rendez-vous` say something else.
"""

import re
from html import unescape

from crawler.parsing.normal_form import around_phrase, normalize
from crawler.parsing.sentence_limits import BY_NOW, CONDITIONS, DAYS, is_narrowed

_WHAT = (
    r"(?:creneaux?|disponibilites?|rendez.vous|rdv|plages?(?: horaires?)?+|places?|horaires?|dates?(?! de))\b"
)
_STILL = r"(?:encore |actuellement |malheureusement |pour le moment |pour l'instant )?"
_NOT_CHOSEN = r"(?!(?: n'(?:a|est))?(?: ete)? (?:selectionne|choisi|saisi|renseigne))"
# "Plus de créneaux" alone means more slots. Only after "n'y a", "n'avons", "ne reste" … does it mean no more.
_NO_MORE = (
    rf"\bn(?:e |')(?:y )?(?:a|aura|avons|existe|reste|restent|subsiste|dispos\w+|propos\w+|offr\w+)"
    rf"(?: \w+)? plus {_STILL}(?:de |d')"
)
_DENIED = (
    rf"(?:\b(?:aucune?|plus {_STILL}aucune?|pas {_STILL}(?:de|d'|aucune?))|{_NO_MORE}) ?{_WHAT}{_NOT_CHOSEN}"
)
_NOT_OFFERED = rf"\bne pouvons (?:pas |plus |actuellement )*vous (?:en )?proposer (?:de |d'|aucune? ){_WHAT}"
_DENIED_IN_ENGLISH = (
    r"\bno (?:more |free |open |available )?(?:availabilit(?:y|ies)|(?:time ?)?slots?|appointments?)\b"
)
_NOT_OPEN = rf"\b(?:prise de rendez.vous|reservations?|{_WHAT}) (?:n'est|ne sont) pas encore ouvert"
_FULL = (
    r"\b^complete?s?\W*$|\b(?:planning|agenda|calendrier)s? [^.!?]*\bcomplets?\b"
    rf"|\b{_WHAT} sont (?:actuellement |deja |tous |toutes )*complete?s\b"
    rf"|\btou(?:te)?s (?:les|nos) {_WHAT}[^.!?]*\b(?:complet|reserve|pris|occupe)"
)
# All alternatives begin with `\b`, so that `re` tests it once: searches are ten times as fast.
_NONE = re.compile(f"{_DENIED}|{_NOT_OFFERED}|{_DENIED_IN_ENGLISH}|{_NOT_OPEN}|{_FULL}")
# A day from which slots exist again; bookings that the person has already.
_BUT = re.compile(
    r"\b(?:prochaine?s?|a partir|a compter|des le|avant le)\b[^.!?]*\d|\bvous (?:n'avez|avez (?:deja|atteint))\b"
)
# Errors, maintenance, limits, failures.
_TROUBLE = re.compile(
    r"\b(?:err(?:eurs?|ors?)|exceptions?|incidents?|problemes?|pannes?|bugs?|maintenance|surcharge\w*|serveurs?|servers?"
    r"|indisponib\w*|unavailable|inaccessibles?|introuvables?|impossible|unable|fail\w*"
    r"|echou\w+|echec|interrompu\w*|expire\w*|session|connexion|time-?d? ?out|delai|limites?|rate.limit\w*|quotas?"
    r"|trop (?:de|d')|too many|depasse\w*|could not|cannot|can't|couldn't|(?<!en )charge(?:r|s|e|es|ment)?|affich\w*"
    r"|ne repond\w*|n'(?:a|ont|avons) pas pu|n'(?:a|ont|avons) pu"
    r"|ne (?:peut|peuvent|parvien\w+|parven\w+|fonctionne\w*)"
    r"|ne pouvons(?! (?:(?:pas|plus|actuellement) )*vous (?:en )?proposer))\b"
)
# "Plus de créneaux bientôt": more slots, or no more of them.
_MORE_OR_NO_MORE = re.compile(rf"\bplus (?:de |d'){_WHAT}")
_NOT_FOUND = r"\baucune? (?:rendez.vous|rdv)(?: n'a(?: ete)?)? trouve"
# A person's file, number or booking was searched, not a free slot.
_LOOKED_UP = re.compile(
    r"\b(?<!depot de )(?<!depot d'un )dossiers?\b|\b(?:references?|numeros?|identifiants?|files?|bookings?)\b"
    rf"|\b(?:votre|vos|aucune|cette) reservations?\b|{_NOT_FOUND}"
)
# Other needs, other ways, changes of a booking: no statement about the calendar.
_BESIDE = re.compile(
    r"\bconvien\w*|\b(?:necessaire|obligatoire|requis|needed|required|necessary)\b"
    r"|\bpar (?:telephone|internet|courrier|courriel|e-?mail|mail)\b|\b(?:annule|modifie|enregistre|confirme)e?s?\b"
)
# A waiting room, a log-in, an exception, another place: the message is not about the whole calendar.
_WAITING = r"salle d'attente|file d'attente|patient(?:ez|er)|(?:re)?connect\w*|redirig\w*"
_ELSEWHERE = re.compile(
    rf"\b(?:{_WAITING}|sans compte"
    r"|hormis|sauf|except\w*|autres? (?:centres?|sites?|lieux?|motifs?|mairies?|guichets?))\b"
)
_CONDITION = re.compile(rf"\b(?:{CONDITIONS})\b")
_END = re.compile(r"[.!?]")  # of a sentence
_TODAY = re.compile(
    r"\b(?:aujourd'hui|ce jour|du jour|de la journee|cette journee|ce (?:matin|soir|midi)|cet(?:te)? apres.midi"
    r"|today|this day|tonight)\b"
)
_TO_DATE = re.compile(rf"{BY_NOW}\b")
_SOME_DAYS = re.compile(rf"\d|\b(?:{DAYS})\b|(?<!a partir de )(?<!a compter de )\bcette date\b")
# Words of trouble where there is none: how to report one, how long files take, when to come back.
_TROUBLES = "(?:erreurs?|errors?|problemes?|problems?|incidents?|bugs?|pannes?|difficultes?)"
_NO_TROUBLE = re.compile(
    r"\b(?:signal\w*|declar\w*|rapport\w*|report(?:ing)?|en cas d(?:e |')|si vous \w+|pour (?:toute?|tout)|sans"
    rf"|pas d(?:e |')) ?(?:une? |d(?:e |')|an? |the )?(?:\w+ )?{_TROUBLES}"
    r"|\bdelais?\b(?! (?:\w+ )?(?:depasse|expire|ecoule))|\b(?:heures?|temps) de connexion\b"
    r"|\b(?:cookies?|duree) (?:de |d'|of )?(?:la |votre |cette )?session\b|\bsession cookies?\b"
    r"|\b(?:re)?connect\w* (?:plus tard|ulterieurement|regulierement|dans|demain|a nouveau)"
)
# A message in a wrong charset may have lost words that revoke its denial.
_GARBLED = re.compile(
    r"[^\x00-\x7f\u00ab\u00b0\u00b7\u00bb\u00e6\u0153\u2013\u2014\u201c-\u201e\u2022\u20ac]|\+a[a-z0-9/]{2}"
)
_NOT_ALL = (_BUT, _TROUBLE, _LOOKED_UP, _BESIDE, _ELSEWHERE, _TODAY, _GARBLED)
_TAG = re.compile(r"<[^<>]*>")
_HYPHENS = dict.fromkeys((0x2010, 0x2011), "-")
# Emoji carry no words. Other characters of their category (So) result from a wrong charset.
_EMOJI = re.compile(
    "[\u231a\u231b\u23e9-\u23fa\u2600-\u27bf\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff\u200d\ufe0f]+"
)
_LONGEST = 2000  # characters; a longer text is a document, and too slow for the expressions above
_TROUBLED_PAGE = re.compile(
    rf"{_TROUBLE.pattern}|\b(?:{_WAITING}|loading|please wait|waiting room|queues?|votre position|un instant"
    r"|deconnecte\w*|deconnexion automatique|mal passee?|went wrong|denied|forbidden|gateway|unauthori[sz]ed"
    r"|acces (?:refuse|interdit)|non autorisee?s?|java ?script|fehler|hors (?:service|ligne)|offline"
    r"|(?:recherche|mise a jour|traitement|synchronisation|actualisation|operation|verification)(?: \w+){0,3} en cours"
    r"|donnees (?:non |in)disponibles|(?:site|service|systeme|plateforme|application|reseau)[^.!?]{0,20} saturee?s?)\b"
)


def says_none(message: str, *, every_day: bool = False) -> bool:
    """Tell whether a message says that no slot is free, and names neither a day with slots nor a problem.

    A message about today only does not count, nor one of more than 2,000 characters. With `every_day`, a message
    about some days or places does not count either; one about the motive that was asked for does.
    """
    if len(message) > _LONGEST:
        return False
    text = _TO_DATE.sub(" ", _fold_message(message))
    said = _NONE.search(text)
    if said is None or any(words.search(text) for words in _NOT_ALL):
        return False
    if _CONDITION.search(_END.split(text[: said.start()])[-1]):
        return False
    return not (every_day and (_SOME_DAYS.search(text) or is_narrowed(text, said[0], asked="motifs?")))


def speaks_of_trouble(message: str) -> bool:
    """Tell whether a message makes the data of its answer doubtful.

    It names an error, maintenance, a limit, an inability or a booking that was not found, promises more slots, or is
    in a wrong charset, so that such words may be lost.
    """
    text = _fold_message(message)
    if _TROUBLE.search(text) or re.search(_NOT_FOUND, text) or _GARBLED.search(text):
        return True
    return bool(_MORE_OR_NO_MORE.search(_NONE.sub(" ", text)))


def find_denial(text: str) -> str:
    """Return the first words of a text that deny slots; empty without any."""
    found = _NONE.search(_fold_message(text)) if len(text) <= _LONGEST else None
    return found[0] if found else ""


def without_denials(text: str) -> str:
    """Return a normalized text without its denials of slots."""
    return _NONE.sub(" ", text)


def speaks_of_page_trouble(text: str, sentence: str) -> str:
    """Return a word of trouble in a part of a page, outside of its no-slot sentence; empty without one.

    How to report an error, or how long a file takes, is no trouble.
    """
    parts = around_phrase(text, sentence, reach=len(text), most=len(text))
    told = f"{parts[0][0]} {parts[-1][1]}" if parts else _fold_message(text)
    found = _TROUBLED_PAGE.search(_NO_TROUBLE.sub(" ", told))
    return found[0] if found else ""


def _fold_message(message: str) -> str:
    text = _TAG.sub(" ", unescape(message)).translate(_HYPHENS)
    return normalize(_EMOJI.sub(" ", text))
