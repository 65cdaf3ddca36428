"""What readers of HTML pages share: the text a person would see, and French dates in it."""

import re
import unicodedata
from datetime import date

from lxml import etree, html

_MONTHS = (
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()  # noqa: SIM905
)
_MONTH = "|".join(_MONTHS)
_DATE = rf"(\d{{1,2}})(?:er)?(?:[ /.]+(\d{{1,2}}|{_MONTH}))?(?:[ /.]+(\d{{4}}))?"
_WEEKDAY = r"(?:(?:lun|mar|mercre|jeu|vendre|same)di\s+|dimanche\s+)?"
_DAY = re.compile(rf"\bsemaine \d|(?<![\w/.])\d{{1,2}}(?:er)?(?: ?[/.-] ?\d{{1,2}}\b| (?:{_MONTH})\b)")
_CODE = "ancestor::script or ancestor::style or ancestor::noscript"
UNSEEN = "ancestor::noscript or ancestor::textarea"
_VUE = ("v-if", "v-else", "v-else-if", "v-show")  # what a script has yet to decide on
_DECIDED = etree.XPath(f"not(.//@*[{' or '.join(f'name()={each!r}' for each in _VUE)}])")
_VISIBLE, _RENDERED, _SHOWN = (
    etree.XPath(f".//text()[not({hidden})]", smart_strings=False)
    for hidden in (
        _CODE,
        f"{_CODE} or {UNSEEN}",
        f"{_CODE} or {UNSEEN} or ancestor::*[{' or '.join(f'@{each}' for each in _VUE)}]",
    )
)
_LONGEST = 100  # characters of a heading
_PERIOD = re.compile(rf"{_WEEKDAY}{_DATE}\s*(?:au|à|-)\s*{_WEEKDAY}{_DATE}")


def plain(text: str) -> str:
    """Collapse white space and make the typographic apostrophe a plain one, so that sentences compare."""
    return " ".join(text.replace("\u2019", "'").split())


def folded(text: str) -> str:
    """Return a text in lower case without accents, so that words compare however they are written."""
    split = unicodedata.normalize("NFKD", plain(text).lower())
    return "".join(each for each in split if not unicodedata.combining(each))


def visible(node: html.HtmlElement) -> str:
    """Return a node's text without that of its scripts and styles, which can quote any sentence."""
    return plain(" ".join(_VISIBLE(node)))


def rendered(root: html.HtmlElement) -> str:
    """Return the text a person sees, without text to be edited and what a script has yet to decide on (Vue).

    That each text's ancestors are asked for four attributes takes four times a parse: only where there is one.
    """
    return plain(" ".join((_RENDERED if _DECIDED(root) else _SHOWN)(root)))


def title(root: html.HtmlElement) -> str:
    """Return the document's title, empty where there is none."""
    return plain(str(root.xpath("string(//title)")))


def label(root: html.HtmlElement, field: str) -> str | None:
    """Return the text of the label of the field with this id; None where it has none."""
    return next(map(visible, root.xpath("//label[@for=$field]", field=field)), None)


def dated(heading: str) -> bool:
    """Tell whether a heading names a day or a week in any way, readable by `period` or not."""
    return len(heading) <= _LONGEST and _DAY.search(plain(heading).lower()) is not None


def period(text: str) -> tuple[date, date] | None:
    """Read `du 23/11/2026 au 29/11/2026`, `du lundi 23 au dimanche 29 novembre 2026` and the like.

    What the first date leaves out is the second one's. None where no such period is written.
    """
    found = _PERIOD.search(plain(text).lower())
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
