"""Absence of slots on a page: sentences for none, their proof and doubts; error pages and notices in their place.

A sentence proves nothing where it goes on to narrow itself, sets a condition or is quoted; beside words of trouble;
and on a page that announces its next availability, in words of any order: a date, a weekday, tomorrow.

Nor does an answer with an error status, a generic server or wall page, or a notice that a site shows. A generic error
page may come with any status: bot walls answer 200, and a saved page has lost its status.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple

from lxml import etree
from lxml.html import HtmlElement

from crawler.parsing.dates import day_of, moments_in
from crawler.parsing.html_text import (
    collapse_whitespace,
    fold,
    folds_to_phrase,
    is_damaged,
    rendered_text,
    shows_escapes,
    unescape_json,
    visible_text,
)
from crawler.parsing.json_models import parse_json
from crawler.parsing.moment_grammar import MONTH
from crawler.parsing.no_slot_phrases import (
    WEEKDAY,
    find_denial,
    is_narrowed,
    names_days,
    speaks_of_page_trouble,
    without_denials,
)
from crawler.reading import GONE, Outcome, Page, Reading, VisitContext

_LONGEST_QUOTE = 200  # characters of a page's or a server's words in a reason
_MOST_PLACES = 100  # elements searched for a notice

_LONGEST_ERROR_PAGE = 1000  # characters of visible text; a longer page is the site's own
POST_FORM = "descendant::form[translate(@method, 'POST', 'post')='post']"
POSTS = f"{POST_FORM}[1]"
_PAGE_NAMES = "//*[self::title or self::h1]"
# Before an HTTP status that a heading names.
_NUMBER = r"(?i)(?:^|\| )(?:error |erreur |http status |état http )?"
# Scripts that check the visitor's browser before the site answers: DataDome's, AWS WAF's.
_SCRIPTS = (
    (Outcome.CAPTCHA, "captcha-delivery.com"),
    (Outcome.CAPTCHA, ".captcha.awswaf.com"),
    (Outcome.BLOCKED, ".awswaf.com"),
)
_INLINE = re.compile(
    "a|abbr|b|bd[io]|big|cite|code|data|dfn|em|font|i|ins|kbd|label|mark|q|s|samp|small|span|strong|su[bp]|time|tt|u|var"
)
_QUOTES = (
    *("q", "cite", "blockquote", "code", "pre", "dfn", "figcaption", "details", "samp", "kbd"),
    *("del", "s", "strike"),  # what is struck out is taken back
)
_ROLES = frozenset(("alert", "status", "alertdialog"))
_ALERTS = etree.XPath(
    # Attributes first: `//*[@role]` takes twice as long.
    "//@role/.. | //@aria-live[. = 'assertive']/.. | //output | //dialog[@open] | //h1"
)
# Classes of common style sheets, which are not read. They hide what waits to be shown: a spinner, a dialogue.
_UNSHOWN = frozenset("d-none hidden hide is-hidden fr-hidden invisible modal collapse w3-hide".split())  # noqa: SIM905
_TITLES = etree.XPath("//title[not(ancestor::svg)]/text()")  # two, where a page is sent inside another
# One axis: reading the text of parts (XSLT) disturbs the order in which libxml2 joins the results of several.
_HEADING = " or ".join(f"self::{each}" for each in "h1 h2 h3 h4 h5 h6 legend caption".split())  # noqa: SIM905
_NEAREST_HEADING = f"preceding::*[{_HEADING}][1]"
MAINTENANCE = re.compile(r"(?i)\b(?:maintenance|indisponible)\b")  # in a title
_MOST_BLOCKS = 50
_LONGEST_BLOCK = 2000  # characters; a longer text is no paragraph


class Statement(NamedTuple):
    """A page's words for none; `doubt`: why they prove nothing, `beyond`: a next availability behind the horizon."""

    words: str
    doubt: str = ""
    beyond: str = ""


def find_statement(page: Page, sentence: str) -> Statement | None:
    """Return how a page states a sentence for none; None where it does not.

    One block that states it for everything is enough, unless another one has words of trouble beside it. Otherwise the
    doubt quotes a block that does not.
    """
    if not folds_to_phrase(page.folded, sentence):
        return None
    blocks = _blocks_with(page.root, sentence)
    if trouble := next(filter(None, (_find_trouble(rendered_text(each), sentence) for each in blocks)), ""):
        return Statement(sentence, trouble)
    doubts = [_doubt_around(each) or doubt_of(rendered_text(each), sentence) for each in blocks]
    return Statement(sentence, next(iter(doubts), "") if all(doubts) else "")


def read_mark(mark: HtmlElement, name: str) -> Statement:
    """Return the statement of an element that marks the absence of slots; `name` replaces an empty one."""
    text = rendered_text(mark)
    said = Statement(text[:_LONGEST_QUOTE] or name)
    denial = find_denial(text)
    return said._replace(doubt=doubt_of(text, denial)) if denial else said


def doubt_of(text: str, sentence: str, *, asked: str = "") -> str:
    """Return why a text does not state a sentence for everything that was asked; empty if it does.

    `asked`: see `is_narrowed`.
    """
    if is_narrowed(text, sentence, asked=asked):
        return f"in words that narrow or quote it: {text[:_LONGEST_QUOTE]!r}"
    return _find_trouble(text, sentence)


def _find_trouble(text: str, sentence: str) -> str:
    trouble = speaks_of_page_trouble(text[:_LONGEST_BLOCK], sentence)
    return f"beside words of trouble: {trouble!r}" if trouble else ""


def check_page(page: Page, said: Statement, aside: Sequence[HtmlElement] = ()) -> Statement:
    """Return a statement with what the rest of its page makes of it: trouble, or a next availability.

    Announcements in the parts `aside` do not count.
    """
    if said.doubt:
        return said
    if trouble := find_page_trouble(page, said.words):
        return said._replace(doubt=f"beside words of trouble: {trouble!r}")
    return _check_announcements(page, said, aside)


def find_page_trouble(page: Page, sentence: str) -> str:
    """Return the word of trouble in a page's title, main heading or alerts; empty without one.

    Its sentence for none does not count.
    """
    shown = [each for each in _ALERTS(page.root) if _is_alert(each)]
    alerts = (rendered_text(each)[:_LONGEST_BLOCK] for each in shown[:_MOST_BLOCKS])
    titles = " ".join(str(each) for each in _TITLES(page.root)[:_MOST_BLOCKS])
    named = MAINTENANCE.sub(" ", collapse_whitespace(titles[:_LONGEST_BLOCK]))
    found = (speaks_of_page_trouble(each, sentence) for each in (named, *alerts))
    return next(filter(None, found), "")


def _is_alert(node: HtmlElement) -> bool:
    roles = node.get("role", "").lower().split()
    if roles and not _ROLES.intersection(roles) and node.get("aria-live") != "assertive":
        return False
    return not any(
        _UNSHOWN.intersection(each.get("class", "").split()) for each in (node, *node.iterancestors())
    )


def _check_announcements(page: Page, said: Statement, aside: Sequence[HtmlElement]) -> Statement:
    visit, parts = page.visit, set(aside)
    outer = [each for each in aside if not any(around in parts for around in each.iterancestors())]
    left = Counter(_announced(page, page.root)) - Counter(
        found for each in outer for found in _announced(page, each)
    )
    for words, moment in left:
        if moment is None or day_of(moment, visit.zone) <= visit.last_day:
            when = "a day that cannot be read" if moment is None else moment.isoformat()
            return said._replace(doubt=f"and announces {words!r}: {when}")
    days = [day_of(moment, visit.zone) for _, moment in left if moment]
    if not days:
        return said
    far = f"the next availability is {min(days)}, beyond the {visit.horizon.days} days that are watched"
    return said._replace(beyond=far)


def _announced(page: Page, node: HtmlElement) -> Iterator[tuple[str, date | None]]:
    return _find_announcements(page.folded if node is page.root else fold(rendered_text(node)), page.visit)


def _blocks_with(root: HtmlElement, sentence: str) -> list[HtmlElement]:
    """Return the smallest blocks that contain a sentence, a table's row as one."""
    found: dict[HtmlElement, None] = {}
    waiting = [root]
    while waiting and len(found) < _MOST_BLOCKS:
        node = waiting.pop()
        inner = [
            each for each in node.iterchildren("*") if folds_to_phrase(fold(rendered_text(each)), sentence)
        ]
        waiting += inner
        if not inner:
            found[_block_of(node)] = None
    return list(found)


def _block_of(node: HtmlElement) -> HtmlElement:
    """Return the block around a node; a cell's is its row, whose first cell may narrow it, a description's its list."""
    while (
        _INLINE.fullmatch(str(node.tag))
        and node.tag not in _QUOTES
        and (parent := node.getparent()) is not None
    ):
        node = parent
    row = next(node.iterancestors("tr", "dl"), None) if node.tag in ("td", "th", "dd") else None
    return node if row is None else row


def _doubt_around(block: HtmlElement) -> str:
    """Return why a block proves no absence, or one of some days only; empty if it proves it."""
    if any(each.tag in _QUOTES for each in (block, *block.iterancestors())):
        return "in a quote"
    select = next(block.iterancestors("select"), None)
    if select is not None and len(list(select.iter("option"))) > 1:
        return "in one of several options"
    over = block.xpath(f"{_NEAREST_HEADING} | ancestor-or-self::table[1]//th")
    return next((f"below {text!r}" for text in map(rendered_text, over) if names_days(text)), "")


class Notice(NamedTuple):
    """A sentence by which a site says that it answers no visitor now, or never will again."""

    outcome: Outcome
    words: re.Pattern[str]
    within: str  # XPath of the elements that may hold the sentence
    said: str = ""  # the reason; empty: the page's own words


def find_notice(page: Page, notices: Sequence[Notice]) -> Reading | None:
    """Return the reading of the first notice that a page shows, None if it shows none."""
    places = {notice.within for notice in notices}
    texts = {each: [_text_of(node) for node in page.root.xpath(each)[:_MOST_PLACES]] for each in places}
    for notice in notices:
        if any(map(notice.words.search, texts[notice.within])):
            return Reading(notice.outcome, notice.said or visible_text(page.root)[:_LONGEST_QUOTE])
    return None


def _text_of(node: HtmlElement) -> str:
    """Return a node's text as a person sees it; a title shows in the browser's tab."""
    return visible_text(node) if node.tag == "title" else rendered_text(node)


_NOTICES = tuple(
    Notice(outcome, re.compile(words), _PAGE_NAMES)
    for outcome, words in (
        (Outcome.RATE_LIMITED, rf"{_NUMBER}429\b|too many requests|trop de requêtes"),
        (Outcome.BLOCKED, rf"{_NUMBER}403\b|^(?:access denied|accès refusé|request rejected)$"),
        (Outcome.BLOCKED, r"(?i)^(?:pardon our interruption|making sure you're not a bot)"),
        (Outcome.OVERLOADED, r"(?i)^service (?:est )?surchargé"),
        (Outcome.MAINTENANCE, r"(?i)\bmaintenance\b"),
        (Outcome.UNREACHABLE, rf"{_NUMBER}5\d\d(?: |$|: )(?!\w*\s*(?:rendez|créneau|place))"),
        (Outcome.UNREACHABLE, r"(?i)^(?:service unavailable|bad gateway|proxy error)$"),
    )
)


def error_page(page: Page) -> Reading | None:
    """Read a page that only reports an error, a refusal or maintenance; None for any other page."""
    if not page.is_html or page.root.xpath(POSTS):
        return None
    if len(collapse_whitespace(page.raw)) > _LONGEST_ERROR_PAGE:
        return None
    return find_notice(page, _NOTICES) or _asks_the_browser(page)


def _asks_the_browser(page: Page) -> Reading | None:
    scripts = [str(each) for each in page.root.xpath("//script/@src")]
    found = [(outcome, host) for outcome, host in _SCRIPTS if any(host in each for each in scripts)]
    return Reading(found[0][0], f"a script of {found[0][1]} stands before the site") if found else None


def find_damage(page: Page) -> str:
    """Say whether text that an answer is read from has lost letters to a wrong charset; empty if it has not.

    Of HTML that is its text and its JSON, not its comments and scripts. So is a `noscript` in another: the first end
    of either ends both in browsers, which show the rest: https://html.spec.whatwg.org/#the-noscript-element
    """
    if not page.is_html:
        texts = [unescape_json(page.text)]
    elif page.root.xpath("boolean(//noscript//noscript)"):
        return "a noscript stands in another: browsers show what follows the inner one"
    else:
        told = page.raw
        states = page.root.xpath("//script[contains(@type, 'json')]/text()")
        texts = [told, *(unescape_json(str(each)) for each in states)]
        if shows_escapes(told):
            return "its text is escaped twice"
    return "its text is damaged: a wrong charset" if any(map(is_damaged, texts)) else ""


def read_error_status(page: Page, *, entry: bool = False, gone: str = "") -> Reading | None:
    """Read an answer by its error status; None if its status is no error.

    `entry`: the page is the desk's own address, so 404 and 410 mean that the desk is closed. On later pages they may
    mean an expired session. `gone`: the site's meaning of 404 and 410, for the reason. Any other error gives a silent
    reading, which crawler/classification.py classifies.
    """
    if not page.is_error:
        return None
    if entry and page.status in GONE:
        return Reading(Outcome.CLOSED, f"HTTP {page.status}: {gone}" if gone else f"HTTP {page.status}")
    return Reading()


def read_no_document(page: Page, *, entry: bool = False) -> Reading | None:
    """Read an answer that is no page of HTML: an error by its status, or another kind of body; None for a page."""
    if error := read_error_status(page, entry=entry):
        return error
    return None if page.is_document else Reading(Outcome.UNREADABLE, "is no HTML")


def error_message(page: Page, *keys: str) -> str:
    """Return a server's words from its JSON error object: the first of these keys that is not empty."""
    answer = parse_json(page, dict[str, Any], errors=True) or {}
    return next((str(answer[key])[:_LONGEST_QUOTE] for key in keys if answer.get(key)), "")


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


def _find_announcements(folded: str, visit: VisitContext) -> Iterator[tuple[str, date | None]]:
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
