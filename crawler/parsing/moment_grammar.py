"""Grammar of days and hours as people write them, for slots that are read and for moments that a page names.

An hour is told by its beginning: `de 14 à 15h`, `2:30-3:00 pm`, `8h du soir`. Where a figure may be its minutes or
another hour (`9h 15 places`), it is not told at all. A text is in lower case; its lines are the blocks of its page.
"""

import re
from collections.abc import Iterator
from datetime import time
from enum import Enum
from typing import NamedTuple

from crawler.parsing.normal_form import collapse_whitespace

# Days

MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "janvier janv jan january", "février fevrier févr fevr fév fev february feb", "mars march",
            "avril avr april apr", "mai may", "juin june jun", "juillet juil july jul", "août aout august aug",
            "septembre sept september sep", "octobre oct october", "novembre nov november",
            "décembre decembre déc dec december",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
WEEKDAYS = ("lun", "mar", "mer", "jeu", "ven", "sam", "dim")
MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
_WEEKDAY = (
    r"(?:lun|mar|mer|jeu|ven|sam|dim)(?:di|cr?|cr?edi|dr?|dr?edi|edi|anche)?"
    r"|(?:mon|tue|wed|thu|fri|sat|sun)(?:s|n|nes|rs?|ur|urs)?(?:day)?"
)
_BEFORE_DAY = rf"(?:\b(?P<weekday>{'|'.join(WEEKDAYS)})(?:di|cr?|cr?edi|dr?|dr?edi|edi|anche)?\b\.?,?\s+)?"
# A year before an hour: `23 nov. 26 9h30`. In `23 nov. 14 à 15h` it is an hour.
_SHORT_YEAR = r"(?:2[4-9]|[3-9]\d)(?=,?\s+(?:à\s+|de\s+)?\d{1,2}\s?[h:])"
_DAY = re.compile(
    rf"(?:(?<![\d/.:-])(?P<iso>\d{{4}}(?P<bar>[-/])\d\d(?P=bar)\d\d)(?!\d)"
    rf"|{_BEFORE_DAY}(?<![\d/.:-])(?P<day>\d{{1,2}}+)(?:(?: ?er|st|nd|rd|th|o)\b(?: of\b)?)?"
    rf"(?:\s?(?P<cut>[/.-])\s?(?P<month>\d{{1,2}})\s?(?P=cut)\s?(?P<year>\d{{4}})(?!\d)"
    rf"|(?P<mark>[/.])(?P<number>\d{{1,2}})(?P=mark)(?P<late>\d\d)(?!\d|[/.]\d)"
    rf"|/(?P<alone>0?[1-9]|1[0-2])(?![\d/.]| ?h\b|h\d| ?heures?\b|:\d|\s+(?:{MONTH})\b)"
    rf"|\s+(?P<word>{MONTH})\b\.?(?:\s+(?P<its>\d{{4}}(?!\d)|{_SHORT_YEAR}))?))"
)
_ENGLISH = (
    "january|february|march|april|may|june|july|august|september|october|november|december"
    "|jan|feb|apr|jun|jul|aug|sept|sep|oct|nov|dec"
)
_TO = r" ?(?:-|\u2013|to|and|&|or|through) ?"
_MONTH_FIRST = re.compile(
    rf"(?<!(?<![:h]\d)\d )(?<!\d)\b(?P<month>{_ENGLISH})\.? (?P<day>\d{{1,2}}(?:st|nd|rd|th)?)"
    rf"(?:(?P<other>{_TO}\d{{1,2}}(?:st|nd|rd|th)?)(?!\w| ?[:h.]\d| ?[ap]\.?m\b|{_TO}\d))?"
    r"(?!\w| ?[:h])(?:,? (?P<year>\d{4})(?!\d))?"
)
_PREMIER = re.compile(rf"\bpremier(?= (?:{MONTH})\b)")
# Before a day, another one that borrows its month (`du 1er au 5 décembre`) or is a weekday (`lundi ou mardi 8 …`).
_OTHER_DAY = re.compile(
    rf"(?:(?<![\w.,:/-])(?P<figure>\d{{1,2}})(?: ?(?:er|st|nd|rd|th|e|o)\b)?|\b(?:{_WEEKDAY})\b\.?)"
    r"\s*(?:[-\u2013\u2014,/&+]|\b(?:jusqu'au|au|à|a|et|ou|puis|to|and|or|through|thru|until|till)\b)\s*"
    rf"(?:(?:le|la|au|the|du|on|ou|et)\b\s*)?(?:\b(?:{_WEEKDAY})\b\.?,?\s*)?$"
)
_DAY_BEHIND = re.compile(
    rf"\s*(?:jusqu'au|au|et|ou|&|puis|to|and|or|through|thru|until|till)\s+(?:(?:le|au|the)\s+)?(?:(?:{_WEEKDAY})\.?\s+)?"
    r"\d{1,2}(?:er|st|nd|rd|th)?\b(?!\s*[:/.]\d)"
)
_LONGEST_DAY = 60  # characters before a day, in which another one borrows its month

# Hours

_HALVES = (
    r"(?: ?(?P<half>[ap])(?:\. ?)?m\b\.?"
    r"| (?P<morning>du matin|de la matinée|in the morning)\b"
    r"| (?P<evening>de l'apr[eè]s.midi|du soir|de la soirée|in the (?:afternoon|evening)|at night)\b)?"
)
_CLOCK = (
    r"(?<![\d:])(?<!\d[.,])(?P<hour>\d{1,2})"
    r"(?: ?(?P<unit>h|hrs?|heures?)\b(?: (?P<loose>[0-5]\d)(?!\d|[.,]\d))?"
    r"| ?h(?P<tight>[0-5]\d)(?!\d)"
    r"| ?:(?P<colon>[0-5]\d)(?::[0-5]\d(?:\.\d+)?)?(?![\d:])"
    r"|\.(?P<dot>[0-5]\d)(?= ?(?:h|uhr|[ap](?:\. ?)?m)\b)"
    r"|(?= ?[ap](?:\. ?)?m\b))"
) + _HALVES
_NUMBERS = (
    "deux|trois|quatre|cinq|six|sept|huit|neuf|dix|onze|douze|treize|quatorze|quinze|seize|vingt|trente|quarante"
    "|cinquante|two|three|four|five|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|quarter|half"
)
_TOKEN = re.compile(
    r"(?P<phone>(?:\+33 ?|(?<!\d)0)[1-9](?:[ .-]?\d\d){4}(?!\d))"
    r"|(?P<length>\b(?:durée|duree|dure|duration|pendant|lasts?)\b[\s:(=-]*(?:d'|de |environ |about )?"
    r"\d+(?:h\d+| ?(?:h|heures?|hours?)\b(?: ?\d+)?)?"
    r"|\bd'(?:1|une) ?h(?:eures?)?(?: ?[0-5]\d)?\b)"
    rf"|(?P<clock>{_CLOCK})"
    rf"|(?P<worded>(?<![\w-])(?<!apr[eè]s )(?:midi|minuit|noon|midnight|(?:une|{_NUMBERS}) heures?|o'clock)\b)"
    r"|(?P<broken>\d+(?: ?h ?|:)\d+)"
    rf"|(?P<figure>\d+(?:[.,]\d+)*|\b(?:{_NUMBERS})\b)"
)
_MASK = "\0"  # stands for a day
_MINUTES = re.compile(r" ?(?:(?P<short>min|mn)|minutes?)\b(?! d[e'])")
# Words behind figures apart from their `h` (`9 h 30 en mairie`) that count nothing: those are minutes.
_STREETS = (
    r"rue|avenue|av|boulevard|boul|bd|place|pl|allée|chemin|quai|cours|impasse|route|square|passage|esplanade|faubourg"
    r"|mail|promenade|rond-point|street|road"
)
_BEHIND_MINUTES = re.compile(
    rf"(?! ?,? ?(?:(?:bis|ter),? )?(?:{_STREETS})\b)"
    r"\s*(?:$|\n|[^\w\s€$£%°+/]|(?:à|a|au|jusqu'\w+|to|until|till|le|dans|en|avec|chez|pour|at|in|with|salle|guichet"
    r"|bureau|box|porte|mairie|(?:sous-)?préfecture|accueil|agence|annexe|antenne|centre|site|réserver|choisir"
    r"|sélectionner|libre|disponible|book|select|choose|heure|précises?|pile|environ|room|desk)\b(?!\())"
)
_SPAN = re.compile(
    r"\s*(?:(?P<dash>-?>|[-\u2013\u2014~\u2192])"
    r"|(?:(?:et|ou|and) )?(?:jusqu'(?:à|a|au)|à|a|au|to|till|until|through)(?!\w))\s*"
)
_EITHER_END = re.compile(r"\s*(?:et|and)\s*")
_BETWEEN = re.compile(r"\b(?:entre|between)\s+$")
# Before an hour that is no beginning, and behind one that is not the hour meant.
_END_AHEAD = re.compile(
    r"(?:jusqu'(?:à|a|au)|avant|until|till|before|by|après|after|moins|past"
    r"|\bfin(?:it)?(?: à)?|(?:termine|ends?)(?: à| at)?|au plus tard(?: à)?|d'ici|(?:ferm|clôtur)\w+ à)[\s:]*$"
)
_SHIFTED = re.compile(r"\s*\(?(?:moins|et (?:quart|demie?)|passées?|utc|gmt|z|\+\d+)\b")
_AFTERNOON = re.compile(
    r"\b(?:apr[eè]s.midi|aprem|soir(?:ée)?|afternoon|evening|p\.?m|tarde|noche|abends|مساء|بعد الظهر)\b"
)
_ENUMERATED = re.compile(r"[.)] +(?=\0|le\b)")  # `1. mardi …`
# Words that own no figure beside them: those that lead on, and, before a figure, those of hours.
_LEADING = (
    r"de|d|à|a|au|aux|du|des|le|la|les|l|et|ou|puis|vers|dès|entre|from|at|to|and|or|the|on|between|around|about|environ"
    rf"|soit|sinon|partir|est|sont|heures?|{_WEEKDAY}"
)
_OF_HOURS = (
    rf"{_LEADING}|horaires?|créneaux?|matin|midi|soir|plages?|slots?|times?|libres?|disponibles?|dispo"
)
_COUNTED = re.compile(rf" ?[€$£%°']| (?!(?:{_LEADING})\b)[^\W\d_]{{2,}}")
_LABELLED = re.compile(rf"(?:\b(?!(?:{_OF_HOURS})\b)[^\W\d_]{{2,}}|\bn)[ :.°#-]{{0,3}}$|[#€$£] ?$")
_DAY_HOURS, _HOUR_MINUTES, _NOON = 24, 60, 12
_TWELVE_HOURS = re.compile("[1-6]:")  # at night, unless the afternoon was meant
_LONGEST_LINK = 20  # characters between the two ends of a span
_LONGEST_WORD = 30  # characters before a figure, in which its word stands

# Where a day and an hour are one moment

_REACH, _REACH_BACK = 200, 40  # characters from a day to its hour; from an hour to its day, or across blocks
_STOP = re.compile(
    rf"(?:(?<=[^\W\d_]{{4}})\.|[!?])\s+(?=\D)|[.!?] *\n|\b(?:{_WEEKDAY})s?\b|\bles? \d{{1,2}}(?:er)?\b(?! ?[:h])"
)  # the sentence ends, or another day is named
_SHUT = r"(?:ferm[eé](?!r\b)\w*|closed|closure)"  # `Fermer` closes a window of the page
# Before a day that is none of slots: `Fermeture exceptionnelle le`, `fermée les 24 et`. Behind one: `: fermé`.
_CLOSED = re.compile(
    rf"\b(?:{_SHUT}|date limite|clôture)(?: (?:d'|l')?(?:[^\W\d_]+|\d{{1,2}}(?:er)?,?)){{0,7}}(?: ?:)? $"
    r"|\bvalables? jusqu'au $"
)
_CLOSED_BEHIND = re.compile(
    rf" ?[:,(\u2013-]? ?(?:(?:est|sera) )?(?:exceptionnellement )?{_SHUT}\s*(?:$|[\n.;)])"
)
_SHUT_CELL = re.compile(rf"\n{_SHUT}(?=\n)")  # of a row below a row of days: it may be of another day
_SAME_SPELL = re.compile(  # between two days that are closed: ` à partir de 16h et `
    r"(?:[\dh: ]|à|partir|de|dès|midi)*(?:et|au|jusqu'au|and|to) (?:le )?"
)
_REACH_LINE, _LINE_BEGINS = 80, re.compile(r"\n(?:(?:à|de|dès)\s)?$")  # to an hour that begins its block
_WORD_CUT = re.compile(r"^\S*")
_ENGLISH_WEEKDAY = re.compile(rf"\b(?:{_WEEKDAY})\b\.?,?\s*$")
_LEADS_TO_DAY = re.compile(r"\s*(?:le|on|the)\s+")
_OPENING = re.compile(  # when an office is open
    r"\b(?:ouver|ouvr|horaires d['eu](?! rendez| rdv)|ferm|open|clos|permanence|sans rendez)"
)
# In one line with an hour: what an office does then, and events; words of slots leave a doubt.
_OFFICE = r"\b(?:accueil|guichets?|préfecture|mairie|bureaux?|services?|agences?|standard|site|public)\b"
_OPENED = r"\b(?:ouver|ouvr|accueill)\w*"
_OF_OFFICE = re.compile(
    rf"\b{_SHUT}|{_OFFICE}.*{_OPENED}|{_OPENED}.*{_OFFICE}|\b(?:réunion publique|conseil municipal|cérémonie)\b"
)
_OF_SLOT = re.compile(r"\b(?<!sur )(?<!sans )(?:créneau|rendez-vous|rdv|places?\b|dispo|libre)")
_EXCEPT = re.compile(r"\b(?:sauf|hormis|excepté|except)\b")


class Doubt(Enum):
    """Why a text with an hour does not tell it: which one it is, is `UNKNOWN`, or it has `SEVERAL`."""

    UNKNOWN = "unknown"
    SEVERAL = "several"


class Token(NamedTuple):
    """An hour of a text, or a figure of it that is none."""

    start: int
    end: int
    is_hour: bool
    at: time | None = None  # the hour, a span by its beginning; None: it is not known
    half: str = ""  # of the day: `a`, `p`
    is_whole: bool = True  # its minutes are told, so that no figure behind can be them
    is_loose: bool = False  # its minutes stand apart: `9 h 30`
    is_possible: bool = True  # a clock can show it
    value: int | None = None  # of a figure; None: it is written in words, or with decimals


class Mention(NamedTuple):
    """A day that a text names, and the hour that belongs to it."""

    day: re.Match[str]
    hour: Token | None


def fold_days(text: str) -> str:
    """Return a text in lower case, its days in the order and the figures of French: `Dec 1st`, `premier décembre`."""
    lowered = "\n".join(filter(None, map(collapse_whitespace, text.split("\n")))).lower()
    return _MONTH_FIRST.sub(_turn_round, _PREMIER.sub("1er", lowered))


def _turn_round(found: re.Match[str]) -> str:
    return " ".join(filter(None, (f"{found['day']}{found['other'] or ''}", found["month"], found["year"])))


def find_days(text: str) -> Iterator[re.Match[str]]:
    """Return the days that a text in lower case names."""
    return _DAY.finditer(text)


def match_day(text: str, begin: int) -> re.Match[str] | None:
    """Return the day that stands at a place of a text."""
    return _DAY.match(text, begin)


def mask_days(text: str) -> str:
    """Return a text with a mark in place of each day."""
    return _DAY.sub(_MASK, text)


def shares_month(text: str, day: re.Match[str]) -> bool:
    """Tell whether another day beside this one shares its month (`du 1er au 5 décembre`), or its week."""
    return _has_borrower(text, day) or _has_follower(text, day)


def _has_follower(text: str, day: re.Match[str]) -> bool:
    part = text[day.end() : day.end() + _LONGEST_DAY]
    other = _DAY_BEHIND.match(part)
    if other is None or _COUNTED.match(part, other.end()):
        return False
    return not any(each.is_hour and each.start < other.end() for each in _read_tokens(part))


def _has_borrower(text: str, day: re.Match[str]) -> bool:
    begin = max(0, day.start() - _LONGEST_DAY)
    other = _OTHER_DAY.search(text[begin : day.start()])
    if other is None:
        return False
    start = begin + other.start()
    if other["figure"] is None:
        return day["weekday"] is not None or "," not in other[0]  # `Tuesday, 15 December` is one day
    hours = (each for each in _read_tokens(text[: day.start()]) if each.is_hour)
    return not (_has_label(text, start) or any(each.start <= start < each.end for each in hours))


def read_hour(text: str) -> time | Doubt | None:
    """Return the only hour of a text whose days are masked; None without one."""
    tokens = _read_tokens(text)
    hours = [each for each in tokens if each.is_hour]
    begins = [each for each in hours if not _is_end(text, each)]
    if not all(each.is_possible for each in hours) or len({each.at for each in begins}) > 1:
        return Doubt.SEVERAL
    at = begins[0].at if begins else None
    if at is None:
        return Doubt.UNKNOWN if hours else None
    is_early = 0 < at.hour < _NOON and not any(each.half for each in begins)
    if is_early and (_AFTERNOON.search(text) or _TWELVE_HOURS.match(text, begins[0].start)):
        return Doubt.UNKNOWN
    unclear = any(_may_belong(text, each, begins[0], begins[-1]) for each in tokens if not each.is_hour)
    return Doubt.UNKNOWN if unclear else at


def read_mentions(text: str) -> Iterator[Mention]:
    """Yield the days of a text, each with the hour that people read with it.

    That hour is in its line, or begins near it in another. Its own line comes first, and what follows before what
    precedes.
    """
    begin, is_taken, is_closed = 0, False, False  # of the day before
    days = find_days(text)
    day = next(days, None)
    while day is not None:
        following = next(days, None)
        part = text[day.end() : following.start() if following else None][:_REACH]
        is_in_row = begin > 0 and not text[begin : day.start()].strip()
        behind = _find_behind(_SHUT_CELL.sub("", part) if is_in_row else part)
        before = _find_before(text, begin, day.start(), is_taken=is_taken)
        found = filter(None, (behind, before))
        is_closed = _is_closed(text, day) or (is_closed and _is_same_spell(text, begin, day))
        hour = None if is_closed else min(found, key=lambda each: each.crosses, default=None)
        yield Mention(day, hour and hour.token)
        begin, is_taken, day = day.end(), hour is not None and hour is behind, following


def find_hour_behind(text: str, day: re.Match[str]) -> Token | None:
    """Return the hour that stands behind a day and belongs to it."""
    part = text[day.end() : day.end() + _REACH_BACK]
    following = _DAY.search(part)
    found = _find_behind(part[: following.start()] if following else part)
    return found and found.token


def _is_closed(text: str, day: re.Match[str]) -> bool:
    """Tell whether a text names a day on which an office is closed, or the last one for something."""
    before = text[max(0, day.start() - _LONGEST_DAY) : day.start()]
    return bool(_CLOSED.search(before) or _CLOSED_BEHIND.match(text, day.end()))


def _is_same_spell(text: str, begin: int, day: re.Match[str]) -> bool:
    return _SAME_SPELL.fullmatch(text, begin, day.start()) is not None


class _Found(NamedTuple):
    token: Token
    crosses: bool  # blocks lie between it and its day


def _find_behind(part: str) -> _Found | None:
    """Return the first hour of what follows a day."""
    stop = _STOP.search(part)
    part = part[: stop.start()] if stop else part
    hours = [each for each in _read_tokens(part) if each.is_hour]
    begins = [each for each in hours if not _is_end(part, each)]
    if not hours:
        return None
    found = begins[0] if begins else hours[0]._replace(at=None)
    gap = part[: found.start]
    crosses = "\n" in gap
    reach = _REACH_LINE if _LINE_BEGINS.search(gap) else _REACH_BACK
    if crosses and (len(gap) > reach or _OPENING.search(gap)):
        return None
    if not crosses and _OF_OFFICE.search(gap) and not _OF_SLOT.search(part.partition("\n")[0]):
        return None
    return _Found(found, crosses)


def _find_before(text: str, begin: int, end: int, *, is_taken: bool) -> _Found | None:
    """Return the last hour of what precedes a day; one that is taken only where a word leads from it to the day."""
    part = text[max(begin, end - 2 * _REACH_BACK) : end]
    if end - 2 * _REACH_BACK > begin:
        part = _WORD_CUT.sub("", part)
    part = _ENGLISH_WEEKDAY.sub("", part)
    stops = list(_STOP.finditer(part))
    part = part[stops[-1].end() :] if stops else part
    hours = [each for each in _read_tokens(part) if each.is_hour]
    if not hours:
        return None
    gap = part[hours[-1].end :]
    crosses = "\n" in gap
    is_alone = not crosses and "\n" in text[begin:end]  # in its line, without the day before
    if is_taken and not is_alone and not _LEADS_TO_DAY.fullmatch(gap):
        return None
    if len(gap) > _REACH_BACK or _OPENING.search(part if crosses else gap) or _EXCEPT.search(gap):
        return None
    lead = part[hours[-2].end if len(hours) > 1 else 0 : hours[-1].start].rpartition("\n")[2]
    if _OF_OFFICE.search(lead) and not _OF_SLOT.search(lead):
        return None
    return _Found(hours[-1], crosses)


def _is_end(text: str, hour: Token) -> bool:
    return _END_AHEAD.search(text[max(0, hour.start - _LONGEST_WORD) : hour.start]) is not None


def _may_belong(text: str, figure: Token, first: Token, last: Token) -> bool:
    """Tell whether a figure may be minutes of an hour, its true beginning or another hour."""
    if _touches_word(text, figure) or (figure.value or 0) >= _HOUR_MINUTES:
        return False
    is_counted = _COUNTED.match(text, figure.end) is not None
    if _ENUMERATED.match(text, figure.end) and text[max(0, figure.start - 1) : figure.start].strip() == "":
        return False
    if figure.start < first.start:
        return not (is_counted or _has_label(text, figure.start)) and (figure.value or 0) <= _DAY_HOURS
    if not is_counted and _has_label(text, figure.start):
        return False
    is_in_line = "\n" not in text[last.end : figure.start]
    return (is_in_line and not last.is_whole) if is_counted else (is_in_line or not last.is_whole)


def _touches_word(text: str, figure: Token) -> bool:
    """Tell whether a figure is part of a word: `2e`, `B12`."""
    around = text[max(0, figure.start - 1) : figure.start], text[figure.end : figure.end + 1]
    return any(each.isalpha() for each in around)


def _has_label(text: str, start: int) -> bool:
    """Tell whether a word of its own stands before a figure: `guichet 3`."""
    return _LABELLED.search(text[max(0, start - _LONGEST_WORD) : start]) is not None


def _read_tokens(text: str) -> list[Token]:
    """Return the hours and other figures of a text, spans as one hour."""
    tokens = list(_scan(text))
    joined, at = list[Token](), 0
    while at < len(tokens):
        span = _join(text, *tokens[at : at + 2]) if at + 1 < len(tokens) else None
        joined.append(span or tokens[at])
        at += 2 if span else 1
    return joined


def _scan(text: str) -> Iterator[Token]:
    for found in _TOKEN.finditer(text):
        start, end = found.span()
        if found["clock"]:
            yield _read_clock(text, found)
        elif found["worded"] or found["broken"]:
            yield Token(start, end, is_hour=True, is_possible=not found["broken"])
        elif written := found["figure"]:
            yield Token(start, end, is_hour=False, value=int(written[:9]) if written.isdecimal() else None)


def _read_clock(text: str, found: re.Match[str]) -> Token:
    start, end = found.span()
    minutes = found["tight"] or found["colon"] or found["dot"] or found["loose"]
    half = found["half"] or ("a" if found["morning"] else "p" if found["evening"] else "")
    hour, in_words = int(found["hour"]), found["half"] is None
    is_possible = hour < _DAY_HOURS if in_words else 0 < hour <= _NOON
    at = None
    if is_possible and not (half and in_words and (hour == _NOON or (half == "a" and hour > _NOON))):
        at = _set_half(time(hour, int(minutes or 0)), half)
    if (found["loose"] and not _are_minutes(text, found)) or _SHIFTED.match(text, end):
        at = None
    token = Token(start, end, is_hour=True, at=at, half=half, is_possible=is_possible)
    return token._replace(is_whole=minutes is not None, is_loose=found["loose"] is not None)


def _set_half(at: time, half: str) -> time:
    """Return an hour in a half of the day; one that names its half itself (`14h`) as it is."""
    if not half or at.hour > _NOON:
        return at
    return at.replace(hour=at.hour % _NOON + (_NOON if half == "p" else 0))


def _are_minutes(text: str, found: re.Match[str]) -> bool:
    """Tell whether figures apart from their hour are its minutes: no word, sign or figure behind claims them."""
    end = found.end()
    if found["half"] or found["morning"] or found["evening"]:
        return True
    if said := _MINUTES.match(text, end):
        return (said["short"] is None) == found["unit"].startswith("heure")
    if text[end : end + 1] in (" ", ".") and text[end + 1 : end + 2].isdecimal():
        return False
    return found["loose"].startswith("0") or _BEHIND_MINUTES.match(text, end) is not None


def _join(text: str, first: Token, second: Token) -> Token | None:
    """Return the hour of a span with these ends; None if they are none."""
    gap = text[first.end : second.start]
    if len(gap) > _LONGEST_LINK:
        return None
    link = _SPAN.fullmatch(gap)
    before = text[max(0, first.start - _LONGEST_WORD) : first.start]
    if not link and not (_EITHER_END.fullmatch(gap) and _BETWEEN.search(before)):
        return None
    if second.is_hour:
        return _begin_span(text, first, second)
    is_counted = _COUNTED.match(text, second.end) is not None
    if first.is_loose and is_counted:  # `9h 15 à 20 places`
        return first._replace(end=second.end, at=None)
    is_dash = link is not None and link["dash"] is not None
    if not first.is_hour or is_counted or (is_dash and not first.is_whole):
        return None
    is_end = second.value is not None and second.value <= _DAY_HOURS and not _touches_word(text, second)
    return first._replace(end=second.end, is_whole=True) if is_end else None


def _begin_span(text: str, first: Token, second: Token) -> Token | None:
    """Return the hour of a span that ends with an hour; its beginning may borrow unit and half of the day."""
    if not first.is_hour and (_touches_word(text, first) or (first.value or 0) > _DAY_HOURS):
        return None
    at, is_possible = first.at, second.is_possible and first.is_possible
    if not first.is_hour and first.value is not None and not _has_label(text, first.start):
        at = time(first.value) if first.value < _DAY_HOURS else None
    if at and not first.half and second.half and 0 < at.hour <= _NOON:
        halves = [_set_half(at, each) for each in ("pa" if second.half == "p" else "a")]
        at = next((each for each in halves if second.at is None or each < second.at), None)
    if at and not first.is_hour and second.at and at >= second.at:
        at = None
    half = first.half or second.half
    return Token(first.start, second.end, is_hour=True, at=at, half=half, is_possible=is_possible)
