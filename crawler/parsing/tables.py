"""Tables of days whose free hours are links: whether one came whole, so that an hour it does not link is not free."""

from collections.abc import Sequence
from datetime import date

from lxml.html import HtmlElement

from crawler.parsing.date_parsing import moment_of
from crawler.parsing.date_windows import consecutive_days
from crawler.parsing.html_text import contains_phrase, rendered_text
from crawler.reading import Page

_FREE = "//text()[normalize-space()=$word][not(ancestor::a[contains(@href, $hours)])]"
_MOST_DAYS = 62  # of one calendar: each heading has its whole column searched
# A free hour's word in a link, or among seven days.
_ASTRAY = "boolean(ancestor-or-self::a or ancestor::tr[count(td) > 4])"


def is_whole_table(page: Page, word: str, hours: str) -> bool:
    """Tell whether a page's table came to its end, without a broken tag, and each free hour in it is a link.

    `word` is how a free hour is called. Outside of the links to hours, whose addresses hold `hours`, it stands in the
    table's legend and nowhere else.
    """
    if b"</table" not in page.lowered or page.body.rfind(b"<") > page.body.rfind(b">"):
        return False
    free = page.root.xpath(_FREE, word=word, hours=hours)
    legends = [each for each in free if not each.getparent().xpath(_ASTRAY)]
    return len(free) == len(legends) == 1


def whole_days(
    page: Page, headings: Sequence[HtmlElement], hours: str, nothing: Sequence[str], icon: str = ""
) -> tuple[date, date] | None:
    """Return the first and the last day of a calendar with a column for each; None where it may leave an hour out.

    A column is what its heading stands in. It shows hours (an XPath, from the column on) or says that it has none, in
    one of these sentences or by an `icon` (an XPath) alone; the days follow each other, and the page came to its end.
    """
    if len(headings) > _MOST_DAYS:
        return None
    visit, columns = page.visit, [next(each.iterancestors()) for each in headings]
    days = consecutive_days(
        [moment_of(rendered_text(each), None, visit.today, visit.zone) for each in headings]
    )
    if not days or b"</html" not in page.lowered:
        return None
    told = all(
        bool(column.xpath(hours)) != _says_nothing(column, heading, nothing, icon)
        for column, heading in zip(columns, headings, strict=True)
    )
    return days if told else None


def _says_nothing(column: HtmlElement, heading: HtmlElement, nothing: Sequence[str], icon: str) -> bool:
    text = rendered_text(column)
    if any(contains_phrase(text, sentence) for sentence in nothing):
        return True
    return bool(icon and column.xpath(icon)) and text == rendered_text(heading)
