"""Password hashes: bcrypt over a digest, because bcrypt refuses more than 72 bytes. Each waits for its turn."""

import base64
import hashlib

import bcrypt

from api.accounts.hash_turns import take_turn
from api.accounts.password_strength import normalize_password
from configs.settings import settings


def hash_password(password: str, like: str | None = None) -> str:
    """Return the salted hash to store. BCRYPT_COST sets how slow that is (12: 0.2 s).

    With `like`, an earlier hash, the salt is that one's: the same password has the same hash again.

    Raises:
        api.errors.ApiError: 503, see `take_turn`.
    """
    salt = like.encode("ascii") if like else bcrypt.gensalt(settings().bcrypt_cost)
    with take_turn():
        return bcrypt.hashpw(_digest(password), salt).decode("ascii")


def verify_password(password: str, kept: str | None) -> bool:
    """Return whether the password has that hash. Without a hash it takes the same time and returns False.

    Raises:
        api.errors.ApiError: 503, see `take_turn`.
    """
    if kept is None:
        hash_password(password)
        return False
    with take_turn():
        return bcrypt.checkpw(_digest(password), kept.encode("ascii"))


def _digest(password: str) -> bytes:
    text = normalize_password(password)
    return base64.b64encode(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
