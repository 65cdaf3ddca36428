"""Messages about an account, its password, logins and second factor, a request to support, and the ways to its user."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session, load_only

from api.models.alert import Alert
from api.models.contact_linking import PHONE_CODE_SECONDS, PhoneCode
from api.models.contact_lookup import hash_address
from api.models.notification import State
from api.models.user import Channel, Contact, ContactState, User
from configs.ground.contact_addresses import digest, shorten_address
from configs.ground.encryption import decrypt
from configs.ground.signed_links import (
    LINK_SECONDS,
    PASSWORD_RESET_SECONDS,
    KeepSecondFactor,
    ResetPassword,
    ReturnAddress,
    StopAlerts,
    VerifyAddress,
    write_link,
)
from configs.settings import settings
from notifier.content.desk_location import name_place, since_values, write_moment
from notifier.content.message_kind_base import (
    ADDRESS,
    ANY_MAIL,
    CONFIRMED_MAIL,
    REACHABLE,
    REACHABLE_OR_MAIL,
    ClaimedRow,
    MessageKind,
    Recipients,
    Skip,
    TemplateContext,
    find_account_loss,
    find_no_loss,
    is_confirmed_mail,
    is_mail,
    skip_address,
)
from notifier.content.outgoing_message import account_page
from notifier.message_kinds.payments import read_zone, write_amount

_PARIS = ZoneInfo("Europe/Paris")  # a deleted account's own zone is deleted too
_MINUTE = 60
_DAY = 86400


def _lead_home(_session: Session, _row: ClaimedRow, _contact: Contact, _now: datetime) -> TemplateContext:
    url = str(settings().frontend_url)
    return TemplateContext({"url": url}, url)


def _welcome(_session: Session, _row: ClaimedRow, _contact: Contact, _now: datetime) -> TemplateContext:
    url = account_page("dashboard")
    return TemplateContext({"url": url, "channels_url": account_page("canaux")}, url)


def _say_when(session: Session, row: ClaimedRow, contact: Contact, _now: datetime) -> TemplateContext:
    """Return what happened at `at` (ISO 8601), in the user's time zone, and with which browser."""
    url = str(settings().frontend_url)
    since = since_values(row.params["at"], read_zone(session, contact), row.language)
    return TemplateContext({"url": url, "browser": row.params.get("browser", "")} | since, url)


def _lead_to_export(session: Session, row: ClaimedRow, contact: Contact, now: datetime) -> TemplateContext:
    """Return until when (`at`) it can be downloaded: by the account's page, as the mail itself opens nothing."""
    found, url = _say_when(session, row, contact, now), account_page("donnees")
    return TemplateContext(found.values | {"url": url}, url)


def _say_deleted(_session: Session, row: ClaimedRow, _contact: Contact, _now: datetime) -> TemplateContext:
    back = row.params.get("refund")
    values = {
        "renewed": row.params["renewed"],
        "refund": write_amount(back, row.language) if back else "",
        "support_email": settings().support_email or "",
    }
    return TemplateContext(values | since_values(row.params["at"], _PARIS, row.language))


def _warn_unused(session: Session, row: ClaimedRow, contact: Contact, _now: datetime) -> TemplateContext:
    """Return the days of the last use and of the deletion (`used`, `ends`: ISO 8601), in the user's time zone."""
    zone, url = read_zone(session, contact), str(settings().frontend_url)
    days = {name: write_moment(row.params[name], zone, row.language)[0] for name in ("ends", "used")}
    return TemplateContext({"url": url} | days, url)


def _sign_reset(session: Session, _row: ClaimedRow, contact: Contact, _now: datetime) -> TemplateContext:
    """Return the link. It is good for one password: the next one makes it useless."""
    password_hash = session.scalars(sa.select(User.password_hash).where(User.id == contact.user_id)).one()
    reset = ResetPassword(contact.id, digest(contact.address), digest(password_hash or ""))
    url = write_link(reset)
    return TemplateContext({"url": url, "minutes": max(1, round(PASSWORD_RESET_SECONDS / _MINUTE))}, url)


def _check_alerts(session: Session, _row: ClaimedRow, contact: Contact, _now: datetime) -> Skip | None:
    waiting = sa.select(Alert.id).where(
        Alert.user_id == contact.user_id, Alert.enabled, Alert.closed_at.is_(None)
    )
    return Skip(State.EXPIRED, "an alert waits again") if session.scalar(waiting.limit(1)) else None


def _offer_undo(session: Session, row: ClaimedRow, contact: Contact, now: datetime) -> TemplateContext:
    """Return when (`at`) a link stopped the last alerts (`alerts`: ids) of a user with a plan, and how to undo it."""
    found = _say_when(session, row, contact, now)
    stopped = StopAlerts(tuple(UUID(each) for each in row.params["alerts"]))
    undo = write_link(stopped)
    return replace(
        found, values=found.values | {"undo_url": undo, "url": account_page("dashboard")}, url=undo
    )


def _takes_factor_end(contact: Contact) -> bool:
    """Whether it is its owner's for certain and takes messages, switched off or not."""
    takes_mail = is_mail(contact) and contact.takes_account_mail
    return contact.verified_at is not None and (contact.state is ContactState.OK or takes_mail)


def _check_factor(session: Session, row: ClaimedRow, contact: Contact, _now: datetime) -> Skip | None:
    if "to" not in row.params and not _takes_factor_end(contact):
        return skip_address(contact)
    user = session.get_one(User, contact.user_id, options=[load_only(User.factor_ends_at)])
    is_over = user.factor_ends_at != datetime.fromisoformat(row.params["ends"])
    if is_over and not row.params["ended"]:
        return Skip(State.EXPIRED, "the second factor was kept, or has ended")
    return None


def _say_factor_end(session: Session, row: ClaimedRow, contact: Contact, _now: datetime) -> TemplateContext:
    """Return when it ends and how to keep it, or that it has ended, in the user's time zone.

    Params: `ends` (ISO 8601), `ended`, `to` (the mailbox that the account left, where it goes there).
    """
    ends, ended = row.params["ends"], bool(row.params["ended"])
    url = account_page("securite")
    if not ended:
        moment = int(datetime.fromisoformat(ends).timestamp())
        url = write_link(KeepSecondFactor(contact.user_id, moment))
    since = since_values(ends, read_zone(session, contact), row.language)
    return TemplateContext({"ended": ended, "url": url} | since, url, address=row.params.get("to"))


def _say_number(_session: Session, row: ClaimedRow, _contact: Contact, _now: datetime) -> TemplateContext:
    """Return the number only: what a stranger wrote must not travel under our name to an address they chose."""
    return TemplateContext({"number": row.params["number"]})


def _needs_confirmation(contact: Contact) -> bool:
    """Whether it is an e-mail address that is not verified yet or that bounced, switched off or not."""
    return is_mail(contact) and (contact.verified_at is None or contact.state is ContactState.BOUNCED)


def _check_confirmation(_session: Session, row: ClaimedRow, contact: Contact, _now: datetime) -> Skip | None:
    has_bounced = contact.state is ContactState.BOUNCED
    if contact.verified_at is not None and not has_bounced:
        return Skip(State.SKIPPED, "already verified")
    if contact.state is not ContactState.OK and not (has_bounced and row.params.get("asked")):
        return skip_address(contact)
    return None


def _confirm_address(_session: Session, row: ClaimedRow, contact: Contact, _now: datetime) -> TemplateContext:
    """Return the signed link. `registration` of the params: whose password the account takes with it.

    With `asked` it was asked for by the signed-in owner, and goes to an address that bounced, too.
    """
    registration = UUID(row.params["registration"]) if "registration" in row.params else None
    url = write_link(VerifyAddress(contact.id, digest(contact.address), registration))
    return TemplateContext({"url": url, "days": max(1, round(LINK_SECONDS / _DAY))}, url)


def _confirm_new_address(
    _session: Session, row: ClaimedRow, contact: Contact, _now: datetime
) -> TemplateContext | Skip:
    """Return the signed link. Params: `address` (digest of the new one), `version` (the user's token version).

    A new password increases the version: then a link that a thief asked for is good no more.
    """
    address = contact.new_address
    if address is None or digest(address) != row.params["address"]:
        return Skip(State.SKIPPED, "the change was made, ended or replaced")
    confirmed = VerifyAddress(contact.id, digest(address), new=row.params["version"])
    url = write_link(confirmed)
    days = max(1, round(LINK_SECONDS / _DAY))
    values = {"url": url, "days": days, "account": shorten_address(contact.address)}
    return TemplateContext(values, url, address=address)


def _check_address(_session: Session, row: ClaimedRow, contact: Contact, _now: datetime) -> Skip | None:
    return find_account_loss(contact) if row.params.get("to") is None else None


def _say_changed(_session: Session, row: ClaimedRow, contact: Contact, _now: datetime) -> TemplateContext:
    """Return what changed, so that a person who did not do it can act.

    Params: `changed` (email or phone), `shown` (the new address, shortened), `to` (the old e-mail address, where that
    is what changed), `back` (it may take the account back: then the mail has the link for that).
    """
    to, url, back_url = row.params.get("to"), str(settings().frontend_url), None
    if to is not None and row.params.get("back"):
        back_url = write_link(ReturnAddress(contact.id, digest(to)))
    changed = {name: row.params[name] for name in ("changed", "shown")}
    return TemplateContext({**changed, "url": url, "back_url": back_url}, url, address=to)


def _write_code(session: Session, row: ClaimedRow, contact: Contact, now: datetime) -> TemplateContext | Skip:
    """Return the code, which its notification holds encrypted, or why it is of no use any more."""
    code = session.get(PhoneCode, UUID(row.params["code_id"]))
    oldest = now - timedelta(seconds=PHONE_CODE_SECONDS)
    if code is None or code.used_at is not None or code.created_at <= oldest:
        return Skip(State.EXPIRED, "code used or expired")
    number = contact.unconfirmed_address
    if number is None or code.number_hash not in hash_address(Channel.SMS, number):
        return Skip(State.SKIPPED, "number changed meanwhile")
    minutes = max(1, round(PHONE_CODE_SECONDS / _MINUTE))
    return TemplateContext({"code": decrypt(row.params["code"]), "minutes": minutes}, address=number)


def _name_chat(_session: Session, row: ClaimedRow, _contact: Contact, _now: datetime) -> TemplateContext:
    url = account_page("canaux")
    return TemplateContext({"chat_name": decrypt(row.params["chat_name"]), "url": url}, url)


def _say_lost(_session: Session, row: ClaimedRow, _contact: Contact, _now: datetime) -> TemplateContext:
    """Return the `channel`, and the `state` of its contact; or `moved` to another account, `unlinked` in the chat."""
    url = account_page("canaux")
    return TemplateContext({"channel": row.params["channel"], "state": row.params["state"], "url": url}, url)


def _name_tested(
    session: Session, row: ClaimedRow, _contact: Contact, _now: datetime
) -> TemplateContext | Skip:
    """Return which alert is tested: by its name and prefecture, never by its procedure."""
    alert = session.get(Alert, UUID(row.params["alert"]))
    if alert is None or alert.closed_at is not None or not alert.targets:
        return Skip(State.SKIPPED, "alert stopped")
    return TemplateContext({"where": name_place(alert.targets[0]), "name": alert.name})


KINDS = {
    "account_exists": MessageKind(to=CONFIRMED_MAIL, values=_lead_home, secret=False),
    "welcome": MessageKind(to=CONFIRMED_MAIL, values=_welcome, secret=False),
    "new_sign_in": MessageKind(to=CONFIRMED_MAIL, values=_say_when, secret=False),
    "login_ended": MessageKind(to=CONFIRMED_MAIL, values=_say_when, secret=False),
    "password_changed": MessageKind(to=CONFIRMED_MAIL, values=_say_when, secret=False),
    "password_reset": MessageKind(to=ANY_MAIL, values=_sign_reset, secret=True),
    "factor_end": MessageKind(
        to=Recipients(_takes_factor_end, find_no_loss),
        check=_check_factor,
        values=_say_factor_end,
        secret=False,
    ),
    "export_ready": MessageKind(to=CONFIRMED_MAIL, values=_lead_to_export, secret=False),
    "last_way_stopped": MessageKind(to=CONFIRMED_MAIL, check=_check_alerts, values=_offer_undo, secret=False),
    "account_unused": MessageKind(to=ANY_MAIL, values=_warn_unused, secret=False),
    "account_deleted": MessageKind(to=ADDRESS, values=_say_deleted, secret=False),
    "support_received": MessageKind(to=CONFIRMED_MAIL, values=_say_number, secret=False),
    "verify_email": MessageKind(
        to=Recipients(_needs_confirmation, find_no_loss),
        check=_check_confirmation,
        values=_confirm_address,
        secret=True,
    ),
    "verify_new_email": MessageKind(
        to=Recipients(lambda contact: is_mail(contact) and contact.new_address is not None, find_no_loss),
        values=_confirm_new_address,
        secret=True,
    ),
    "address_changed": MessageKind(
        to=Recipients(is_confirmed_mail, find_no_loss),
        check=_check_address,
        values=_say_changed,
        secret=True,
    ),
    # Verified or not: its owner asked a moment ago.
    "phone_code": MessageKind(
        to=Recipients(lambda contact: contact.channel is Channel.SMS, find_no_loss),
        values=_write_code,
        secret=True,
    ),
    # Its row has the chat's name encrypted.
    "telegram_linked": MessageKind(to=CONFIRMED_MAIL, values=_name_chat, secret=True),
    "channel_lost": MessageKind(to=REACHABLE_OR_MAIL, values=_say_lost, secret=False),
    "test_message": MessageKind(to=REACHABLE, values=_name_tested, secret=False),
}
