"""Tokens of the links by which mails about orders let their reader withdraw from one, or cancel its subscription.

They are encrypted with DATA_KEYS, which proves that they are ours. The program that sends order mails has these keys.
It has no JWT_SECRET, with which it could forge logins.
"""

from uuid import UUID

from configs.encryption import DecryptionFailed, decrypt, encrypt
from configs.signing import LinkRefused

_WITHDRAW, _CANCEL = "withdraw:", "cancel:"  # no other encrypted text begins so
_BLOCK = 4  # characters of Base64


def write_withdrawal_token(payment_id: UUID) -> str:
    """Return the token of an order; it does not expire, as its page says when the period is over.

    Raises:
        configs.settings.SettingMissing: DATA_KEYS is not set.
    """
    return _write_token(_WITHDRAW, payment_id)


def read_withdrawal_token(token: str) -> UUID:
    """Return the order that a token is about.

    Raises:
        configs.signing.LinkRefused: it is not ours, or its key was taken away since.
        configs.settings.SettingMissing: DATA_KEYS is not set.
    """
    return _read_token(_WITHDRAW, token)


def write_cancellation_token(payment_id: UUID) -> str:
    """Return the token of the order of a subscription; it does not expire, as it cancels this subscription only.

    Raises:
        configs.settings.SettingMissing: DATA_KEYS is not set.
    """
    return _write_token(_CANCEL, payment_id)


def read_cancellation_token(token: str) -> UUID:
    """Return the order whose subscription a token cancels.

    Raises:
        configs.signing.LinkRefused: it is not ours, or its key was taken away since.
        configs.settings.SettingMissing: DATA_KEYS is not set.
    """
    return _read_token(_CANCEL, token)


def _write_token(purpose: str, payment_id: UUID) -> str:
    return encrypt(f"{purpose}{payment_id}").rstrip("=")


def _read_token(purpose: str, token: str) -> UUID:
    try:
        text = decrypt(token + "=" * (-len(token) % _BLOCK))
    except DecryptionFailed:
        raise LinkRefused("forged") from None
    if not text.startswith(purpose):
        raise LinkRefused("forged")
    return UUID(text.removeprefix(purpose))
