"""API keys of organisations: `Authorization: Bearer rdv_org_…`, at the routes that take one."""

from datetime import timedelta
from typing import NoReturn

import sqlalchemy as sa
from flask import g, request

from api.ground.errors import ApiError
from api.models.base import autocommit_session
from api.models.organisation_access import KEY_PREFIX, OrganisationKey, hash_key
from api.web.openapi import takes_key
from api.web.rate_limits import count_request_of, count_stranger
from configs.ground.clock import clock

_TOUCH = timedelta(minutes=1)  # a key notes its use no more often
_BEARER = {"WWW-Authenticate": "Bearer"}


def find_key() -> OrganisationKey | None:
    """Return the key that makes the request; None where a member does."""
    found: OrganisationKey | None = g.get("organisation_key")
    return found


def verify_key() -> bool:
    """Return whether the request carries a key, which is good.

    Raises:
        ApiError: 401, it has ended, there is none like it, or the route takes none; 429.
    """
    _, _, token = request.headers.get("Authorization", "").partition(" ")
    if not token.startswith(KEY_PREFIX):
        return False
    if not takes_key(request.endpoint):
        _refuse("not-signed-in", "the key of an organisation works at /api/organisations/people alone")
    row = OrganisationKey
    with autocommit_session() as s:
        found = s.scalars(sa.select(row).where(row.key_hash == hash_key(token))).one_or_none()
        if found is None:
            _refuse("not-signed-in", "this is no key of ours: copy it whole, as it was shown")
        if found.ended_at is not None:
            _refuse("key-ended", f"this key ended on {found.ended_at:%Y-%m-%d}: an owner makes another one")
        count_request_of(found.organisation_id)
        now = clock()
        if found.last_used_at is None or now - found.last_used_at >= _TOUCH:
            s.execute(sa.update(row).where(row.id == found.id).values(last_used_at=now))
    g.organisation_key = found
    return True


def _refuse(word: str, detail: str) -> NoReturn:
    count_stranger()
    raise ApiError(401, word, detail, headers=_BEARER)
