"""Column types for personal data that is encrypted at rest (configs/ground/encryption.py)."""

from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Dialect

from configs.ground.encryption import DecryptionFailed, decrypt, encrypt

UNREADABLE = ""  # a contact's address that no key decrypts; no address is empty
log = structlog.get_logger(__name__)


class EncryptedText(sa.types.TypeDecorator[str]):
    """Text that the program reads and writes plainly and the database holds encrypted.

    Two encryptions of a text differ, so it cannot be compared in SQL: find rows by `lookup_hashes`.
    `flask rekey` renews every column of this type.
    """

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 -- as its base says
        """Encrypt what is written."""
        return None if value is None else encrypt(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 -- as its base says
        """Decrypt what is read.

        Raises:
            configs.ground.encryption.DecryptionFailed: no key of DATA_KEYS encrypted it.
        """
        return None if value is None else decrypt(value)


def read_stored_address(stored: str) -> str:
    """Return the address of a contact as the program reads it, from what the table holds.

    One that cannot be decrypted reads as UNREADABLE, so that one bad row fails no query over many.
    """
    if "@" in stored:
        return stored
    try:
        return decrypt(stored)
    except DecryptionFailed:
        log.error("the address of a contact is unreadable: check DATA_KEYS")  # noqa: TRY400 -- no traceback a row
        return UNREADABLE


class ContactAddress(EncryptedText):
    """The address of a contact: e-mail addresses stay as they are, phone numbers and chat ids are encrypted.

    Only the former have an `@`, which the encrypted form has not.
    """

    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Encrypt an address that is no e-mail address."""
        return value if value is None or "@" in value else super().process_bind_param(value, dialect)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 -- as its base says
        """Return it as `read_stored_address` does."""
        return None if value is None else read_stored_address(value)
