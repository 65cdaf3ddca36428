"""A person's own rights about the help of an organisation, by the links of messages to the person, without an account.

The person sees what is kept, agrees to messages or stops them, agrees to what reveals health, takes everything over
into an account, or has it deleted. Moving to another organisation is a deletion here, and being entered there.
"""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

import notifier
from api.accounts.consents import give_consent, withdraw_consent
from api.accounts.passwords import hash_new_password
from api.alerts.health_consent import note_health_consent
from api.alerts.service import get_owned, switch_alert, wake_alerts
from api.alerts.unwatched import record_watching
from api.ground.errors import ApiError, ensure_found
from api.ground.limit_counters import hit_limit
from api.ground.messages import write_message
from api.models.base import session as open_session
from api.models.contact_lookup import claim_address
from api.models.organisation import Beneficiary, Member, MemberRole, Organisation
from api.models.organisation_access import WebhookEvent
from api.models.user import Channel, Contact, ContactState, Role, User
from api.organisations.ends import set_grant_end
from api.organisations.people import has_power
from api.organisations.person_queries import describe_person
from api.organisations.schemas import OwnAddress, PersonAnswer, TakeOver
from api.privacy.deletion import delete_account, lock_account
from configs.ground.clock import clock
from configs.ground.signing import ShowHelp, read_token

MAILS = "3 per day"  # to addresses that one person wants an account for
_PLACE = "organisation_invitation"  # of the record of a consent


@dataclass(frozen=True, slots=True)
class OwnHelp:
    """A person's help as the link's reader sees it: the contact that the link was sent to, and what is kept."""

    contact: Contact
    user: User
    person: Beneficiary
    organisation: Organisation
    kept: PersonAnswer

    @property
    def agrees(self) -> bool:
        """Whether messages go to this contact."""
        return self.contact.reachable and self.person.is_reached()


def find_help(session: Session, token: str, *, lock: bool = False) -> OwnHelp | None:
    """Return what a link is about; None where the help is over, taken over, or the contact is another one.

    Raises:
        configs.ground.signing.LinkRefused: the token is expired or forged.
    """
    contact = session.get(Contact, read_token(ShowHelp, token).contact)
    if contact is None:
        return None
    if lock:
        session.execute(sa.select(User.id).where(User.id == contact.user_id).with_for_update(key_share=True))
        session.refresh(contact)
    person = session.get(Beneficiary, contact.user_id, with_for_update=lock or None)
    if person is None:
        return None
    user = session.get_one(User, contact.user_id)
    organisation = session.get_one(Organisation, person.organisation_id)
    return OwnHelp(contact, user, person, organisation, describe_person(session, person))


def agree(session: Session, token: str) -> None:
    """Let messages go to the contact of a link; slots that are open now are told. A repetition changes nothing.

    Raises:
        ApiError: 404; 409 number-taken, the number is another account's or person's.
    """
    found = _find(session, token)
    if found.agrees:
        return
    contact, now = found.contact, clock()
    give_consent(contact, _PLACE)
    contact.verified_at, contact.enabled, contact.state = contact.verified_at or now, True, ContactState.OK
    if contact.channel is Channel.SMS and not claim_address(session, contact):
        raise ApiError(409, "number-taken", "an account, or another person, has messages sent to this number")
    found.person.consented_at, found.person.stopped_at = now, None
    session.flush()
    notifier.write_event(session, WebhookEvent.CONSENT_GIVEN, {found.user.id: now}, now)
    wake_alerts(session, found.user.id, "a person agreed to messages")


def stop(session: Session, token: str) -> None:
    """Send nothing more to any contact of the person: the organisation is told in its place.

    Raises:
        ApiError: 404.
    """
    found = _find(session, token)
    for each in session.scalars(sa.select(Contact).where(Contact.user_id == found.user.id)):
        if each.consented_at is not None:
            withdraw_consent(each, _PLACE)
        each.enabled = False
    found.person.stopped_at = clock()


def agree_to_alert(session: Session, token: str, alert_id: UUID) -> None:
    """Give the person's own consent to an alert whose desks reveal health, which waits from now on.

    Raises:
        ApiError: 404; 409 address-confirmed; as `switch_alert`.
    """
    found = _find(session, token)
    _check_confirmed(session, found, token)
    alert = get_owned(session, found.user.id, alert_id)
    note_health_consent(alert, alert.targets)
    session.flush()
    if not alert.awaits_watch:
        switch_alert(session, found.user.id, alert_id, enabled=True)


def ask_for_account(session: Session, token: str, wish: OwnAddress) -> None:
    """Write the mail by which a person confirms the address of the account that takes the help over.

    Raises:
        ApiError: 404; 409 address-confirmed, the link is that of another contact than the person confirmed; 429.
    """
    found = _find(session, token)
    _check_confirmed(session, found, token)
    mine = sa.select(Contact).where(Contact.user_id == found.user.id, Contact.channel == Channel.EMAIL)
    contact = session.scalars(mine).one_or_none()
    hit_limit(MAILS, "help-accounts", str(found.user.id))
    if contact is not None and contact.address != wish.email:
        session.delete(contact)
        session.flush()
        contact = None
    if contact is None:
        contact = Contact(user_id=found.user.id, channel=Channel.EMAIL, address=wish.email)
        session.add(contact)
        session.flush()
    key = f"help_link:{contact.id}:{clock().isoformat()}"
    write_message(session, found.user.id, "help_link", {}, key, channels=[Channel.EMAIL.value])


def take_over(token: str, wish: TakeOver) -> None:
    """Make the person's row an account of the link's mail address. What members call the person, and the grant, go.

    No transaction is open while the password is hashed.

    Raises:
        ApiError: 404; 409 address-needed, the link came by SMS; 409 address-confirmed; 409 address-taken; 422, the
            password can be guessed.
    """
    with open_session() as s:
        address = _check_mail(s, _find(s, token), token)
    password_hash = hash_new_password(wish.password.get_secret_value(), address, None)
    with open_session() as s:
        found = _find(s, token)
        address = _check_mail(s, found, token)
        contact, user, now = found.contact, found.user, clock()
        give_consent(contact, _PLACE)
        contact.verified_at, contact.enabled, contact.state = now, True, ContactState.OK
        _tell_caseworkers(s, found, "person_taken_over")
        record_watching(s, user.id)
        s.delete(found.person)
        user.email, user.role, user.password_hash, user.last_used_at = address, Role.USER, password_hash, now
        try:
            s.flush()
        except IntegrityError:
            detail = "this address has an account already: choose another address, or have the help deleted"
            raise ApiError(409, "address-taken", detail) from None
        set_grant_end(s, user.id, now)


def delete_help(session: Session, token: str) -> None:
    """Delete the person's row, with all that hangs on it.

    Raises:
        ApiError: 404.
    """
    found = ensure_found(find_help(session, token), "help: it is over")
    _tell_caseworkers(session, found, "person_deleted")
    session.flush()
    if lock_account(session, found.user.id) is not None:
        delete_account(session, found.user.id, understood=True)


def _find(session: Session, token: str) -> OwnHelp:
    return ensure_found(find_help(session, token, lock=True), "help: it is over")


def _check_confirmed(session: Session, found: OwnHelp, token: str) -> None:
    """Refuse the link of a contact without power.

    A link to an address that the person chose by the link of the contact that has it is as good as its own.
    """
    if not (has_power(session, found.contact) or read_token(ShowHelp, token).chosen):
        detail = (
            "use the link in a message to the contact that you confirmed first; of one removed, wait 14 days"
        )
        raise ApiError(409, "address-confirmed", detail)


def _check_mail(session: Session, found: OwnHelp, token: str) -> str:
    _check_confirmed(session, found, token)
    if found.contact.channel is not Channel.EMAIL:
        raise ApiError(
            409, "address-needed", "an account needs a mail address: have a link sent to yours first"
        )
    return found.contact.address


def _tell_caseworkers(session: Session, found: OwnHelp, what: str) -> None:
    """Tell the caseworker, or the owners, by the reference, that a person has left."""
    named = found.person.caseworker_id
    is_told = Member.id == named if named else Member.role == MemberRole.OWNER
    members = sa.select(Member.user_id).where(
        Member.organisation_id == found.organisation.id, is_told, Member.user_id.is_not(None)
    )
    params = {"what": what, "organisation": found.organisation.name, "reference": found.person.reference}
    for user_id in session.scalars(members).all():
        if user_id:
            key = f"{what}:{found.user.id}:{user_id}"
            write_message(session, user_id, "organisation_news", params, key)
