"""Links to the Telegram bot: the user confirms the chat that pressed Start with the link's code."""

import hashlib
import secrets
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.accounts.consents import give_consent
from api.ground.errors import ApiError
from api.ground.messages import write_message
from api.models.contact_lookup import TelegramLink
from api.models.user import Channel, Contact, ContactState, User
from api.users.contact_ownership import free_address, take_address
from api.users.schemas import LinkState, TelegramLinkState, TelegramUrl
from configs.ground.addresses import shorten_address
from configs.ground.clock import clock
from configs.ground.encryption import encrypt
from configs.settings import settings

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
