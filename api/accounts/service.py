"""Changes to accounts: registration, mails that prove an address and how many follow, plans that are given."""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from api.accounts.consents import give_consent
from api.accounts.queries import lock_mailbox
from api.accounts.schemas import RegistrationForm
from api.ground.alarms import open_alarm
from api.ground.errors import ApiError
from api.ground.messages import write_message, write_to_address
from api.ground.network_hashes import hash_networks
from api.ground.schemas import FieldError
from api.models.base import new_id
from api.models.incident import IncidentReason
from api.models.login import PendingRegistration
from api.models.notification import Notification, State
from api.models.stripe_event import CommandKind, StripeCommand
from api.models.user import FORMER_KEPT_FOR, Channel, Contact, ContactState, Grant, Role, User
from configs.ground.addresses import digest, fold_address, shorten_address
from configs.ground.clock import clock
from configs.ground.encryption import encrypt, lookup_hashes
from configs.settings import settings
from configs.world.plan import PlanName, plan

CODE_PURPOSE = "confirmation"  # of the code in a mail that confirms an address
_KIND = "verify_new_email"
_DAY = 86400  # seconds
_MONTH = timedelta(days=30)
_LONGEST = timedelta(days=100 * 365)  # of grants one behind the other
_A_DAY = 3
BETWEEN = timedelta(minutes=5)
TRIES = 5


@dataclass(frozen=True, slots=True)
class MailCount:
    """The mails of one kind to one contact. Those that failed count in `total` only."""

    total: int
    today: int
    latest: datetime | None

    @property
    def may_follow(self) -> bool:
        """Whether another one may be written: three a day."""
        return self.today < _A_DAY

    @property
    def may_repeat(self) -> bool:
        """Whether one that says the same may be written: three a day, and not within five minutes."""
        return self.may_follow and not (self.latest and self.latest > clock() - BETWEEN)


def count_mails(session: Session, contact: Contact, kind: str) -> MailCount:
    """Count the mails of a kind to a contact. Lock the user's row before, so that the count stays true."""
    left = Notification.state != State.FAILED
    since = clock() - timedelta(days=1)
    query = sa.select(
        sa.func.count(),
        sa.func.count().filter(left, Notification.created_at > since),
        sa.func.max(Notification.created_at).filter(left),
    ).where(Notification.contact_id == contact.id, Notification.kind == kind)
    return MailCount(*session.execute(query).one())


def write_mail(
    session: Session, contact: Contact, kind: str, mails: MailCount, params: dict[str, Any]
) -> None:
    """Write the next mail of a kind."""
    key = f"{kind}:{contact.id}:{mails.total}"
    write_message(session, contact.user_id, kind, params, key, priority="critical")


def write_to_admins(
    session: Session, kind: str, params: dict[str, Any], key: str, alarm: IncidentReason | None = None
) -> None:
    """Write to SUPPORT_EMAIL, or to the admins where it is not set.

    An alarm goes to the operators, whether or not SUPPORT_EMAIL gets the mail, too. A key that was used before writes
    nothing.
    """
    if alarm:
        open_alarm(session, alarm, key, kind, params)
    if to := settings().support_email:
        write_to_address(session, to, kind, params, key)
    elif not alarm:
        admins = sa.select(User.id).where(User.role == Role.ADMIN).order_by(User.id)
        for each in session.scalars(admins).all():
            write_message(session, each, kind, params, f"{key}:{each}")


def request_new_email(session: Session, user: User, email: str) -> None:
    """Note a new address and write the mail that asks to confirm it.

    Whether another account has the address shows only to who can read its mail. Lock the user's row before.

    Raises:
        ApiError: 429 too-many-mails.
    """
    mine = sa.select(Contact).where(Contact.user_id == user.id, Contact.channel == Channel.EMAIL)
    contact = session.scalars(mine.with_for_update(key_share=True)).one()
    if fold_address(email) == user.email_folded:
        contact.new_address = None
        return
    mails = count_mails(session, contact, _KIND)
    if not mails.may_follow:
        detail = "too many new addresses were asked for today: wait as long as Retry-After says"
        raise ApiError(429, "too-many-mails", detail, headers={"Retry-After": str(_DAY)})
    contact.new_address = email
    session.flush()
    params = {"address": digest(email), "version": user.token_version}
    write_mail(session, contact, _KIND, mails, params)


def tell_stripe_address(session: Session, user: User) -> None:
    """Have Stripe told the account's address where it knows the user: its pages and mails show it."""
    if user.stripe_customer_id:
        now = clock()
        command = {
            "kind": CommandKind.CUSTOMER,
            "subject_id": user.id,
            "created_at": now,
            "next_attempt_at": now,
        }
        session.execute(insert(StripeCommand).values(command).on_conflict_do_nothing())


def apply_new_email(session: Session, contact: Contact) -> None:
    """Make the confirmed new address the account's; the old address gets a mail.

    Raises:
        ApiError: 409 address-taken; roll back then.
    """
    user = session.get_one(User, contact.user_id, with_for_update={"key_share": True})
    new, old = contact.new_address or contact.address, contact.address
    user.email = contact.address = new
    tell_stripe_address(session, user)
    _keep_former(contact, old)
    user.factor_ends_at = None  # it was told to the mailbox before; who moves the account is signed in
    contact.new_address, contact.verified_at, contact.state = None, clock(), ContactState.OK
    if contact.enabled:
        give_consent(contact, "email_confirmation")
    try:
        session.flush()
    except IntegrityError:  # the index on users
        detail = "this address belongs to another account: sign in there"
        raise ApiError(409, "address-taken", detail) from None
    report_move(session, contact, old)


def report_move(session: Session, contact: Contact, mailbox: str) -> None:
    """Tell a mailbox that the account has another address; the one that may take it back gets the link for that."""
    params: dict[str, Any] = {"changed": "email", "shown": shorten_address(contact.address), "to": mailbox}
    if mailbox == contact.former_address:
        params["back"] = True
    key = f"address_changed:{contact.id}:{clock().isoformat()}"
    write_message(session, contact.user_id, "address_changed", params, key)


def _keep_former(contact: Contact, old: str) -> None:
    """Keep the mailbox that the account had first: who took the account may move it on."""
    if contact.former_address and fold_address(contact.former_address) == fold_address(contact.address):
        contact.former_address = contact.moved_at = None
    elif contact.moved_at is None or contact.moved_at <= clock() - FORMER_KEPT_FOR:
        contact.former_address, contact.moved_at = old, clock()


def register_account(
    session: Session,
    wish: RegistrationForm,
    password_hash: str,
    alert_wish: dict[str, Any] | None = None,
    *,
    registration_id: UUID | None = None,
    wished_page: str | None = None,
    takes_code: bool = False,
    address: str | None = None,
) -> UUID:
    """Create the account unless the address has one; return the id of the registration.

    A mail is sent in both cases: an unconfirmed address is asked to confirm, a confirmed one is reminded of its
    account. Each registration of an unconfirmed address is kept: the account is made of the one whose mail is
    confirmed, and a stranger who registers the address first does not keep it. `takes_code`: where it was made, the
    code of its mail can be typed.
    """
    registration_id = registration_id or new_id()
    add_user(session, wish, password_hash)
    contact = lock_mailbox(session, wish.email)
    if contact is None:
        return registration_id
    if contact.verified_at is not None:
        mails = count_mails(session, contact, "account_exists")
        if mails.may_repeat:
            write_mail(session, contact, "account_exists", mails, {})
        return registration_id
    kept = PendingRegistration(
        id=registration_id,
        user_id=contact.user_id,
        password_hash=password_hash,
        wished_plan=wish.plan,
        language=wish.language or "fr",
        phone=wish.phone,
        alert_wish=alert_wish,
        wished_page=wished_page,
        registered_from=hash_networks(session, address, clock()) if address else [],
        created_at=clock(),
    )
    return _keep_registration(session, contact, kept, takes_code=takes_code)


def add_user(session: Session, wish: RegistrationForm, password_hash: str | None) -> None:
    """Add a user and their mailbox, unless the address has an account."""
    made = session.scalar(
        insert(User)
        .values(
            id=new_id(),
            email=wish.email,
            email_folded=fold_address(wish.email),
            password_hash=password_hash,
            wished_plan=wish.plan,
            language=wish.language or "fr",
        )
        .on_conflict_do_nothing()
        .returning(User.id)
    )
    if made:
        mailbox = Contact(user_id=made, channel=Channel.EMAIL, address=wish.email, enabled=True)
        give_consent(mailbox, "registration")
        session.add(mailbox)
        session.flush()


def _keep_registration(
    session: Session, contact: Contact, kept: PendingRegistration, *, takes_code: bool
) -> UUID:
    """Keep a registration and write its mail. The same password again is the same registration again: return its id."""
    mails = count_mails(session, contact, "verify_email")
    mine = PendingRegistration.user_id == contact.user_id
    same = session.scalars(
        sa.select(PendingRegistration).where(mine, PendingRegistration.password_hash == kept.password_hash)
    ).first()
    if same:
        same.wished_page = kept.wished_page or same.wished_page
        if mails.may_repeat:
            write_confirmation(session, contact, mails, same, takes_code=takes_code)
        return same.id
    if mails.may_follow:
        kept = session.merge(kept)  # an earlier try of it, without a mail
        write_confirmation(session, contact, mails, kept, takes_code=takes_code)
    else:
        # It gets no mail: it only tells that an earlier mail may be about someone else's registration.
        session.execute(
            sa.delete(PendingRegistration).where(mine, PendingRegistration.password_hash.is_(None))
        )
        session.add(PendingRegistration(id=kept.id, user_id=kept.user_id, created_at=kept.created_at))
    return kept.id


def write_confirmation(
    session: Session,
    contact: Contact,
    mails: MailCount,
    kept: PendingRegistration,
    *,
    takes_code: bool,
    **params: Any,
) -> None:
    """Write the mail that confirms an address by its link, or by a code in the browser that registered."""
    params["registration"] = str(kept.id)
    if takes_code:
        code, kept.code_hash = make_code(CODE_PURPOSE, kept.id)
        kept.code_sent_at, kept.wrong_tries = clock(), 0
        params["code"] = encrypt(code)
    write_mail(session, contact, "verify_email", mails, params)


def choose_length(name: PlanName, days: int | None) -> timedelta:
    """Return how long a plan given by hand lasts: these days, or as long as it is sold, a subscription a month."""
    usual = plan(name).duration_seconds
    return timedelta(days=days) if days else timedelta(seconds=usual) if usual else _MONTH


def give_plan(session: Session, user: User, name: PlanName, lasts: timedelta, source: str) -> Grant:
    """Give a user a plan; a grant of a running plan begins where that plan ends.

    Raises:
        ApiError: 409, the plan runs for _LONGEST then, which nobody means.
    """
    now = clock()
    session.execute(sa.select(User.id).where(User.id == user.id).with_for_update(key_share=True))
    running = session.scalar(
        sa.select(sa.func.max(Grant.ends_at)).where(
            Grant.user_id == user.id, Grant.plan == name, Grant.ends_at > now
        )
    )
    starts = running or now
    if starts - now + lasts > _LONGEST:
        raise ApiError(
            409, "grant-too-long", f"{name} would run until after {(now + _LONGEST).year}: end a grant first"
        )
    grant = Grant(user_id=user.id, plan=name, starts_at=starts, ends_at=starts + lasts, source=source)
    session.add(grant)
    return grant


def make_code(purpose: str, row_id: UUID) -> tuple[str, bytes]:
    """Return a code for a row, and the hash that the row keeps of it."""
    code = f"{secrets.randbelow(1_000_000):06}"
    return code, lookup_hashes(_salt(purpose, row_id, code))[0]


def is_code(purpose: str, row_id: UUID, code: str, code_hash: bytes) -> bool:
    """Return whether a row's hash is of this code."""
    hashes = lookup_hashes(_salt(purpose, row_id, code))
    return any(hmac.compare_digest(code_hash, each) for each in hashes)


def refuse_wrong_code(left: int) -> ApiError:
    """Return the refusal of a wrong code, after which so many tries are left."""
    detail = f"this is not the code: {left} more tries" if left else "this is not the code: ask for a new one"
    return ApiError(
        422, "wrong-code", detail, errors=[FieldError(path="code", rule="wrong_code", detail=detail)]
    )


def _salt(purpose: str, row_id: UUID, code: str) -> str:
    return f"{purpose}:{row_id}:{code}"
