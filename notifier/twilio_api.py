"""Twilio's client over our transport, and what its refusals mean: for SMS and calls alike.

https://www.twilio.com/docs/api/errors
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from twilio.base.exceptions import TwilioRestException, TwilioServiceException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from api.models.user import ContactState
from configs.settings import settings
from notifier.delivery.provider_http import Transport
from notifier.errors import DeliveryError, Misconfigured, PermanentError, RateLimited, TemporaryError

# Full queue, rate: nothing is wrong with the message.
_TOO_MANY = {20429, 21611, 14107}
# Of Twilio's own codes; its client gives the HTTP status where the answer has none.
_LEAST_CODE, _HIGHEST_CODE = 1_000, 999_999
_OURS = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}

Refusals = Mapping[int, tuple[str, ContactState | None]]  # by error code: reason, and the contact's state

_quiet = logging.getLogger(f"{__name__}.twilio")
_quiet.disabled = True  # Twilio's client logs each request at INFO


@lru_cache(maxsize=4)
def _client(provider: str, account: str, token: str, base_url: str) -> tuple[Any, Transport]:
    transport = Transport(provider)
    http = TwilioHttpClient(logger=_quiet)
    http.session = transport
    client = Client(account, token, http_client=http)
    client.api.base_url = (
        base_url  # there is no option for it: https://github.com/twilio/twilio-python/issues/521
    )
    return client, transport


def open_client(provider: str, base_url: str) -> tuple[Any, Transport]:
    """Return the client of a provider, and the transport that carries its requests.

    Raises:
        configs.settings.SettingMissing: TWILIO_ACCOUNT_SID or TWILIO_AUTH_TOKEN is not set.
    """
    now = settings()
    account, token = now.require("twilio_account_sid"), now.require("twilio_auth_token")
    return _client(provider, account, token, base_url.rstrip("/"))


@contextmanager
def sorted_errors(
    provider: str, permanent: Refusals, sender_codes: frozenset[int], sender_setting: str
) -> Iterator[None]:
    """Turn what Twilio's client raises into the errors of a delivery.

    Raises:
        notifier.errors.DeliveryError: sorted by whether another attempt can help.
    """
    try:
        yield
    except (TwilioRestException, TwilioServiceException) as error:
        raise _delivery_error(error, provider, permanent, sender_codes, sender_setting) from error


def _delivery_error(
    error: TwilioRestException | TwilioServiceException,
    provider: str,
    permanent: Refusals,
    sender_codes: frozenset[int],
    sender_setting: str,
) -> DeliveryError:
    code = error.code if isinstance(error.code, int) and error.code <= _HIGHEST_CODE else 0
    if code in permanent:
        reason, state = permanent[code]
        return PermanentError(f"{provider} {code}: {reason}", state)
    if code in _TOO_MANY:
        return RateLimited(f"{provider} {code}")
    if code in sender_codes:
        return Misconfigured(f"{provider} {code}: check {sender_setting}")
    if error.status in _OURS:
        return Misconfigured(
            f"{provider} answered {error.status}: check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"
        )
    if code < _LEAST_CODE:  # a proxy's or a firewall's answer speaks of no message
        return TemporaryError(f"{provider} answered {error.status}, in no words of its own")
    return PermanentError(f"{provider} answered {error.status}, code {code}")
