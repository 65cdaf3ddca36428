"""A message that a site's program shows to a person, read for one thing: whether it says that nothing is free.

Nobody has written such messages down whole. What counts is a denial right before the word for what is wanted: `Aucun
motif de rendez-vous sélectionné` and `Vous ne pouvez pas prendre plus de 2 rendez-vous` say something else.
"""

import re
from html import unescape

from crawler.parsing.markup import folded

_WHAT = (
    r"(?:creneaux?|disponibilites?|rendez.vous|rdv|plages?(?: horaires?)?+|places?|horaires?|dates?(?! de))\b"
)
_STILL = r"(?:encore |actuellement |malheureusement |pour le moment |pour l'instant )?"
_NOT_CHOSEN = r"(?!(?: n'(?:a|est))?(?: ete)? (?:selectionne|choisi|saisi|renseigne))"
_DENIED = rf"\b(?:aucune?|(?:plus|pas) {_STILL}(?:de|d'|aucune?)) ?{_WHAT}{_NOT_CHOSEN}"
_NOT_OFFERED = rf"\bne pouvons (?:pas |plus |actuellement )*vous (?:en )?proposer (?:de |d'|aucune? ){_WHAT}"
_DENIED_IN_ENGLISH = (
    r"\bno (?:more |free |open |available )?(?:availabilit(?:y|ies)|(?:time ?)?slots?|appointments?)\b"
)
_FULL = (
    r"^complete?s?\W*$|\b(?:planning|agenda|calendrier)s? [^.!?]*\bcomplets?\b"
    rf"|\b{_WHAT} sont (?:actuellement |deja |tous |toutes )*complete?s\b"
    rf"|\btou(?:te)?s (?:les|nos) {_WHAT}[^.!?]*\b(?:complet|reserve|pris|occupe)"
)
_NONE = re.compile(f"{_DENIED}|{_NOT_OFFERED}|{_DENIED_IN_ENGLISH}|{_FULL}")
# A day from which there is something again; what the person has, or has too much of.
_BUT = re.compile(
    r"\b(?:prochaine?s?|a partir|a compter|des le|avant le)\b[^.!?]*\d|\bvous (?:n'avez|avez (?:deja|atteint))\b"
)
_TAG = re.compile(r"<[^<>]*>")
_LONGEST = (
    2000  # characters of a message: a longer one is a document, and takes the expressions above too long
)


def says_none(message: str) -> bool:
    """Tell whether a message says that no slot is free, and does not name a day from which there are some.

    A message of more than 2,000 characters says nothing.
    """
    if len(message) > _LONGEST:
        return False
    text = folded(_TAG.sub(" ", unescape(message)))
    return _NONE.search(text) is not None and _BUT.search(text) is None
