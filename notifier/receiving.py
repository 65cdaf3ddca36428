"""Calls of providers: the check that one is genuine, and the module that handles it."""

from collections.abc import Mapping

from notifier import CallRefused, telegram_updates


def is_genuine(provider: str, headers: Mapping[str, str], _body: bytes) -> bool:
    """Return whether the provider made a call. Reads no table and parses nothing.

    Raises:
        LookupError: no calls are received from this provider.
    """
    _check_provider(provider)
    return telegram_updates.is_genuine(headers)


def receive(provider: str, headers: Mapping[str, str], body: bytes) -> None:
    """Handle a call.

    Raises:
        notifier.CallRefused: the provider did not make it.
        LookupError: no calls are received from this provider.
    """
    if not is_genuine(provider, headers, body):
        raise CallRefused(f"a call in the name of {provider} is not signed as agreed")
    telegram_updates.handle_update(body)


def _check_provider(provider: str) -> None:
    if provider != "telegram":
        raise LookupError(f"no calls are received from {provider!r}")
