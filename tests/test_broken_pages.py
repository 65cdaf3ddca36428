"""Golden pages, broken or made doubtful at random: no reader makes a slot or an absence of what is left.

What a whole page proves comes from its expected.json, which people read, never from the reader. What a case is given
may add what that does not say: `mended`, what it would cover if what is wrong with it were taken out; `alone`, if no
week had been asked for; `hidden`, hours that it names and says are not free; `named`, next availabilities of places.
A check's claims are its slots and, where it ends as `slots` or `no_slots`, what it covers: those open and close slots.
"""

import json
import random
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from lxml import etree, html
from lxml.html import defs

from configs.world.desk import Outcome
from crawler.classification import classify_page
from crawler.parsing.dates import day_of
from crawler.platforms import platform, platforms
from crawler.reading import CoveredWindow, Page
from crawler.visit_state import VisitState
from tests.crawler.golden import CASES, expected, given, load, name_of
from tests.fuzz import FUZZ, times

SENTENCES = {  # without which no platform's page proves that there is no slot on any day
    "ants": r"end_of_search|^\s*\[",
    "doctolib": '"phone_number"',
    "esirius": r"aucun rendez-vous|tout est complet|'0','0',\[\]\)",
    "ezbooking": r"plus de plage horaire libre|pas (de )?calendrier disponible",
    "rdv_service_public": r"malheureusement ?, aucun créneau correspondant à votre (re|inv)",
}
BOT_WALL = re.compile(r"(?i)id=.(?:challenge-form|cf-error-details)|_cf_chl_opt|<iframe[^>]+_incapsula_")
OWN = re.compile(r"Il n.existe plus de plage|Il n.y a pas (?:de )?calendrier|Malheureusement,")
NEXT = re.compile(r'"(?:next\w*|date)": *"\d{4}')  # a day ahead, which a message alone does not take back
DWR = re.compile(r'(?<=msg[:=])"(?:[^"\\]|\\.)*"')
TROUBLES = (
    "Une erreur est survenue : aucun créneau n'a pu être chargé.",
    "Maintenance en cours, aucun rendez-vous disponible.",
    "Trop de requêtes : plus aucune disponibilité affichée.",
    "Plus de créneaux bientôt disponibles !",
    "An error occurred: no slots",
)
HIDING = (
    "<!--{}-->",
    "<template>{}</template>",
    "<div hidden>{}</div>",
    '<div style="color: red; display:none">{}</div>',
)
NEIGHBOURS = (
    {"text": "Prise de rendez-vous", "phone_number": "+33100000000"},
    {"count": 0, "results": []},
    {"slots_count": 0},
    {"reason": "no_availabilities"},
    {"next": None, "error": None},
)


@dataclass(frozen=True)
class Broken:
    """A page and the most that it may claim.

    `may_erase`: whole nodes may be gone, with the hours in them; `may_mend`: what was wrong with it may be gone.
    """

    name: str
    page: Page
    hours: frozenset[date] = frozenset()  # instants in UTC, or dates where no hour is known
    covered: tuple[CoveredWindow, ...] = ()
    is_open: bool = False
    mended: tuple[CoveredWindow, ...] = ()
    alone: tuple[CoveredWindow, ...] = ()
    hidden: frozenset[date] = frozenset()
    outcome: str = ""
    may_erase: bool = False
    may_mend: bool = False
    may_cover: bool = True

    @property
    def text(self) -> str:
        return self.page.body.decode("utf-8", "replace")

    def saying(self, text: str, **may: bool) -> "Broken":
        return replace(self, page=replace(self.page, body=text.encode("utf-8", "replace")), **may)  # type: ignore[arg-type]

    def of_tree(self, root: Any, **may: bool) -> "Broken":
        return self.saying(html.tostring(root, encoding="unicode"), may_mend=True, **may)

    def empty(self) -> "Broken":
        return replace(self, hours=frozenset(), covered=(), is_open=False, mended=(), hidden=frozenset())

    def beside(self, other: "Broken", text: str, **may: bool) -> "Broken":
        """Return both as one page, which may claim what either does, the other as if it had come to what was asked here."""
        ask = self.page.ask
        alone = ask.place.key in ("", "9845")  # the golden desk, where it offers no choice of plannings
        place = None if alone else ask.place.key
        there = tuple(
            replace(each, place_key=place) for each in (other.covered if ask.window else other.alone)
        )
        both = replace(
            self.saying(text, **may),
            hours=self.hours | other.hours,
            covered=self.covered + there,
            is_open=self.is_open or other.is_open,
            mended=self.mended + other.mended,
            hidden=self.hidden | other.hidden,
        )
        return replace(both.empty() if BOT_WALL.search(text) else both, page=replace(both.page, status=200))


@cache
def originals() -> tuple[Broken, ...]:
    return tuple(map(_original, CASES))


def _original(case: Path) -> Broken:
    told, page, stated = expected(case), load(case), given(case)
    shown = [each["starts_at"] for each in told["slots"]] + [each.get("at") for each in told["next"] or []]
    covered = tuple(_window(each["first"], each["last"], each["place"]) for each in told["covered"])
    asked = (page.ask.window,) if page.ask.window else ()
    return Broken(
        name_of(case),
        page,
        frozenset(_moment(each) for each in (*shown, *stated.get("named", ())) if each),
        covered,
        case.name.startswith(("open", "pick")),
        (_window(*stated["mended"]),) if "mended" in stated else asked,
        (_window(*stated["alone"]),) if "alone" in stated else covered,
        frozenset(map(_moment, stated.get("hidden", ()))),
        told["outcome"],
    )


def _window(first: str | None, last: str | None, place: str | None = None) -> CoveredWindow:
    return CoveredWindow(
        place, date.fromisoformat(first) if first else None, date.fromisoformat(last) if last else None
    )


def _moment(text: str) -> date:
    return datetime.fromisoformat(text).astimezone(UTC) if "T" in text else date.fromisoformat(text)


def _same_question(one: Broken, other: Broken) -> bool:
    """Tell whether both may answer one request of a desk: what an hour or an empty list means depends on zone, today and the days asked for."""
    here, there = one.page, other.page
    if one.name.split("/")[0] != other.name.split("/")[0] or here.visit.zone != there.visit.zone:
        return False
    if one.name.startswith("ezbooking/"):
        return True
    of_those_days = there.body.lstrip()[:1] in (b"{", b"[") or (here.ask.window and there.ask.window)
    days = [(each.visit.today, each.visit.last_day) for each in (here, there)]
    return days[0] == days[1] and (here if of_those_days else there).ask.window == there.ask.window


# Ways to break a page: each takes it, another that may answer the same, and a random source

Way = Callable[[Broken, Broken, random.Random], Broken]


def _any(root: Any, chance: random.Random) -> Any:
    return chance.choice(list(root.iter(etree.Element)))


def _order_changed(page: Broken, _other: Broken, chance: random.Random) -> Broken:
    root = deepcopy(page.page.root)
    for _ in range(chance.randint(1, 3)):
        node, into = _any(root, chance), _any(root, chance)
        void = into.tag in defs.empty_tags  # what is moved into those is written nowhere
        if node.getparent() is not None and not void and into not in list(node.iter()):
            into.append(chance.choice((node, deepcopy(node))))
    return page.of_tree(root)


def _nodes_less(page: Broken, _other: Broken, chance: random.Random) -> Broken:
    root = deepcopy(page.page.root)
    for _ in range(chance.randint(1, 3)):
        node = _any(root, chance)
        if chance.random() < 0.5 and node.getparent() is not None:
            node.drop_tree()
        else:
            node[:], node.text = [], None
    return page.of_tree(root, may_erase=True)


def _attribute_changed(page: Broken, _other: Broken, chance: random.Random) -> Broken:
    root = deepcopy(page.page.root)
    node = chance.choice([each for each in root.iter(etree.Element) if each.attrib] or [root])
    for name in chance.sample(sorted(node.attrib), min(1, len(node.attrib))):
        value = node.attrib.pop(name)
        other = chance.choice((value.upper(), value[: chance.randrange(len(value) + 1)]))
        node.set(chance.choice((name, f"data-{name}")), other)
    return page.of_tree(root)


def _cut_off(page: Broken, _other: Broken, chance: random.Random) -> Broken:
    return page.saying(page.text[: chance.randrange(len(page.text))], may_mend=True)


def _refused(page: Broken, _other: Broken, chance: random.Random) -> Broken:
    status = chance.choice((401, 403, 404, 410, 429, 500, 503, 520))
    return replace(page.empty(), page=replace(page.page, status=status))


def _glued(page: Broken, other: Broken, chance: random.Random) -> Broken:
    one, two = chance.sample((page.text, other.text), 2)
    inside = re.sub(r"(?is)^.*?(?=<title>|<body[^>]*>)|</?(?:head|body|html)\b[^>]*>", "", two)
    text = one.replace("</body>", f"{inside}</body>") if chance.random() < 0.5 else one + two
    return page.beside(other, text if "</body>" in one else one + two)


def _grafted(page: Broken, other: Broken, chance: random.Random) -> Broken:
    root = deepcopy(page.page.root)
    into = chance.choice(root.xpath("//body/descendant-or-self::*[not(self::script or self::style)]"))
    into.append(deepcopy(_any(other.page.root, chance)))
    return page.beside(other, html.tostring(root, encoding="unicode"), may_erase=True, may_mend=True)


def _replaced(page: Broken, other: Broken, _chance: random.Random) -> Broken:
    return page.empty().beside(other, other.text)


def _two_bodies(page: Broken, other: Broken, chance: random.Random) -> Broken:
    one, two = chance.sample((page.text, other.text), 2)
    return page.beside(other, one + chance.choice(("", "\n", ",")) + two, may_erase=True, may_mend=True)


def _neighbours_answer(page: Broken, _other: Broken, chance: random.Random) -> Broken:
    return page.empty().saying(json.dumps(chance.choice(NEIGHBOURS)))


def _words_of_trouble(page: Broken, _other: Broken, chance: random.Random) -> Broken:
    """Let an answer speak of trouble and of slots in one message: it proves no absence any more."""
    trouble, documents, may_erase = chance.choice(TROUBLES), _documents(page.text), False
    if len(documents) == 1 and isinstance(documents[0], dict):
        kept = {key: value for key, value in documents[0].items() if key not in ("message", "msg", "text")}
        kept[chance.choice(("message", "msg"))] = trouble
        text, may_erase = json.dumps(kept, ensure_ascii=False), True
    else:
        said = json.dumps(trouble)
        text = OWN.sub(lambda own: f"Une erreur est survenue : {own[0]}", DWR.sub(lambda _: said, page.text))
    named = page.is_open or page.hours or NEXT.search(page.text) or text == page.text
    return page.saying(text, may_erase=may_erase, may_cover=bool(named))


def _hidden(page: Broken, chance: random.Random) -> str:
    """Return the content of a page, hidden from its readers."""
    shown = "".join(
        html.tostring(each, encoding="unicode")
        for each in page.page.root.xpath("//body/*[not(self::script)]")
    )
    return chance.choice(HIDING).format(re.sub(r"(?is)<(script|style|textarea)\b.*?</\1>|--", "", shown))


def _all_hidden(page: Broken, _other: Broken, chance: random.Random) -> Broken:
    return page.empty().saying(f"<html><body><p>Bonjour</p>{_hidden(page, chance)}</body></html>")


def _beside_a_hidden(page: Broken, other: Broken, chance: random.Random) -> Broken:
    hidden = _hidden(other, chance)
    return page.saying(
        page.text.replace("</body>", f"{hidden}</body>") if "</body>" in page.text else page.text + hidden
    )


def _documents(text: str) -> list[Any]:
    """Return the JSON of a text, one document or one on each line; none where it is anything else."""
    for texts in ([text], text.splitlines()):
        try:
            return [json.loads(each) for each in texts]
        except json.JSONDecodeError:
            continue
    return []


def _nodes(document: Any) -> Iterator[Any]:
    """Yield every list and object that holds something."""
    if isinstance(document, list | dict) and document:
        yield document
        for each in document.values() if isinstance(document, dict) else document:
            yield from _nodes(each)


def _json_changed(page: Broken, _other: Broken, chance: random.Random) -> Broken:
    """Take one entry out, rename it, empty its list or object, or give it another value."""
    documents = _documents(page.text)
    node, way = chance.choice(list(_nodes(documents))), chance.randrange(4)
    key = chance.choice(list(node) if isinstance(node, dict) else range(len(node)))
    if way == 0:
        del node[key]
    elif way == 1 and isinstance(node, dict):
        node[chance.choice((f"{key}s", key.upper(), f"date{key.title()}"))] = node.pop(key)
    elif way == 2:
        node.clear()
    else:
        node[key] = chance.choice((None, "", "x", True, -1, [], {}, [None], str(node[key])))
    return page.saying(
        "\n".join(json.dumps(each, ensure_ascii=False) for each in documents), may_erase=True, may_mend=True
    )


BOTH = (_words_of_trouble, _cut_off, _cut_off, _refused, _replaced)
JSON: tuple[Way, ...] = (*BOTH, *[_json_changed] * 8, _two_bodies, _neighbours_answer)
HTML: tuple[Way, ...] = (
    *(*BOTH, _all_hidden, _beside_a_hidden),
    *[_glued, _grafted, _nodes_less, _attribute_changed, _order_changed] * 2,
)


# What is false


def _claims(name: str, page: Page) -> tuple[set[date | None], tuple[CoveredWindow, ...]]:
    """Read a page as a check that can ask nothing more: return the moments of its slots and what it covers."""
    state = VisitState(page.ask, limit=1, now=datetime.combine(page.visit.today, time(9), page.visit.zone))
    state.next()
    reading = classify_page(platform(name), page)
    state.add_reading(page.ask, reading)
    assert not any(platform(name).is_forbidden(ask.url, ask.method) for ask in reading.asks), "takes a slot"
    result = state.result()
    moments = {each.moment for each in result.slots}
    hours = {each.astimezone(UTC) if isinstance(each, datetime) else each for each in moments}
    return hours, result.covered if result.outcome.conclusive else ()


def _lies(name: str, broken: Broken) -> Iterator[str]:
    """Yield what is false about a page's claims."""
    zone, last_day = broken.page.visit.zone, broken.page.visit.last_day
    hours, covered = _claims(name, broken.page)
    shown = broken.hours | (broken.hidden if broken.may_mend else frozenset())
    if invented := hours - shown - {day_of(each, zone) for each in shown} - {None}:  # the date says less
        yield f"hours that it does not show: {sorted(map(str, invented))}"
    if None in hours and not broken.is_open:
        yield "open without the mark of an open desk"
    if covered and not broken.may_cover:
        yield "covers something, though it speaks of trouble"
    for window in covered:
        if not any(_within(window, each) for each in broken.covered + broken.mended * broken.may_mend):
            yield f"covers more than the page answered for: {window}"
        first, last = window.first or date.min, min(window.last or date.max, last_day)
        missing = {each for each in broken.hours if first <= day_of(each, zone) <= last} - hours
        if left := {each for each in missing if not broken.may_erase or _stands(each, broken)}:
            yield f"covers {window} without {sorted(map(str, left))}"
        # a title is shown nowhere, also one that a graft put amid a sentence
        words = unescape(re.sub(r"(?is)<title.*?</title>|<[^>]*>", " ", broken.text))
        words = " ".join(words.replace("’", "'").split()).lower()
        if window.first is None and not re.search(SENTENCES.get(name, ""), words):
            yield "covers every day without the platform's sentence"


def _within(part: CoveredWindow, whole: CoveredWindow) -> bool:
    return (
        whole.place_key in (None, part.place_key)
        and (whole.first or date.min) <= (part.first or date.min)
        and (part.last or date.max) <= (whole.last or date.max)
    )


def _stands(hour: date, broken: Broken) -> bool:
    """Tell whether an hour stands anywhere in a page, in one of the platforms' spellings."""
    if not isinstance(hour, datetime):
        return False
    spelled = [f"create/9845/5/{hour.timestamp():.0f}", f'"{hour:%Y-%m-%dT%H:%M}']
    here = hour.astimezone(broken.page.visit.zone)
    if here.replace(fold=0).utcoffset() == here.replace(fold=1).utcoffset():  # not an hour that comes twice
        spelled += [f'"{here:%Y-%m-%dT%H:%M}', f"={here:%Y-%m-%d+%H%%3A%M}"]
    return any(each in broken.text for each in spelled)


@pytest.mark.rule("3.2")
@pytest.mark.fuzz
@pytest.mark.parametrize("name", sorted(platforms()))
def test_a_broken_page_claims_nothing_false(name: str) -> None:
    false = list[str]()
    for original in originals():
        if original.name.startswith(f"{name}/"):
            others = [each for each in originals() if _same_question(original, each)]
            chance = random.Random(original.name if FUZZ == 1 else None)
            for way in (JSON if _documents(original.text) else HTML) * times(1):
                broken = way(original, chance.choice(others), chance)
                if lies := "; ".join(_lies(name, broken)):
                    false.append(f"{original.name}, {way.__name__}: {lies}\n{broken.text}")
    assert not false, "\n\n".join(false)


@pytest.mark.rule("3.2")
def test_a_bot_wall_in_place_of_any_page_is_a_wall_whatever_its_status() -> None:
    for wall in originals():
        # Cloudflare's page for a site that is down has the marks of its walls, but is no refusal.
        if not BOT_WALL.search(wall.text) or wall.outcome == Outcome.UNREACHABLE:
            continue
        for original in {each.name.split("/")[0]: each for each in originals()}.values():
            reader = platform(original.name.split("/")[0])
            for status in (200, 403, 503):
                page = replace(original.page, body=wall.page.body, status=status, headers={})
                found = classify_page(reader, page).outcome
                assert found in (Outcome.BLOCKED, Outcome.CAPTCHA), (wall.name, original.name, status)


@pytest.mark.rule("3.2")
def test_an_overloaded_or_retired_ezbooking_takes_an_absence_beside_it_back() -> None:
    pages = [each for each in originals() if each.name.startswith("ezbooking/")]
    full = [each for each in pages if each.outcome == Outcome.NO_SLOTS]
    troubled = [each for each in pages if each.outcome in (Outcome.OVERLOADED, Outcome.CLOSED)]
    assert full and troubled  # noqa: PT018 -- both or neither
    for one in full:
        for other in troubled:
            for text in (one.text + other.text, other.text + one.text):
                assert _claims("ezbooking", one.saying(text).page)[1] == (), (one.name, other.name)


@pytest.mark.rule("3.2")
def test_an_ezbooking_that_says_none_beside_an_open_desk_proves_no_absence() -> None:
    pages = [each for each in originals() if each.name.startswith("ezbooking/")]
    full = [each for each in pages if each.outcome == Outcome.NO_SLOTS and "plus de plage" in each.text]
    opened = [each for each in pages if each.is_open or each.hours]
    assert full and opened  # noqa: PT018 -- both or neither
    for one in full:
        for other in opened:
            for text in (one.text + other.text, other.text + one.text):
                covered = _claims("ezbooking", one.saying(text).page)[1]
                assert all(each.first for each in covered), (one.name, other.name)
