"""Views of the links that confirm an address, set a new password, and acknowledge an alarm to an operator."""

from http import HTTPStatus

from flask import g, render_template, request
from sqlalchemy.orm import Session

from api.accounts.auth.factor_end import FactorState, keep_by_link, read_link
from api.accounts.auth.mailbox_claims import find_contact, find_former, find_unconfirmed, take_address_back
from api.accounts.auth.service import confirm_address, read_new_password, reset_by_token
from api.accounts.users.contact_ownership import drop_contacts_since
from api.admin.audit import Actor, AuditedWork, record_audit
from api.ground import alarms
from api.ground.alarms import list_unanswered, name_incident
from api.ground.errors import ApiError
from api.links.blueprint import use_language_of
from api.models.audit import ActorKind
from api.models.base import session
from api.models.incident import Incident
from api.models.user import Role, User
from api.web.known_places import made_registration, remember_place
from api.web.languages import use_account_language
from api.web.rate_limits import may_take_kept_turn
from configs.ground.addresses import shorten_address
from configs.ground.signing import AcknowledgeIncident, ResetPassword, VerifyAddress, read_token


def ask_verify(token: str) -> str:
    """Show the address that would be confirmed; of a new one the account, which confirms it where it is signed in."""
    with session() as s:
        contact, claims = find_contact(s, VerifyAddress, token)
        use_language_of(s, contact)
        unconfirmed = find_unconfirmed(contact, claims) if contact else None
        if contact and unconfirmed and claims.new is not None:
            account = shorten_address(contact.address)
            return render_template("new_address.html", address=unconfirmed, account=account, token=token)
        address = unconfirmed or (contact.address if contact else None)
        is_first = contact is not None and contact.verified_at is None
        chooses = is_first and not made_registration(claims.registration)
        return _render_verify_page(address, done=unconfirmed is None, chooses=chooses)


def verify(token: str) -> str:
    """Confirm the address, and catch up on slots that are open now. A new one: see the account's own page.

    The form of a browser that did not register sends `choose`: its user may be pressing a stranger's registration, and
    chooses a password instead of taking the stranger's. A program that posts nothing keeps the registration's.
    """
    if read_token(VerifyAddress, token).new is not None:
        return ask_verify(token)
    with session() as s:
        change = confirm_address(s, token, drops_password="choose" in request.form)
        use_language_of(s, change.contact)
    address = change.contact.address if change.contact else None
    return _render_verify_page(address, done=True, reset_token=change.reset_token)


def ask_return(token: str) -> str:
    """Ask whether an account returns to the mailbox that it left."""
    with session() as s:
        contact = find_former(s, token)
        use_language_of(s, contact)
        if contact is None:
            return render_template("returned.html")
        account, former = shorten_address(contact.address), contact.former_address
        return render_template("returned.html", account=account, former=former)


def take_back(token: str) -> tuple[str, int]:
    """Give the account back to the mailbox, which chooses a password next."""
    try:
        with session() as s:
            use_language_of(s, find_former(s, token))
            returned = take_address_back(s, token)
            # Whoever had the account meanwhile must not hear of it, nor keep a second factor by a message's link.
            if returned:
                drop_contacts_since(s, returned.user_id, returned.moved_at)
    except ApiError as error:
        if error.word != "address-taken":
            raise
        return render_template("returned.html", taken=True), error.status
    return render_template("returned.html", returned=returned), 200


def ask_to_keep_factor(token: str) -> str:
    """Ask whether a second factor that was reported lost is kept."""
    with session() as s:
        return _render_factor(*read_link(s, token))


def keep_factor(token: str) -> str:
    """Keep the second factor, unless it has ended."""
    with session() as s:
        return _render_factor(*keep_by_link(s, token))


def ask_password(token: str) -> str:
    """Show the form to choose a new password."""
    with session() as s:
        contact, _ = find_contact(s, ResetPassword, token)
        use_language_of(s, contact)
        return render_template("reset.html", address=contact.address if contact else None)


def choose_password(token: str) -> tuple[str, int]:
    """Set the new password, or show the form again with what is wrong with it."""
    try:
        password = read_new_password(request.form.get("password", ""))
        change = reset_by_token(token, password, may_take_kept_turn)
    except ApiError as error:
        if error.status != HTTPStatus.UNPROCESSABLE_ENTITY:
            raise
        return render_template("reset.html", address="", weak=True), error.status
    if change.contact:
        remember_place(change.contact.address)
    return render_template("reset.html", address=change.contact and change.contact.address, done=True), 200


def _render_factor(state: FactorState, user: User | None) -> str:
    if user is None:
        return render_template("factor.html", state=state)
    use_account_language(user.language)
    return render_template("factor.html", state=state, ends_at=user.factor_ends_at, zone=user.time_zone)


def _render_verify_page(
    address: str | None, *, done: bool, chooses: bool = False, reset_token: str | None = None
) -> str:
    return render_template(
        "verify.html", address=address, done=done, chooses=chooses, reset_token=reset_token
    )


def find_alarm(session: Session, token: str) -> tuple[Incident, User] | None:
    """Return the incident that a token acknowledges, and the operator.

    None where the incident is gone, or its reader is no operator any more.

    Raises:
        configs.ground.signing.LinkRefused: it is expired or forged.
    """
    link = read_token(AcknowledgeIncident, token)
    user, incident = session.get(User, link.user), session.get(Incident, link.incident)
    if user is None or incident is None or user.role is Role.USER:
        return None
    return incident, user


def ask_acknowledge(token: str) -> str:
    """Show the alarm that would be acknowledged."""
    with session() as s:
        return _render_incident_page(s, find_alarm(s, token))


def acknowledge(token: str) -> str:
    """Acknowledge an alarm, so that it is not repeated; a repetition adds no row to the audit."""
    with session() as s:
        if found := find_alarm(s, token):
            incident, operator = found
            s.refresh(incident, with_for_update=True)
            if incident.acknowledged_at is None:
                alarms.acknowledge(s, incident.id)
                actor = Actor(operator.id, ActorKind(operator.role.value), g.request_id)
                work = AuditedWork(s, actor, {"by": "link"})
                record_audit(work, "incident.acknowledge", "incident", incident.id)
        return _render_incident_page(s, found)


def _render_incident_page(s: Session, found: tuple[Incident, User] | None) -> str:
    if found is None:
        return render_template("incident.html", incident=None, others=[])
    incident, operator = found
    use_account_language(operator.language)
    others = [
        {"name": name_incident(each.reason), "subject": each.subject}
        for each in list_unanswered(s)
        if each.id != incident.id
    ]
    name = name_incident(incident.reason)
    return render_template("incident.html", incident=incident, name=name, others=others)
