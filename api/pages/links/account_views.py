"""Views of the links that confirm an address, set a new password, and acknowledge an alarm to an operator."""

from collections.abc import Iterable
from http import HTTPStatus

from flask import g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.admin.incidents import acknowledge_by_link, find_alarm
from api.auth.access import open_login
from api.auth.factor_end import FactorState, keep_by_link, read_link
from api.auth.mailbox_claims import (
    find_contact,
    find_former,
    find_unconfirmed,
    find_wished_page,
    take_address_back,
)
from api.auth.service import confirm_address, read_new_password, reset_by_token
from api.ground.alarms import list_unanswered, name_incident
from api.ground.errors import ApiError
from api.models.base import session
from api.models.incident import Incident
from api.models.user import User
from api.pages.area import Access
from api.pages.cookies import add_notice, comes_from_elsewhere, has_login_of_another, keep_login
from api.pages.links.area import use_language_of
from api.pages.lost_sessions import build_target_url
from api.pages.registration_state import forget_registration
from api.users.contact_ownership import drop_contacts_since
from api.web.known_places import made_registration, remember_place
from api.web.languages import use_account_language
from api.web.rate_limits import may_take_kept_turn
from configs.ground.addresses import shorten_address
from configs.ground.signing import ResetPassword, VerifyAddress, read_token


def ask_verify(token: str) -> str:
    """Show the address that would be confirmed; of a new one the account, which confirms it where it is signed in."""
    with session() as s:
        contact, claims = find_contact(s, VerifyAddress, token)
        use_language_of(contact)
        unconfirmed = find_unconfirmed(contact, claims) if contact else None
        if contact and unconfirmed and claims.new is not None:
            account = shorten_address(contact.address)
            return render_template(
                "links/new_address.html", address=unconfirmed, account=account, token=token
            )
        address = unconfirmed or (contact.address if contact else None)
        is_first = contact is not None and contact.verified_at is None
        chooses = is_first and not made_registration(claims.registration)
        page = find_wished_page(s, contact, claims.registration) if contact else None
        return _render_verify_page(address, page, done=unconfirmed is None, chooses=chooses)


def verify(token: str) -> ResponseReturnValue:
    """Confirm the address, and catch up on slots that are open now. A new one: see the account's own page.

    Who reads the mail is signed in by the first confirmation, and led on to the wish. The form of a browser that did
    not register sends `choose`: its user may be pressing a stranger's registration. The account has no password then,
    and its user is asked for one. A program that posts nothing keeps the registration's.
    """
    if read_token(VerifyAddress, token).new is not None:
        return ask_verify(token)
    with session() as s:
        change = confirm_address(s, token, drops_password="choose" in request.form)
        use_language_of(change.contact)
    if change.user and not comes_from_elsewhere() and not has_login_of_another(change.user.id):
        return _let_in(change.user)
    page = change.user.wished_page if change.user else None
    return _render_verify_page(change.contact.address if change.contact else None, page, done=True)


def _let_in(user: User) -> ResponseReturnValue:
    """Sign in who confirmed an address by the mail to it, and lead on."""
    g.access = Access.PERSONAL  # the answer carries the cookies of the login
    keep_login(user, open_login(user))
    forget_registration()
    add_notice("done", gettext("Votre adresse est confirmée."))
    return redirect(build_target_url(user.wished_page) or url_for("dashboard.show_dashboard"), 303)


def ask_return(token: str) -> str:
    with session() as s:
        contact = find_former(s, token)
        use_language_of(contact)
        if contact is None:
            return render_template("links/returned.html")
        account, former = shorten_address(contact.address), contact.former_address
        return render_template("links/returned.html", account=account, former=former)


def take_back(token: str) -> tuple[str, int]:
    """Give the account back to the mailbox, which chooses a password next."""
    try:
        with session() as s:
            use_language_of(find_former(s, token))
            returned = take_address_back(s, token)
            # Whoever had the account meanwhile must not hear of it, nor keep a second factor by a message's link.
            if returned:
                drop_contacts_since(s, returned.user_id, returned.moved_at)
    except ApiError as error:
        if error.word != "address-taken":
            raise
        return render_template("links/returned.html", taken=True), error.status
    return render_template("links/returned.html", returned=returned), 200


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
        use_language_of(contact)
        return render_template("links/reset.html", address=contact.address if contact else None)


def choose_password(token: str) -> tuple[str, int]:
    """Set the new password, or show the form again with what is wrong with it."""
    try:
        password = read_new_password(request.form.get("password", ""))
        change = reset_by_token(token, password, may_take_kept_turn)
    except ApiError as error:
        if error.status != HTTPStatus.UNPROCESSABLE_ENTITY:
            raise
        return render_template("links/reset.html", address="", weak=True), error.status
    if change.contact:
        remember_place(change.contact.address)
    return render_template(
        "links/reset.html", address=change.contact and change.contact.address, done=True
    ), 200


def _render_factor(state: FactorState, user: User | None) -> str:
    if user is None:
        return render_template("links/factor.html", state=state)
    use_account_language(user.language)
    return render_template("links/factor.html", state=state, ends_at=user.factor_ends_at, zone=user.time_zone)


def _render_verify_page(address: str | None, page: str | None, *, done: bool, chooses: bool = False) -> str:
    return render_template(
        "links/verify.html",
        address=address,
        page_url=build_target_url(page),
        orders=(page or "").startswith("plan."),
        done=done,
        chooses=chooses,
    )


def ask_acknowledge(token: str) -> str:
    with session() as s:
        return _render_incident_page(find_alarm(s, token), list_unanswered(s))


def acknowledge(token: str) -> str:
    """Acknowledge an alarm, so that it is not repeated; a repetition adds no row to the audit."""
    with session() as s:
        found = acknowledge_by_link(s, token, g.request_id)
        return _render_incident_page(found, list_unanswered(s))


def _render_incident_page(found: tuple[Incident, User] | None, unanswered: Iterable[Incident]) -> str:
    if found is None:
        return render_template("links/incident.html", incident=None, others=[])
    incident, operator = found
    use_account_language(operator.language)
    others = [
        {"name": name_incident(each.reason), "subject": each.subject}
        for each in unanswered
        if each.id != incident.id
    ]
    name = name_incident(incident.reason)
    return render_template("links/incident.html", incident=incident, name=name, others=others)
