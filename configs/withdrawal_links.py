"""Tokens of the links by which order mails let their reader withdraw.

They are encrypted with DATA_KEYS, which proves that they are ours. The program that sends order mails has these keys.
It has no JWT_SECRET, with which it could forge logins.
"""

from uuid import UUID

from configs.encryption import DecryptionFailed, decrypt, encrypt
from configs.signing import LinkRefused

_PURPOSE = "withdraw:"  # no other encrypted text begins so
_BLOCK = 4  # characters of Base64


def write_withdrawal_token(payment_id: UUID) -> str:
    """Return the token of an order; it does not expire, as its page says when the period is over.

    Raises:
        configs.settings.SettingMissing: DATA_KEYS is not set.
    """
    return encrypt(f"{_PURPOSE}{payment_id}").rstrip("=")


def read_withdrawal_token(token: str) -> UUID:
    """Return the order that a token is about.

    Raises:
        configs.signing.LinkRefused: it is not ours, or its key was taken away since.
        configs.settings.SettingMissing: DATA_KEYS is not set.
    """
    try:
        text = decrypt(token + "=" * (-len(token) % _BLOCK))
        if not text.startswith(_PURPOSE):
            raise LinkRefused("forged")
        return UUID(text.removeprefix(_PURPOSE))
    except DecryptionFailed:
        raise LinkRefused("forged") from None
