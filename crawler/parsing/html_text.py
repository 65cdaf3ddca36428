"""Text of HTML pages: visible text, phrases regardless of spelling, labels and fields, French periods."""

import re
import unicodedata
from collections.abc import Sequence
from copy import deepcopy
from datetime import date
from functools import lru_cache
from itertools import pairwise

from lxml import etree, html

from configs.formatting import CONTROL

_MONTHS = (
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()  # noqa: SIM905
)
_MONTH = "|".join(_MONTHS)
_DATE = rf"(\d{{1,2}})(?:er)?(?:[ /.]+(\d{{1,2}}|{_MONTH}))?(?:[ /.]+(\d{{4}}))?"
_WEEKDAY = r"(?:(?:lun|mar|mercre|jeu|vendre|same)di\s+|dimanche\s+)?"
_DAY = re.compile(rf"\bsemaine \d|(?<![\w/.])\d{{1,2}}(?:er)?(?: ?[/.-] ?\d{{1,2}}\b| (?:{_MONTH})\b)")
_CODE = ("script", "style", "noscript")
_ASIDE = ("noscript", "textarea", "title")  # text outside the page's own text
UNSEEN = " or ".join(f"ancestor::{each}" for each in _ASIDE)
_VUE = ("v-if", "v-else", "v-else-if", "v-show")  # elements that a script may hide
# Elements hidden by HTML or by their own style. Style sheets are not read here.
_STYLE = "translate(., 'DISPLAYNOEVBTH \t\r\n', 'displaynoevbth')"
_HIDES = " or ".join(f"contains({_STYLE}, {each!r})" for each in ("display:none", "visibility:hidden"))
CONCEALED = f"@hidden or @style[{_HIDES}]"
_UNSURE = f"{CONCEALED} or {' or '.join(f'@{each}' for each in _VUE)}"
HIDDEN = f"{UNSEEN} or ancestor-or-self::*[{CONCEALED}]"  # XPath: an invisible element
_TEXTS = etree.XPath(".//text()", smart_strings=False)
_UNSURE_WITHIN = etree.XPath(f".//*[@*][{_UNSURE}]")
_UNSURE_AROUND = etree.XPath(f"boolean(ancestor-or-self::*[{_UNSURE}])")
_MARKS = re.compile("[\u0300-\u036f]")  # combining accents
_PRINTED = (
    dict.fromkeys("\u2018\u02bc", "'") | dict.fromkeys("\u2010\u2011\u2012", "-") | {"\xad": "", "\u200b": ""}
)
_PIECE = re.compile(r"\w+|[^\w\s]")
_LONGEST = 100  # characters of a heading
_PERIOD = re.compile(rf"{_WEEKDAY}{_DATE}\s*(?:au|à|-)\s*{_WEEKDAY}{_DATE}")


def collapse_whitespace(text: str) -> str:
    """Collapse white space, replace typographic apostrophes, remove control characters.

    The result can be compared, and printed on a terminal.
    """
    text = " ".join(text.replace("\u2019", "'").split())
    return text if text.isprintable() else " ".join(CONTROL.sub(" ", text).split())


def normalize(text: str) -> str:
    """Return a text in lower case without accents, for comparisons."""
    return _MARKS.sub("", unicodedata.normalize("NFKD", collapse_whitespace(text).lower()))


def contains_phrase(text: str, sentence: str) -> bool:
    """Tell whether a text contains a sentence, word for word.

    Case, accents, white space, kinds of apostrophes and hyphens, and white space before punctuation do not matter.
    Words are whole: `incomplet` does not contain `complet`.
    """
    return _wording(sentence).search(normalize(_plain_punctuation(text))) is not None


def around_phrase(text: str, sentence: str) -> list[tuple[str, str]]:
    """Return what stands before and behind each occurrence of a sentence (`contains_phrase`), normalized."""
    plain = normalize(_plain_punctuation(text))
    return [(plain[: found.start()], plain[found.end() :]) for found in _wording(sentence).finditer(plain)]


def _plain_punctuation(text: str) -> str:
    """Return a text with plain apostrophes and hyphens; `str.translate` takes a hundred times as long."""
    for printed, typed in _PRINTED.items():
        text = text.replace(printed, typed)
    return text


@lru_cache(maxsize=2048)
def _wording(sentence: str) -> re.Pattern[str]:
    pieces = _PIECE.findall(normalize(_plain_punctuation(sentence)))
    if not pieces:
        return re.compile(r"(?!)")
    # The look-behind comes after the first piece, so that `re` finds that piece fast.
    wording = re.escape(pieces[0]) + rf"(?<!\w{re.escape(pieces[0])})"
    for before, piece in pairwise(pieces):
        wording += (r"\s+" if before[0].isalnum() and piece[0].isalnum() else r"\s*") + re.escape(piece)
    return re.compile(rf"{wording}(?!\w)")


def visible_text(node: html.HtmlElement) -> str:
    """Return a node's text without scripts and styles, which may quote any sentence."""
    return collapse_whitespace(" ".join(_texts(node, _CODE)))


def rendered_text(node: html.HtmlElement) -> str:
    """Return the text of a node that a person sees: without editable and hidden text.

    Elements that a script (Vue) may hide count as hidden.
    """
    return (
        ""
        if _UNSURE_AROUND(node)
        else collapse_whitespace(" ".join(_texts(node, (*_CODE, *_ASIDE), _UNSURE_WITHIN)))
    )


def _texts(node: html.HtmlElement, left_out: Sequence[str], hidden: etree.XPath | None = None) -> list[str]:
    """Return the texts of a node without those in elements of these names, or in matches of an XPath.

    The elements are removed from a copy: checking the ancestors of each text takes ten times as long.
    """
    if any(each.tag in left_out for each in (node, *node.iterancestors())):
        return []
    kept = node
    if len(node):
        kept = deepcopy(node)
        etree.strip_elements(kept, *left_out, with_tail=False)
        for each in reversed(hidden(kept) if hidden else ()):  # inner elements first: none is moved twice
            each.clear(keep_tail=True)
    texts: list[str] = _TEXTS(kept)
    return texts


def title(root: html.HtmlElement) -> str:
    """Return the document's title, empty without one."""
    return collapse_whitespace(str(root.xpath("string(//title)")))


def label(root: html.HtmlElement, field: str) -> str | None:
    """Return the label of the field with this id; None without one."""
    return next(map(visible_text, root.xpath("//label[@for=$field]", field=field)), None)


def choices(root: html.HtmlElement, name: str) -> dict[str, str | None]:
    """Return the values of the boxes or radio buttons of this name, in the page's order, with their labels."""
    offered: dict[str, str | None] = {}
    labels = {each.get("for"): each for each in reversed(root.xpath("//label[@for]"))}
    for field in root.xpath("//input[@name=$name][@value]", name=name):
        if (key := field.get("value", "")) not in offered:
            its = labels.get(field.get("id", ""))
            offered[key] = None if its is None else visible_text(its)
    return offered


def field_value(root: html.HtmlElement, field: str) -> str:
    """Return the value of the field with this id; empty without such a field."""
    return next((str(each.value or "") for each in root.xpath("//*[@id=$field]", field=field)), "")


def names_date(heading: str) -> bool:
    """Tell whether a heading names a day or a week in any form, also one that `period` cannot read."""
    return len(heading) <= _LONGEST and _DAY.search(collapse_whitespace(heading).lower()) is not None


def period(text: str) -> tuple[date, date] | None:
    """Read `du 23/11/2026 au 29/11/2026`, `du lundi 23 au dimanche 29 novembre 2026` and the like.

    The first date takes missing parts from the second. None without such a period.
    """
    found = _PERIOD.search(collapse_whitespace(text).lower())
    if not found:
        return None
    day, month, year, last_day, last_month, last_year = found.groups()
    last = _date(last_day, last_month, last_year)
    first = last and _date(day, month or last_month, year or last_year)
    if not first or not last:
        return None
    if first > last and not year:  # du 28 décembre au 3 janvier 2027
        first = _date(day, month or last_month, str(last.year - 1)) or first
    return (first, last) if first <= last else None


def _date(day: str, month: str | None, year: str | None) -> date | None:
    if not month or not year:
        return None
    number = _MONTHS.index(month) + 1 if month in _MONTHS else int(month)
    try:
        return date(int(year), number, int(day))
    except ValueError:
        return None
