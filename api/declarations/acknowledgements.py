"""Messages about declarations: the acknowledgement at once, and what came of it later.

Each returns the notifications to nudge after the caller's commit.
"""

from uuid import UUID

from sqlalchemy.orm import Session

import notifier
from api.models.declaration import Declaration
from configs.languages import FRENCH, FRENCH_AND_ENGLISH


def acknowledge(session: Session, row: Declaration, kind: str, **amounts: int) -> list[UUID]:
    """Write the acknowledgement, with the content and the second: to the typed address, or to the account's.

    `amounts` are cents that its text names.
    """
    params: dict[str, str | int] = {"declaration": str(row.id), **amounts}
    key = f"{kind}:{row.id}"
    if row.email:
        return notifier.notify_address(session, row.email, kind, params, key, language=row.language)
    return _tell_account(session, row, kind, params, key)


def tell_result(session: Session, row: Declaration, kind: str) -> list[UUID]:
    """Write what a declaration changed, or why nothing: to the account's address while there is one."""
    params: dict[str, str | int] = {"declaration": str(row.id)}
    key = f"{kind}:{row.id}"
    if row.user_id is None and row.email:
        return notifier.notify_address(session, row.email, kind, params, key, language=row.language)
    return _tell_account(session, row, kind, params, key)


def choose_message_language(language: str) -> str:
    """Return the language of the messages to somebody who reads the pages in this one."""
    return language if language in FRENCH_AND_ENGLISH else FRENCH


def _tell_account(
    session: Session, row: Declaration, kind: str, params: dict[str, str | int], key: str
) -> list[UUID]:
    if row.user_id is None:
        return []
    return notifier.create_notifications(session, row.user_id, kind, params, key, language=row.language)
