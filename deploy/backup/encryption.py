"""Encryption of backups to public keys of age (https://age-encryption.org/v1), object by object.

The server holds public keys only. What it wrote it cannot read again, nor can somebody who breaks into it.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pyrage
from pyrage.x25519 import Identity, Recipient

from configs.settings import settings
from deploy.backup.errors import DamagedBackup, KeyRefused

MAGIC = b"age-encryption.org/v1\n"
_SECRET = "AGE-SECRET-KEY-"  # noqa: S105 -- how a line with one begins


def read_recipients() -> list[Recipient]:
    """Return the public keys of BACKUP_RECIPIENTS.

    Raises:
        KeyRefused: one of them is none.
        configs.settings.SettingMissing: there is none.
    """
    found = []
    for text in settings().require_all("backup_recipients"):
        try:
            found.append(Recipient.from_str(text))
        except pyrage.RecipientError as error:
            raise KeyRefused(f"BACKUP_RECIPIENTS: {text} is no public key of age ({error})") from None
    return found


def fingerprints(recipients: Sequence[Recipient]) -> tuple[str, ...]:
    """Return short hashes of public keys: who may write to the store does not learn the keys from them."""
    return tuple(sorted(hashlib.sha256(str(each).encode()).hexdigest()[:16] for each in recipients))


def read_identities(file: Path) -> list[Identity]:
    """Return the private keys in a file, one a line, as `deploy.backup key` and `age-keygen` write them.

    Raises:
        KeyRefused: it cannot be read, holds none, or something else.
    """
    try:
        lines = [line.strip() for line in file.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise KeyRefused(f"the key cannot be read: {error}") from None
    texts = [line for line in lines if line and not line.startswith("#")]
    if not texts:
        raise KeyRefused(f"{file} holds no key: it needs a line that begins with {_SECRET}")
    try:
        return [Identity.from_str(text) for text in texts]
    except pyrage.IdentityError as error:
        raise KeyRefused(f"{file} holds a line that is no private key of age ({error})") from None


def make_key() -> tuple[str, str]:
    """Return a new private key and its public key."""
    made = Identity.generate()
    return str(made), str(made.to_public())


def seal(key: str, data: bytes, recipients: Sequence[Recipient]) -> bytes:
    """Encrypt an object of a few megabytes, its key with it, so that none can be exchanged for another."""
    return bytes(pyrage.encrypt(key.encode() + b"\n" + data, recipients))


def unseal(key: str, sealed: bytes, identities: Sequence[Identity]) -> bytes:
    """Return what an object holds.

    Raises:
        DamagedBackup: it is cut off, changed, not encrypted, or another one under this key.
        KeyRefused: none of the keys opens it.
    """
    try:
        name, _, data = bytes(pyrage.decrypt(sealed, identities)).partition(b"\n")
    except (pyrage.DecryptError, OSError) as error:
        if "No matching keys" in str(error):
            raise KeyRefused(f"the key does not open {key}: it was encrypted to others") from None
        raise DamagedBackup(f"{key} cannot be decrypted, it is cut off or was changed ({error})") from None
    if name != key.encode():
        raise DamagedBackup(f"{key} holds another object: {name[:200].decode('ascii', 'replace')}")
    return data
