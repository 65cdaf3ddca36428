"""Steps of a deletion that the API and the pages share: the account of the request, its traces, its last mail."""

from uuid import UUID

import structlog
from sqlalchemy.exc import OperationalError

from api.ground.background_nudges import ask_job
from api.models.base import write_once
from api.models.job import MAINTENANCE
from api.privacy.deletion import delete_account
from api.web.auth import current_user_id
from api.web.rate_limits import forget_counts

_TRIES = 5
# A deadlock, or a row that is locked: https://www.postgresql.org/docs/18/errcodes-appendix.html
_MET = ("40P01", "55P03")
log = structlog.get_logger(__name__)


def delete_signed_in(*, understood: bool) -> None:
    """Delete the account of the request, then its traces in Redis and in the store.

    Raises:
        ApiError: see `api.privacy.deletion.delete_account`.
    """
    user_id = current_user_id()
    email = _delete(user_id, understood=understood)
    forget_counts(user_id, email)
    ask_job(MAINTENANCE, "drop_exports")


def delete_named(user_id: UUID) -> None:
    """Delete an account again that a restore brought back, then its file in the store; its counts in Redis run out.

    Raises:
        ApiError: see `api.privacy.deletion.delete_account`.
    """
    _delete(user_id, understood=True, repeated=True)
    ask_job(MAINTENANCE, "drop_exports")


def _delete(user_id: UUID, *, understood: bool, repeated: bool = False) -> str:
    """Delete an account, again where that met a transaction that waited for it; return its address.

    Matching writes rows of many users.
    """
    for left in reversed(range(_TRIES)):
        try:
            email = write_once(delete_account, user_id, understood=understood, repeated=repeated)
        except OperationalError as error:
            if not left or getattr(error.orig, "pgcode", None) not in _MET:
                raise
        else:
            log.info("an account was deleted")  # whose, no log tells
            return email
    raise AssertionError("the last try returns or raises")
