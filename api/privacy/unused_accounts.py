"""Unused accounts: two warnings by mail, then the deletion.

Uses are sign-ins and refreshed logins (`users.last_used_at`), changes of alerts, also by a link in a message, payments,
and plans while they run. That a mail was opened is not known: nothing in our mails reports it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from api.ground.background_nudges import ask_job
from api.ground.errors import ApiError
from api.ground.messages import write_message
from api.ground.separate_parts import do_each
from api.models.alert import Alert
from api.models.base import session, write_once
from api.models.job import MAINTENANCE
from api.models.notification import Notification
from api.models.payment import Payment
from api.models.user import Channel, Grant, Role, User
from api.privacy.deletion import delete_account, lock_account
from configs.ground.clock import clock
from configs.world.retention import ACCOUNT_UNUSED_FOR

_KIND = "account_unused"
_FIRST, _SECOND = timedelta(days=60), timedelta(days=14)  # before ACCOUNT_UNUSED_FOR is over
_AFTER_FIRST, _AFTER_SECOND = timedelta(days=30), timedelta(days=10)  # at least until the next step
_AT_ONCE = 500
log = structlog.get_logger(__name__)


class Step(Enum):
    """What comes next for an unused account."""

    FIRST_WARNING = 1
    SECOND_WARNING = 2
    DELETE = 3


@dataclass(frozen=True, slots=True)
class UnusedAccount:
    """An account, when it was used last, and when each warning since then was written."""

    user_id: UUID
    used_at: datetime
    warned_at: tuple[datetime, ...] = ()

    @property
    def key(self) -> str:
        """How the dedupe keys of its warnings begin; another use begins another count."""
        return f"{_KIND}:{self.user_id}:{self.used_at.astimezone(UTC):%Y%m%d}"

    def find_step(self, now: datetime) -> Step | None:
        """Return what is due now. A deletion follows two warnings, however late the job writes them."""
        end = self.used_at + ACCOUNT_UNUSED_FOR
        match self.warned_at:
            case () if now >= end - _FIRST:
                return Step.FIRST_WARNING
            case (first,) if now >= max(end - _SECOND, first + _AFTER_FIRST):
                return Step.SECOND_WARNING
            case (_, second, *_) if now >= max(end, second + _AFTER_SECOND):
                return Step.DELETE
        return None

    def find_end(self, now: datetime) -> datetime:
        """Return the earliest instant of the deletion, as a warning that is written now says it."""
        rest = _AFTER_SECOND if self.warned_at else _AFTER_FIRST + _AFTER_SECOND
        return max(self.used_at + ACCOUNT_UNUSED_FOR, now + rest)


def end_unused_accounts(end_deserted: Callable[[Session, UUID], None]) -> dict[str, int]:
    """Write the warnings that are due, and delete the accounts whose time is over; return how many.

    `end_deserted` ends the organisation whose last owner has such an account; the next run deletes the account.
    """
    counts = {"warned": 0, "deleted": 0}
    now = clock()

    def take_step(account: UnusedAccount) -> None:
        step = account.find_step(now)
        if step is Step.DELETE:
            counts["deleted"] += _delete(account, end_deserted)
        elif step:
            counts["warned"] += _warn(account, step, now)

    _taken, failed = do_each("end_unused_accounts", _list_unused(now), take_step)
    if counts["deleted"]:
        ask_job(MAINTENANCE, "drop_exports")
    return counts | {"failed": failed}


def _warn(account: UnusedAccount, step: Step, now: datetime) -> bool:
    """Write a warning; return whether the account still is as it was read."""
    params = {"ends": account.find_end(now).isoformat(), "used": account.used_at.isoformat()}
    with session() as s:
        if not _is_unused_still(s, account):
            return False
        write_message(s, account.user_id, _KIND, params, f"{account.key}:{step.value}")
    return True


def _delete(account: UnusedAccount, end_deserted: Callable[[Session, UUID], None]) -> bool:
    """Delete an account as its owner would; return whether it was."""
    try:
        with session() as s:
            if not _is_unused_still(s, account):
                return False
            delete_account(s, account.user_id, understood=False)
    except ApiError as error:  # the others go on
        if error.word == "last-owner":
            write_once(end_deserted, account.user_id)
            return False
        log.warning("an unused account is kept: end its plan", user=str(account.user_id), because=error.word)
        return False
    log.info("an unused account was deleted")  # whose, no log tells
    return True


def _is_unused_still(s: Session, account: UnusedAccount) -> bool:
    """Return whether an account was not used since it was read; its row is locked from then on."""
    if lock_account(s, account.user_id) is None:  # its owner deleted it
        return False
    return s.scalar(sa.select(_used_at()).where(User.id == account.user_id)) == account.used_at


def _list_unused(now: datetime) -> Iterator[UnusedAccount]:
    """Yield the accounts for which a step may be due; each batch is read in a transaction of its own."""
    before, last_id = now - ACCOUNT_UNUSED_FOR + _FIRST, UUID(int=0)
    while True:
        quiet = (User.last_used_at <= before, User.role == Role.USER, User.id > last_id)
        found = sa.select(User.id, _used_at()).where(*quiet).order_by(User.id).limit(_AT_ONCE)
        with session() as s:
            candidates = s.execute(found).all()
            unused = [
                UnusedAccount(user_id, used_at, _read_warnings(s, UnusedAccount(user_id, used_at)))
                for user_id, used_at in candidates
                if used_at <= before
            ]
        yield from unused
        if len(candidates) < _AT_ONCE:
            return
        last_id = candidates[-1][0]


def _used_at() -> sa.ColumnElement[datetime]:
    """Return when a row of `users` was used last."""
    return sa.func.greatest(
        User.last_used_at,
        sa.select(sa.func.max(Alert.updated_at)).where(Alert.user_id == User.id).scalar_subquery(),
        sa.select(sa.func.max(Payment.created_at)).where(Payment.user_id == User.id).scalar_subquery(),
        sa.select(sa.func.max(Grant.ends_at)).where(Grant.user_id == User.id).scalar_subquery(),
    )


def _read_warnings(s: Session, account: UnusedAccount) -> tuple[datetime, ...]:
    steps = (Step.FIRST_WARNING, Step.SECOND_WARNING)
    keys = [f"{account.key}:{step.value}:{Channel.EMAIL.value}" for step in steps]
    written = sa.select(Notification.created_at).where(Notification.dedupe_key.in_(keys))
    return tuple(s.scalars(written.order_by(Notification.created_at)))
