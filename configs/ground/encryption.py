"""Encryption of personal data at rest, and the keyed hashes by which it is found again.

DATA_KEYS encrypt (Fernet: AES-128-CBC with HMAC-SHA256), LOOKUP_KEY hashes. Both take several values, newest first:
the first one writes, all of them read.
"""

import base64
import hashlib
import hmac
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from configs.settings import settings


class DecryptionFailed(ValueError):
    """No key of DATA_KEYS decrypts a text: the key that encrypted it is missing, or it was damaged."""


def encrypt(text: str) -> str:
    """Return the text encrypted with the first of DATA_KEYS, in the characters of URL-safe Base64.

    Raises:
        configs.settings.SettingMissing: DATA_KEYS is not set.
    """
    return _build_cipher(settings().require_all("data_keys")).encrypt(text.encode()).decode("ascii")


def decrypt(text: str) -> str:
    """Decrypt a text that any of DATA_KEYS encrypted.

    Raises:
        DecryptionFailed: none of them did.
        configs.settings.SettingMissing: DATA_KEYS is not set.
    """
    try:
        return _build_cipher(settings().require_all("data_keys")).decrypt(text).decode()
    except (InvalidToken, ValueError):  # ValueError: a text that is not ASCII
        raise DecryptionFailed("no key of DATA_KEYS decrypts this") from None


def is_newest(text: str) -> bool:
    """Whether the first of DATA_KEYS encrypted a text.

    Raises:
        configs.settings.SettingMissing: DATA_KEYS is not set.
    """
    try:
        _build_cipher(settings().require_all("data_keys")[:1]).decrypt(text)
    except (InvalidToken, ValueError):  # ValueError: a text that is not ASCII
        return False
    return True


def make_file_key() -> str:
    """Return a new random key for one file. Keep it encrypted, apart from the file."""
    return Fernet.generate_key().decode("ascii")


def encrypt_file(key: str, data: bytes) -> bytes:
    """Return the content of a file encrypted with a key of its own."""
    return Fernet(key).encrypt(data)


def decrypt_file(key: str, data: bytes) -> bytes:
    """Decrypt the content of a file.

    Raises:
        DecryptionFailed: another key encrypted it, or it was damaged.
    """
    try:
        return Fernet(key).decrypt(data)
    except InvalidToken:
        raise DecryptionFailed("its key does not decrypt this file") from None


def lookup_hashes(text: str) -> list[bytes]:
    """Return the hashes of 32 bytes by which an encrypted text is found: one for each of LOOKUP_KEY, newest first.

    The first is the one to store. Begin the text with its purpose (`sms:+33612345678`), so that equal texts of two
    kinds have different hashes.

    Raises:
        configs.settings.SettingMissing: LOOKUP_KEY is not set.
    """
    keys = (_derive_key(secret, b"lookup") for secret in settings().require_all("lookup_key"))
    return [hmac.digest(key, text.encode(), hashlib.sha256) for key in keys]


@lru_cache(maxsize=8)
def _build_cipher(secrets: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_derive_key(each, b"data"))) for each in secrets])


@lru_cache(maxsize=16)
def _derive_key(secret: str, purpose: bytes) -> bytes:
    """Return a key of 32 bytes for one purpose; the secret may be any long random text."""
    info = b"rdvpriority." + purpose
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret.encode())
