"""E-mail by SendGrid's v3 API.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
"""

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
from configs.settings import settings
from notifier.channels import Acceptance, OutgoingMessage
from notifier.delivery.provider_http import Transport
from notifier.errors import DeliveryError, Misconfigured, PermanentError

PROVIDER = "sendgrid"

# What 4xx answers mean (429 and 5xx are the transport's). A refused key or sender is our fault, not the message's.
# https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/responses
_OURS = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_FOUND}
_BAD_ADDRESS = "personalizations"  # the `field` of an error that speaks of whom it goes to
_AT_FAULT = re.compile(r"personalizations\.(\d{1,4})\.")

# Letters in one call. SendGrid takes 1000, but one bad address fails them all:
# https://www.twilio.com/docs/sendgrid/for-developers/sending-email/personalizations
MOST = 100


class _SendGridAnswer:
    """What python_http_client expects of an opener: the answer of urllib, here of our transport."""

    def __init__(self, answer: Response) -> None:
        self._answer = answer

    def getcode(self) -> int:
        return self._answer.status_code

    def read(self) -> bytes:
        return self._answer.content

    def info(self) -> Any:
        return self._answer.headers


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

    def _make_request(self, _opener: Any, request: Any, timeout: float | None = None) -> _SendGridAnswer:  # noqa: ARG002 -- the transport has its own
        answer = self.transport.post(
            request.full_url, data=request.data, headers=dict(request.header_items())
        )
        if answer.status_code >= HTTPStatus.BAD_REQUEST:
            raise HTTPError(answer.status_code, answer.reason, answer.content, answer.headers)
        return _SendGridAnswer(answer)


@lru_cache(maxsize=2)
def _client(key: str, host: str) -> SendGridAPIClient:
    api = SendGridAPIClient(key, host=host)
    headers = api.client.request_headers
    api.client = _Client(Transport(PROVIDER), host=host, version=3, request_headers=headers)
    return api


def _api() -> SendGridAPIClient:
    return _client(settings().require("sendgrid_api_key"), str(settings().sendgrid_base_url).rstrip("/"))


def warm_up() -> None:
    """Build the client."""
    _ = _api().client.mail.send


def send(letter: OutgoingMessage) -> Acceptance:
    """Hand one mail to SendGrid; `custom_args` come back with its events.

    Raises:
        notifier.errors.DeliveryError: sorted by whether trying again can help.
    """
    return send_all([letter])


def send_all(letters: Sequence[OutgoingMessage]) -> Acceptance:
    """Hand over mails that share their message: a personalization each, its own links by substitutions.

    Raises:
        notifier.errors.DeliveryError: nobody was sent anything; PermanentError names the letters at fault.
    """
    try:
        answer = _api().client.mail.send.post(request_body=_body(letters))
    except HTTPError as error:
        raise _sorted(error) from error
    return Acceptance(PROVIDER, answer.headers.get("X-Message-Id", ""))


def _body(letters: Sequence[OutgoingMessage]) -> dict[str, Any]:
    name, sender = parseaddr(settings().email_from)
    message = letters[0].message if len(letters) > 1 else letters[0].filled
    parts = (("text/plain", message.text), ("text/html", message.html))
    return {
        "personalizations": [_personalization(each, alone=len(letters) == 1) for each in letters],
        "from": {"email": sender, "name": name},
        "subject": message.subject,
        "content": [{"type": kind, "value": value} for kind, value in parts if value],
        # Rewritten links would hide the official address, and a pixel would watch who reads.
        "tracking_settings": {"click_tracking": {"enable": False}, "open_tracking": {"enable": False}},
    }


def _personalization(letter: OutgoingMessage, *, alone: bool) -> dict[str, Any]:
    arguments = letter.metadata
    if settings().loopback_only and letter.seen_at:
        arguments["seen_at"] = letter.seen_at.isoformat()
    to = {"to": [{"email": letter.address}], "custom_args": arguments}
    return to if alone or not letter.substitutions else {**to, "substitutions": dict(letter.substitutions)}


def _sorted(error: HTTPError) -> DeliveryError:
    if error.status_code in _OURS:
        return Misconfigured(
            f"{PROVIDER} answered {error.status_code}: check SENDGRID_API_KEY and EMAIL_FROM"
        )
    fields = _fields(error)
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
