"""Changes to the people whom an organisation helps: entered, changed, invited to agree, and the end of the help."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.queries import lock_user
from api.ground.errors import ApiError, invalid
from api.ground.limit_counters import hit_limit
from api.ground.messages import write_message
from api.ground.schemas import FieldError
from api.models.contact_lookup import hash_address, lock_messages
from api.models.organisation import NOTICE_PERIOD, Beneficiary, Member, MemberRole, Told
from api.models.user import Channel, Contact, User
from api.organisations.callers import Caller, Right, note_act
from api.organisations.people import add_person, find_person
from api.organisations.person_schemas import NewPerson, PersonChange
from configs.ground.addresses import receives_sms
from configs.ground.clock import clock
from configs.settings import settings

# Invitations to people of one organisation; of one that no operator has opened, people's addresses change as well
MAILS, TEXTS, MAILS_UNOPENED = "200 per day", "30 per day", "5 per day"
_FIELDS = {"email": Channel.EMAIL, "phone": Channel.SMS}


def enter_person(session: Session, caller: Caller, wish: NewPerson) -> Beneficiary:
    """Enter a person; invitations to the contacts are another step.

    Raises:
        ApiError: 403; 409 as `add_person`; 422, no such caseworker, or the number gets no SMS.
    """
    made = add_person(session, caller, wish.label, wish.language)
    if wish.caseworker_id:
        made.caseworker_id = _check_caseworker(session, caller, wish.caseworker_id)
    for name, channel in _FIELDS.items():
        if address := getattr(wish, name):
            _set_contact(session, made, channel, address)
    has_contact = wish.email is not None or wish.phone is not None
    made.told = wish.told or (Told.BOTH if has_contact else Told.CASEWORKER)
    session.flush()
    return made


def change_person(session: Session, caller: Caller, person_id: UUID, wish: PersonChange) -> Beneficiary:
    """Change what the body names. Messages go to a new address only once the person agreed to it.

    Raises:
        ApiError: 403; 404; 422 as `enter_person`.
    """
    person = find_person(session, caller, person_id, Right.HELP)
    goes = sa.select(Contact.id).where(
        Contact.user_id == person_id,
        Contact.channel.in_([each for name, each in _FIELDS.items() if name in wish.model_fields_set]),
    )
    lock_messages(session, session.scalars(goes).all())
    lock_user(session, person_id)
    session.refresh(person, with_for_update=True)
    for name, channel in _FIELDS.items():
        if name in wish.model_fields_set:
            _set_contact(session, person, channel, getattr(wish, name))
    if "label" in wish.model_fields_set:
        person.label = wish.label
    if wish.caseworker_id:
        person.caseworker_id = _check_caseworker(session, caller, wish.caseworker_id)
    person.told = wish.told or person.told
    if wish.language:
        session.get_one(User, person_id).language = wish.language
    note_act(session, caller, "person.change", "person", person_id, fields=sorted(wish.model_fields_set))
    session.flush()
    return person


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
        if contact.channel is Channel.SMS and caller.organisation.opened_at is None:
            raise ApiError(409, "not-opened", "SMS are sent once an operator has opened the organisation")
        known = hash_address(contact.channel, contact.address)[0].hex()
        key = f"help_invitation:{caller.organisation.id}:{known}"
        mails = MAILS if caller.organisation.opened_at else MAILS_UNOPENED
        hit_limit(
            mails if contact.channel is Channel.EMAIL else TEXTS,
            f"invitations:{contact.channel.value}",
            str(caller.organisation.id),
        )
        written += write_message(
            session, person_id, "help_invitation", {}, key, channels=[contact.channel.value]
        )
    if not written:
        raise ApiError(409, "already-invited", "each address was asked once, or there is none")
    person.invited_at = clock()
    note_act(session, caller, "person.invite", "person", person_id)
    return written


def end_help(session: Session, caller: Caller, person_id: UUID) -> Beneficiary:
    """End the help: 14 days after a person whom messages reach was told, of another one now.

    Raises:
        ApiError: 403; 404; 409 help-ending.
    """
    person = find_person(session, caller, person_id, Right.HELP, lock=True)
    if person.ends_at is not None:
        raise ApiError(409, "help-ending", f"it ends on {person.ends_at:%Y-%m-%d} already")
    now = clock()
    person.ends_at = now + NOTICE_PERIOD if person.is_reached() else now
    if person.is_reached():
        write_end(session, person, "member", person.ends_at.isoformat())
    note_act(session, caller, "person.end", "person", person_id)
    return person


def keep_help(session: Session, caller: Caller, person_id: UUID) -> Beneficiary:
    """Take back an end of the help that has not come.

    Raises:
        ApiError: 403; 404; 409 not-ending.
    """
    person = find_person(session, caller, person_id, Right.HELP, lock=True)
    if person.ends_at is None or person.ends_at <= clock():
        raise ApiError(409, "not-ending", "the help does not end, or has ended already")
    person.ends_at = None
    note_act(session, caller, "person.keep", "person", person_id)
    return person


def write_end(session: Session, person: Beneficiary, why: str, ends: str) -> None:
    """Tell a person who agreed to messages that the help ends, and how to take over; once per end."""
    params = {"why": why, "ends": ends}
    write_message(session, person.user_id, "help_ends", params, f"help_ends:{person.user_id}:{why}:{ends}")


def _list_unasked(session: Session, person_id: UUID) -> list[Contact]:
    mine = sa.select(Contact).where(
        Contact.user_id == person_id, Contact.verified_at.is_(None), Contact.channel.in_(_FIELDS.values())
    )
    return list(session.scalars(mine.order_by(Contact.id)))


def _set_contact(session: Session, person: Beneficiary, channel: Channel, address: str | None) -> None:
    """Give a person another address on a channel, or none; the agreement was to the former address."""
    if channel is Channel.SMS and address and not receives_sms(address, settings().sms_countries):
        detail = "SMS go to mobile numbers of France, overseas included"
        raise invalid(FieldError(path="phone", rule="no_sms", detail=detail))
    mine = sa.select(Contact).where(Contact.user_id == person.user_id, Contact.channel == channel)
    former = session.scalars(mine.with_for_update()).one_or_none()
    if former is not None and former.address == address:
        return
    if former is not None:
        session.delete(former)
        session.flush()
    if address:
        session.add(Contact(user_id=person.user_id, channel=channel, address=address))
    session.flush()
    agreed = sa.exists().where(Contact.user_id == person.user_id, Contact.verified_at.is_not(None))
    if not session.scalar(sa.select(agreed)):
        person.consented_at = None


def _check_caseworker(session: Session, caller: Caller, member_id: UUID) -> UUID:
    member = session.get(Member, member_id)
    is_ours = member is not None and member.organisation_id == caller.organisation.id
    if member is None or not is_ours or member.user_id is None or member.role is MemberRole.VIEWER:
        detail = "name a member who is owner or caseworker of the organisation"
        raise invalid(FieldError(path="caseworkerId", rule="unknown", detail=detail))
    return member_id
