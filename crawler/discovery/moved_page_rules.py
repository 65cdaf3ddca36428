"""Rules that decide whether a desk's page has moved, from the last run, this run and the checks. Pure.

Missing observations decide nothing. Evidence does not count while checks prove that the page lives. One exception is
a link that the prefecture removed: abandoned pages say "no slot" for ever, so only `slots` refutes that evidence.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from api.models.discovery import DriftReason
from crawler.discovery.observations import ObservedPage, PageSeen

# A desk that was proven within this time is not silent
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
class CurrentRun:
    """What this run saw of a desk."""

    pages: Mapping[str, PageSeen] = field(default_factory=dict)  # of the prefecture's site, by address
    linking: Mapping[str, PageSeen] = field(default_factory=dict)  # those of them that link the desk
    cut: bool = False  # the site was not walked to its end


@dataclass(frozen=True, slots=True)
class MoveEvidence:
    """The reason why a page seems to have moved, with the evidence in words."""

    reason: DriftReason
    detail: str


def find_move(
    life: CheckHistory, before: Collection[str], seen: CurrentRun, now: datetime
) -> MoveEvidence | None:
    """Return the evidence that a desk's page has moved; None without it. `before`: pages that linked it until now."""
    if life.stopped:
        return None
    recently = now - timedelta(seconds=DRIFT_PROVEN_SECONDS)
    alive = life.lived_at is not None and life.lived_at >= recently
    gives_slots = life.slot_at is not None and life.slot_at >= recently
    sign = None if gives_slots else _find_lost_link(before, seen)
    return sign or (None if alive else _find_silence(life, now))


def _find_lost_link(before: Collection[str], seen: CurrentRun) -> MoveEvidence | None:
    """Return the evidence that the site no longer links a desk: each page that did was read again, and none does."""
    if not before or seen.linking:
        return None
    answers = [seen.pages.get(url) for url in before]
    if any(page is None or not _tells(page, cut=seen.cut) for page in answers):
        return None
    return MoveEvidence(DriftReason.UNLINKED, f"no longer linked by {', '.join(sorted(before))}")


def _tells(page: PageSeen, *, cut: bool) -> bool:
    """Whether a page's answer proves that the link is gone.

    If the page itself is gone, its link may be on another page, which an incomplete run did not see.
    """
    return page.seen is ObservedPage.READ or (
        page.seen in (ObservedPage.GONE, ObservedPage.MOVED) and not cut
    )


def _find_silence(life: CheckHistory, now: datetime) -> MoveEvidence | None:
    since = life.silent_since
    if since is None or now - since < timedelta(seconds=DRIFT_SILENT_SECONDS):
        return None
    return MoveEvidence(DriftReason.SILENT, f"no check has proven anything since {since:%Y-%m-%d %H:%M} UTC")
