"""Result of a run: unlisted booking pages, desks that have moved or are linked again, doubtful pages. Pure.

Whether a desk's page has moved is decided from the last run, this run and the checks. Missing observations decide
nothing. Evidence does not count while checks prove that the page lives. One exception is a link that the prefecture
removed: abandoned pages say "no slot" for ever, so only `slots` refutes that evidence.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from api.models.discovery import DriftReason
from configs.world.desk import Desk
from configs.world.prefecture import Prefecture
from crawler.discovery.site_links import Booking, key
from crawler.discovery.site_walk import ObservedPage, PageSeen

# A desk that was proven within this time is not silent
DRIFT_PROVEN_SECONDS = 86400
# A desk that was asked for this long and proved nothing is out of sale
DRIFT_SILENT_SECONDS = 7 * 86400


@dataclass(frozen=True, slots=True)
class CheckHistory:
    """What the checks of a desk proved."""

    lived_at: datetime | None = None  # last good answer: slots, no slots, or the captcha that is always there
    slot_at: datetime | None = None  # slots were last seen
    silent_since: datetime | None = None  # start of checks without proof; None: it was not checked throughout
    stopped: bool = False  # an operator stopped its host


@dataclass(frozen=True, slots=True)
class MoveEvidence:
    """The reason why a page seems to have moved, with the evidence in words."""

    reason: DriftReason
    detail: str


def find_move(
    life: CheckHistory,
    before: Collection[str],
    seen: Mapping[str, PageSeen],
    now: datetime,
    *,
    linked: bool = False,
    cut: bool = False,
) -> MoveEvidence | None:
    """Return the evidence that a desk's page has moved; None without it.

    `before`: pages that linked it until now; `seen`: those that this run saw of its site, by address, of which one
    links it if `linked`; `cut`: the site was not walked to its end.
    """
    if life.stopped:
        return None
    recently = now - timedelta(seconds=DRIFT_PROVEN_SECONDS)
    gives_slots = life.slot_at is not None and life.slot_at >= recently
    if before and not (gives_slots or linked) and all(_tells(seen.get(url), cut=cut) for url in before):
        return MoveEvidence(DriftReason.UNLINKED, f"no longer linked by {', '.join(sorted(before))}")
    alive, since = life.lived_at is not None and life.lived_at >= recently, life.silent_since
    if alive or since is None or now - since < timedelta(seconds=DRIFT_SILENT_SECONDS):
        return None
    return MoveEvidence(DriftReason.SILENT, f"no check has proven anything since {since:%Y-%m-%d %H:%M} UTC")


def _tells(page: PageSeen | None, *, cut: bool) -> bool:
    """Whether a page's answer proves that a link which it had is gone.

    If the page itself is gone, its link may be on another page, which an incomplete run did not see.
    """
    if page is None or cut:
        return page is not None and page.seen is ObservedPage.READ
    return page.seen is not ObservedPage.DOUBT


@dataclass(frozen=True, slots=True)
class FoundPage:
    """A booking page that no desk file has."""

    prefecture_id: str
    url: str
    text: str  # of the link
    platform: str | None
    pages: tuple[str, ...]  # that link it


@dataclass(frozen=True, slots=True)
class RunResult:
    """The whole result. `linked`: the pages that link a desk now, by desk id."""

    seen: tuple[PageSeen, ...] = ()  # site by site
    cut: tuple[str, ...] = ()  # prefectures whose sites were not walked to their end
    found: tuple[FoundPage, ...] = ()
    drifted: tuple[tuple[str, MoveEvidence], ...] = ()
    linked: Mapping[str, tuple[PageSeen, ...]] = field(default_factory=dict)
    former: tuple[str, ...] = ()  # linked desks that the files call stale or retired


@dataclass(frozen=True, slots=True)
class KnownPages:
    """What was known before and beside the run."""

    addresses: Mapping[str, frozenset[str]] = field(
        default_factory=dict
    )  # prefectures with a desk there, by key
    before: Mapping[str, Collection[str]] = field(default_factory=dict)  # pages that linked a desk, by its id
    lives: Mapping[str, CheckHistory] = field(default_factory=dict)  # by desk id
    cut: frozenset[str] = frozenset()  # prefectures whose sites were not walked to their end


def addresses(every: Iterable[Desk]) -> dict[str, frozenset[str]]:
    """Return the prefectures with a desk at an address, by the address's key."""
    owners: dict[str, set[str]] = defaultdict(set)
    for desk in every:
        owners[key(desk.url)].add(desk.prefecture_id)
    return {name: frozenset(those) for name, those in owners.items()}


def evaluate_run(
    facts: Iterable[PageSeen], places: Sequence[Prefecture], known: KnownPages, now: datetime
) -> RunResult:
    """Return the result of a run from its observations and what was known of the desks."""
    seen: dict[str, dict[str, PageSeen]] = defaultdict(dict)
    for page in facts:
        seen[page.prefecture_id][page.url] = page
    linked = _find_linked(page for each in seen.values() for page in each.values())
    drifted = []
    for desk in (each for place in places for each in place.desks if each.schedulable):
        life, home = known.lives.get(desk.id, CheckHistory()), desk.prefecture_id
        shared = len(known.addresses.get(key(desk.url), ())) > 1  # by several prefectures: a national search
        before = () if shared else known.before.get(desk.id, ())
        is_linked, cut = desk.id in linked, home in known.cut
        if sign := find_move(life, before, seen[home], now, linked=is_linked, cut=cut):
            drifted.append((desk.id, sign))
    return RunResult(
        tuple(page for place in places for page in seen[place.id].values()),
        tuple(place.id for place in places if place.id in known.cut),
        tuple(
            found for place in places for found in _find_new_pages(place.id, seen[place.id].values(), known)
        ),
        tuple(drifted),
        linked,
        tuple(
            each.id for place in places for each in place.desks if each.id in linked and not each.schedulable
        ),
    )


def back(open_ones: Mapping[str, DriftReason], outcome: RunResult) -> list[str]:
    """Return the desks that counted as moved for a missing link, and that are linked again."""
    return [desk for desk, why in open_ones.items() if why is DriftReason.UNLINKED and desk in outcome.linked]


def _find_linked(seen: Iterable[PageSeen]) -> dict[str, tuple[PageSeen, ...]]:
    found: dict[str, dict[str, PageSeen]] = defaultdict(dict)
    for page in seen:
        for each in page.bookings:
            if each.desk_id:
                found[each.desk_id][page.url] = page
    return {desk: tuple(those.values()) for desk, those in found.items()}


def _find_new_pages(prefecture_id: str, seen: Collection[PageSeen], known: KnownPages) -> Iterator[FoundPage]:
    where: dict[str, set[str]] = defaultdict(set)
    first: dict[str, Booking] = {}
    for page in seen:
        for each in page.bookings:
            if not each.desk_id and (name := key(each.url)) not in known.addresses:
                first.setdefault(name, each)
                where[name].add(page.url)
    for name, each in first.items():
        yield FoundPage(prefecture_id, each.url, each.text, each.platform, tuple(sorted(where[name])))
