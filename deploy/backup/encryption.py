"""Encryption of backups to public keys of age (https://age-encryption.org/v1), as streams.

The server holds public keys only. What it wrote it cannot read again, nor can somebody who breaks into it.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyrage
from pyrage.x25519 import Identity, Recipient

from configs.settings import settings
from deploy.backup import BackupError

MAGIC = b"age-encryption.org/v1\n"
_SECRET = "AGE-SECRET-KEY-"  # noqa: S105 -- how a line with one begins


class _Ends:
    """Reader and writer for pyrage, which hides an error of the one, and drops that of the other's last write."""

    def __init__(self, read: Callable[[int], bytes], write: Callable[[bytes], object]) -> None:
        self._read, self._write = read, write
        self.failure: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        with self._keep_failure():
            return self._read(size)

    def write(self, data: bytes) -> int:
        with self._keep_failure():
            self._write(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: what is written is written."""

    @contextmanager
    def _keep_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.failure = self.failure or error
            raise


def read_recipients() -> list[Recipient]:
    """Return the public keys of BACKUP_RECIPIENTS.

    Raises:
        BackupError: one of them is none.
        configs.settings.SettingMissing: there is none.
    """
    found = []
    for text in settings().require_all("backup_recipients"):
        try:
            found.append(Recipient.from_str(text))
        except pyrage.RecipientError as error:
            raise BackupError(f"BACKUP_RECIPIENTS: {text} is no public key of age ({error})") from None
    return found


def fingerprints(recipients: Sequence[Recipient]) -> tuple[str, ...]:
    """Return short hashes of public keys: who may write to the store does not learn the keys from them."""
    return tuple(sorted(hashlib.sha256(str(each).encode()).hexdigest()[:16] for each in recipients))


def read_identities(file: Path) -> list[Identity]:
    """Return the private keys in a file, one a line, as `deploy.backup key` and `age-keygen` write them.

    Raises:
        BackupError: it cannot be read, holds none, or something else.
    """
    try:
        lines = [line.strip() for line in file.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise BackupError(f"the key cannot be read: {error}") from None
    texts = [line for line in lines if line and not line.startswith("#")]
    if not texts:
        raise BackupError(f"{file} holds no key: it needs a line that begins with {_SECRET}")
    try:
        return [Identity.from_str(text) for text in texts]
    except pyrage.IdentityError as error:
        raise BackupError(f"{file} holds a line that is no private key of age ({error})") from None


def make_key() -> tuple[str, str]:
    """Return a new private key and its public key."""
    made = Identity.generate()
    return str(made), str(made.to_public())


def read_blocks(blocks: Iterator[bytes]) -> Callable[[int], bytes]:
    """Return a reader of blocks of any length, one after the other."""
    left = memoryview(b"")  # not bytes: each of a block's many reads would copy all that is left of it

    def read_some(size: int) -> bytes:
        nonlocal left
        while not left and (block := next(blocks, b"")):
            left = memoryview(block)
        end = len(left) if size < 0 else size
        found, left = left[:end], left[end:]
        return bytes(found)

    return read_some


def encrypt_stream(
    read: Callable[[int], bytes], write: Callable[[bytes], object], recipients: Sequence[Recipient]
) -> None:
    """Encrypt all that `read` returns until it returns nothing.

    Raises:
        BackupError: it cannot be encrypted; else what `read` or `write` raised.
    """
    ends = _Ends(read, write)
    try:
        pyrage.encrypt_io(ends, ends, recipients)
    except (pyrage.EncryptError, OSError) as error:
        if not ends.failure:
            raise BackupError(f"the backup cannot be encrypted: {error}") from error
    if ends.failure:
        raise ends.failure


def decrypt_stream(
    blocks: Iterator[bytes], write: Callable[[bytes], object], identities: Sequence[Identity], what: str
) -> None:
    """Decrypt blocks of bytes. What was written before an error is true, but not whole.

    Raises:
        BackupError: they are cut off, changed, not encrypted, or to other keys; else what `blocks` or `write` raised.
    """
    ends = _Ends(read_blocks(blocks), write)
    try:
        pyrage.decrypt_io(ends, ends, identities)
    except (pyrage.DecryptError, OSError) as error:
        if not ends.failure:
            raise _explain(error, what) from None
    if ends.failure:
        raise ends.failure


def encrypt(data: bytes, recipients: Sequence[Recipient]) -> bytes:
    """Encrypt a few megabytes."""
    return bytes(pyrage.encrypt(data, recipients))


def decrypt(data: bytes, identities: Sequence[Identity], what: str) -> bytes:
    """Decrypt a few megabytes.

    Raises:
        BackupError: they are cut off, changed, not encrypted, or to other keys.
    """
    try:
        return bytes(pyrage.decrypt(data, identities))
    except (pyrage.DecryptError, OSError) as error:
        raise _explain(error, what) from None


def _explain(error: Exception, what: str) -> BackupError:
    if "No matching keys" in str(error):
        return BackupError(f"the key does not open {what}: it was encrypted to others")
    return BackupError(f"{what} cannot be decrypted, it is cut off or was changed ({error})")
