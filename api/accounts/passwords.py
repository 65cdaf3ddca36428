"""Password hashes: bcrypt over a digest, because bcrypt refuses more than 72 bytes."""

import base64
import hashlib
import unicodedata

import bcrypt

from configs.settings import settings


def hash_password(password: str) -> str:
    """Return the salted hash to store. BCRYPT_COST sets how slow that is (12: 0.2 s)."""
    return bcrypt.hashpw(_digest(password), bcrypt.gensalt(settings().bcrypt_cost)).decode("ascii")


def verify_password(password: str, kept: str | None) -> bool:
    """Return whether the password has that hash. Without a hash it takes the same time and returns False."""
    if kept is None:
        hash_password(password)
        return False
    return bcrypt.checkpw(_digest(password), kept.encode("ascii"))


def _digest(password: str) -> bytes:
    # NFKC: the same key strokes give different code points on different systems (NIST SP 800-63B, 5.1.1.2)
    text = unicodedata.normalize("NFKC", password)
    return base64.b64encode(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
