"""People of an organisation as its members see them: what they wait for, what is open, and who was told."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, selectinload

from api.alerts.open_slots import name_prefecture
from api.alerts.targets import find_desks, get_prefecture_id
from api.ground.paging import PageQuery, cut_page
from api.models.alert import Alert, ClosedBecause
from api.models.audit import ActorKind, AuditEntry
from api.models.base import is_any_of
from api.models.notification import Match, Notification
from api.models.organisation import Beneficiary
from api.models.organisation_access import OrganisationKey
from api.models.slot import Detection, SlotRow
from api.models.user import Channel, Contact, User
from api.organisations.callers import Caller, Right, note_act
from api.organisations.people import find_person, needs_consent
from api.organisations.schemas import (
    AlertState,
    ConsentState,
    PeopleFilter,
    PersonAlert,
    PersonAnswer,
    ToldMessage,
)

_KIND = "slot_detected"
_HISTORY, _ACTS = 30, 50  # entries of a person's page, and of the organisation's
_CLOSED_SHOWN = 3  # closed alerts of a person that a list shows


@dataclass(frozen=True, slots=True)
class _Announced:
    """The newest announcement of an alert: when it was, whether a slot of it is open, and its messages."""

    at: datetime
    is_open: bool
    told: tuple[ToldMessage, ...]


def list_people(session: Session, caller: Caller, wanted: PeopleFilter) -> list[PersonAnswer]:
    """Return the people that a filter chooses, by reference; five queries for all. Whose data was seen is noted."""
    query = _select_people(caller)
    if wanted.caseworker_id:
        query = query.where(Beneficiary.caseworker_id == wanted.caseworker_id)
    rows = session.execute(query.order_by(Beneficiary.reference)).all()
    return _note_seen(
        session, caller, [each for each in _build_people(session, rows) if _passes(each, wanted)]
    )


def list_page(session: Session, caller: Caller, page: PageQuery) -> tuple[list[PersonAnswer], UUID | None]:
    """Return a page of people, those entered last first, and the `before` of the next one. What was seen is noted."""
    query = _select_people(caller)
    if page.before:
        query = query.where(Beneficiary.user_id < page.before)
    newest = query.order_by(Beneficiary.user_id.desc()).limit(page.limit + 1)
    rows, more = cut_page(session.execute(newest).all(), page.limit)
    items = _note_seen(session, caller, _build_people(session, rows))
    return items, items[-1].id if more else None


def _select_people(caller: Caller) -> sa.Select[*tuple[Any, ...]]:
    caller.require(Right.READ)
    query = sa.select(Beneficiary, User.language).join(User, User.id == Beneficiary.user_id)
    return query.where(Beneficiary.organisation_id == caller.organisation.id)


def _note_seen(session: Session, caller: Caller, items: list[PersonAnswer]) -> list[PersonAnswer]:
    note_act(session, caller, "person.list", "person", None, seen=[str(each.id) for each in items])
    return items


def read_person(session: Session, caller: Caller, person_id: UUID) -> PersonAnswer:
    """Return a person of the organisation; that it was seen is noted."""
    person = find_person(session, caller, person_id, Right.READ)
    note_act(session, caller, "person.show", "person", person_id)
    return describe_person(session, person)


def describe_person(session: Session, person: Beneficiary) -> PersonAnswer:
    """Return what is kept of a person, also for the person."""
    session.flush()
    return _build_people(session, [(person, session.get_one(User, person.user_id).language)])[0]


def _passes(person: PersonAnswer, wanted: PeopleFilter) -> bool:
    text = wanted.text.strip().casefold()
    has_state = wanted.state is None or any(each.state is wanted.state for each in person.alerts)
    has_text = text in (person.label or "").casefold() or text == str(person.reference)
    return has_state and wanted.consent in (None, person.consent) and has_text


def _build_people(session: Session, rows: Sequence[Any]) -> list[PersonAnswer]:
    ids = [person.user_id for person, _ in rows]
    contacts: defaultdict[UUID, list[Contact]] = defaultdict(list)
    for contact in session.scalars(sa.select(Contact).where(is_any_of(Contact.user_id, ids))):
        contacts[contact.user_id].append(contact)
    alerts: defaultdict[UUID, list[Alert]] = defaultdict(list)
    newest = sa.select(Alert).where(is_any_of(Alert.user_id, ids)).options(selectinload(Alert.targets))
    for alert in session.scalars(newest.order_by(Alert.closed_at.desc().nulls_first(), Alert.id)):
        mine = alerts[alert.user_id]
        if alert.closed_at is None or sum(each.closed_at is not None for each in mine) < _CLOSED_SHOWN:
            mine.append(alert)
    announced = _read_announced(session, [each.id for several in alerts.values() for each in several])
    return [
        PersonAnswer.of_row(
            person, id=person.user_id, language=language,
            email=_find_address(contacts[person.user_id], Channel.EMAIL),
            phone=_find_address(contacts[person.user_id], Channel.SMS),
            consent=_find_consent(person, contacts[person.user_id]),
            alerts=[_build_alert(each, announced.get(each.id)) for each in alerts[person.user_id]],
        )
        for person, language in rows
    ]  # fmt: skip


def _find_address(contacts: Collection[Contact], channel: Channel) -> str | None:
    return next((each.address for each in contacts if each.channel is channel), None)


def _find_consent(person: Beneficiary, contacts: Collection[Contact]) -> ConsentState:
    if person.stopped_at is not None:
        return ConsentState.STOPPED
    if not contacts:
        return ConsentState.NO_CONTACT
    if person.is_reached():
        return ConsentState.GIVEN
    return ConsentState.ASKED if person.invited_at else ConsentState.NOT_ASKED


def _build_alert(alert: Alert, announced: _Announced | None) -> PersonAlert:
    return PersonAlert(
        id=alert.id,
        prefecture=name_prefecture(get_prefecture_id(alert.targets)),
        desks=[each.label for each in find_desks(alert.targets)],
        state=_find_state(alert, announced),
        closed_because=alert.closed_because,
        announced_at=announced.at if announced else None,
        told=list(announced.told) if announced else [],
    )


def _find_state(alert: Alert, announced: _Announced | None) -> AlertState:
    if alert.closed_at is not None:
        return AlertState.FOUND if alert.closed_because is ClosedBecause.FOUND else AlertState.STOPPED
    if needs_consent(alert):
        return AlertState.NEEDS_CONSENT
    if alert.awaits_watch:
        return AlertState.NO_WATCH
    if not alert.enabled:
        return AlertState.PAUSED
    return AlertState.OPEN if announced and announced.is_open else AlertState.WAITING


def _read_announced(session: Session, alert_ids: Collection[UUID]) -> dict[UUID, _Announced]:
    """Return the newest announcement of each alert."""
    is_open = sa.exists().where(
        SlotRow.desk_id == Detection.desk_id, SlotRow.gone_at.is_(None), Match.slots.contains(SlotRow.id)
    )
    newest = (
        sa.select(Match.alert_id, Alert.user_id, Match.announcement_id, Match.decided_at, is_open)
        .join(Alert, Alert.id == Match.alert_id)
        .join(Detection, Detection.id == Match.detection_id)
        .where(is_any_of(Match.alert_id, alert_ids))
        .ext(distinct_on(Match.alert_id))
        .order_by(Match.alert_id, Match.decided_at.desc(), Match.id.desc())
    )
    found = session.execute(newest).all()
    sent = sa.select(Notification).where(
        is_any_of(Notification.announcement_id, [row[2] for row in found]), Notification.kind == _KIND
    )
    messages: defaultdict[UUID | None, list[Notification]] = defaultdict(list)
    for row in session.scalars(sent.order_by(Notification.id)):
        messages[row.announcement_id].append(row)
    return {
        alert_id: _Announced(
            at,
            has_open,
            tuple(
                ToldMessage(
                    at=each.accepted_at or each.created_at, channel=each.channel,
                    to_person=each.user_id == person_id, state=each.state,
                )
                for each in messages[announcement_id]
            ),
        )
        for alert_id, person_id, announcement_id, at, has_open in found
    }  # fmt: skip


def list_acts(session: Session, caller: Caller) -> list[tuple[AuditEntry, str | None, int | None]]:
    """Return the newest acts of members and keys, each with who did it, and the reference of its person.

    Raises:
        ApiError: 403, it is an owner's to see.
    """
    caller.require(Right.MANAGE)
    who = sa.func.coalesce(User.email, OrganisationKey.name)
    acts = (
        sa.select(AuditEntry, who, Beneficiary.reference)
        .outerjoin(User, User.id == AuditEntry.actor_id)
        .outerjoin(OrganisationKey, OrganisationKey.id == AuditEntry.actor_id)
        .outerjoin(Beneficiary, sa.cast(Beneficiary.user_id, sa.Text) == AuditEntry.subject_id)
        .where(AuditEntry.changes["organisation"].astext == str(caller.organisation.id))
        .where(AuditEntry.actor_kind.in_((ActorKind.MEMBER, ActorKind.KEY)))
    )
    found = session.execute(acts.order_by(AuditEntry.id.desc()).limit(_ACTS))
    return [(each, name, reference) for each, name, reference in found]


def list_history(session: Session, caller: Caller, person_id: UUID) -> list[tuple[AuditEntry, str | None]]:
    """Return who saw or changed a person, the newest first, each with the member's address."""
    find_person(session, caller, person_id, Right.READ)
    about = sa.select(AuditEntry, User.email).outerjoin(User, User.id == AuditEntry.actor_id)
    mine = about.where(AuditEntry.subject_id == str(person_id), AuditEntry.action.startswith("person."))
    return [
        (each, email) for each, email in session.execute(mine.order_by(AuditEntry.id.desc()).limit(_HISTORY))
    ]
