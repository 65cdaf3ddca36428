"""Changes to a user's profile and to the channels that are switched on."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.consents import give_consent, withdraw_consent
from api.accounts.queries import find_entitlement, list_plans_above
from api.accounts.service import request_new_email
from api.alerts.service import wake_alerts
from api.ground.errors import ApiError
from api.ground.schemas import PlanAnswer
from api.models.base import session as open_session
from api.models.contact_lookup import lock_messages
from api.models.user import CONTACT_CHANNELS, Channel, Contact, ContactState, User
from api.users.phone_codes import confirm_phone, send_code
from api.users.preference_schemas import NotificationChanges
from api.users.preferences import HOW_TO_LINK, change_groups, change_times, wake_held
from api.users.schemas import ProfileChange
from api.users.telegram_links import confirm_link
from configs.ground.clock import clock
from configs.ground.message_groups import MessageGroup
from configs.world.plan import PlanName

# By the field of a profile that is null then.
_UNLINKED = {"telegram": Channel.TELEGRAM, "phone": Channel.SMS}


def confirm_number(user_id: UUID, code: str) -> None:
    """Confirm the new number by the code of its SMS.

    Raises:
        ApiError: see `confirm_phone`; a wrong try is counted before.
    """
    with open_session() as s:
        refusal = confirm_phone(s, user_id, code)
        if not refusal:
            wake_alerts(s, user_id, "phone confirmed")
    if refusal:
        raise refusal


def link_chat(user_id: UUID) -> None:
    """Link the chat that pressed Start.

    Raises:
        ApiError: see `confirm_link`.
    """
    with open_session() as s:
        confirm_link(s, user_id)
        wake_alerts(s, user_id, "chat linked")


def change_profile(session: Session, user_id: UUID, change: ProfileChange, network_address: str) -> None:
    """Change what the body names.

    Raises:
        ApiError: 402 for a phone number without a plan, 422 for a number that gets no SMS, 429 after too
            many codes or mails.
    """
    emptied = {name for name in change.model_fields_set if getattr(change, name) is None}
    unlinked = [channel for name, channel in _UNLINKED.items() if name in emptied]
    goes = sa.select(Contact.id).where(Contact.user_id == user_id, Contact.channel.in_(unlinked))
    lock_messages(session, session.scalars(goes).all())
    user = session.get_one(User, user_id, with_for_update={"key_share": True})
    user.language = change.language or user.language
    user.time_zone = change.time_zone or user.time_zone
    user.outage_credit = change.outage_credit or user.outage_credit
    if change.time_zone:
        session.flush()
        wake_held(session, user_id)
    session.execute(sa.delete(Contact).where(Contact.user_id == user_id, Contact.channel.in_(unlinked)))
    if change.email:
        request_new_email(session, user, change.email)
    if change.phone is not None:
        _ask_for_code(session, user_id, change.phone, network_address)


def change_notifications(session: Session, user_id: UUID, flags: NotificationChanges) -> None:
    """Change channels, groups and times of messages.

    Messages that wait as their reader wished are looked at again by what holds now.

    Raises:
        ApiError: 409 not-linked.
    """
    user = session.get_one(User, user_id, with_for_update={"key_share": True})
    _lock_contacts(session, user_id)
    wishes = {channel: getattr(flags, f"notify_{channel.value}") for channel in CONTACT_CHANNELS}
    switched = [
        _switch(session, user_id, channel, on=wish) for channel, wish in wishes.items() if wish is not None
    ]
    has_new_way = any(switched)
    change_times(session, user, flags)
    wake_held(session, user_id)
    if flags.groups:
        contacts = {channel: _find_contacts(session, user_id, channel) for channel in CONTACT_CHANNELS}
        has_new_way |= change_groups(contacts, flags.groups)
    if has_new_way:
        wake_alerts(session, user_id, "channel switched on")


def restart_groups(session: Session, user_id: UUID) -> None:
    """Let the groups of mails that are stopped be sent again."""
    contact = _find_contact(session, user_id, Channel.EMAIL)
    if contact is None or not contact.stopped_groups:
        return
    had_no_slots = MessageGroup.SLOTS in contact.stopped_groups and contact.reachable
    contact.stopped_groups = []
    if had_no_slots:
        wake_alerts(session, user_id, "slot alerts switched on")


def _switch(session: Session, user_id: UUID, channel: Channel, *, on: bool) -> bool:
    """Switch a channel, to all devices; return whether it is on and was off."""
    contacts = _find_contacts(session, user_id, channel)
    if channel is not Channel.EMAIL and on:
        contacts = [each for each in contacts if each.is_linked]
        if not contacts:
            raise ApiError(409, "not-linked", HOW_TO_LINK[channel])
    switched = [_switch_contact(contact, on=on) for contact in contacts]
    return any(switched)


def _switch_contact(contact: Contact, *, on: bool) -> bool:
    was_reachable = contact.reachable
    if on is not contact.enabled or (on and contact.consented_at is None):  # STOP empties it, too
        (give_consent if on else withdraw_consent)(contact, "switch")
    contact.enabled = on
    if on and contact.state is ContactState.UNSUBSCRIBED:
        contact.state = ContactState.OK
    return contact.reachable and not was_reachable


def _ask_for_code(session: Session, user_id: UUID, number: str, network_address: str) -> None:
    """Note the new number and send its code; nothing where the number is the user's already."""
    contact = _find_contact(session, user_id, Channel.SMS)
    if contact is None:
        contact = Contact(user_id=user_id, channel=Channel.SMS, address=number, enabled=False)
        session.add(contact)
    elif contact.verified_at is None:
        contact.address = number
    elif contact.address == number:
        contact.new_address = None
        return
    else:
        contact.new_address = number
    _check_plan(session, user_id)
    session.flush()
    send_code(session, contact, network_address)


def _check_plan(session: Session, user_id: UUID) -> None:
    held = find_entitlement(session, user_id, clock()).plan
    if held.name is PlanName.NONE:
        offers = [PlanAnswer.of(each) for each in list_plans_above(held)]
        raise ApiError(402, "plan-needed", "codes by SMS need a plan: choose one of `plans`", plans=offers)


def _lock_contacts(session: Session, user_id: UUID) -> None:
    """Lock a user's contacts before the first of several changes, in the order in which workers lock them."""
    mine = sa.select(Contact.id).where(Contact.user_id == user_id).order_by(Contact.id)
    session.execute(mine.with_for_update(key_share=True))


def _find_contact(session: Session, user_id: UUID, channel: Channel) -> Contact | None:
    return next(iter(_find_contacts(session, user_id, channel)), None)


def _find_contacts(session: Session, user_id: UUID, channel: Channel) -> list[Contact]:
    query = sa.select(Contact).where(Contact.user_id == user_id, Contact.channel == channel)
    return list(session.scalars(query.order_by(Contact.id).with_for_update(key_share=True)))
