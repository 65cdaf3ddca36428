"""Messages about an account: its beginning and end, its password, logins and second factor, a request to support."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session, load_only

from api.models.alert import Alert
from api.models.notification import State
from api.models.user import Contact, ContactState, User
from configs.ground.contact_addresses import digest
from configs.ground.signed_links import (
    PASSWORD_RESET_SECONDS,
    KeepSecondFactor,
    ResetPassword,
    StopAlerts,
    write_token,
)
from configs.settings import settings
from notifier.content.desk_location import since_values, write_moment
from notifier.content.message_kind_base import (
    ADDRESS,
    ANY_MAIL,
    CONFIRMED_MAIL,
    ClaimedRow,
    MessageKind,
    Recipients,
    Skip,
    TemplateContext,
    find_no_loss,
    is_mail,
    skip_address,
)
from notifier.content.message_links import account_page, link
from notifier.message_kinds.payments import read_zone, write_amount

_PARIS = ZoneInfo("Europe/Paris")  # a deleted account's own zone is deleted too
_MINUTE = 60


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
    url = link("reset", write_token(reset))
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
    undo = link("unsubscribe", write_token(stopped))
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
        url = link("factor", write_token(KeepSecondFactor(contact.user_id, moment)))
    since = since_values(ends, read_zone(session, contact), row.language)
    return TemplateContext({"ended": ended, "url": url} | since, url, address=row.params.get("to"))


def _say_number(_session: Session, row: ClaimedRow, _contact: Contact, _now: datetime) -> TemplateContext:
    """Return the number only: what a stranger wrote must not travel under our name to an address they chose."""
    return TemplateContext({"number": row.params["number"]})


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
}
