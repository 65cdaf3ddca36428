"""Messages about the ways to reach a user: addresses and numbers to confirm, changed, lost or tested."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from api.models.alert import Alert
from api.models.contact_linking import PHONE_CODE_SECONDS, PhoneCode
from api.models.contact_lookup import hash_address
from api.models.notification import State
from api.models.user import Channel, Contact, ContactState
from configs.ground.contact_addresses import digest, shorten_address
from configs.ground.encryption import decrypt
from configs.ground.signed_links import LINK_SECONDS, ReturnAddress, VerifyAddress, write_token
from configs.settings import settings
from notifier.content.desk_location import location_of
from notifier.content.message_kind_base import (
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
from notifier.content.message_links import account_page, link

_MINUTE, _DAY = 60, 86400


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
    url = link("verify", write_token(VerifyAddress(contact.id, digest(contact.address), registration)))
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
    url = link("verify", write_token(confirmed))
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
        back_url = link("address", write_token(ReturnAddress(contact.id, digest(to))))
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


def _check_tested(session: Session, row: ClaimedRow, _contact: Contact, _now: datetime) -> Skip | None:
    alert = session.get(Alert, UUID(row.params["alert"]))
    return Skip(State.SKIPPED, "alert stopped") if alert is None or alert.closed_at is not None else None


def _name_tested(
    session: Session, row: ClaimedRow, _contact: Contact, _now: datetime
) -> TemplateContext | Skip:
    """Return which alert is tested: by its name and prefecture, never by its procedure."""
    alert = session.get(Alert, UUID(row.params["alert"]))
    if alert is None or not alert.targets:
        return Skip(State.SKIPPED, "alert stopped")
    target = alert.targets[0]
    desk_id = target.desk_id or ""
    home = location_of(desk_id, target.prefecture_id or desk_id.partition("/")[0])
    return TemplateContext({"where": f"{home.name} ({home.department})", "name": alert.name})


KINDS = {
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
    "test_message": MessageKind(to=REACHABLE, check=_check_tested, values=_name_tested, secret=False),
}
