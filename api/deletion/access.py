"""Steps of a deletion that the API and the pages share: the account of the request, its traces, its last mail."""

from uuid import UUID

import structlog
from sqlalchemy.exc import OperationalError

import notifier
from api.deletion.service import DeletedAccount, delete_account
from api.middleware.auth import current_user_id
from api.middleware.rate_limits import forget_counts
from api.models.base import session
from api.models.job import MAINTENANCE
from configs.ground.background_nudges import nudge

_TRIES = 5
# A deadlock, or a row that is locked: https://www.postgresql.org/docs/18/errcodes-appendix.html
_MET = ("40P01", "55P03")
log = structlog.get_logger(__name__)


def delete_signed_in(*, understood: bool) -> None:
    """Delete the account of the request, then its traces in Redis and in the store; nudge its last mail.

    Raises:
        api.errors.ApiError: see `api.deletion.service.delete_account`.
    """
    user_id = current_user_id()
    deleted = _delete(user_id, understood=understood)
    log.info("an account was deleted")  # whose, no log tells
    forget_counts(user_id, deleted.email)
    _follow(deleted)


def delete_named(user_id: UUID) -> None:
    """Delete an account again that a restore brought back, then its file in the store; its counts in Redis run out.

    Raises:
        api.errors.ApiError: see `api.deletion.service.delete_account`.
    """
    deleted = _delete(user_id, understood=True, repeated=True)
    log.info("an account was deleted")
    _follow(deleted)


def _follow(deleted: DeletedAccount) -> None:
    notifier.nudge(deleted.mails)
    nudge(MAINTENANCE, "drop_exports")


def _delete(user_id: UUID, *, understood: bool, repeated: bool = False) -> DeletedAccount:
    """Delete an account, again where that met a transaction that waited for it: matching writes rows of many users."""
    for left in reversed(range(_TRIES)):
        try:
            with session() as s:
                return delete_account(s, user_id, understood=understood, repeated=repeated)
        except OperationalError as error:
            if not left or getattr(error.orig, "pgcode", None) not in _MET:
                raise
    raise AssertionError("the last try returns or raises")
