"""E-mail by SendGrid's v3 API.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
"""

import json
import re
from collections.abc import Sequence
from email.utils import parseaddr
from functools import lru_cache
from http import HTTPStatus
from typing import Any

import python_http_client
from python_http_client.exceptions import HTTPError
from requests import Response
from sendgrid import SendGridAPIClient

from api.models.user import ContactState
from configs.ground.contact_addresses import ascii_address
from configs.settings import settings
from notifier.channels.provider_base import (
    Acceptance,
    DeliveryError,
    Misconfigured,
    OneCallProvider,
    OutcomeUnknown,
    PermanentError,
)
from notifier.channels.transport import Transport
from notifier.content.outgoing_message import OutgoingMessage, own_headers

PROVIDER = "sendgrid"

# What 4xx answers mean (429 and 5xx are the transport's). A refused key or sender is our fault, not the message's.
# https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/responses
_OURS = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_FOUND}
_BAD_ADDRESS = "personalizations"  # the `field` of an error that speaks of whom it goes to
# Who reported spam, or unsubscribed, still gets an order's confirmation and a new password, and what was switched on
# again since; an address that bounced is left alone. Bypassing all lists excludes these two: https://www.twilio.com/docs/sendgrid/ui/sending-email/index-suppressions
_BYPASS = {name: {"enable": True} for name in ("bypass_spam_management", "bypass_unsubscribe_management")}
_AT_FAULT = re.compile(r"personalizations\.(\d{1,4})\.")


class _Client(python_http_client.Client):  # type: ignore[misc] # ships no types
    """SendGrid's client over the transport: its own opens a connection per mail and knows no time-out.

    https://github.com/sendgrid/sendgrid-python/issues/757
    """

    def __init__(self, transport: Transport, **options: Any) -> None:
        super().__init__(**options)
        self.transport = transport

    def _build_client(self, name: str | None = None) -> "_Client":
        path = [*self._url_path, name] if name else self._url_path
        headers = self.request_headers
        return _Client(
            self.transport, host=self.host, version=self._version, request_headers=headers, url_path=path
        )

    def post(self, body: dict[str, Any]) -> Response:
        """Post a body as JSON, encoded once. The inherited method encodes it twice more, for a log at level DEBUG.

        Raises:
            HTTPError: the answer is 4xx.
            notifier.channels.provider_base.DeliveryError: there is no answer that says whether it was taken.
        """
        headers = {**self.request_headers, "Content-Type": "application/json"}
        answer = self.transport.post(self._build_url(None), data=json.dumps(body).encode(), headers=headers)
        if answer.status_code >= HTTPStatus.BAD_REQUEST:
            raise HTTPError(answer.status_code, answer.reason, answer.content, answer.headers)
        return answer


@lru_cache(maxsize=2)
def _client(key: str, host: str) -> SendGridAPIClient:
    api = SendGridAPIClient(key, host=host)
    headers = api.client.request_headers
    api.client = _Client(Transport(PROVIDER), host=host, version=3, request_headers=headers)
    return api


def _api() -> SendGridAPIClient:
    return _client(settings().require("sendgrid_api_key"), settings().address_of("sendgrid"))


class SendGrid(OneCallProvider):
    """Mails that share their content leave in one call: a personalization each, its own links by substitutions."""

    # It takes 1000. That many would be of unknown fate where it hangs, and a bad address fails all of a call:
    # https://www.twilio.com/docs/sendgrid/for-developers/sending-email/personalizations
    MOST = 500

    def send(self, messages: Sequence[OutgoingMessage]) -> Acceptance:
        """Hand mails of one content to SendGrid; `custom_args` come back with its events. All pass its lists, or none.

        Raises:
            notifier.channels.provider_base.DeliveryError: no mail was sent; PermanentError names the mails at fault.
        """
        try:
            answer = _api().client.mail.send.post(_body(messages))
        except HTTPError as error:
            raise _delivery_error(error) from error
        if answer.status_code != HTTPStatus.ACCEPTED:  # 200: valid, and not queued
            raise OutcomeUnknown(f"{PROVIDER} answered {answer.status_code}, which is no acceptance")
        return Acceptance(PROVIDER, answer.headers.get("X-Message-Id", ""), awaits_receipt=_sends_receipts())


def _sends_receipts() -> bool:
    return settings().sendgrid_webhook_key is not None


def _body(messages: Sequence[OutgoingMessage]) -> dict[str, Any]:
    name, sender = parseaddr(settings().email_from)
    content = messages[0].content if len(messages) > 1 else messages[0].filled
    parts = (("text/plain", content.text), ("text/html", content.html))
    return {
        "personalizations": [_personalization(each, alone=len(messages) == 1) for each in messages],
        "from": {"email": sender, "name": name},
        "subject": content.subject,
        "content": [{"type": kind, "value": value} for kind, value in parts if value],
        # Rewritten links would hide the official address, and a pixel would watch who reads.
        "tracking_settings": {"click_tracking": {"enable": False}, "open_tracking": {"enable": False}},
        **({"mail_settings": _BYPASS} if messages[0].passes_lists else {}),
    }


def _personalization(message: OutgoingMessage, *, alone: bool) -> dict[str, Any]:
    arguments = message.metadata
    if settings().loopback_only and message.seen_at:
        arguments["seen_at"] = message.seen_at.isoformat()
    to: dict[str, Any] = {
        "to": [{"email": _spell_address(message.address)}],
        "custom_args": arguments,
        "headers": own_headers(message),
    }
    return to if alone or not message.substitutions else {**to, "substitutions": dict(message.substitutions)}


def _spell_address(address: str) -> str:
    """Return the address with its domain in ASCII, as SendGrid wants it; it refuses one that has no such spelling."""
    try:
        return ascii_address(address)
    except ValueError:
        return address


def _delivery_error(error: HTTPError) -> DeliveryError:
    if error.status_code in _OURS:
        return Misconfigured(
            f"{PROVIDER} answered {error.status_code}: check SENDGRID_API_KEY and EMAIL_FROM"
        )
    fields = _fields(error)
    if any(field.partition(".")[0] == "from" for field in fields):
        return Misconfigured(f"{PROVIDER} refuses the sender: check EMAIL_FROM")
    if any(field.startswith(_BAD_ADDRESS) for field in fields):
        at_fault = frozenset(int(found[1]) for field in fields if (found := _AT_FAULT.match(field)))
        return PermanentError(f"{PROVIDER} refuses the address", ContactState.BOUNCED, at_fault)
    reason = f"{PROVIDER} answered {error.status_code} {', '.join(fields)}".rstrip()
    return PermanentError(reason, of_all=bool(fields))


def _fields(error: HTTPError) -> list[str]:
    try:
        listed = error.to_dict["errors"]
        return [str(each["field"])[:80] for each in listed if each.get("field")]
    except (ValueError, KeyError, TypeError, AttributeError):  # a body of another shape says nothing more
        return []
