"""Calls of providers: the check that one is genuine, and the store of receipts."""

from collections.abc import Mapping

import structlog

from api.models.base import session
from configs.clock import clock
from notifier import CallRefused, receipt_store, telegram_updates
from notifier.receipts import receipt_readers

_TELEGRAM = "telegram"
log = structlog.get_logger(__name__)


def is_genuine(provider: str, headers: Mapping[str, str], body: bytes, query: str) -> bool:
    """Return whether the provider made a call. Reads no table.

    Raises:
        LookupError: no calls are received from this provider.
    """
    if provider == _TELEGRAM:
        return telegram_updates.is_genuine(headers)
    _check_known(provider)
    lower = {name.lower(): value for name, value in headers.items()}
    return receipt_readers()[provider].is_genuine(lower, body, query)


def receive(provider: str, headers: Mapping[str, str], body: bytes, query: str) -> None:
    """Store the receipts of a call.

    Raises:
        notifier.CallRefused: the provider did not make it.
        LookupError: no receipts are received from this provider.
    """
    _check_known(provider)
    if not is_genuine(provider, headers, body, query):
        raise CallRefused(f"a call in the name of {provider} is not signed as agreed")
    _keep_receipts(provider, body, query)


def _check_known(provider: str) -> None:
    if provider not in receipt_readers():
        raise LookupError(f"no receipts are received from {provider!r}")


def _keep_receipts(provider: str, body: bytes, query: str) -> None:
    """Store the receipts of a call; one that cannot be read is signed, and would come again for nothing.

    The sweep has them applied within a second. A job from here would wait for a Redis that hangs.
    """
    now = clock()
    try:
        receipts = receipt_readers()[provider].read_receipts(body, query, now)
    except ValueError as error:
        log.warning("receipts not readable", provider=provider, because=str(error)[:80])
        return
    with session() as opened:
        receipt_store.store(opened, provider, receipts)
