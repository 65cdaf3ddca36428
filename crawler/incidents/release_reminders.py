"""Reminders of announced slot releases at desks behind a captcha, whose slots a check cannot see."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from api.models.desk import DeskState
from api.models.discovery import is_page_lost
from api.models.user import Channel
from configs.world.desk import Desk
from configs.world.plan import plan
from configs.world.prefecture import desks
from crawler.incidents.recipients_sql import AT_ONCE, ENTITLED, REACHABLE
from crawler.scheduling.desk_budgets import captcha_expected

# People are reminded of a publication of slots this long before it
_RELEASE_NOTICE_SECONDS = 1800

# Entitled users with an alert, enabled or saved until the desk can be watched, and no reminder yet.
_WAITING = sa.text(f"""
SELECT DISTINCT a.user_id, ARRAY(SELECT DISTINCT g.plan FROM grants g WHERE g.user_id = a.user_id
  AND g.starts_at <= :now AND g.ends_at > :now) AS plans
FROM alert_targets t
JOIN alerts a ON a.id = t.alert_id AND a.closed_at IS NULL AND (a.enabled OR a.awaits_watch)
WHERE (t.desk_id = :desk OR (t.prefecture_id = :prefecture AND t.procedure = ANY(:procedures)))
  AND NOT EXISTS (SELECT FROM notifications n WHERE n.user_id = a.user_id AND n.kind = 'release_soon'
    AND n.params ->> 'desk' = :desk AND n.params ->> 'begins' = :begins)
  AND {ENTITLED}
  AND {REACHABLE}
ORDER BY a.user_id LIMIT :most
""")  # noqa: S608 -- our own words


def write_reminders(rows: Session, now: datetime) -> list[UUID]:
    """Write reminders of releases that begin within RELEASE_NOTICE_SECONDS, once each; return their ids."""
    written: list[UUID] = []
    for desk, begins_at, ends_at in _find_releases(rows, now):
        begins = begins_at.isoformat()
        params = {"desk": desk.id, "begins": begins, "ends": ends_at and ends_at.isoformat()}
        for user_id, plans in _find_recipients(rows, desk, begins, now):
            key = f"release_soon:{desk.id}:{begins}:{user_id}"
            written += notifier.create_notifications(
                rows, user_id, "release_soon", params, key, priority="scheduled",
                channels=_list_channels(plans),
            )  # fmt: skip
    return written


def _list_channels(plans: Sequence[str]) -> set[str]:
    """Return the channels of reminders: an SMS only where one of the plans has it."""
    has_sms = any(Channel.SMS.value in plan(name).channels for name in plans)
    return {Channel.EMAIL.value, Channel.TELEGRAM.value} | ({Channel.SMS.value} if has_sms else set())


def _find_releases(rows: Session, now: datetime) -> Iterator[tuple[Desk, datetime, datetime | None]]:
    """Yield desks with their next release: from the desk file, or, without an end, from the page.

    Pages that are closed or have moved are left out: users have a notice of that, and slots will be elsewhere.
    """
    last = now + timedelta(seconds=_RELEASE_NOTICE_SECONDS)
    lost = set(rows.scalars(sa.select(DeskState.id).where(is_page_lost())))
    for desk in filter(_has_hidden_slots, desks().values()):
        if (
            desk.id not in lost
            and desk.releases
            and (found := desk.release(now))
            and now <= found.begins <= last
        ):
            yield desk, found.begins, found.ends
    said = sa.select(DeskState.id, DeskState.releases_at).where(DeskState.releases_at.between(now, last))
    for desk_id, releases_at in rows.execute(said):
        page = desks().get(desk_id)
        if page and releases_at and _has_hidden_slots(page) and desk_id not in lost:
            yield page, releases_at, None


def _has_hidden_slots(desk: Desk) -> bool:
    return desk.schedulable and captcha_expected(desk)


def _find_recipients(rows: Session, desk: Desk, begins: str, now: datetime) -> list[tuple[UUID, list[str]]]:
    wanted = {
        "desk": desk.id,
        "prefecture": desk.prefecture_id,
        "procedures": sorted(desk.procedures),
        "begins": begins,
        "now": now,
        "most": AT_ONCE,
    }
    return [(user_id, plans) for user_id, plans in rows.execute(_WAITING, wanted)]
