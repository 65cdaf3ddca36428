"""Announcements of a next availability: such a page may say "none" for the days that it shows, and has slots.

An announcement has words of any order and its moment: a date, a weekday, tomorrow.
"""

import re
from collections.abc import Iterator
from datetime import date

from crawler.parsing.dates import day_of, moments_in
from crawler.parsing.moment_grammar import MONTH
from crawler.parsing.no_slot_phrases import without_denials
from crawler.parsing.sentence_limits import WEEKDAY
from crawler.reading import VisitContext

# Announcements of a next availability: such a page may say "none" for the days that it shows, and has slots

_SLOTS = (
    r"(?:dispo(?:nibilite)?s?|creneaux?|rendez.vous|rdv|dates?|places?|plages?(?: horaires?)?|horaires?|reservations?"
    r"|inscriptions?|plannings?|calendriers?|agendas?)\b"
)
_FREE = r"(?:disponibles?|libres?|possibles?|ouverte?s?|proposee?s?|accessibles?)\b"
# A moment is expected after these words, and one that cannot be read counts as well.
_CHANCE = r"(?:(?:jour|journee) (?:disponible|libre|possible)|possibilite|opportunite|r\.d\.v\b\.?)"
_NEXT = re.compile(
    rf"\b(?<!votre )(?<!vos )(?<!mon )(?<!aucun )(?<!aucune )(?<!pas de )prochaine?s? (?:\w+ )?{_SLOTS}(?: {_FREE})*"
    rf"|\bprochaine? {_CHANCE}|\bpremiere?s? (?:{_SLOTS} {_FREE}|{_CHANCE})|\b{_SLOTS} suivante?s?\b"
    r"|\b(?:next|earliest|soonest|first)(?: (?:available|free|open|possible))*"
    r" (?:availabilit\w+|appointments?|(?:time ?)?slots?|openings?|dates?)\b"
    r"|\bnext (?:available|availability|opening)\b|\bavailable (?:again )?(?:from|on|starting|as of)\b"
)
# In other languages that visitors read, with a figure or tomorrow: es, it, pt, de, nl, pl, ro, tr, ru, ar, zh.
_ABROAD = re.compile(
    r"(?:\bprox(?:im|ima)[ao]s?\b|\bprossim[aoi]\b|\b(?:nachst|fruhest)e[rsn]?\b|\beerst ?volgende\b"
    r"|\b(?:najblizsz|nastepn|urmato)\w+|\bsonraki\b|\b(?:следующ|ближаиш)\w+|(?:التالي|المقبل|القادم)ة?|下一|最早)"
    r"[^.!?]{0,60}?(?:\d|\b(?:manana|amanha|domani|morgen|jutro)\b)"
)
# These announce something only with a moment in their sentence.
_OPENS = re.compile(
    r"\breouvertures?\b(?! (?:de l'|du |de la |des )(?:accueil|guichet|bureau|prefecture|sous.prefecture|mairie|site))"
    rf"|\brouvr\w+|\bouvertures? (?:de |des |du |de la |de l'|d'|aux? )(?:\w+ )?(?:\w+ )?{_SLOTS}"
    r"|\bprochaine?s? (?:ouvertures?|mises? en ligne|sessions?|vagues?)"
    # One alternative for all that begin with the same words: each one costs a search of the page.
    rf"|\b{_SLOTS}(?: {_FREE} ?:| (?:sont |est )?ouverte?s?\b|[^.!?]{{0,40}}\b(?:reprend\w*|reprenn\w+|liber\w+)"
    r"|[^.!?]{0,20}\b(?:plus (?:proche|tot)|au plus tot)\b"
    rf"|[^.!?]{{0,60}}\b(?:ouvr\w+|a (?:partir|compter) d|des (?:le|la|demain)"
    rf"|(?:sera|seront|vont etre|redevien\w+) (?:\w+ )?(?:{_FREE}|mise?s? en ligne)))"
    rf"|\b(?:disponibles?|libres?|possibles?|proposee?s?|accessibles?) (?:a partir|a compter|des|le|demain)\b"
    rf"|\b(?:a partir|a compter) d\w+[^.!?]{{0,60}}\b{_SLOTS}"
    rf"|\bdes (?:demain|le|la|{WEEKDAY})\b[^.!?]{{0,60}}\b{_SLOTS}|\bnouve(?:aux?|lles?) {_SLOTS}"
    rf"|\b(?:reste(?:nt)?|reprises?|reprend\w*|reprenn\w+|liber\w+)\b[^.!?]{{0,40}}\b{_SLOTS}"
    rf"|\bpremiere?s? {_SLOTS}|\battendre [^.!?]{{0,40}}\b{_SLOTS}"
    rf"|\bpourr\w+ [^.!?]{{0,30}}\b(?:reserver|(?:prendre|obtenir) (?:un )?{_SLOTS})"
    rf"|\b(?!0)\d+ (?:{_SLOTS} (?:{_FREE}|restante?s?\b)|{_FREE})|\bencore (?:\d+|une?|des) {_SLOTS}"
    rf"|\bdes {_SLOTS}[^.!?]{{0,30}}\b(?:{_FREE}|existe\w*)"
    r"|\b(?:bookings?|reservations?|appointments?|slots?)\b[^.!?]{0,60}"
    r"\b(?:(?:re-?)?open\w*|(?:released|added|published)\b)"
    r"|\breopen\w*|\b(?:earliest|soonest)\b"
)
_WHEN_IN_WORDS = (
    rf"\b(?:(?:apres.)?demain|aujourd'hui|ce soir|cet(?:te)? apres.midi|tomorrow|today|{WEEKDAY}|{MONTH}"
    r"|(?:semaine|mois|annee) prochaine?|prochaine? (?:semaine|mois)|next (?:week|month)"
    r"|(?:dans|sous|in) (?:\d+|une?|deux|trois|quatre|cinq|six|quelques|a few|one|two|three)"
    r" (?:heures?|jours?|semaines?|mois|hours?|days?|weeks?|months?))\b"
)
_WHEN = re.compile(rf"{_WHEN_IN_WORDS}|\d{{1,2}} ?[/h.] ?\d|\d{{1,2}} ?h\b|\b\d{{4}}-\d\d-\d\d")
_NAMED = re.compile(
    r"\W*(?:est |sera |is )?(?::|le\b|on\b)"
    r"(?! ?[-\u2013\u2014](?: |$)|\W*(?:aucune?|none|neant|nous consulter|non|inconnue?|n/?a)\b)"
)
# What returns each week is no announcement of a day: opening hours, the weekday of releases.
_EACH_WEEK = re.compile(
    rf"\b(?:chaque|tous les|toutes les|every|du|from) {WEEKDAY}(?: (?:au|to|et|and) {WEEKDAY})*"
    r"(?:(?: et| puis| ou)? (?:a|des|de|at|from|a partir de) \d{1,2} ?h(?: ?\d\d)?)*"
    r"|\b(?:tous les (?:jours|matins|soirs)|chaque (?:jour|matin|soir|nuit|semaine)|every (?:day|morning|week))"
    r"(?: \w+)?(?:(?: et| puis| ou)? (?:a|des|de|at|from|a partir de) \d{1,2} ?h(?: ?\d\d)?)*"
    rf"|\b{WEEKDAY} (?:a|au|et|-) {WEEKDAY}|\b(?:lun|mar|mercre|jeu|vendre|same)dis\b"
    r"|\bde \d{1,2} ?h(?: ?\d\d)?(?: a \d{1,2} ?h(?: ?\d\d)?)"
)
_CLOSED = re.compile(r"\bferm(?:e|ee|es|ees|eture|etures)\b|\bclos(?:ed|ure)\b")
_OF_SLOTS = re.compile(_SLOTS)
_RULE = re.compile(
    r"\bobligatoires?\b|\bse (?:fait|font|feront|fera|prend|prennent|prendront)\b|\bvalables?\b"
)
_END = re.compile(r"[.!?](?= [^\d]|$)")
_NEAR = 80  # characters between an announcement and its moment


def find_announcements(folded: str, visit: VisitContext) -> Iterator[tuple[str, date | None]]:
    """Yield each announcement in a normalized text: its words, and its moment (None if that cannot be read).

    An opening that has passed is none: what was opened then is gone.
    """
    told = _EACH_WEEK.sub(" ", without_denials(folded))
    for words in (_NEXT, _OPENS, _ABROAD):
        for found in words.finditer(told):
            before, after = _sentence(told, found)
            parts = (f"{found[0]}{after}" if words is _ABROAD else after, found[0], before)
            moment = next((each for part in parts for each in moments_in(part, visit)), None)
            past = moment is not None and day_of(moment, visit.zone) < visit.today
            if words is _OPENS and (past or _is_news("".join((before, *parts[:2])))):
                continue
            named = (
                words is _ABROAD or any(map(_WHEN.search, parts)) or (words is _NEXT and _NAMED.match(after))
            )
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
