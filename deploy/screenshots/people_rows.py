"""Accounts of the filled world: one that has everything, one without anything, one unconfirmed, one with long names."""

from dataclasses import dataclass
from datetime import date, time, timedelta
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.passwords import hash_password
from api.logins.totp import create_secret
from api.models.alert import Alert, AlertTarget, ClosedBecause
from api.models.appointment import Appointment
from api.models.base import new_id, session
from api.models.contact_lookup import claim_address
from api.models.desk import DeskState, DeskStatus
from api.models.notification import Match, MatchSlot, Notification, NotificationMatch, Priority, State
from api.models.slot import DetectionSlot
from api.models.user import Channel, Contact, ContactState, Grant, Role, User
from configs.clock import clock
from configs.plan import PlanName
from configs.prefecture import Procedure, desks
from deploy.screenshots.watching_rows import Opening, write_openings

PASSWORD = "quatre paniers de poires"  # noqa: S105 -- of accounts that live for minutes, on loopback
LONG_NAME = "Rendez-vous de ma grand-mère Marie-Antoinette, pour l’anniversaire de juin 2027"
_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)
WATCHED = "bobigny_93/titre-sejour-vie-privee-familiale"
LONG_DESK = (
    "cayenne_973/passeport-carte-identite-saint-laurent"  # the longest label of a desk that is watched
)


class Who(StrEnum):
    """Who looks at a page: an account's address; the empty text is a visitor."""

    VISITOR = ""
    CAMILLE = "camille@example.org"  # plan, alerts, messages, payments, three channels
    NEW = "amina@example.org"  # a confirmed address, nothing else
    UNCONFIRMED = "yusuf@example.org"
    OPERATOR = "oscar@example.org"  # an admin
    LONG = (
        "marie-antoinette.de-la-tour-du-pin-montauban.service-des-familles@association-solidarite.example.org"
    )


@dataclass(frozen=True, slots=True)
class People:
    """Ids that addresses of pages carry."""

    alerts: dict[str, UUID]  # by state: active, long, waiting, paused, closed
    contacts: dict[Who, UUID]  # e-mail addresses
    users: dict[Who, UUID]


def write_people() -> People:
    """Write accounts and alerts."""
    users, contacts = {}, {}
    for who in (Who.CAMILLE, Who.NEW, Who.UNCONFIRMED, Who.LONG, Who.OPERATOR):
        user = _add_account(who)
        users[who], contacts[who] = user.id, user.contacts[0].id
    with session() as s:
        for desk_id in (WATCHED, LONG_DESK):
            s.merge(
                DeskState(
                    id=desk_id,
                    status=DeskStatus.ACTIVE,
                    last_check_at=clock(),
                    last_proven_at=clock(),
                    achieved_seconds=62,
                    feasible_seconds=60,
                    wished_seconds=30,
                    share_seconds=60,
                )
            )
        _add_channels(s, users[Who.CAMILLE])
        alerts = _add_alerts(s, users[Who.CAMILLE])
        alerts["long"] = _add_long_alert(s, users[Who.LONG])
    _find_slots(users[Who.CAMILLE], alerts["active"])
    return People(alerts, contacts, users)


def enable_second_factor(user_id: UUID) -> None:
    """Make an account one whose sign-in asks for a code, since yesterday: its logins of today have shown one."""
    with session() as s:
        user = s.get_one(User, user_id)
        user.totp_secret, user.totp_confirmed_at = create_secret(), clock() - _DAY


def _add_account(who: Who) -> User:
    mail = Contact(channel=Channel.EMAIL, address=who.value, enabled=True)
    mail.verified_at = None if who is Who.UNCONFIRMED else clock() - 80 * _DAY
    mail.state = ContactState.BOUNCED if who is Who.LONG else ContactState.OK
    with session() as s:
        role = Role.ADMIN if who is Who.OPERATOR else Role.USER
        user = User(email=who.value, password_hash=hash_password(PASSWORD), contacts=[mail], role=role)
        s.add(user)
    return user


def _add_channels(s: Session, user_id: UUID) -> None:
    for channel, address in {Channel.SMS: "+33639980017", Channel.TELEGRAM: "100000017"}.items():
        contact = Contact(
            user_id=user_id, channel=channel, address=address, enabled=True, verified_at=clock()
        )
        s.add(contact)
        claim_address(s, contact)


def _add_alerts(s: Session, user_id: UUID) -> dict[str, UUID]:
    limits = {
        "date_from": date(2026, 12, 1),
        "date_to": date(2027, 3, 31),
        "weekdays": [1, 2, 4],
        "hour_from": time(8, 30),
        "hour_to": time(17),
    }
    alerts = {
        "closed": Alert(closed_at=clock() - 2 * _DAY, closed_because=ClosedBecause.FOUND, enabled=False),
        "paused": Alert(name="Passeport de Nour", enabled=False),
        "waiting": Alert(enabled=False, awaits_watch=True),
        "distant": Alert(),
        "active": Alert(name="Titre de séjour de maman"),
    }
    targets = {
        "closed": AlertTarget(prefecture_id="paris_75", procedure=Procedure.TITRE_SEJOUR),
        "paused": AlertTarget(prefecture_id="digne-les-bains_04", procedure=Procedure.PASSEPORT),
        "waiting": AlertTarget(prefecture_id="nanterre_92", procedure=Procedure.TITRE_SEJOUR),
        "distant": AlertTarget(prefecture_id="digne-les-bains_04", procedure=Procedure.CARTE_IDENTITE),
        "active": AlertTarget(desk_id=WATCHED, **limits),
    }
    for days, (name, alert) in enumerate(alerts.items()):
        alert.user_id, alert.targets = user_id, [targets[name]]
        alert.created_at = clock() - (40 - 7 * days) * _DAY
        s.add(alert)
        s.flush()  # ids in this order: the newest comes first
    at = clock() + 12 * _DAY
    kept = Appointment(
        alert_id=alerts["closed"].id,
        at=at,
        place="Préfecture de police, 4e étage, guichet 12",
        dropped_at=at + 90 * _DAY,
    )
    s.add(kept)
    return {name: alert.id for name, alert in alerts.items()}


def _add_long_alert(s: Session, user_id: UUID) -> UUID:
    s.add(_build_grant(user_id, PlanName.URGENCE_7J, days=5))
    alert = Alert(user_id=user_id, name=LONG_NAME, targets=[AlertTarget(desk_id=LONG_DESK)])
    s.add(alert)
    s.flush()
    return alert.id


def _build_grant(user_id: UUID, plan: PlanName, days: int) -> Grant:
    return Grant(
        user_id=user_id,
        plan=plan,
        starts_at=clock() - _DAY,
        ends_at=clock() + days * _DAY,
        source="screenshots",
    )


def _find_slots(user_id: UUID, alert_id: UUID) -> None:
    """Let the alert find slots four times, one of which are still open, with a message by each channel."""
    desk = desks()[WATCHED]
    for minutes, count, is_open in ((5890, 3, False), (2900, 1, False), (1740, 2, False), (2, 3, True)):
        at = clock() - minutes * _MINUTE
        opening = Opening(desk, at, count, None if is_open else at + 9 * _MINUTE)
        write_openings([opening])
        with session() as s:
            _announce(s, user_id, alert_id, opening)


def _announce(s: Session, user_id: UUID, alert_id: UUID, opening: Opening) -> None:
    match = Match(
        id=new_id(),
        alert_id=alert_id,
        detection_id=opening.detection_id,
        limits_version=1,
        decided_at=opening.at,
    )
    s.add(match)
    s.flush()
    found = sa.select(DetectionSlot.slot_id).where(DetectionSlot.detection_id == opening.detection_id)
    s.add_all(MatchSlot(match_id=match.id, slot_id=each, decided_at=opening.at) for each in s.scalars(found))
    for channel in Channel:
        message = _build_message(user_id, channel, opening)
        s.add(message)
        s.flush()
        s.add(NotificationMatch(notification_id=message.id, match_id=match.id))


def _build_message(user_id: UUID, channel: Channel, opening: Opening) -> Notification:
    is_lost = channel is Channel.SMS and opening.count == 1
    state = State.FAILED if is_lost else State.SENT if channel is Channel.TELEGRAM else State.DELIVERED
    return Notification(
        id=new_id(), user_id=user_id, channel=channel, kind="slot_detected", priority=Priority.CRITICAL,
        dedupe_key=f"screenshots:{channel}:{opening.detection_id}", state=state, next_attempt_at=opening.at,
        next_nudge_at=opening.at, created_at=opening.at, accepted_at=None if is_lost else opening.at,
        failed_at=opening.at if is_lost else None, reason="the provider refused it" if is_lost else None,
    )  # fmt: skip
