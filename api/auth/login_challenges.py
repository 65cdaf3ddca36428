"""Challenges of a login: signed proof that the password was right, with which a code finishes the login."""

import secrets
from dataclasses import dataclass
from uuid import UUID

from api.models.user import User
from configs.ground.signing import LinkRefused, sign, unsign

# How long one may take to give the code of the second factor after the password
_CHALLENGE_SECONDS = 300

_SCOPE = "login-challenge"


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a challenge carries: its own id, by which tries are counted, and whose password was right."""

    id: str
    user_id: UUID
    token_version: int


def sign_challenge(user: User) -> str:
    """Return a challenge for a user whose password was right."""
    claims = {"id": secrets.token_hex(16), "user": str(user.id), "version": user.token_version}
    return sign(_SCOPE, claims)


def read_challenge(text: str) -> Challenge | None:
    """Return what a challenge carries, or None where it is too old or forged."""
    try:
        claims = unsign(_SCOPE, text, _CHALLENGE_SECONDS)
        return Challenge(claims["id"], UUID(claims["user"]), claims["version"])
    except (LinkRefused, KeyError, TypeError, ValueError, AttributeError):
        return None
