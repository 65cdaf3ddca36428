"""Reminders of releases: slots are about to be published on desks whose pages hide them behind a captcha."""

from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from api.models.desk import DeskState, Publication, is_current
from api.models.discovery import is_page_lost
from api.models.user import Channel
from configs.world.desk import Desk, zone_or_home
from configs.world.plan import plan
from configs.world.prefecture import desks
from crawler.incidents.recipients import AT_ONCE, ENTITLED, MEANT, REACHABLE, list_targets
from crawler.scheduling.intervals import captcha_expected

# People are reminded of a publication of slots this long before it, or before quiet hours that outlast its beginning
_RELEASE_NOTICE = timedelta(minutes=30)
_DAY = timedelta(days=1)
# Entitled users with an alert, enabled or saved until the desk can be watched, and no reminder yet; their quiet hours.
_WAITING_FOR_RELEASE = sa.text(f"""
SELECT DISTINCT a.user_id, ARRAY(SELECT DISTINCT g.plan FROM grants g WHERE g.user_id = a.user_id
  AND g.starts_at <= :now AND g.ends_at > :now) AS plans, u.time_zone, u.quiet_from, u.quiet_until
FROM {MEANT}
JOIN alerts a ON a.id = t.alert_id AND a.closed_at IS NULL AND (a.enabled OR a.awaits_watch)
JOIN users u ON u.id = a.user_id AND (:is_soon OR u.quiet_from IS NOT NULL)
WHERE NOT EXISTS (SELECT FROM notifications n WHERE n.user_id = a.user_id AND n.kind = 'release_soon'
    AND n.params ->> 'desk' = :desk AND n.params ->> 'begins' = :begins)
  AND {ENTITLED}
  AND {REACHABLE}
ORDER BY a.user_id
""")  # noqa: S608 -- our own words


def write_reminders(rows: Session, now: datetime) -> list[UUID]:
    """Write reminders of releases, once each, half an hour before they or quiet hours begin; return their ids."""
    written: list[UUID] = []
    for desk, begins_at, ends_at in _find_releases(rows, now):
        begins = begins_at.isoformat()
        params = {"desk": desk.id, "begins": begins, "ends": ends_at and ends_at.isoformat()}
        is_soon = begins_at <= now + _RELEASE_NOTICE
        wanted = {"targets": list_targets([desk]), "desk": desk.id, "begins": begins, "now": now}
        found = rows.execute(_WAITING_FOR_RELEASE, wanted | {"is_soon": is_soon}).all()
        due = [
            (user_id, plans)
            for user_id, plans, zone, quiet_from, quiet_until in found
            if is_soon or _outlasts(begins_at, zone, quiet_from, quiet_until, now)
        ]
        for user_id, plans in due[:AT_ONCE]:
            key = f"release_soon:{desk.id}:{begins}:{user_id}"
            written += notifier.create_notifications(
                rows, user_id, "release_soon", params, key, priority="scheduled",
                channels=_list_channels(plans),
            )  # fmt: skip
    return written


def _outlasts(begins_at: datetime, zone: str, quiet_from: time, quiet_until: time, now: datetime) -> bool:
    """Whether quiet hours that begin soon last until a release begins: afterwards a reminder would come too late."""
    local = begins_at.astimezone(zone_or_home(zone))
    starts = datetime.combine(local.date(), quiet_from, local.tzinfo)
    starts -= _DAY if starts >= local else timedelta()
    ends = datetime.combine(starts.date(), quiet_until, local.tzinfo)
    ends += _DAY if ends <= starts else timedelta()
    return local <= ends and now >= starts - _RELEASE_NOTICE


def _list_channels(plans: Sequence[str]) -> set[str]:
    """Return the channels of reminders: an SMS only where one of the plans has it."""
    has_sms = any(Channel.SMS.value in plan(name).channels for name in plans)
    return {Channel.EMAIL.value, Channel.TELEGRAM.value} | ({Channel.SMS.value} if has_sms else set())


def _find_releases(rows: Session, now: datetime) -> Iterator[tuple[Desk, datetime, datetime | None]]:
    """Yield desks with their next release: from the desk file, or, without an end, from the page.

    Pages that are closed or have moved are left out: users have a notice of that, and slots will be elsewhere.
    """
    last = now + _DAY + _RELEASE_NOTICE
    lost = set(rows.scalars(sa.select(DeskState.id).where(is_page_lost())))
    for desk in filter(_has_hidden_slots, desks().values()):
        if desk.id not in lost and (found := desk.release(now)) and now <= found.begins <= last:
            yield desk, found.begins, found.ends
    said: sa.CompoundSelect[str, datetime | None] = sa.union(
        sa.select(DeskState.id, DeskState.releases_at).where(DeskState.releases_at.between(now, last)),
        sa.select(Publication.desk_id, Publication.released_at)
        .join(DeskState, DeskState.id == Publication.desk_id)
        .where(Publication.released_at.between(now, last), is_current()),
    )
    for desk_id, releases_at in rows.execute(said):
        page = desks().get(desk_id)
        if page and releases_at and _has_hidden_slots(page) and desk_id not in lost:
            yield page, releases_at, None


def _has_hidden_slots(desk: Desk) -> bool:
    return desk.schedulable and captcha_expected(desk)
