"""Tables of days whose free hours are links: whether one came whole, so that an hour it does not link is not free."""

from crawler.reading import Page

_FREE = "//text()[normalize-space()=$word][not(ancestor::a[contains(@href, $hours)])]"
# A free hour's word in a link, or among seven days.
_ASTRAY = "boolean(ancestor-or-self::a or ancestor::tr[count(td) > 4])"


def whole_table(page: Page, word: str, hours: str) -> bool:
    """Tell whether a page's table came to its end, without a broken tag, and each free hour in it is a link.

    `word` is how a free hour is called. Outside of the links to hours, whose addresses hold `hours`, it stands in the
    table's legend and nowhere else.
    """
    if b"</table" not in page.lowered or page.body.rfind(b"<") > page.body.rfind(b">"):
        return False
    free = page.root.xpath(_FREE, word=word, hours=hours)
    legends = [each for each in free if not each.getparent().xpath(_ASTRAY)]
    return len(free) == len(legends) == 1
