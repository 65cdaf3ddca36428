"""Rules for a desk's page that seems to have moved: decided from the last run, this run and the checks.

Missing observations decide nothing. Evidence does not count while checks prove that the page lives. One exception is a
link that the prefecture removed: abandoned pages say "no slot" for ever, so only `slots` refutes that evidence.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.discovery import DriftReason
from configs.world.desk import Desk
from crawler.discovery.observations import ObservedPage, PageSeen
from crawler.scheduling.intervals import captcha_expected

# A desk that gave slots within this time is still in use
DRIFT_PROVEN_SECONDS = 86400
# A desk that was asked for this long and proved nothing is out of sale
DRIFT_SILENT_SECONDS = 7 * 86400
# A desk is silent only if it was checked all the time: also this long before, and this recently.
_ASKED_LATELY = timedelta(days=1)
_LIVES = sa.text("""
SELECT id, last_slot_at,
  CASE WHEN last_check_at >= :lately AND first_at IS NOT NULL
    THEN greatest(last_proven_at, captcha_at, first_at) END AS silent_since, stopped
FROM desks d CROSS JOIN LATERAL (
  SELECT min(c.started_at) AS first_at,
    max(c.started_at) FILTER (WHERE c.outcome = 'captcha' AND d.id = ANY(:captcha)) AS captcha_at,
    EXISTS (SELECT FROM outages o WHERE o.desk_id = d.id AND o.ends_at IS NULL AND o.reason = 'stopped') AS stopped
  FROM checks c WHERE c.desk_id = d.id AND c.started_at > :since AND NOT c.probe
) c WHERE id = ANY(:desks)
""")


@dataclass(frozen=True, slots=True)
class CheckHistory:
    """What the checks of a desk proved."""

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
    gives_slots = life.slot_at and now - life.slot_at <= timedelta(seconds=DRIFT_PROVEN_SECONDS)
    if before and not (gives_slots or linked) and all(_tells(seen.get(url), cut=cut) for url in before):
        return DriftReason.UNLINKED, f"no longer linked by {', '.join(sorted(before))}"
    if (since := life.silent_since) and now - since >= timedelta(seconds=DRIFT_SILENT_SECONDS):
        return DriftReason.SILENT, f"no check has proven anything since {since:%Y-%m-%d %H:%M} UTC"
    return None


def _tells(page: PageSeen | None, *, cut: bool) -> bool:
    """Whether a page's answer proves that a link which it had is gone.

    If the page itself is gone, its link may be on another page, which an incomplete run did not see.
    """
    if page is None or cut:
        return page is not None and page.seen is ObservedPage.READ
    return page.seen is not ObservedPage.DOUBT


def load_histories(rows: Session, desks: Collection[Desk], now: datetime) -> dict[str, CheckHistory]:
    """Return the check history, by desk id; it reaches a day further back than DRIFT_SILENT_SECONDS."""
    given = {
        "desks": sorted(desk.id for desk in desks),
        "captcha": [desk.id for desk in desks if captcha_expected(desk)],
        "since": now - timedelta(seconds=DRIFT_SILENT_SECONDS) - _ASKED_LATELY,
        "lately": now - _ASKED_LATELY,
    }
    return {desk_id: CheckHistory(*history) for desk_id, *history in rows.execute(_LIVES, given)}
