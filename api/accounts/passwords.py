"""Password hashes: bcrypt over a digest, because bcrypt refuses more than 72 bytes. Each waits for its turn."""

import base64
import hashlib

import bcrypt

from api.accounts.hash_turns import take_turn
from api.accounts.password_strength import explain_weakness, normalize_password
from api.errors import invalid
from api.schemas import FieldError
from configs.settings import settings


def hash_new_password(password: str, email: str, like: str | None = None, *, kept: bool = False) -> str:
    """Return the hash of a password that somebody chooses, unless it can be guessed: judged and hashed in one turn.

    Raises:
        api.errors.ApiError: 422, it can be guessed; 503, see `take_turn`.
    """
    with take_turn(kept=kept):
        if weakness := explain_weakness(password, email):
            raise invalid(FieldError(path="password", rule="guessable", detail=weakness))
        return _hash(password, like)


def hash_password(password: str, like: str | None = None, *, kept: bool = False) -> str:
    """Return the salted hash to store. BCRYPT_COST sets how slow that is (12: 0.2 s).

    With `like`, an earlier hash, the salt is that one's: the same password has the same hash again.

    Raises:
        api.errors.ApiError: 503, see `take_turn`.
    """
    with take_turn(kept=kept):
        return _hash(password, like)


def verify_password(password: str, stored: str | None, *, kept: bool = False) -> bool:
    """Return whether the password has that hash. Without a hash it takes the same time and returns False.

    Raises:
        api.errors.ApiError: 503, see `take_turn`.
    """
    if stored is None:
        hash_password(password, kept=kept)
        return False
    with take_turn(kept=kept):
        return bcrypt.checkpw(_digest(password), stored.encode("ascii"))


def _hash(password: str, like: str | None) -> str:
    salt = like.encode("ascii") if like else bcrypt.gensalt(settings().bcrypt_cost)
    return bcrypt.hashpw(_digest(password), salt).decode("ascii")


def _digest(password: str) -> bytes:
    text = normalize_password(password)
    return base64.b64encode(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
