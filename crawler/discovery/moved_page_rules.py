"""Rules that decide whether a desk's page has moved, from the last run, this run and the checks. Pure.

Missing observations decide nothing. Evidence does not count while checks prove that the page lives. One exception is
a link that the prefecture removed: abandoned pages say "no slot" for ever, so only `slots` refutes that evidence.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from urllib.parse import urlsplit

from api.models.discovery import DriftReason
from crawler.discovery.observations import LandingSeen, ObservedPage, PageSeen
from crawler.reading import GONE

# A desk that was proven within this time has not moved, whatever its title says
DRIFT_PROVEN_SECONDS = 86400
# A desk that was asked for this long and proved nothing is out of sale
DRIFT_SILENT_SECONDS = 7 * 86400


@dataclass(frozen=True, slots=True)
class CheckHistory:
    """What the checks of a desk proved."""

    asked_at: datetime | None = None  # last check of any outcome
    lived_at: datetime | None = None  # last good answer: slots, no slots, or the captcha that is always there
    slot_at: datetime | None = None  # slots were last seen
    silent_since: datetime | None = None  # start of checks without proof; None: it was not checked throughout
    stopped: bool = False  # an operator stopped its host


@dataclass(frozen=True, slots=True)
class PreviousRun:
    """What earlier runs stored about a desk."""

    links: Mapping[str, str] = field(default_factory=dict)  # titles of the pages that linked it, by address
    title: str | None = None  # of its own page


@dataclass(frozen=True, slots=True)
class CurrentRun:
    """What this run saw of a desk."""

    pages: Mapping[str, PageSeen] = field(default_factory=dict)  # of the prefecture's site, by address
    linking: Mapping[str, PageSeen] = field(default_factory=dict)  # those of them that link the desk
    landing: LandingSeen | None = None  # its own page
    cut: bool = False  # the site was not walked to its end
    answered: bool = False  # another desk's page on its host answered well


@dataclass(frozen=True, slots=True)
class MoveEvidence:
    """The reason why a page seems to have moved, with the evidence in words."""

    reason: DriftReason
    detail: str


def find_move(
    life: CheckHistory, before: PreviousRun, seen: CurrentRun, now: datetime
) -> MoveEvidence | None:
    """Return the evidence that a desk's page has moved; None without it."""
    if life.stopped:
        return None
    recently = now - timedelta(seconds=DRIFT_PROVEN_SECONDS)
    alive = life.lived_at is not None and life.lived_at >= recently
    sign = None if alive else _judge_landing(before, seen)
    gives_slots = life.slot_at is not None and life.slot_at >= recently
    sign = sign or (None if gives_slots else find_lost_link(before, seen))
    return sign or (None if alive else _find_silence(life, now) or _find_new_title(before, seen))


def find_lost_link(before: PreviousRun, seen: CurrentRun) -> MoveEvidence | None:
    """Return the evidence that the site no longer links a desk: each page that did was read again, and none does."""
    if not before.links or seen.linking:
        return None
    answers = [seen.pages.get(url) for url in before.links]
    if any(page is None or not _tells(page, cut=seen.cut) for page in answers):
        return None
    return MoveEvidence(DriftReason.UNLINKED, f"no longer linked by {', '.join(sorted(before.links))}")


def same_title(old: str, new: str) -> bool:
    """Tell whether titles are equal apart from case, spaces and numbers (years, counters)."""
    return _essence(old) == _essence(new)


def _tells(page: PageSeen, *, cut: bool) -> bool:
    """Whether a page's answer proves that the link is gone.

    If the page itself is gone, its link may be on another page, which an incomplete run did not see.
    """
    return page.seen is ObservedPage.READ or (
        page.seen in (ObservedPage.GONE, ObservedPage.MOVED) and not cut
    )


def _judge_landing(before: PreviousRun, seen: CurrentRun) -> MoveEvidence | None:
    page = seen.landing
    if page is None or page.status is None:
        return None
    if page.status in GONE or (page.status == HTTPStatus.FORBIDDEN and seen.answered):
        return MoveEvidence(DriftReason.GONE, f"its address answers HTTP {page.status}")
    if page.status != HTTPStatus.OK:
        return None
    if not urlsplit(page.url).path.strip("/"):
        return MoveEvidence(DriftReason.HOME, f"its address leads to the home page {page.url}")
    if before.title and page.title and not same_title(before.title, page.title):
        return MoveEvidence(DriftReason.RETITLED, f"its title was {before.title!r} and is {page.title!r}")
    return None


def _find_silence(life: CheckHistory, now: datetime) -> MoveEvidence | None:
    since = life.silent_since
    if since is None or now - since < timedelta(seconds=DRIFT_SILENT_SECONDS):
        return None
    return MoveEvidence(DriftReason.SILENT, f"no check has proven anything since {since:%Y-%m-%d %H:%M} UTC")


def _find_new_title(before: PreviousRun, seen: CurrentRun) -> MoveEvidence | None:
    for url, title in before.links.items():
        page = seen.linking.get(url)
        if page and title and page.title and not same_title(title, page.title):
            return MoveEvidence(
                DriftReason.RETITLED,
                f"{url}, which links it, was titled {title!r} and is {page.title!r}",
            )
    return None


def _essence(title: str) -> str:
    return " ".join(re.sub(r"[\W\d_]+", " ", title).casefold().split())
