"""Outages, checks and people as the rest of the product leaves them, for tests of incident notices."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from api.models.alert import Alert, AlertTarget
from api.models.base import new_id, session
from api.models.check import Check
from api.models.desk import DeskState, Outage, OutageReason
from api.models.incident import Incident
from api.models.notification import Notification, State
from api.models.user import Channel, Contact, Grant, Role, User
from configs.world.outcome import Outcome
from configs.world.plan import PlanName
from configs.world.prefecture import desks
from crawler.incidents import loop
from tests.browser_keys import browser_address

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
_ADDRESSES = {
    Channel.EMAIL: "x@example.org", Channel.SMS: "+33639980017", Channel.TELEGRAM: "17",
    Channel.PUSH: browser_address("x"),
}  # fmt: skip
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def desk(slug: str) -> str:
    """Return a desk's id, its row there."""
    name = f"evry_91/{slug}"
    with session() as rows:
        if rows.get(DeskState, name) is None:
            rows.add(DeskState(id=name))
    return name


def out(slug: str, reason: OutageReason, since: datetime) -> None:
    """Begin an outage."""
    with session() as rows:
        rows.add(Outage(desk_id=desk(slug), starts_at=since, reason=reason))


def watched(slug: str, at: datetime) -> None:
    """End the outages of a desk."""
    with session() as rows:
        rows.execute(
            sa.update(Outage).where(Outage.desk_id == desk(slug), Outage.ends_at.is_(None)).values(ends_at=at)
        )


def checked(slug: str, *ends: tuple[Outcome, datetime], evidence: str = "test") -> None:
    """Write checks, oldest first, and what they make of the desk's row."""
    with session() as rows:
        for outcome, at in ends:
            rows.add(
                Check(
                    started_at=at, desk_id=desk(slug), outcome=outcome, evidence=evidence, milliseconds=1, requests=1,
                    slots_seen=0, covered=[], process="test:1",
                )
            )  # fmt: skip
            values = {"last_check_at": at, "last_outcome": outcome} | (
                {"last_proven_at": at} if outcome.conclusive else {}
            )
            rows.execute(sa.update(DeskState).where(DeskState.id == desk(slug)).values(values))


def person(role: Role = Role.USER, *channels: Channel, **contact: object) -> UUID:
    """Make a user with verified contacts (an e-mail address, if none is named)."""
    with session() as rows:
        user = User(email=f"{new_id()}@example.org", role=role)
        rows.add(user)
        rows.flush()
        for channel in channels or (Channel.EMAIL,):
            known = {"verified_at": NOW, "enabled": True} | contact
            known |= {"device_name": "Firefox"} if channel is Channel.PUSH else {}
            rows.add(Contact(user_id=user.id, channel=channel, address=_ADDRESSES[channel], **known))
        return user.id


def waits(user: UUID, *targets: Mapping[str, object], ends: datetime = NOW + timedelta(days=1)) -> UUID:
    """Give a user a plan and an alert; return the alert's id."""
    with session() as rows:
        starts = NOW - timedelta(days=1)
        rows.add(
            Grant(user_id=user, plan=PlanName.URGENCE_TOTAL, starts_at=starts, ends_at=ends, source="test")
        )
        alert = Alert(user_id=user, targets=[AlertTarget(**target) for target in targets])
        rows.add(alert)
        rows.flush()
        return alert.id


def told(now: datetime) -> list[Notification]:
    """Look once; return what was written."""
    before = {each.id for each in notifications()}
    loop.run_once(now)
    return [each for each in notifications() if each.id not in before]


def notifications() -> list[Notification]:
    """Return all notifications, oldest first."""
    with session() as rows:
        return list(rows.scalars(sa.select(Notification).order_by(Notification.created_at, Notification.id)))


def incidents() -> list[Incident]:
    """Return all incidents, oldest first."""
    with session() as rows:
        return list(rows.scalars(sa.select(Incident).order_by(Incident.id)))


def deliver(state: State = State.SENT) -> None:
    """Let everything that waits have been sent, or have ended otherwise."""
    sent = {"state": state, "accepted_at": NOW}
    with session() as rows:
        values = sent if state is State.SENT else {"state": state, "reason": "test", "failed_at": NOW}
        rows.execute(sa.update(Notification).where(Notification.state == State.PENDING).values(values))


def host_of(slug: str) -> str:
    """Return the host of a desk of the files."""
    return desks()[f"evry_91/{slug}"].host
