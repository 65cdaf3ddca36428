"""Proofs of contacts: codes by SMS for a number, with limits; a link with a code for a Telegram chat.

The user confirms the chat that pressed Start with the link's code.
"""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.accounts.consents import give_consent
from api.accounts.users.contact_ownership import free_address, take_address
from api.accounts.users.schemas import LinkState, TelegramLinkState, TelegramUrl
from api.ground.errors import ApiError, invalid
from api.ground.messages import write_message
from api.ground.schemas import FieldError
from api.models.base import new_id
from api.models.contact_linking import PHONE_CODE_SECONDS, PhoneCode, TelegramLink
from api.models.contact_lookup import hash_address
from api.models.notification import Notification, State
from api.models.user import Channel, Contact, ContactState, User
from api.network_addresses import group_network_address
from configs.ground.addresses import receives_sms, shorten_address
from configs.ground.clock import clock
from configs.ground.encryption import encrypt, lookup_hashes
from configs.settings import Constant, settings

# How long a link to the Telegram bot is good for
_TELEGRAM_LINK_SECONDS = 600

_BYTES = 16
log = structlog.get_logger(__name__)


def start_link(session: Session, user_id: UUID) -> TelegramUrl:
    """Make a link to the bot; one that the user had is good no more.

    Raises:
        ApiError: 503 where no bot is set up.
    """
    bot = settings().telegram_bot_name
    if bot is None:
        raise ApiError(503, "unavailable", "there is no Telegram bot here: set TELEGRAM_BOT_NAME")
    code, now = secrets.token_urlsafe(_BYTES), clock()
    expires_at = now + timedelta(seconds=_TELEGRAM_LINK_SECONDS)
    values = {
        "code_hash": hashlib.sha256(code.encode()).digest(), "expires_at": expires_at, "created_at": now,
        "chat_id": None, "chat_name": None,
    }  # fmt: skip
    made = insert(TelegramLink).values(user_id=user_id, **values)
    session.execute(made.on_conflict_do_update(index_elements=[TelegramLink.user_id], set_=values))
    return TelegramUrl(
        url=f"{settings().address_of('telegram_link')}/{bot}?start={code}", expires_at=expires_at
    )


def note_start(session: Session, chat_id: str, chat_name: str, code: str) -> None:
    """Note the chat that pressed Start with a code. A code is good once, so a repetition changes nothing."""
    hashed = hashlib.sha256(code.encode()).digest()
    waits = sa.and_(
        TelegramLink.code_hash == hashed, TelegramLink.chat_id.is_(None), TelegramLink.expires_at > clock()
    )
    started = sa.update(TelegramLink).where(waits).values(chat_id=chat_id, chat_name=chat_name)
    users = list(session.scalars(started.returning(TelegramLink.user_id)))
    log.info("a chat pressed Start", known=bool(users))


def read_link(session: Session, user_id: UUID) -> TelegramLinkState:
    """Return how far the user's link is."""
    link = _find_link(session, user_id)
    if link is None:
        return TelegramLinkState(state=LinkState.NONE, chat_name=None, expires_at=None)
    state = LinkState.WAITING if link.chat_id is None else LinkState.STARTED
    return TelegramLinkState(state=state, chat_name=link.chat_name, expires_at=link.expires_at)


def confirm_link(session: Session, user_id: UUID) -> None:
    """Make the chat that pressed Start the user's.

    The account and the chat are told, and another account that had the chat.

    Raises:
        ApiError: 409 no-chat where none did in time.
    """
    link = _find_link(session, user_id, lock=True)
    if link is None or link.chat_id is None:
        raise ApiError(409, "no-chat", "no chat pressed Start in time: POST /api/users/telegram-link again")
    free_address(session, user_id, Channel.TELEGRAM, link.chat_id)
    params = {"chat_name": encrypt(link.chat_name or "")}
    contact = session.scalars(
        sa.select(Contact)
        .where(Contact.user_id == user_id, Contact.channel == Channel.TELEGRAM)
        .with_for_update(key_share=True)
    ).one_or_none()
    if contact is None:
        contact = Contact(user_id=user_id, channel=Channel.TELEGRAM)
        session.add(contact)
    contact.address, contact.verified_at = link.chat_id, clock()
    contact.enabled, contact.state = True, ContactState.OK
    give_consent(contact, "telegram_link")
    session.delete(link)
    take_address(session, contact)
    key = f"telegram_linked:{contact.id}:{clock().isoformat()}"
    write_message(session, user_id, "telegram_linked", params, key)
    _tell_chat(session, user_id, key)


def _tell_chat(session: Session, user_id: UUID, key: str) -> None:
    """Write to a chat whose account it is now: its holder may have pressed Start for somebody else."""
    account = shorten_address(session.get_one(User, user_id).email)
    params = {"view": "help", "event": "linked", "account": account}
    write_message(session, user_id, "bot_reply", params, key, channels=[Channel.TELEGRAM])


def _find_link(session: Session, user_id: UUID, *, lock: bool = False) -> TelegramLink | None:
    link = session.get(TelegramLink, user_id, with_for_update=lock)
    return link if link and link.expires_at > clock() else None


# Most codes sent by SMS in 24 hours, all accounts together: a bound on what abuse can cost
_SMS_CODES_A_DAY = Constant("SMS_CODES_A_DAY", 200)

_TRIES = 5
_CODES_A_DAY = 3  # per number, per account, per network address
_ASKED_PER_LEFT = 3  # how many times these may be asked for, where the SMS of most could not be sent
_DAY = timedelta(days=1)
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
    code, code_id = f"{secrets.randbelow(1_000_000):06}", new_id()
    session.add(
        PhoneCode(
            id=code_id,
            user_id=contact.user_id,
            number_hash=hash_address(Channel.SMS, number)[0],
            network_hash=lookup_hashes(network)[0],
            code_hash=lookup_hashes(_salt(code_id, code))[0],
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
        ("in all", _SMS_CODES_A_DAY(), sa.true()),
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
    if contact is None or number is None or sent is None or sent.wrong_tries >= _TRIES:
        return ApiError(409, "no-code", "no code waits for this number any more: ask for a new one")
    hashes = lookup_hashes(_salt(sent.id, code))
    if not any(hmac.compare_digest(sent.code_hash, each) for each in hashes):
        sent.wrong_tries += 1
        return _refuse_wrong_code(_TRIES - sent.wrong_tries)
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


def _salt(code_id: UUID, code: str) -> str:
    return f"phone-code:{code_id}:{code}"


def _refuse_wrong_code(left: int) -> ApiError:
    detail = f"this is not the code: {left} more tries" if left else "this is not the code: ask for a new one"
    return ApiError(
        422, "wrong-code", detail, errors=[FieldError(path="code", rule="wrong_code", detail=detail)]
    )


def _take_number(session: Session, contact: Contact, number: str) -> None:
    contact.address, contact.new_address = number, None
    contact.verified_at, contact.enabled, contact.state = clock(), True, ContactState.OK
    give_consent(contact, "phone_code")
    take_address(session, contact)
