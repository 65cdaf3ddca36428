"""Whether a desk's page has moved: decisions from what was remembered, seen and proven. Pure; silence decides nothing.

A sign alone is not enough where the checks prove that the page lives. Only the retired link stands against a page
that goes on saying "no slot": that is what abandoned pages say for ever, and `slots` alone proves it wrong.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from urllib.parse import urlsplit

from api.models.discovery import DriftReason
from configs.settings import settings
from crawler.discovery.observations import LandingSeen, ObservedPage, PageSeen
from crawler.reading import GONE


@dataclass(frozen=True, slots=True)
class CheckHistory:
    """What the checks know of a desk, each an instant or None. `asked_at`: its last check of any outcome.

    `lived_at`: when it last answered as it should (slots, no slots; a captcha where there always is one).
    `slot_at`: when slots were last seen. `silent_since`: since when it was asked and proved nothing, None where it
    was not asked all the while. `stopped`: an operator stopped its host.
    """

    asked_at: datetime | None = None
    lived_at: datetime | None = None
    slot_at: datetime | None = None
    silent_since: datetime | None = None
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class PreviousRun:
    """What was remembered: titles of the pages that linked the desk by their addresses, and its own page's title."""

    links: Mapping[str, str] = field(default_factory=dict)
    title: str | None = None


@dataclass(frozen=True, slots=True)
class CurrentRun:
    """What this walk saw: pages of the prefecture's site by address, those that link the desk, its own page.

    `cut`: the site was not walked to its end. `answered`: another desk's page of its host answered well.
    """

    pages: Mapping[str, PageSeen] = field(default_factory=dict)
    linking: Mapping[str, PageSeen] = field(default_factory=dict)
    landing: LandingSeen | None = None
    cut: bool = False
    answered: bool = False


@dataclass(frozen=True, slots=True)
class MoveEvidence:
    """Why a page seems to have moved, with the evidence in words."""

    reason: DriftReason
    detail: str


def find_move(
    life: CheckHistory, before: PreviousRun, seen: CurrentRun, now: datetime
) -> MoveEvidence | None:
    """Decide whether a desk has drifted; None: it has not, or nobody can tell."""
    if life.stopped:
        return None
    recently = now - timedelta(seconds=settings().drift_proven_seconds)
    alive = life.lived_at is not None and life.lived_at >= recently
    sign = None if alive else _judge_landing(before, seen)
    gives_slots = life.slot_at is not None and life.slot_at >= recently
    sign = sign or (None if gives_slots else find_lost_link(before, seen))
    return sign or (None if alive else _find_silence(life, now) or _find_new_title(before, seen))


def find_lost_link(before: PreviousRun, seen: CurrentRun) -> MoveEvidence | None:
    """Say that the prefecture's site has stopped to link a desk: each page that did was read again and does not."""
    if not before.links or seen.linking:
        return None
    answers = [seen.pages.get(url) for url in before.links]
    if any(page is None or not _tells(page, cut=seen.cut) for page in answers):
        return None
    return MoveEvidence(DriftReason.UNLINKED, f"no longer linked by {', '.join(sorted(before.links))}")


def same_title(old: str, new: str) -> bool:
    """Tell whether titles say the same: case, spaces and numbers (years, counters) aside."""
    return _essence(old) == _essence(new)


def _tells(page: PageSeen, *, cut: bool) -> bool:
    """Whether a page's answer settles that the link is no longer there.

    Where the page itself has gone, its link may stand on another one, which a walk that was cut short did not see.
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
    if since is None or now - since < timedelta(seconds=settings().drift_silent_seconds):
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
