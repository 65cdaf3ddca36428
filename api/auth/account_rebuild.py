"""First confirmation of an account: what stays of it, and what is as if it had just been registered.

Everybody may register a stranger's address and sign in. The account belongs to the mailbox: when that confirms it, the
account is built anew from the registration whose mail was confirmed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from api.accounts.queries import find_entitlement
from api.alerts.schemas import NewAlert
from api.alerts.service import create_alert
from api.alerts.targets import build_targets
from api.errors import ApiError
from api.logins.service import end_all_logins
from api.models.base import Base
from api.models.login import EndedBecause, PendingRegistration
from api.models.user import Channel, Contact, User
from configs.ground.clock import clock
from configs.world.plan import PlanName

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ColumnRules:
    """What becomes of the columns of a user's rows in a table; names are separated by blanks."""

    stays: str = ""
    given: str = ""  # by the registration, or by the confirmation itself
    reset: str = ""  # to the default of the column
    goes: str = ""  # with its row


RULES: Mapping[str, ColumnRules] = {
    "users": ColumnRules(
        stays="id email email_folded role token_version stripe_customer_id last_used_at created_at updated_at",
        given="password_hash language wished_plan",
        reset="time_zone totp_secret totp_confirmed_at totp_used_step recovery_hashes factor_ends_at outage_credit"
        " slot_rhythm digest_at quiet_from quiet_until quiet_slots calls_from calls_until",
    ),
    # The mailbox alone is left; a number of the registration is added again.
    "contacts": ColumnRules(
        stays="id user_id channel address lookup_hashes number device_name created_at",
        given="verified_at enabled state consent consented_at",
        reset="new_address former_address moved_at stopped_groups summary_since",
    ),
    "alerts": ColumnRules(
        goes="id user_id name language enabled awaits_watch limits_version created_at watched_since updated_at"
        " voice_enabled consent consented_at closed_at closed_because"
    ),
    "exports": ColumnRules(
        goes="id user_id requested_at attempts next_attempt_at ready_at expires_at file_key size_bytes"
    ),
    "notices": ColumnRules(
        goes="id user_id kind language title body link detection_id dedupe_key created_at read_at gone_at"
    ),
    "phone_codes": ColumnRules(
        goes="id user_id number_hash network_hash code_hash wrong_tries created_at used_at"
    ),
    "registrations": ColumnRules(
        goes="id user_id password_hash wished_plan language phone alert_wish created_at"
    ),
    "telegram_links": ColumnRules(goes="user_id code_hash expires_at chat_id chat_name created_at"),
    # They end, except where the account keeps the password that they were opened with.
    "logins": ColumnRules(
        stays="id user_id browser token_hash previous_hash created_at last_used_at rotated_at expires_at proven_at"
        " ended_at ended_because"
    ),
    # An operator gave them to the address.
    "grants": ColumnRules(stays="id user_id plan starts_at ends_at source payment_id created_at"),
    # The law wants them kept; an account that was never confirmed can order nothing.
    "payments": ColumnRules(
        stays="id user_id plan amount_cents currency refunded_cents status created_at paid_at refunded_at"
        " subscription_id terms_version consent consent_text consented_at alert_wish alert_id synced_at order_number"
        " order_mail_at client_name lost_cents stripe_customer_id measured_at"
    ),
    "subscriptions": ColumnRules(
        stays="id user_id plan status period_starts_at period_ends_at cancel_at ended_at cancel_wanted_at"
        " synced_at created_at"
    ),
    "declarations": ColumnRules(
        stays="id kind made_at made_by user_id payment_id subscription_id name email reference language wished_on"
        " at_period_end confirmed_at takes_effect_at applied_at undone_at refused_because refund_cents"
    ),
    "support_requests": ColumnRules(stays="id user_id email message created_at"),
    # They went to the mailbox itself, and count how many it got.
    "notifications": ColumnRules(
        stays="id user_id contact_id announcement_id address channel kind language params title text priority"
        " dedupe_key state reason held_for attempts unknown_attempts lease_token lease_until next_attempt_at provider"
        " provider_id cost segments receipt_due_at created_at seen_at committed_at matched_at accepted_at delivered_at"
        " failed_at"
    ),
}


def rebuild_account(
    session: Session, user: User, password_hash: str | None, registration: PendingRegistration | None
) -> None:
    """Build an account anew that was never confirmed, with this password; lock its row before.

    Its logins go on only where the password is the one that they were opened with.
    """
    language = registration.language if registration else None
    phone = registration.phone if registration else None
    plan = registration.wished_plan if registration else None
    if password_hash is None or password_hash != user.password_hash:
        end_all_logins(session, user.id, EndedBecause.ADDRESS_CONFIRMED)
    session.flush()
    session.execute(sa.delete(Contact).where(Contact.user_id == user.id, Contact.channel != Channel.EMAIL))
    for name, rules in RULES.items():
        _apply_rules(session, user, Base.metadata.tables[name], rules)
    session.expire_all()
    user.password_hash, user.wished_plan = password_hash, plan
    user.language = language or "fr"
    if phone:
        session.add(Contact(user_id=user.id, channel=Channel.SMS, address=phone, enabled=False))


def add_wished_alert(session: Session, user: User, found: object) -> None:
    """Add the alert that stood in the registration: paused where it needs a plan that the account has not."""
    wish = NewAlert.model_validate_json(json.dumps(found)).model_copy(update={"accept_waiting": True})
    has_plan = find_entitlement(session, user.id, clock()).plan.name is not PlanName.NONE
    try:
        create_alert(session, user.id, wish, build_targets(wish), paused=not has_plan)
    except ApiError as error:  # its desks are not what they were when it was wished
        log.info("the wish of a registration became no alert", because=error.word, user=str(user.id))


def _apply_rules(session: Session, user: User, table: sa.Table, rules: ColumnRules) -> None:
    mine = (table.c.id if table.name == "users" else table.c.user_id) == user.id
    if rules.goes:
        session.execute(sa.delete(table).where(mine))
    if rules.reset:
        fresh = dict.fromkeys(rules.reset.split(), sa.text("DEFAULT"))
        session.execute(sa.update(table).where(mine).values(fresh))
