"""Outages, checks and people as the rest of the product leaves them, for tests of incident notices."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from api.models.alert import AlertTarget
from api.models.desk import DeskState, DeskStatus, Outage, OutageReason
from api.models.incident import Incident
from api.models.notification import Notification, State
from api.models.user import Channel, Contact, Role
from configs.world.desk import Outcome
from configs.world.prefecture import desks
from crawler.incidents import loop
from tests.factories import add_alert, add_check, add_desk, add_grant, add_user, change, rows, save

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def desk(slug: str) -> str:
    """Return a desk's id, its row there."""
    name = f"evry_91/{slug}"
    if not rows(DeskState, DeskState.id == name):
        add_desk(name)
    return name


def out(slug: str, reason: OutageReason, since: datetime) -> None:
    """Begin an outage."""
    save(Outage(desk_id=desk(slug), starts_at=since, reason=reason))


def watched(slug: str, at: datetime) -> None:
    """End the outages of a desk."""
    change(Outage, Outage.desk_id == desk(slug), Outage.ends_at.is_(None), ends_at=at)


def checked(slug: str, *ends: tuple[Outcome, datetime], evidence: str = "test") -> None:
    """Write checks, oldest first, and what they make of the desk's row."""
    for outcome, at in ends:
        add_check(desk(slug), started_at=at, outcome=outcome, evidence=evidence)
        since = {"last_proven_at": at, "proven_before_at": at, "status": DeskStatus.ACTIVE}
        proven = since if outcome.conclusive else {}
        change(DeskState, DeskState.id == desk(slug), last_check_at=at, last_outcome=outcome, **proven)


def person(role: Role = Role.USER, *channels: Channel, **contact: object) -> UUID:
    """Make a user with verified contacts (an e-mail address, if none is named)."""
    made = add_user(None, *channels, role=role).id
    change(Contact, Contact.user_id == made, **{"verified_at": NOW} | contact)
    return made


def waits(user: UUID, *targets: Mapping[str, object], ends: datetime = NOW + timedelta(days=1)) -> UUID:
    """Give a user a plan and an alert; return the alert's id."""
    add_grant(user, starts_at=NOW - timedelta(days=1), ends_at=ends)
    return add_alert(user, *(AlertTarget(**target) for target in targets))


def told(now: datetime) -> list[Notification]:
    """Look once; return what was written."""
    before = {each.id for each in notifications()}
    loop.run_once(now)
    return [each for each in notifications() if each.id not in before]


def notifications() -> list[Notification]:
    """Return all notifications, oldest first."""
    return sorted(rows(Notification), key=lambda each: (each.created_at, each.id))


def incidents() -> list[Incident]:
    """Return all incidents, oldest first."""
    return rows(Incident)


def deliver(state: State = State.SENT) -> None:
    """Let everything that waits have been sent, or have ended otherwise."""
    ended = {"accepted_at": NOW} if state is State.SENT else {"reason": "test", "failed_at": NOW}
    change(Notification, Notification.state == State.PENDING, state=state, **ended)


def host_of(slug: str) -> str:
    """Return the host of a desk of the files."""
    return desks()[f"evry_91/{slug}"].host
