"""Places that a page offers as radio buttons: each is chosen with its own request."""

from collections.abc import Collection
from dataclasses import replace

from lxml import html

from crawler.parsing.html_text import label
from crawler.reading import Outcome, Page, PageRequest, Place, Reading

MOST = 100  # a page has about a dozen; each label is searched in the whole page
_RADIOS = (
    "/descendant::input[@name=$field][translate(@type, 'ADIOR', 'adior')='radio'"
    " or contains(concat(' ', @class, ' '), ' radio ')]"
)


def choose(
    page: Page, field: str, ask: PageRequest, where: str, wanted: Collection[str] = ()
) -> Reading | None:
    """Request each place that a page offers, rotated each visit; None if it offers none.

    `field`: the name of the radio buttons; their ids are that name and the place's key. `ask`: the request of a
    choice, without its place. `where`: the page's name in the reason. `wanted`: the desk's own keys, empty for all.
    """
    offered = dict.fromkeys(
        filter(None, (_key(each, field) for each in page.root.xpath(_RADIOS, field=field)))
    )
    if not offered:
        return None
    if len(offered) > MOST:
        return Reading(Outcome.UNREADABLE, f"offers {len(offered)} {field}s, which no form does")
    if page.ask.step == ask.step:
        return Reading(Outcome.UNREADABLE, f"a {field} was chosen and the choice came back")
    keys = [key for key in offered if key in (wanted or offered)]
    if not keys:
        return Reading(Outcome.UNREADABLE, f"offers {field}s {', '.join(offered)}: none is this desk's")
    turn = page.visit.turn // len(keys)  # a visit may end before all are requested
    asks = [
        replace(ask, form={field: key, **ask.form}, place=_place(page, field, key), rank=rank, turn=turn)
        for rank, key in enumerate(page.visit.in_turn(keys))
    ]
    return Reading(reason=f"{where}: {len(asks)} of {len(offered)} {field}s", asks=tuple(asks))


def _key(radio: html.HtmlElement, field: str) -> str:
    return str(radio.get("value") or radio.get("id", "").removeprefix(field))


def _place(page: Page, field: str, key: str) -> Place:
    return Place(key, label(page.root, f"{field}{key}"))
