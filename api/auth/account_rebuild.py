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
    """What becomes of the columns of a user's row in a table; names are separated by blanks."""

    stays: str
    given: str  # by the registration, or by the confirmation itself
    reset: str  # to the default of the column


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
}
GOES = ("alerts", "exports", "notices", "phone_codes", "registrations", "telegram_links")  # with all its rows
STAYS = (
    "logins",  # they end, except where the account keeps the password that they were opened with
    "grants",  # an operator gave them to the address
    # The law wants them kept; an account that was never confirmed can order nothing.
    "payments",
    "subscriptions",
    "declarations",
    "support_requests",
    "notifications",  # they went to the mailbox itself, and count how many it got
)


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
    tables = Base.metadata.tables
    for name in GOES:
        session.execute(sa.delete(tables[name]).where(tables[name].c.user_id == user.id))
    for name, rules in RULES.items():
        mine = (tables[name].c.id if name == "users" else tables[name].c.user_id) == user.id
        fresh = dict.fromkeys(rules.reset.split(), sa.text("DEFAULT"))
        session.execute(sa.update(tables[name]).where(mine).values(fresh))
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
