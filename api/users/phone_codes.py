"""Codes by SMS that prove a phone number, with limits of a day."""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.consents import give_consent
from api.accounts.service import TRIES, is_code, make_code, refuse_wrong_code
from api.ground.errors import ApiError, invalid
from api.ground.messages import write_message
from api.ground.schemas import FieldError
from api.models.base import new_id
from api.models.contact_lookup import PHONE_CODE_SECONDS, PhoneCode, hash_address
from api.models.notification import Notification, State
from api.models.user import Channel, Contact, ContactState
from api.network_addresses import group_network_address
from api.users.contact_ownership import free_address, take_address
from configs.ground.addresses import receives_sms, shorten_address
from configs.ground.clock import clock
from configs.ground.encryption import encrypt, lookup_hashes
from configs.settings import Constant, settings

# Most codes sent by SMS in 24 hours, all accounts together: a bound on what abuse can cost
_sms_codes_a_day = Constant("SMS_CODES_A_DAY", 200)

_CODES_A_DAY = 3  # per number, per account, per network address
_ASKED_PER_LEFT = 3  # how many times these may be asked for, where the SMS of most could not be sent
_DAY = timedelta(days=1)
_PURPOSE = "phone-code"
_KEY = "phone_code:"  # begins the dedupe key of a code's SMS
_LOCK = 0x5F0D_C0DE  # of an advisory lock, so that two requests cannot both count and then both add


def send_code(session: Session, contact: Contact, network_address: str) -> None:
    """Write a code and the SMS with it to the number that waits to be confirmed.

    Raises:
        ApiError: 422 for a number that gets no SMS from us, 429 too-many-codes.
    """
    number = contact.unconfirmed_address or contact.address
    if not receives_sms(number, settings().sms_countries):
        detail = "codes go to mobile numbers of France, overseas included"
        raise invalid(FieldError(path="phone", rule="no_sms", detail=detail))
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    network = f"network:{group_network_address(network_address)}"
    _check_limits(session, contact.user_id, number, network)
    code_id = new_id()
    code, code_hash = make_code(_PURPOSE, code_id)
    session.add(
        PhoneCode(
            id=code_id,
            user_id=contact.user_id,
            number_hash=hash_address(Channel.SMS, number)[0],
            network_hash=lookup_hashes(network)[0],
            code_hash=code_hash,
            created_at=clock(),
        )
    )
    session.flush()
    params = {"code_id": str(code_id), "code": encrypt(code)}
    write_message(session, contact.user_id, "phone_code", params, f"{_KEY}{code_id}", priority="critical")


def _check_limits(session: Session, user_id: UUID, number: str, network: str) -> None:
    now = clock()
    drop_old_codes(session)
    limits = (
        ("for this account", _CODES_A_DAY, PhoneCode.user_id == user_id),
        ("to this number", _CODES_A_DAY, PhoneCode.number_hash.in_(hash_address(Channel.SMS, number))),
        ("from this network", _CODES_A_DAY, PhoneCode.network_hash.in_(lookup_hashes(network))),
        ("in all", _sms_codes_a_day(), sa.true()),
    )
    for whose, most, condition in limits:
        every = sa.func.count()
        query = sa.select(every.filter(~_never_left()), every, sa.func.min(PhoneCode.created_at))
        left, asked, oldest = session.execute(query.where(condition)).one()
        if left >= most or asked >= most * _ASKED_PER_LEFT:
            raise _refuse_code(whose, now, oldest)


def _never_left() -> sa.ColumnElement[bool]:
    """Return the condition that a code's SMS failed for certain, as while the provider is away."""
    key = sa.func.concat(_KEY, PhoneCode.id, f":{Channel.SMS.value}")
    failed = (Notification.state == State.FAILED, Notification.unknown_attempts == 0)
    return sa.exists().where(Notification.dedupe_key == key, *failed)


def drop_old_codes(session: Session) -> int:
    """Delete the codes that no daily limit counts any more; return how many."""
    old = sa.delete(PhoneCode).where(PhoneCode.created_at <= clock() - _DAY)
    return len(session.scalars(old.returning(PhoneCode.id)).all())


def _refuse_code(whose: str, now: datetime, oldest: datetime | None) -> ApiError:
    wait = round(((oldest or now) + _DAY - now).total_seconds())
    detail = f"no more codes are sent {whose} today: wait as long as Retry-After says"
    return ApiError(429, "too-many-codes", detail, headers={"Retry-After": str(max(1, wait))})


def confirm_phone(session: Session, user_id: UUID, code: str) -> ApiError | None:
    """Confirm the user's new number if the code is right; return the refusal where it is not.

    Commit in both cases: a wrong code costs a try. Another account that had the number loses it, and is told.
    """
    mine = sa.select(Contact).where(Contact.user_id == user_id, Contact.channel == Channel.SMS)
    contact = session.scalars(mine.with_for_update(key_share=True)).one_or_none()
    number = contact.unconfirmed_address if contact else None
    sent = _find_newest_code(session, user_id, number) if number else None
    if contact is None or number is None or sent is None or sent.wrong_tries >= TRIES:
        return ApiError(409, "no-code", "no code waits for this number any more: ask for a new one")
    if not is_code(_PURPOSE, sent.id, code, sent.code_hash):
        sent.wrong_tries += 1
        return refuse_wrong_code(TRIES - sent.wrong_tries)
    sent.used_at = clock()
    free_address(session, user_id, Channel.SMS, number)
    _take_number(session, contact, number)
    params = {"changed": "phone", "shown": shorten_address(number)}
    key = f"address_changed:{contact.id}:{clock().isoformat()}"
    write_message(session, contact.user_id, "address_changed", params, key)
    return None


def _find_newest_code(session: Session, user_id: UUID, number: str) -> PhoneCode | None:
    oldest = clock() - timedelta(seconds=PHONE_CODE_SECONDS)
    return session.scalars(
        sa.select(PhoneCode)
        .where(PhoneCode.user_id == user_id, PhoneCode.number_hash.in_(hash_address(Channel.SMS, number)))
        .where(PhoneCode.created_at > oldest, PhoneCode.used_at.is_(None))
        .order_by(PhoneCode.created_at.desc(), PhoneCode.id.desc())
        .limit(1)
        .with_for_update()
    ).one_or_none()


def _take_number(session: Session, contact: Contact, number: str) -> None:
    contact.address, contact.new_address = number, None
    contact.verified_at, contact.enabled, contact.state = clock(), True, ContactState.OK
    give_consent(contact, "phone_code")
    take_address(session, contact)
