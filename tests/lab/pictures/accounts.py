"""Accounts of the filled world: one that has everything, one without anything, one unconfirmed, one with long names."""

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
from api.models.notification import Match, Notification, Priority, State
from api.models.slot import DetectionSlot
from api.models.slot_ids import write_ranges
from api.models.user import Channel, Contact, ContactState, Grant, Role, User
from configs.ground.clock import clock
from configs.world.plan import PlanName
from configs.world.prefecture import Procedure, desks, prefectures
from tests.lab.pictures.history import Opening, write_openings

PASSWORD = "quatre paniers de poires"  # of accounts that live for minutes, on loopback
WATCHED = "bobigny_93/titre-sejour-vie-privee-familiale"
WATCHED_HOST = "www.seine-saint-denis.gouv.fr:443"  # of the desk WATCHED
_LONG_NAME = "Rendez-vous de ma grand-mère Marie-Antoinette, pour l’anniversaire de juin 2027"
_LONG_DESK = "cayenne_973/passeport-carte-identite-saint-laurent"  # the longest label of a watched desk
_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)


class Who(StrEnum):
    """Who looks at a page: an account's address; the empty text is a visitor."""

    VISITOR = ""
    CAMILLE = "camille@example.org"  # plan, alerts, messages, payments, three channels
    NEW = "amina@example.org"  # a confirmed address, nothing else
    UNCONFIRMED = "yusuf@example.org"
    LONG = (
        "marie-antoinette.de-la-tour-du-pin-montauban.service-des-familles@association-solidarite.example.org"
    )
    OPERATOR = "oscar@example.org"  # an admin


def write_people() -> tuple[dict[str, UUID], UUID, UUID]:
    """Write accounts and alerts; return the alerts by name, Camille and the operator."""
    users = {who: _add_account(who) for who in list(Who)[1:]}
    camille = users[Who.CAMILLE]
    watched = {"achieved_seconds": 62, "feasible_seconds": 60, "wished_seconds": 30, "share_seconds": 60}
    with session() as s:
        for desk_id in (WATCHED, _LONG_DESK):
            at = {"last_check_at": clock(), "last_proven_at": clock()}
            s.merge(DeskState(id=desk_id, status=DeskStatus.ACTIVE, **at, **watched))
        _add_channels(s, camille)
        alerts = _add_alerts(s, camille)
        alerts["long"] = _add_long_alert(s, users[Who.LONG])
    _find_slots(camille, alerts["active"])
    return alerts, camille, users[Who.OPERATOR]


def enable_second_factor() -> None:
    """Make two accounts' sign-ins ask for a code, since yesterday: their logins of today have shown one."""
    with session() as s:
        for user in s.scalars(sa.select(User).where(User.email.in_([Who.LONG, Who.OPERATOR]))):
            user.totp_secret, user.totp_confirmed_at = create_secret(), clock() - _DAY


def _add_account(who: Who) -> UUID:
    mail = Contact(channel=Channel.EMAIL, address=who.value, enabled=True)
    mail.verified_at = None if who is Who.UNCONFIRMED else clock() - 80 * _DAY
    mail.state = ContactState.BOUNCED if who is Who.LONG else ContactState.OK
    with session() as s:
        role = Role.ADMIN if who is Who.OPERATOR else Role.USER
        user = User(email=who.value, password_hash=hash_password(PASSWORD), contacts=[mail], role=role)
        s.add(user)
    return user.id


def _add_channels(s: Session, user_id: UUID) -> None:
    given = {"user_id": user_id, "enabled": True, "verified_at": clock()}
    for channel, address in {Channel.SMS: "+33639980017", Channel.TELEGRAM: "100000017"}.items():
        contact = Contact(channel=channel, address=address, **given)
        s.add(contact)
        claim_address(s, contact)


def _add_alerts(s: Session, user_id: UUID) -> dict[str, UUID]:
    limits = {
        "date_from": date(2026, 12, 1), "date_to": date(2027, 3, 31), "weekdays": [1, 2, 4],
        "hour_from": time(8, 30), "hour_to": time(17),
    }  # fmt: skip
    closed = Alert(closed_at=clock() - 2 * _DAY, closed_because=ClosedBecause.FOUND, enabled=False)
    alerts = {
        "closed": (closed, _target("paris_75", Procedure.TITRE_SEJOUR)),
        "paused": (
            Alert(name="Passeport de Nour", enabled=False), _target("digne-les-bains_04", Procedure.PASSEPORT),
        ),
        "waiting": (
            Alert(enabled=False, awaits_watch=True), _target("nanterre_92", Procedure.TITRE_SEJOUR),
        ),
        "distant": (Alert(), _target("digne-les-bains_04", Procedure.CARTE_IDENTITE)),
        "active": (Alert(name="Titre de séjour de maman"), AlertTarget(desk_id=WATCHED, **limits)),
    }  # fmt: skip
    for days, (alert, target) in enumerate(alerts.values()):
        alert.user_id, alert.targets = user_id, [target]
        alert.created_at = clock() - (40 - 7 * days) * _DAY
        s.add(alert)
        s.flush()  # ids in this order: the newest comes first
    at, place = clock() + 12 * _DAY, "Préfecture de police, 4e étage, guichet 12"
    s.add(Appointment(alert_id=closed.id, at=at, place=place, dropped_at=at + 90 * _DAY))
    return {name: alert.id for name, (alert, _) in alerts.items()}


def _target(prefecture_id: str, procedure: Procedure) -> AlertTarget:
    return AlertTarget(prefecture_id=prefecture_id, procedure=procedure)


def _add_long_alert(s: Session, user_id: UUID) -> UUID:
    period = {"starts_at": clock() - _DAY, "ends_at": clock() + 5 * _DAY}
    s.add(Grant(user_id=user_id, plan=PlanName.URGENCE_7J, source="screenshots", **period))
    alert = Alert(user_id=user_id, name=_LONG_NAME, targets=[AlertTarget(desk_id=_LONG_DESK)])
    s.add(alert)
    s.flush()
    return alert.id


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
    found = sa.select(DetectionSlot.slot_id).where(DetectionSlot.detection_id == opening.detection_id)
    key = new_id()
    decided = {"limits_version": 1, "decided_at": opening.at, "slots": write_ranges(s.scalars(found))}
    s.add(Match(alert_id=alert_id, detection_id=opening.detection_id, announcement_id=key, **decided))
    s.add_all(_build_message(user_id, channel, opening, key) for channel in Channel)


def _build_message(user_id: UUID, channel: Channel, opening: Opening, announcement_id: UUID) -> Notification:
    is_lost = channel is Channel.SMS and opening.count == 1
    place = prefectures()[opening.desk.prefecture_id]
    state = State.FAILED if is_lost else State.SENT if channel is Channel.TELEGRAM else State.DELIVERED
    return Notification(
        user_id=user_id, announcement_id=announcement_id, channel=channel, kind="slot_detected",
        priority=Priority.CRITICAL, dedupe_key=f"screenshots:{channel}:{opening.detection_id}", state=state,
        next_attempt_at=opening.at, created_at=opening.at, accepted_at=None if is_lost else opening.at,
        failed_at=opening.at if is_lost else None, reason="the provider refused it" if is_lost else None,
        title=f"Créneau détecté – {place.name} ({place.department})",
        text=f"Créneaux ouverts : {opening.count}\n\nRéserver maintenant : {opening.desk.url}\n\nArrêter : […]",
    )  # fmt: skip
