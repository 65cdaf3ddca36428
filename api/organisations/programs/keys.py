"""API keys of an organisation: made and ended by owners; the text of one is shown once."""

import secrets
from collections.abc import Collection
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.ground.errors import ApiError, ensure_found
from api.models.audit import ActorKind
from api.models.base import new_id
from api.models.organisation import Organisation
from api.models.organisation_access import KEY_PREFIX, KeyScope, OrganisationKey, hash_key
from api.organisations.callers import Caller, Right, check_alive, lock_organisation, note_act
from api.organisations.programs.schemas import KeyAnswer, NewKey
from configs.ground.clock import clock

_MOST = 10  # that have not ended
_BYTES = 32


def read_key_caller(
    session: Session, key_id: UUID, organisation_id: UUID, scopes: Collection[str], request_id: str | None
) -> Caller:
    """Return a key as the one who acts now; its scopes are the route's to check.

    Raises:
        ApiError: 403 organisation-ended or not-opened.
    """
    organisation = session.get_one(Organisation, organisation_id)
    check_opened(organisation)
    # Who changes a person is answered with the person.
    rights = frozenset({Right.READ, Right.HELP} if {*scopes} - {KeyScope.PEOPLE_READ} else {Right.READ})
    return Caller(organisation, ActorKind.KEY, key_id, rights, None, request_id)


def check_opened(organisation: Organisation) -> None:
    """Refuse what only an organisation has that an operator opened.

    Raises:
        ApiError: 403 organisation-ended or not-opened.
    """
    check_alive(organisation)
    if not organisation.is_open(clock()):
        detail = "keys and webhooks work while the organisation is opened by an operator: write to support"
        raise ApiError(403, "not-opened", detail)


def make_key(session: Session, caller: Caller, wish: NewKey) -> tuple[KeyAnswer, str]:
    """Return a new key and its text, which nothing keeps.

    Raises:
        ApiError: 403; 409 too-many-keys.
    """
    caller.require(Right.MANAGE)
    organisation = lock_organisation(session, caller)
    check_opened(organisation)
    row = OrganisationKey
    alive = sa.select(sa.func.count()).where(row.organisation_id == organisation.id, row.ended_at.is_(None))
    if session.scalars(alive).one() >= _MOST:
        raise ApiError(409, "too-many-keys", f"there are {_MOST} keys: end one first")
    text = KEY_PREFIX + secrets.token_urlsafe(_BYTES)
    made = row(
        id=new_id(), organisation_id=organisation.id, name=wish.name, key_hash=hash_key(text),
        scopes=sorted(set(wish.scopes)), created_at=clock(),
    )  # fmt: skip
    session.add(made)
    note_act(session, caller, "key.make", "key", made.id, scopes=made.scopes)
    session.flush()
    return KeyAnswer.model_validate(made), text


def list_keys(session: Session, caller: Caller) -> list[KeyAnswer]:
    """Return the keys, the newest first.

    Raises:
        ApiError: 403.
    """
    caller.require(Right.MANAGE)
    mine = sa.select(OrganisationKey).where(OrganisationKey.organisation_id == caller.organisation.id)
    return [
        KeyAnswer.model_validate(each) for each in session.scalars(mine.order_by(OrganisationKey.id.desc()))
    ]


def end_key(session: Session, caller: Caller, key_id: UUID) -> None:
    """End a key: its next request is refused. One that has ended stays so.

    Raises:
        ApiError: 403; 404.
    """
    caller.require(Right.MANAGE)
    mine = OrganisationKey.id == key_id, OrganisationKey.organisation_id == caller.organisation.id
    found = ensure_found(session.scalars(sa.select(OrganisationKey).where(*mine)).one_or_none(), "key")
    if found.ended_at is None:
        found.ended_at = clock()
        note_act(session, caller, "key.end", "key", key_id)
