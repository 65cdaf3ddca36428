"""End of a second factor that its owner lost: an operator asks for it, and a job ends it after a waiting time.

Every contact is told at once, and again at the end. Until the job comes, whoever has a code, the link of such a message
or a login of the account keeps it. The password is still needed afterwards.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from api.accounts.queries import find_mailbox
from api.auth.second_factor import remove_second_factor
from api.ground.errors import ApiError
from api.ground.messages import write_message
from api.models.audit import ActorKind, AuditEntry
from api.models.user import Channel, User
from configs.ground.clock import clock
from configs.ground.signing import KeepSecondFactor, read_token

WAITING_TIME = timedelta(days=7)
ASKED, ENDED = "user.end_factor", "user.factor_ended"  # in the audit
_BETWEEN = timedelta(days=1)  # from one request to the next
log = structlog.get_logger(__name__)


class FactorState(StrEnum):
    """What became of the second factor that a link keeps."""

    ENDING = "ending"
    KEPT = "kept"
    ENDED = "ended"
    OTHER = "other"  # it was asked for again since, or the account is gone


def request_end(session: Session, user: User) -> None:
    """Have a user's second factor end after the waiting time. Lock the row before.

    The caller's transaction adds the row ASKED to the audit.

    Raises:
        ApiError: 409: totp-missing, factor-ending (asking again shortens nothing), asked-today or
            nobody-told; roll back then.
    """
    if not user.has_second_factor:
        raise ApiError(409, "totp-missing", "the account has no second factor")
    if user.factor_ends_at is not None:
        raise ApiError(409, "factor-ending", f"it ends at {user.factor_ends_at:%Y-%m-%d %H:%M} UTC already")
    asked = sa.select(AuditEntry.id).where(
        AuditEntry.subject_id == str(user.id), AuditEntry.action == ASKED, AuditEntry.at > clock() - _BETWEEN
    )
    if session.scalar(asked.limit(1)):
        raise ApiError(
            409, "asked-today", "this was asked for within the last day, and somebody kept the factor"
        )
    user.factor_ends_at = clock() + WAITING_TIME
    if not _tell_contacts(session, user, user.factor_ends_at, ended=False):
        raise ApiError(
            409, "nobody-told", "no contact of the account can be told: its owner could not object"
        )


def keep_factor(session: Session, user_id: UUID) -> datetime | None:
    """Have a user's second factor not end; return when it would have, or None where that was not to come."""
    user = session.get(User, user_id, with_for_update={"key_share": True}, populate_existing=True)
    if user is None:
        return None
    ends_at, user.factor_ends_at = user.factor_ends_at, None
    return ends_at


def read_link(session: Session, token: str) -> tuple[FactorState, User | None]:
    """Return what became of the second factor that a link keeps, and the user.

    Raises:
        configs.ground.signing.LinkRefused: the token is forged.
    """
    link = read_token(KeepSecondFactor, token)
    user = session.get(User, link.user)
    return _judge_link(user, link), user


def keep_by_link(session: Session, token: str) -> tuple[FactorState, User | None]:
    """Keep the second factor of a link, unless it has ended; return what became of it, and the user.

    Raises:
        configs.ground.signing.LinkRefused: the token is forged.
    """
    link = read_token(KeepSecondFactor, token)
    user = session.get(User, link.user, with_for_update={"key_share": True}, populate_existing=True)
    state = _judge_link(user, link)
    if user is None or state is not FactorState.ENDING:
        return state, user
    user.factor_ends_at = None
    return FactorState.KEPT, user


def list_due(session: Session) -> list[UUID]:
    """Return the users whose second factor ends by now."""
    return list(session.scalars(sa.select(User.id).where(User.factor_ends_at <= clock()).order_by(User.id)))


def end_due(session: Session, user_id: UUID) -> bool:
    """End a user's second factor; return whether it did.

    It stays where somebody kept it meanwhile, and where no contact can be told any more: the first message may have
    bounced, and its owner have heard nothing.
    """
    user = session.get(User, user_id, with_for_update={"key_share": True}, populate_existing=True)
    if user is None or user.factor_ends_at is None or user.factor_ends_at > clock():
        return False
    ends_at = user.factor_ends_at
    if not _tell_contacts(session, user, ends_at, ended=True):
        log.warning("a lost second factor stays: no contact can be told", user=str(user.id))
        user.factor_ends_at = None
        return False
    remove_second_factor(user)
    session.add(
        AuditEntry(
            at=clock(),
            actor_kind=ActorKind.COMMAND,
            action=ENDED,
            subject_type="user",
            subject_id=str(user.id),
            changes={"factorEndsAt": [ends_at.isoformat(), None]},
        )
    )
    return True


def _judge_link(user: User | None, link: KeepSecondFactor) -> FactorState:
    if user is None:
        return FactorState.OTHER
    if not user.has_second_factor:
        return FactorState.ENDED
    if user.factor_ends_at is None:
        return FactorState.KEPT
    is_meant = int(user.factor_ends_at.timestamp()) == link.ends
    return FactorState.ENDING if is_meant else FactorState.OTHER


def _tell_contacts(session: Session, user: User, ends_at: datetime, *, ended: bool) -> bool:
    """Write to every contact, and to the mailbox that the account left within the last days; return whether to any."""
    session.flush()
    params: dict[str, Any] = {"ends": ends_at.isoformat(), "ended": ended}
    key = f"factor-{'ended' if ended else 'ending'}:{user.id}:{ends_at.isoformat()}"
    written = write_message(session, user.id, "factor_end", params, key)
    mailbox = find_mailbox(session, user.id)
    if mailbox and mailbox.former_address:
        former = params | {"to": mailbox.former_address}
        key, channels = f"{key}:former", [Channel.EMAIL]
        written = written + write_message(session, user.id, "factor_end", former, key, channels=channels)
    return bool(written)
