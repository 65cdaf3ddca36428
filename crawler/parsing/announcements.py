"""Announcements of a next availability in the words of a page, whatever their order: a date, a weekday, tomorrow.

Such a page may say "none" for the days that it shows, and has slots all the same.
"""

import re
from collections.abc import Iterator
from datetime import date
from zoneinfo import ZoneInfo

from crawler.parsing.date_parsing import MONTH, moments_in
from crawler.parsing.date_windows import day_of
from crawler.parsing.html_text import normalize
from crawler.parsing.narrowed_sentences import WEEKDAY
from crawler.parsing.no_slot_phrases import without_denials

_SLOTS = (
    r"(?:dispo(?:nibilite)?s?|creneaux?|rendez.vous|rdv|dates?|places?|plages?(?: horaires?)?|horaires?|reservations?"
    r"|inscriptions?|plannings?|calendriers?|agendas?)\b"
)
_FREE = r"(?:disponibles?|libres?|possibles?|ouverte?s?|proposee?s?|accessibles?)\b"
# A moment is expected after these words, and one that cannot be read counts as well.
_NEXT = re.compile(
    rf"(?<!votre )(?<!vos )(?<!mon )(?<!aucun )(?<!aucune )(?<!pas de )\bprochaine?s? (?:\w+ )?{_SLOTS}(?: {_FREE})*"
    rf"|\bpremiere?s? {_SLOTS} {_FREE}|\b{_SLOTS} suivante?s?\b"
    r"|\b(?:next|earliest|soonest|first)(?: (?:available|free|open|possible))*"
    r" (?:availabilit\w+|appointments?|(?:time ?)?slots?|openings?|dates?)\b"
    r"|\bnext (?:available|availability|opening)\b|\bavailable (?:again )?(?:from|on|starting|as of)\b"
)
# These announce something only with a moment in their sentence.
_OPENS = re.compile(
    rf"\breouvertures?\b|\brouvr\w+|\bouvertures? (?:de |des |du |de la |de l'|d'|aux? )(?:\w+ )?(?:\w+ )?{_SLOTS}"
    r"|\bprochaine?s? (?:ouvertures?|mises? en ligne|sessions?|vagues?)"
    rf"|\b{_SLOTS}[^.!?]{{0,60}}\b(?:ouvr\w+|a (?:partir|compter) d|des (?:le|la|demain)"
    rf"|(?:sera|seront|vont etre|redevien\w+) (?:\w+ )?(?:{_FREE}|mise?s? en ligne))"
    rf"|\b{_FREE} (?:a partir|a compter|des|le|demain)\b"
    rf"|\b(?:a partir|a compter) d\w+[^.!?]{{0,60}}\b{_SLOTS}"
    rf"|\bdes (?:demain|le|la|{WEEKDAY})\b[^.!?]{{0,60}}\b{_SLOTS}|\bnouve(?:aux?|lles?) {_SLOTS}|\b{_SLOTS} {_FREE} ?:"
    rf"|\b(?:reste(?:nt)?|reprises?|reprend\w*|reprenn\w+|liber\w+)\b[^.!?]{{0,40}}\b{_SLOTS}"
    rf"|\b{_SLOTS}[^.!?]{{0,40}}\b(?:reprend\w*|reprenn\w+|liber\w+)"
    r"|\b(?:bookings?|reservations?|appointments?|slots?)\b[^.!?]{0,60}\b(?:re-?)?open\w*"
)
_DEMAIN = (
    r"\b(?:apres.)?demain\b|\baujourd'hui\b|\bce soir\b|\bcet(?:te)? apres.midi\b|\btomorrow\b|\btoday\b"
)
_WHEN = re.compile(
    rf"{_DEMAIN}|\b{WEEKDAY}\b|\b(?:{MONTH})\b|\d{{1,2}} ?[/h.] ?\d|\d{{1,2}} ?h\b|\b\d{{4}}-\d\d-\d\d"
    r"|\b(?:semaine|mois|annee) prochaine?\b|\bprochaine? (?:semaine|mois)\b|\bnext (?:week|month)\b"
    r"|\b(?:dans|sous|in) (?:\d+|une?|deux|trois|quatre|cinq|six|quelques|a few|one|two|three)"
    r" (?:heures?|jours?|semaines?|mois|hours?|days?|weeks?|months?)\b"
)
_NAMED = re.compile(r"\W*(?:est |sera |is )?(?::|le\b|on\b)(?!\W*(?:aucune?|none|neant)\b)")
# What returns each week is no announcement of a day: opening hours, the weekday of releases.
_EACH_WEEK = re.compile(
    rf"\b(?:chaque|tous les|toutes les|every|du|from) {WEEKDAY}(?: (?:au|to|et|and) {WEEKDAY})*"
    r"(?: (?:a|des|de|at|from|a partir de) \d{1,2} ?h ?\d*)?"
    rf"|\b{WEEKDAY} (?:a|au|et|-) {WEEKDAY}|\b(?:lun|mar|mercre|jeu|vendre|same)dis\b"
    r"|\bde \d{1,2} ?h ?\d*(?: a \d{1,2} ?h ?\d*)"
)
_MONTH_FIRST = re.compile(rf"\b({MONTH})\.? (\d{{1,2}})(?:st|nd|rd|th)?\b(?:,? (\d{{4}}))?(?! ?[h:])")
_CLOSED, _OF_SLOTS = (
    re.compile(r"\bferm(?:e|ee|es|ees|eture|etures)\b|\bclos(?:ed|ure)\b"),
    re.compile(_SLOTS),
)
_RULE = re.compile(
    r"\bobligatoires?\b|\bse (?:fait|font|feront|fera|prend|prennent|prendront)\b|\bvalables?\b"
)
_END = re.compile(r"[.!?](?= [^\d]|$)")
# One of them is in all words of `_NEXT`, which takes three times as long to search.
_HINTS = ("prochain", "premier", "suivant", "next", "earliest", "soonest", "first", "available")
_NEAR = 80  # characters between an announcement and its moment


def find_announcements(text: str, today: date, zone: ZoneInfo) -> Iterator[tuple[str, date | None]]:
    """Yield each announcement in a text: its words, and its moment (None if that cannot be read).

    An opening that has passed is none: what was opened then is gone.
    """
    folded = normalize(text)
    if not ((any(hint in folded for hint in _HINTS) and _NEXT.search(folded)) or _OPENS.search(folded)):
        return
    told = _EACH_WEEK.sub(" ", _MONTH_FIRST.sub(r"\2 \1 \3", without_denials(folded)))
    for words in (_NEXT, _OPENS):
        for found in words.finditer(told):
            before, after = _sentence(told, found)
            parts = (after, found[0], before)
            moment = next((each for part in parts for each in moments_in(part, today, zone)), None)
            past = moment is not None and day_of(moment, zone) < today
            if words is _OPENS and (past or _is_news("".join((before, *parts[:2])))):
                continue
            named = any(map(_WHEN.search, parts)) or (words is _NEXT and _NAMED.match(after))
            if moment or named:
                yield found[0].strip()[:_NEAR], None if past else moment


def _is_news(sentence: str) -> bool:
    """Tell whether a sentence speaks of a rule, or of days on which an office is closed, and not of slots."""
    closed = _CLOSED.search(sentence) and not _OF_SLOTS.search(sentence)
    return bool(closed or _RULE.search(sentence))


def _sentence(text: str, found: re.Match[str]) -> tuple[str, str]:
    """Return what stands before some words in their sentence, and from them on."""
    before = _END.split(text[max(0, found.start() - _NEAR) : found.start()])[-1]
    return before, _END.split(text[found.end() : found.end() + _NEAR])[0]
