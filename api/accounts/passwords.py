"""Passwords: bcrypt over a digest, so that long ones count whole (bcrypt itself refuses more than 72 bytes)."""

import base64
import hashlib
import unicodedata

import bcrypt

from configs.settings import settings


def hash_password(password: str) -> str:
    """Return the salted hash to keep; BCRYPT_COST says how slow that is (12: 0.2 s)."""
    return bcrypt.hashpw(_digest(password), bcrypt.gensalt(settings().bcrypt_cost)).decode("ascii")


def password_fits(password: str, kept: str | None) -> bool:
    """Whether it is the password of that hash. Without a hash the same work is done, and the answer is no."""
    if kept is None:
        hash_password(password)
        return False
    return bcrypt.checkpw(_digest(password), kept.encode("ascii"))


def _digest(password: str) -> bytes:
    # NFKC: the same key strokes give different code points on different systems (NIST SP 800-63B, 5.1.1.2)
    text = unicodedata.normalize("NFKC", password)
    return base64.b64encode(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
