"""Messages about an account, its password, logins and second factor, a request to support, and the ways to its user."""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import load_only

from api.models.alert import Alert
from api.models.contact_lookup import PHONE_CODE_SECONDS, PhoneCode, hash_address
from api.models.login import CONFIRMATION_CODE_SECONDS
from api.models.notification import Announcement, Notification, State
from api.models.support import SupportRequest
from api.models.user import Channel, Contact, ContactState, User
from configs.ground.addresses import digest, shorten_address
from configs.ground.encryption import decrypt
from configs.ground.message_groups import MessageGroup
from configs.ground.signing import (
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
from configs.world.retention import UNVERIFIED_KEPT_FOR
from notifier.content.desk_location import HOME, name_place, since_values, write_moment
from notifier.content.message_kind_base import (
    ADDRESS,
    ANY_MAIL,
    CONFIRMED_MAIL,
    REACHABLE,
    REACHABLE_OR_MAIL,
    DueMessage,
    MessageKind,
    Recipients,
    Skip,
    TemplateContext,
    account_page,
    find_account_loss,
    is_confirmed_mail,
    is_mail,
    skip_address,
)
from notifier.message_kinds.payments import has_alert, write_amount

_MINUTE = 60
_DAY = 86400
_WAITS_AGAIN = Skip(State.EXPIRED, "an alert waits again")


def _say_when(due: DueMessage) -> TemplateContext:
    """Return what happened at `at` (ISO 8601), in the user's time zone, and with which browser."""
    values = {"url": str(settings().frontend_url), "browser": due.params.get("browser", "")}
    return TemplateContext(values | since_values(due.params["at"], due.zone, due.language))


def _say_deleted(due: DueMessage) -> TemplateContext:
    back = due.params.get("refund")
    values = {
        "renewed": due.params["renewed"],
        "refund": write_amount(back, due.language) if back else "",
    }
    # A deleted account's own zone is deleted too.
    return TemplateContext(values | since_values(due.params["at"], HOME, due.language))


def _read_answer(due: DueMessage) -> TemplateContext | Skip:
    request = due.session.get(SupportRequest, due.params["request"])
    if request is None or request.answer is None:
        return Skip(State.SKIPPED, "request deleted")
    url = account_page("aide/ecrire")
    return TemplateContext({"number": request.id, "message": request.answer, "url": url})


def _warn_unused(due: DueMessage) -> TemplateContext:
    """Return the days of the last use and of the deletion (`used`, `ends`: ISO 8601), in the user's time zone."""
    days = {name: write_moment(due.params[name], due.zone, due.language)[0] for name in ("ends", "used")}
    return TemplateContext({"url": str(settings().frontend_url)} | days)


def _check_reset(due: DueMessage) -> Skip | None:
    """Skip a copy that comes when the password was changed meanwhile: its link would be a new one, and good."""
    changed = sa.exists().where(
        Notification.user_id == due.contact.user_id,
        Notification.kind == "password_changed",
        Notification.created_at > due.row.created_at,
    )
    is_over = due.session.scalar(sa.select(changed))
    return Skip(State.EXPIRED, "the password was changed meanwhile") if is_over else None


def _sign_reset(due: DueMessage) -> TemplateContext:
    """Return the link. It is good for one password: the next one makes it useless."""
    password_hash = due.session.scalars(
        sa.select(User.password_hash).where(User.id == due.contact.user_id)
    ).one()
    reset = ResetPassword(due.contact.id, digest(due.contact.address), digest(password_hash or ""))
    return TemplateContext({"url": write_link(reset), "minutes": PASSWORD_RESET_SECONDS // _MINUTE})


def _offer_undo(due: DueMessage) -> TemplateContext:
    """Return when (`at`) a link stopped the last alerts (`alerts`: ids) of a user with a plan, and how to undo it."""
    undo = write_link(StopAlerts(tuple(UUID(each) for each in due.params["alerts"])))
    urls = {"undo_url": undo, "url": due.find_page("dashboard")}
    return TemplateContext(_say_when(due).values | urls, undo)


def _takes_factor_end(contact: Contact) -> bool:
    """Whether it is its owner's for certain and takes messages, switched off or not."""
    takes_mail = is_mail(contact) and contact.takes_account_mail
    return contact.verified_at is not None and (contact.state is ContactState.OK or takes_mail)


def _check_factor(due: DueMessage) -> Skip | None:
    if "to" not in due.params and not _takes_factor_end(due.contact):
        return skip_address(due.contact)
    user = due.session.get_one(User, due.contact.user_id, options=[load_only(User.factor_ends_at)])
    is_over = user.factor_ends_at != datetime.fromisoformat(due.params["ends"])
    if is_over and not due.params["ended"]:
        return Skip(State.EXPIRED, "the second factor was kept, or has ended")
    return None


def _say_factor_end(due: DueMessage) -> TemplateContext:
    """Return when it ends and how to keep it, or that it has ended, in the user's time zone.

    Params: `ends` (ISO 8601), `ended`, `to` (the mailbox that the account left, where it goes there).
    """
    ends, ended = due.params["ends"], bool(due.params["ended"])
    url = account_page("securite")
    if not ended:
        moment = int(datetime.fromisoformat(ends).timestamp())
        url = write_link(KeepSecondFactor(due.contact.user_id, moment))
    since = since_values(ends, due.zone, due.language)
    return TemplateContext({"ended": ended, "url": url} | since, address=due.params.get("to"))


def _check_confirmation(due: DueMessage) -> Skip | None:
    has_bounced = due.contact.state is ContactState.BOUNCED
    if due.contact.verified_at is not None and not has_bounced:
        return Skip(State.SKIPPED, "already verified")
    if due.contact.state is not ContactState.OK and not (has_bounced and due.params.get("asked")):
        return skip_address(due.contact)
    return None


def _confirm_address(due: DueMessage) -> TemplateContext:
    """Return the signed link, and the code while it is good. `registration`: whose password the account takes with it.

    With `asked` it was asked for by the signed-in owner, and goes to an address that bounced, too.
    """
    registration = UUID(due.params["registration"]) if "registration" in due.params else None
    url = write_link(VerifyAddress(due.contact.id, digest(due.contact.address), registration))
    is_good = due.now < due.row.created_at + timedelta(seconds=CONFIRMATION_CODE_SECONDS)
    code = decrypt(due.params["code"]) if is_good and "code" in due.params else ""
    works = UNVERIFIED_KEPT_FOR.days if due.contact.verified_at is None else LINK_SECONDS // _DAY
    values = {"url": url, "days": works, "code": code}
    return TemplateContext(values | {"minutes": CONFIRMATION_CODE_SECONDS // _MINUTE})


def _confirm_new_address(due: DueMessage) -> TemplateContext | Skip:
    """Return the signed link. Params: `address` (digest of the new one), `version` (the user's token version).

    A new password increases the version: then a link that a thief asked for is good no more.
    """
    address = due.contact.new_address
    if address is None or digest(address) != due.params["address"]:
        return Skip(State.SKIPPED, "the change was made, ended or replaced")
    url = write_link(VerifyAddress(due.contact.id, digest(address), new=due.params["version"]))
    account = shorten_address(due.contact.address)
    return TemplateContext({"url": url, "days": LINK_SECONDS // _DAY, "account": account}, address=address)


def _say_changed(due: DueMessage) -> TemplateContext:
    """Return what changed, so that a person who did not do it can act.

    Params: `changed` (email, phone, provider), `shown` (the new address, shortened; or the provider's name), `to` (the
    old e-mail address, where it changed), `back` (it may take the account back: then the mail has the link for that).
    """
    to, url, back_url = due.params.get("to"), str(settings().frontend_url), None
    if to is not None and due.params.get("back"):
        back_url = write_link(ReturnAddress(due.contact.id, digest(to)))
    changed = {name: due.params[name] for name in ("changed", "shown")}
    return TemplateContext({**changed, "url": url, "back_url": back_url}, address=to)


def _write_code(due: DueMessage) -> TemplateContext | Skip:
    code = due.session.get(PhoneCode, UUID(due.params["code_id"]))
    oldest = due.now - timedelta(seconds=PHONE_CODE_SECONDS)
    if code is None or code.used_at is not None or code.created_at <= oldest:
        return Skip(State.EXPIRED, "code used or expired")
    number = due.contact.unconfirmed_address
    if number is None or code.number_hash not in hash_address(Channel.SMS, number):
        return Skip(State.SKIPPED, "number changed meanwhile")
    values = {"code": decrypt(due.params["code"]), "minutes": PHONE_CODE_SECONDS // _MINUTE}
    return TemplateContext(values, address=number)


def _say_lost(due: DueMessage) -> TemplateContext:
    """Return the `channel`, and the `state` of its contact; or `moved` to another account, `unlinked` in the chat."""
    lost = {name: due.params[name] for name in ("channel", "state")}
    return TemplateContext(lost | {"url": account_page("canaux")})


def _name_tested(due: DueMessage) -> TemplateContext | Skip:
    """Return which alert is tested: by its name and prefecture, never by its procedure."""
    alert = due.session.get(Alert, UUID(due.params["alert"]))
    if alert is None or alert.closed_at is not None or not alert.targets:
        return Skip(State.SKIPPED, "alert stopped")
    return TemplateContext({"where": name_place(alert.targets[0]), "name": alert.name})


def _announce(due: DueMessage) -> TemplateContext | Skip:
    """Return the words of an operator's announcement. Params: `announcement`, its id; `is_test`: to the operator."""
    found = due.session.get(Announcement, UUID(due.params["announcement"]))
    if found is None or (found.stopped_at and not due.params.get("is_test")):
        return Skip(State.EXPIRED, "the announcement was stopped")
    title, *paragraphs = found.choose_text(due.language)
    return TemplateContext({"title": title, "paragraphs": paragraphs, "url": account_page("dashboard")})


def _say_suspended(due: DueMessage) -> TemplateContext:
    """Return why the account is suspended, what goes back, and where to object. Params: `reason`; None: over."""
    reason, back = due.params["reason"], due.params["refund"]
    values = {
        "reason": reason,
        "refund": write_amount(back, due.language) if back else "",
        "url": account_page("contact" if reason else "dashboard"),
    }
    return TemplateContext(values)


KINDS = {
    # Of the service: needed without a consent, as new terms are (L.224-25-26 Code de la consommation).
    "announcement": MessageKind(to=CONFIRMED_MAIL, values=_announce),
    "news": MessageKind(to=CONFIRMED_MAIL, values=_announce, group=MessageGroup.NEWS),
    "account_suspended": MessageKind(to=ANY_MAIL, values=_say_suspended, notice_link="/dashboard"),
    "account_exists": MessageKind(
        to=CONFIRMED_MAIL, values=lambda _due: TemplateContext({"url": str(settings().frontend_url)})
    ),
    "welcome": MessageKind(
        to=CONFIRMED_MAIL,
        values=lambda _due: TemplateContext(
            {"url": account_page("dashboard"), "channels_url": account_page("canaux")}
        ),
    ),
    **dict.fromkeys(
        ("new_sign_in", "login_ended", "password_changed"),
        MessageKind(to=CONFIRMED_MAIL, values=_say_when),
    ),
    "password_reset": MessageKind(to=ANY_MAIL, check=_check_reset, values=_sign_reset, secret=True),
    "factor_end": MessageKind(to=Recipients(_takes_factor_end), check=_check_factor, values=_say_factor_end),
    # Until when (`at`) it can be downloaded: by the account's page, as the mail itself opens nothing.
    "export_ready": MessageKind(
        to=CONFIRMED_MAIL,
        values=lambda due: TemplateContext(_say_when(due).values | {"url": account_page("donnees")}),
    ),
    "last_way_stopped": MessageKind(
        to=CONFIRMED_MAIL,
        check=lambda due: _WAITS_AGAIN if has_alert(due.session, due.contact.user_id) else None,
        values=_offer_undo,
    ),
    "account_unused": MessageKind(to=ANY_MAIL, values=_warn_unused),
    "account_deleted": MessageKind(to=ADDRESS, values=_say_deleted),
    # The number only: what a stranger wrote must not travel under our name to an address they chose.
    "support_received": MessageKind(
        to=CONFIRMED_MAIL, values=lambda due: TemplateContext({"number": due.params["number"]})
    ),
    "support_answered": MessageKind(to=CONFIRMED_MAIL, values=_read_answer),
    "verify_email": MessageKind(
        to=Recipients(  # not verified yet, or bounced; switched off or not
            lambda contact: (
                is_mail(contact) and (contact.verified_at is None or contact.state is ContactState.BOUNCED)
            )
        ),
        check=_check_confirmation,
        values=_confirm_address,
        secret=True,
    ),
    "verify_new_email": MessageKind(
        to=Recipients(lambda contact: is_mail(contact) and contact.new_address is not None),
        values=_confirm_new_address,
        secret=True,
    ),
    "address_changed": MessageKind(
        to=Recipients(is_confirmed_mail),
        check=lambda due: find_account_loss(due.contact) if due.params.get("to") is None else None,
        values=_say_changed,
        secret=True,
    ),
    # Verified or not: its owner asked a moment ago.
    "phone_code": MessageKind(
        to=Recipients(lambda contact: contact.channel is Channel.SMS), values=_write_code, secret=True
    ),
    # Its row has the chat's name encrypted.
    "telegram_linked": MessageKind(
        to=CONFIRMED_MAIL,
        values=lambda due: TemplateContext(
            {"chat_name": decrypt(due.params["chat_name"]), "url": account_page("canaux")}
        ),
        secret=True,
    ),
    "channel_lost": MessageKind(to=REACHABLE_OR_MAIL, values=_say_lost, chats_wait=True),
    "test_message": MessageKind(to=REACHABLE, values=_name_tested),
}
