"""Accounts of the filled world: one that has everything, one without anything, one unconfirmed, one with long names."""

from datetime import date, time, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import pyotp

from api.models.alert import AlertTarget, ClosedBecause
from api.models.appointment import Appointment
from api.models.contact_lookup import hash_address
from api.models.desk import DeskStatus, Source
from api.models.notification import State
from api.models.organisation import Member, MemberRole, Told
from api.models.organisation_access import WebhookDelivery
from api.models.slot import DetectionSlot, SlotRow
from api.models.user import Channel, Contact, ContactState, Role, User
from configs.ground.clock import clock
from configs.world.desk import Procedure
from configs.world.plan import PlanName
from configs.world.prefecture import desks, prefectures
from tests import factories
from tests.lab.pictures.history import Opening, write_openings

WATCHED = "bobigny_93/titre-sejour-vie-privee-familiale"
WATCHED_HOST = "www.seine-saint-denis.gouv.fr:443"  # of the desk WATCHED
READ = "nanterre_92/titre-sejour-boulogne-billancourt"  # by people
_LONG_NAME = "Rendez-vous de ma grand-mère Marie-Antoinette, pour l’anniversaire de juin 2027"
_LONG_HOUSE = (
    "Association départementale d’accueil et d’accompagnement des familles étrangères de Seine-Saint-Denis"
)
_LONG_DESK = "cayenne_973/passeport-carte-identite-saint-laurent"  # the longest label of a watched desk
_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)
_LIMITS = {
    "date_from": date(2026, 12, 1), "date_to": date(2027, 3, 31), "weekdays": [1, 2, 4],
    "hour_from": time(8, 30), "hour_to": time(17),
}  # fmt: skip


class Who(StrEnum):
    """Who looks at a page: an account's address; the empty text is a visitor."""

    VISITOR = ""
    CAMILLE = factories.EMAIL  # plan, alerts, messages, payments, three channels
    NEW = "amina@example.org"  # a confirmed address, nothing else
    UNCONFIRMED = "yusuf@example.org"
    LONG = (
        "marie-antoinette.de-la-tour-du-pin-montauban.service-des-familles@association-solidarite.example.org"
    )
    OPERATOR = "oscar@example.org"  # an admin


def write_people() -> dict[str, UUID]:
    """Write accounts and alerts; return ids: the alerts by name, Camille, the operator, and whom she helps."""
    users = {
        who: factories.add_user(
            who.value, password=factories.PASSWORD, confirmed=who is not Who.UNCONFIRMED
        ).id
        for who in list(Who)[1:]
    }
    factories.change(User, created_at=clock() - 90 * _DAY)
    factories.change(User, User.id == users[Who.OPERATOR], role=Role.ADMIN)
    factories.change(Contact, Contact.user_id == users[Who.LONG], state=ContactState.BOUNCED)
    watched = {"achieved_seconds": 62, "feasible_seconds": 60, "wished_seconds": 30, "share_seconds": 60}
    for desk_id in (WATCHED, _LONG_DESK):
        at = dict.fromkeys(("last_check_at", "last_proven_at"), clock())
        factories.add_desk(desk_id, status=DeskStatus.ACTIVE, **at, **watched)
    for channel, address in {Channel.SMS: "+33639980017", Channel.TELEGRAM: "100000017"}.items():
        hashes = hash_address(channel, address)  # by which operators find it
        factories.add_contact(users[Who.CAMILLE], channel, address, lookup_hashes=hashes)
    alerts = _add_alerts(users[Who.CAMILLE])
    factories.add_grant(users[Who.LONG], PlanName.URGENCE_7J, days=6, starts=-1)
    alerts["long"] = factories.add_alert(users[Who.LONG], AlertTarget(desk_id=_LONG_DESK), name=_LONG_NAME)
    _find_slots(users[Who.CAMILLE], alerts["active"])
    _look(users[Who.CAMILLE], users[Who.NEW])
    helped = _help_people(users[Who.CAMILLE])
    return alerts | helped | {"camille": users[Who.CAMILLE], "operator": users[Who.OPERATOR]}


def ask_for_codes() -> None:
    """Make two accounts' sign-ins ask for a code, since yesterday: their logins of today have shown one."""
    mine = User.email.in_([Who.LONG, Who.OPERATOR])
    factories.change(User, mine, totp_secret=pyotp.random_base32(), totp_confirmed_at=clock() - _DAY)


def _add_alerts(user_id: UUID) -> dict[str, UUID]:
    closed = {"closed_at": clock() - 2 * _DAY, "closed_because": ClosedBecause.FOUND, "enabled": False}
    wishes: dict[str, tuple[AlertTarget, dict[str, Any]]] = {
        "closed": (_target("paris_75", Procedure.TITRE_SEJOUR), closed),
        "paused": (
            _target("digne-les-bains_04", Procedure.PASSEPORT), {"name": "Passeport de Nour", "enabled": False},
        ),
        "waiting": (_target("nanterre_92", Procedure.TITRE_SEJOUR), {"enabled": False, "awaits_watch": True}),
        "read": (AlertTarget(desk_id=READ), {"is_free": True}),
        "distant": (_target("digne-les-bains_04", Procedure.CARTE_IDENTITE), {}),
        "active": (AlertTarget(desk_id=WATCHED, **_LIMITS), {"name": "Titre de séjour de maman"}),
    }  # fmt: skip
    alerts = {  # the newest comes first
        name: factories.add_alert(user_id, target, created_at=clock() - (40 - 7 * number) * _DAY, **columns)
        for number, (name, (target, columns)) in enumerate(wishes.items())
    }
    at, place = clock() + 12 * _DAY, "Préfecture de police, 4e étage, guichet 12"
    factories.save(Appointment(alert_id=alerts["closed"], at=at, place=place, dropped_at=at + 90 * _DAY))
    return alerts


def _target(prefecture_id: str, procedure: Procedure) -> AlertTarget:
    return AlertTarget(prefecture_id=prefecture_id, procedure=procedure)


def _find_slots(user_id: UUID, alert_id: UUID) -> None:
    """Let the alert find slots four times, one of which are still open, with a message by each channel."""
    desk = desks()[WATCHED]
    for minutes, count, is_open in ((5890, 3, False), (2900, 1, False), (1740, 2, False), (2, 3, True)):
        at = clock() - minutes * _MINUTE
        opening = Opening(desk, at, count, None if is_open else at + 9 * _MINUTE)
        write_openings([opening])
        found = factories.rows(DetectionSlot, DetectionSlot.detection_id == opening.detection_id)
        match = factories.add_match(alert_id, opening.detection_id, [each.slot_id for each in found])
        for channel in Channel:
            _add_message(user_id, channel, opening, match)


def _help_people(owner: UUID) -> dict[str, UUID]:
    """Let Camille's organisation help people of each kind; return ids of it and of one of them."""
    house, now = factories.add_organisation(owner, name=_LONG_HOUSE).id, clock()
    factories.save(Member(organisation_id=house, email=Who.LONG.value, role=MemberRole.CASEWORKER))
    _, hook = factories.add_programs(
        house, "Le suivi de nos familles", f"https://www.example.org/{'hook/' * 20}"
    )
    body = {"type": "slot.seen", "timestamp": now.isoformat(), "data": {"reference": 3, "deskId": WATCHED}}
    factories.save(WebhookDelivery(webhook_id=hook, dedupe_key="seen", body=body, attempts=2, answer="503"))
    kinds = {
        "": {},
        "Famille Diallo": {"invited_at": now},
        _LONG_NAME: {"invited_at": now, "consented_at": now},
    }
    for label, columns in kinds.items():
        helped = factories.add_beneficiary(house, label=label or None, told=Told.BOTH, **columns)
        factories.add_contact(helped, Channel.EMAIL, f"{helped}@example.org")
        alert = factories.add_alert(helped, AlertTarget(desk_id=WATCHED))
    _find_slots(helped, alert)
    return {"organisation": house, "helped": helped}


def _look(*people: UUID) -> None:
    """Let these people say what they see of the desk READ; what it came to is seen where they wait."""
    factories.add_report(people[0], "slots", READ, days=[clock().date() + 9 * _DAY])
    for number, kind in enumerate(("none", "unseen"), 1):
        factories.add_report(people[0], kind, READ, seen_at=clock() - number * _DAY / 24, opened_at=None)
    factories.add_report(people[1], "slots", READ, seen_at=clock() - _MINUTE)
    unsure: dict[str, Any] = {"source": Source.REPORT, "in_doubt": True}
    factories.see("2027-01-09", desk_id=READ, **unsure)
    factories.change(SlotRow, SlotRow.desk_id == READ, **unsure)


def _add_message(user_id: UUID, channel: Channel, opening: Opening, match: UUID) -> None:
    is_lost = channel is Channel.SMS and opening.count == 1
    place = prefectures()[opening.desk.prefecture_id]
    state = State.FAILED if is_lost else State.SENT if channel is Channel.TELEGRAM else State.DELIVERED
    factories.add_message(
        user_id, match, channel=channel, state=state, next_attempt_at=opening.at, created_at=opening.at,
        accepted_at=None if is_lost else opening.at, failed_at=opening.at if is_lost else None,
        reason="the provider refused it" if is_lost else None,
        params={"detection_id": str(opening.detection_id), "desk_id": opening.desk.id},
        title=f"Créneau détecté – {place.name} ({place.department})",
        text=f"Créneaux ouverts : {opening.count}\n\nRéserver maintenant : {opening.desk.url}\n\nArrêter : […]",
    )  # fmt: skip
