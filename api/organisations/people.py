"""People whom an organisation helps, as its members change them: entered, asked to agree, alerts, the end of the help.

Each act raises ApiError 403 where the role does not allow it, and 404 where the person is none of the organisation's.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.queries import lock_user
from api.alerts.answers import find_matches_of_alert, store_answers
from api.alerts.appointments import close_as_found
from api.alerts.health_consent import erase_health_texts, list_revealing
from api.alerts.schemas import FoundAppointment, NewAlert, Voice
from api.alerts.service import add_unchecked, create_alert, delete_alert, get_owned, switch_alert, take_wish
from api.alerts.wishes import resolve_wish
from api.ground.errors import ApiError, invalid, not_found
from api.ground.limit_counters import hit_limit
from api.ground.messages import write_message, write_to_address
from api.ground.schemas import FieldError
from api.models.alert import Alert
from api.models.answer import AnswerValue, AnswerVia
from api.models.audit import AuditEntry
from api.models.base import new_id
from api.models.contact_lookup import hash_address, lock_messages
from api.models.organisation import NOTICE_PERIOD, Beneficiary, Member, MemberRole, Organisation, Told
from api.models.user import NO_ACCOUNT, Channel, Contact, Role, User
from api.organisations.callers import Caller, Right, lock_organisation, note_act
from api.organisations.ends import (
    MEMBER,
    apply_grant,
    build_grant,
    find_grant_end,
    has_contact,
    take_back_end,
    tell_end,
)
from api.organisations.schemas import NewPerson, PersonChange
from api.organisations.service import WAITING, count_people, list_versions, organisation_people
from configs.ground.clock import clock

# Invitations to people of one organisation; of one that no operator has opened, people's addresses change as well
MAILS, TEXTS, MAILS_UNOPENED = "200 per day", "30 per day", "5 per day"
_FIELDS = {"email": Channel.EMAIL, "phone": Channel.SMS}
_NOT_OF_PEOPLE: dict[str, Any] = {"name": None, "language": None, "voice": Voice(), "accept_health": True}
_POWER_TAKEN = "person.contact"  # the act of a member who removes the contact that has it (`has_power`)
_REPEATED = timedelta(seconds=10)  # in which the same form was sent twice


def find_person(
    session: Session, caller: Caller, person_id: UUID, right: Right, *, lock: bool = False
) -> Beneficiary:
    """Return one of the organisation's people, by the id of the row of `users`."""
    caller.require(right)
    made = session.get(Beneficiary, person_id, with_for_update=True if lock else None)
    if made is None or made.organisation_id != caller.organisation.id:
        raise not_found("person")
    return made


def enter_once(session: Session, caller: Caller, wish: NewPerson) -> UUID:
    """Enter the person of a form, which may be sent twice: the same as a moment ago is the same person.

    The organisation's row is locked, so that of two presses at once the second finds the person of the first.
    """
    organisation = lock_organisation(session, caller)
    lately = Beneficiary.created_at > clock() - _REPEATED
    mine = sa.select(Beneficiary).where(Beneficiary.organisation_id == organisation.id, lately)
    for each in session.scalars(mine):
        has = sa.select(Contact).where(Contact.user_id == each.user_id)
        known = {contact.channel: contact.address for contact in session.scalars(has)}
        if each.label == wish.label and known == _list_addresses(wish):
            return each.user_id
    return enter_people(session, caller, [wish])[0]


def enter_people(session: Session, caller: Caller, wishes: Sequence[NewPerson]) -> list[UUID]:
    """Enter people, each with the next reference and the organisation's grant. Invitations are another step.

    Raises:
        ApiError: 403; 409 contract-needed, organisation-ending, too-many-people; 422, no such caseworker.
    """
    caller.require(Right.HELP)
    organisation = lock_organisation(session, caller)
    _check_room(session, organisation, len(wishes))
    ends, made = find_grant_end(organisation), [new_id() for _ in wishes]
    session.add_all(
        User(id=id, email=f"{id.hex}{NO_ACCOUNT}", role=Role.BENEFICIARY, language=wish.language or "fr")
        for id, wish in zip(made, wishes, strict=True)
    )
    session.flush()  # the tables below name no relationship by which they would come later
    for user_id, wish in zip(made, wishes, strict=True):
        addresses = _list_addresses(wish)
        row = Beneficiary(
            user_id=user_id, organisation_id=organisation.id, reference=organisation.next_reference, label=wish.label,
            caseworker_id=_check_caseworker(session, caller, wish.caseworker_id or caller.member_id),
            told=wish.told or (Told.BOTH if addresses else Told.CASEWORKER),
        )  # fmt: skip
        organisation.next_reference += 1
        session.add(row)
        session.add_all(
            Contact(user_id=user_id, channel=channel, address=address)
            for channel, address in addresses.items()
        )
        if ends > clock():
            session.add(build_grant(user_id, ends))
        note_act(session, caller, "person.add", "person", user_id)
    session.flush()
    return made


def _list_addresses(wish: NewPerson) -> dict[Channel, str]:
    return {channel: address for name, channel in _FIELDS.items() if (address := getattr(wish, name))}


def _check_room(session: Session, organisation: Organisation, more: int) -> None:
    if organisation.contract_version != list_versions()[0]:
        detail = "an owner accepts the contract first, on the page of the organisation"
        raise ApiError(409, "contract-needed", detail)
    if organisation.ends_at is not None:
        raise ApiError(409, "organisation-ending", f"it ends on {organisation.ends_at:%Y-%m-%d}")
    most = organisation_people() if organisation.opened_at else WAITING
    if count_people(session, organisation) + more > most:
        raise ApiError(409, "too-many-people", "no more people: an operator opens the organisation first")


def change_person(session: Session, caller: Caller, person_id: UUID, wish: PersonChange) -> None:
    """Change what the body names. Messages go to a new address only once the person agreed to it.

    Raises:
        ApiError: 403; 404; 422, no such caseworker.
    """
    person, given = find_person(session, caller, person_id, Right.HELP), wish.model_fields_set
    channels = [channel for name, channel in _FIELDS.items() if name in given]
    goes = sa.select(Contact.id).where(Contact.user_id == person_id, Contact.channel.in_(channels))
    lock_messages(session, session.scalars(goes).all())
    lock_user(session, person_id)
    session.refresh(person, with_for_update=True)
    for name, channel in _FIELDS.items():
        if name in given:
            _set_contact(session, caller, person, channel, getattr(wish, name))
    if "label" in given:
        person.label = wish.label
    if wish.caseworker_id:
        person.caseworker_id = _check_caseworker(session, caller, wish.caseworker_id)
    person.told = wish.told or person.told
    if wish.language:
        session.get_one(User, person_id).language = wish.language
    note_act(session, caller, "person.change", "person", person_id, fields=sorted(given))
    session.flush()


def _set_contact(
    session: Session, caller: Caller, person: Beneficiary, channel: Channel, address: str | None
) -> None:
    """Give a person another address on a channel, or none; the agreement was to the former address."""
    mine = sa.select(Contact).where(Contact.user_id == person.user_id, Contact.channel == channel)
    former = session.scalars(mine.with_for_update()).one_or_none()
    if former is not None and former.address == address:
        return
    if former is not None:
        if former.id == _find_first_confirmed(session, person.user_id):
            _take_power(session, caller, person, former)
        session.delete(former)
        session.flush()
    if address:
        session.add(Contact(user_id=person.user_id, channel=channel, address=address))
        person.invited_at = None
    session.flush()
    agreed = sa.exists().where(Contact.user_id == person.user_id, Contact.verified_at.is_not(None))
    if not session.scalar(sa.select(agreed)):
        person.consented_at = None


def _take_power(session: Session, caller: Caller, person: Beneficiary, contact: Contact) -> None:
    """Have the person's consents fall with the contact that gave them, tell a mailbox so, and note when it was.

    The one who reads the next contact may be another one: it has the power after NOTICE_PERIOD (`has_power`).
    """
    for alert in session.scalars(sa.select(Alert).where(Alert.user_id == person.user_id)).all():
        if alert.consented_at and alert.closed_at is None:
            switch_alert(session, person.user_id, alert.id, enabled=False)
            _await_consent(alert)
            erase_health_texts(session, person.user_id)
    note_act(session, caller, _POWER_TAKEN, "person", person.user_id)
    if contact.channel is Channel.EMAIL:
        language = session.get_one(User, person.user_id).language
        params = {"organisation": caller.organisation.name if caller.organisation.opened_at else ""}
        key = f"help_contact_removed:{contact.id}"
        write_to_address(session, contact.address, "help_contact_removed", params, key, language=language)


def has_power(session: Session, contact: Contact) -> bool:
    """Return whether consents are given, and all is taken over, by the link of a contact: members enter some, too.

    No other one was confirmed before, and none that was confirmed first was removed in NOTICE_PERIOD.
    """
    taken = sa.exists().where(
        AuditEntry.subject_id == str(contact.user_id), AuditEntry.action == _POWER_TAKEN,
        AuditEntry.at > clock() - NOTICE_PERIOD,
    )  # fmt: skip
    is_first = _find_first_confirmed(session, contact.user_id) in (None, contact.id)
    return is_first and not session.scalar(sa.select(taken))


def _find_first_confirmed(session: Session, user_id: UUID) -> UUID | None:
    mine = sa.select(Contact.id).where(Contact.user_id == user_id, Contact.verified_at.is_not(None))
    return session.scalar(mine.order_by(Contact.verified_at, Contact.id).limit(1))


def _check_caseworker(session: Session, caller: Caller, member_id: UUID | None) -> UUID | None:
    """Return the member who is to help a person, where that is another one than the caller; a key names none."""
    if member_id is None or member_id == caller.member_id:
        return member_id
    member = session.get(Member, member_id)
    is_ours = member is not None and member.organisation_id == caller.organisation.id
    if member is None or not is_ours or member.user_id is None or member.role is MemberRole.VIEWER:
        detail = "name a member who is owner or caseworker of the organisation"
        raise invalid(FieldError(path="caseworkerId", rule="unknown", detail=detail))
    return member_id


def invite_person(session: Session, caller: Caller, person_id: UUID) -> list[UUID]:
    """Ask a person to agree to messages, at each contact that was not asked yet; return the messages.

    An address is asked once by an organisation, whomever it is entered for. One whose person said no is asked no more.

    Raises:
        ApiError: 403; 404; 409 not-opened, stopped, already-invited; 429.
    """
    person = find_person(session, caller, person_id, Right.HELP, lock=True)
    if person.stopped_at is not None:
        raise ApiError(409, "stopped", "this person wants no messages, and alone can change that")
    written: list[UUID] = []
    for contact in _list_unasked(session, person_id):
        channel, organisation = contact.channel, caller.organisation
        if channel is Channel.SMS and organisation.opened_at is None:
            raise ApiError(409, "not-opened", "SMS are sent once an operator has opened the organisation")
        _hit_limit(organisation, channel)
        key = f"help_invitation:{organisation.id}:{hash_address(channel, contact.address)[0].hex()}"
        written += write_message(session, person_id, "help_invitation", {}, key, channels=[channel.value])
    if not written:
        raise ApiError(409, "already-invited", "each address was asked once, or there is none")
    person.invited_at = clock()
    note_act(session, caller, "person.invite", "person", person_id)
    return written


def _hit_limit(organisation: Organisation, channel: Channel) -> None:
    """Count a message to a contact that nobody has confirmed."""
    mails = MAILS if organisation.opened_at else MAILS_UNOPENED
    limit = mails if channel is Channel.EMAIL else TEXTS
    hit_limit(limit, f"invitations:{channel.value}", str(organisation.id))


def _list_unasked(session: Session, person_id: UUID) -> Sequence[Contact]:
    mine = sa.select(Contact).where(
        Contact.user_id == person_id, Contact.verified_at.is_(None), Contact.channel.in_(_FIELDS.values())
    )
    return session.scalars(mine.order_by(Contact.id)).all()


def end_help(session: Session, caller: Caller, person_id: UUID) -> None:
    """End the help: 14 days after a person with a contact was told, of another one now.

    Raises:
        ApiError: 403; 404; 409 help-ending; 429, too many contacts without a yes were written to today.
    """
    person = find_person(session, caller, person_id, Right.HELP, lock=True)
    if person.ends_at is not None:
        raise ApiError(409, "help-ending", f"it ends on {person.ends_at:%Y-%m-%d} already")
    for each in _list_unasked(session, person_id):
        if each.channel is Channel.EMAIL or caller.organisation.opened_at:
            _hit_limit(caller.organisation, each.channel)
    person.ends_at = clock() + NOTICE_PERIOD if has_contact(session, person) else clock()
    tell_end(session, caller.organisation, person, MEMBER, person.ends_at)
    note_act(session, caller, "person.end", "person", person_id)


def keep_help(session: Session, caller: Caller, person_id: UUID) -> None:
    """Take back an end of the help that has not come.

    Raises:
        ApiError: 403; 404; 409 not-ending.
    """
    person = find_person(session, caller, person_id, Right.HELP, lock=True)
    if person.ends_at is None or person.ends_at <= clock():
        raise ApiError(409, "not-ending", "the help does not end, or has ended already")
    take_back_end(session, person)
    note_act(session, caller, "person.keep", "person", person_id)


def add_alert(session: Session, caller: Caller, person_id: UUID, wish: NewAlert) -> None:
    """Have a person wait for slots. A name is left out, for messages would carry it; calls go to accounts alone.

    Where desks reveal health it is paused until the person agrees (`agree_to_alert`): the member's word is not enough.

    Raises:
        ApiError: 403; 404; as `take_wish`.
    """
    find_person(session, caller, person_id, Right.HELP)
    _follow_limit(session, caller)
    wish = wish.model_copy(update=_NOT_OF_PEOPLE)
    found = resolve_wish(session, wish)
    if list_revealing(found.targets):
        alert = create_alert(session, person_id, found, paused=True)
        _await_consent(alert)
    else:
        alert = take_wish(session, person_id, wish)
    _follow_limit(session, caller)
    note_act(session, caller, "person.alert", "person", person_id, alert=str(alert.id))


def _follow_limit(session: Session, caller: Caller) -> None:
    """Give and take places before and after an alert begins, where an owner limits how many people have one."""
    if caller.organisation.most_watched:
        apply_grant(session, lock_organisation(session, caller))


def add_first_alert(session: Session, caller: Caller, person_id: UUID, wish: NewAlert) -> None:
    """Have a person wait for slots who was entered in this transaction: with a grant nothing is locked nor counted.

    It raises as `add_alert` does, and is written with the next flush.
    """
    if caller.organisation.most_watched or not caller.organisation.is_open(clock()):
        add_alert(session, caller, person_id, wish)
        return
    found = resolve_wish(session, wish.model_copy(update=_NOT_OF_PEOPLE))
    reveals = bool(list_revealing(found.targets))
    alert = add_unchecked(session, person_id, found, paused=reveals)
    if reveals:
        _await_consent(alert)
    note_act(session, caller, "person.alert", "person", person_id, alert=str(alert.id))


def _await_consent(alert: Alert) -> None:
    """Have an alert wait for the person's own consent, and be free no more: a desk that checks see would enable it."""
    alert.enabled, alert.is_free, alert.consent, alert.consented_at = False, False, None, None


def needs_consent(alert: Alert) -> bool:
    """Return whether an alert waits for the person's own consent: its desks reveal health."""
    return alert.consented_at is None and bool(list_revealing(alert.targets))


def switch_person_alert(
    session: Session, caller: Caller, person_id: UUID, alert_id: UUID, *, enabled: bool
) -> None:
    """Pause an alert of a person, or let it wait again.

    Raises:
        ApiError: 403; 404; 409 health-consent, the person has not agreed; as `switch_alert`.
    """
    find_person(session, caller, person_id, Right.HELP)
    if enabled and needs_consent(get_owned(session, person_id, alert_id)):
        detail = "what this alert waits for reveals health: the person agrees, by the link in our message"
        raise ApiError(409, "health-consent", detail)
    _follow_limit(session, caller)
    note_act(session, caller, "person.alert", "person", person_id, alert=str(alert_id), enabled=enabled)
    switch_alert(session, person_id, alert_id, enabled=enabled)
    _follow_limit(session, caller)


def end_person_alert(session: Session, caller: Caller, person_id: UUID, alert_id: UUID) -> None:
    """End an alert of a person for good."""
    find_person(session, caller, person_id, Right.HELP)
    delete_alert(session, person_id, alert_id)
    note_act(session, caller, "person.alert", "person", person_id, alert=str(alert_id), ended=True)


def mark_found(
    session: Session, caller: Caller, person_id: UUID, alert_id: UUID, found: FoundAppointment
) -> None:
    """Close an alert whose person has an appointment, for all members: messages that wait are not sent any more.

    Raises:
        ApiError: 403; 404; 409 where it is closed already.
    """
    find_person(session, caller, person_id, Right.HELP)
    close_as_found(session, person_id, alert_id, found)
    session.flush()
    if announced := find_matches_of_alert(session, alert_id, None):
        store_answers(session, person_id, announced, AnswerValue.FOUND, AnswerVia.API)
    note_act(session, caller, "person.found", "person", person_id, alert=str(alert_id))
