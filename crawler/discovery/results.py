"""Result of a run: unlisted booking pages, desks that have moved or are linked again, doubtful pages. Pure.

Whether a desk's page has moved is decided from the last run, this run and the checks. Missing observations decide
nothing. Evidence does not count while checks prove that the page lives. One exception is a link that the prefecture
removed: abandoned pages say "no slot" for ever, so only `slots` refutes that evidence.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

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


def find_move(
    life: CheckHistory,
    before: Collection[str],
    seen: Mapping[str, PageSeen],
    now: datetime,
    *,
    linked: bool = False,
    cut: bool = False,
) -> tuple[DriftReason, str] | None:
    """Return why a desk's page seems to have moved, with the evidence in words; None without any.

    `before`: pages that linked it until now; `seen`: those that this run saw of its site, by address, of which one
    links it if `linked`; `cut`: the site was not walked to its end.
    """
    if life.stopped:
        return None
    recently = now - timedelta(seconds=DRIFT_PROVEN_SECONDS)
    gives_slots = life.slot_at is not None and life.slot_at >= recently
    if before and not (gives_slots or linked) and all(_tells(seen.get(url), cut=cut) for url in before):
        return DriftReason.UNLINKED, f"no longer linked by {', '.join(sorted(before))}"
    alive, since = life.lived_at is not None and life.lived_at >= recently, life.silent_since
    if alive or since is None or now - since < timedelta(seconds=DRIFT_SILENT_SECONDS):
        return None
    return DriftReason.SILENT, f"no check has proven anything since {since:%Y-%m-%d %H:%M} UTC"


def _tells(page: PageSeen | None, *, cut: bool) -> bool:
    """Whether a page's answer proves that a link which it had is gone.

    If the page itself is gone, its link may be on another page, which an incomplete run did not see.
    """
    if page is None or cut:
        return page is not None and page.seen is ObservedPage.READ
    return page.seen is not ObservedPage.DOUBT


@dataclass(frozen=True, slots=True)
class RunResult:
    """The whole result."""

    seen: tuple[PageSeen, ...]  # site by site
    cut: tuple[str, ...]  # prefectures whose sites were not walked to their end
    found: tuple[
        tuple[str, Booking, list[str]], ...
    ]  # prefecture, a page that no file has, the pages that link it
    drifted: tuple[tuple[str, DriftReason, str], ...]  # desk, reason, evidence
    linked: Mapping[str, Collection[str]]  # the pages that link a desk now, by desk id
    former: tuple[str, ...]  # linked desks that the files call stale or retired


def evaluate_run(
    pages: Iterable[PageSeen],
    places: Sequence[Prefecture],
    every: Iterable[Desk],
    now: datetime,
    *,
    before: Mapping[str, Collection[str]] = MappingProxyType({}),
    lives: Mapping[str, CheckHistory] = MappingProxyType({}),
    cut: Collection[str] = (),
) -> RunResult:
    """Return the result of a run of `places`, from its observations and what was known of `every` desk.

    `before`: pages that linked a desk, and `lives`: what its checks proved, by its id; `cut`: prefectures whose sites
    were not walked to their end.
    """
    seen: dict[str, dict[str, PageSeen]] = {place.id: {} for place in places}
    for page in pages:
        seen.setdefault(page.prefecture_id, {})[page.url] = page
    linked: dict[str, set[str]] = defaultdict(set)
    for page in (page for there in seen.values() for page in there.values()):
        for each in page.bookings:
            if each.desk_id:
                linked[each.desk_id].add(page.url)
    owners: dict[str, set[str]] = defaultdict(set)
    for desk in every:
        owners[key(desk.url)].add(desk.prefecture_id)
    here = [desk for place in places for desk in place.desks]
    drifted = []
    for desk in (each for each in here if each.schedulable):
        shared = len(owners[key(desk.url)]) > 1  # by several prefectures: a national search
        sign = find_move(
            lives.get(desk.id, CheckHistory()),
            () if shared else before.get(desk.id, ()),
            seen[desk.prefecture_id],
            now,
            linked=desk.id in linked,
            cut=desk.prefecture_id in cut,
        )
        if sign:
            drifted.append((desk.id, *sign))
    return RunResult(
        tuple(page for place in places for page in seen[place.id].values()),
        tuple(place.id for place in places if place.id in cut),
        tuple(
            found for place in places for found in _find_new_pages(place.id, seen[place.id].values(), owners)
        ),
        tuple(drifted),
        linked,
        tuple(desk.id for desk in here if desk.id in linked and not desk.schedulable),
    )


def _find_new_pages(
    prefecture_id: str, seen: Collection[PageSeen], owners: Mapping[str, object]
) -> Iterator[tuple[str, Booking, list[str]]]:
    found: dict[str, tuple[Booking, set[str]]] = {}
    for page in seen:
        for each in page.bookings:
            if not each.desk_id and (name := key(each.url)) not in owners:
                found.setdefault(name, (each, set()))[1].add(page.url)
    return ((prefecture_id, first, sorted(urls)) for first, urls in found.values())
