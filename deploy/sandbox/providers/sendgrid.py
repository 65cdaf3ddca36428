"""SendGrid's v3 mail/send: the shapes it takes and refuses, after its public API reference.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
"""

from __future__ import annotations

import json
import re
import secrets
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from deploy.sandbox import addresses
from deploy.sandbox.clock import now
from deploy.sandbox.outbox import OutboxDraft
from deploy.sandbox.providers.provider import Accepted, Provider, RequestRefused, seen_at
from deploy.sandbox.providers.receipts import make_events, sign_events

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.sandbox.outbox import Outbox

_ADDRESS: Final = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+\.[^@\s<>,;\".]{2,}")
_MOST_PERSONALIZATIONS: Final = 1000
# https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send#request-body
_RESERVED_HEADERS: Final = frozenset(
    {"x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"}
    | {"to", "from", "subject", "reply-to", "cc", "bcc"}
)
# https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors
_TWICE: Final = "Each unique email address in the personalizations array should only be included once."
_LONGEST_SUBSTITUTIONS: Final = 10_000  # bytes of one personalization, tags and values


def _errors(status: int, message: str, *fields: str | None, **headers: str) -> web.Response:
    errors = [{"message": message, "field": field, "help": None} for field in fields or (None,)]
    return web.json_response({"errors": errors}, status=status, headers=headers)


def _bad(message: str, field: str | None) -> RequestRefused:
    return RequestRefused(_errors(400, message, field))


class SendGrid(Provider):
    """E-mail: one call may carry many recipients, and one bad address refuses them all."""

    channel = "email"
    provider_name = "sendgrid"
    host = addresses.SENDGRID

    def __init__(self, outbox: Outbox) -> None:
        super().__init__(outbox)
        self._spam_reports: set[str] = set()

    def add_own_routes(self, app: web.Application) -> None:
        """Add mail/send."""
        app.router.add_post("/v3/mail/send", self.call)

    def send_receipts(self, request: web.Request, accepted: Accepted) -> None:  # noqa: ARG002 - as its base says
        """Call the event webhook once for all mails of the call."""
        self._send_events(self.receipts.says, accepted.provider_id, accepted.drafts)
        if self.receipts.says == "spam":
            self._spam_reports |= {draft.to.casefold() for draft in accepted.drafts}

    def _send_events(self, says: str, provider_id: str, drafts: list[OutboxDraft]) -> None:
        to = self.receipts
        if drafts:
            events = partial(make_events, says, provider_id, drafts)
            to.send(f"{to.hooks}/sendgrid", lambda: json.dumps(events()).encode(), partial(_sign, to.secret))

    async def reset(self) -> None:
        """Forget who reported spam, too."""
        await super().reset()
        self._spam_reports.clear()

    def read_key(self, request: web.Request) -> str:
        """Return the bearer token."""
        kind, _, key = request.headers.get("Authorization", "").partition(" ")
        return key.strip() if kind == "Bearer" else ""

    def fail(self, mode: str, seconds: int) -> web.Response:
        """Answer in SendGrid's shape; 429 has the headers that it documents, and Retry-After."""
        if mode == "error_500":
            return _errors(500, "An unexpected error occurred.")
        if mode == "unauthorized":
            return _errors(401, "The provided authorization grant is invalid, expired, or revoked")
        reset = {"X-RateLimit-Reset": str(int(now().timestamp()) + seconds), "Retry-After": str(seconds)}
        limit = {"X-RateLimit-Limit": "600", "X-RateLimit-Remaining": "0"}
        return _errors(429, "too many requests", **limit, **reset)

    def reject(self, drafts: list[OutboxDraft], *, named: bool) -> web.Response:
        """Answer 400 and name the recipients' fields: no message of the call is sent."""
        fields = [draft.field_name for draft in drafts] if named else [None]
        return _errors(400, "Does not contain a valid address.", *fields)

    async def read_call(self, request: web.Request) -> Accepted:
        """Read a mail/send call into one draft per recipient."""
        if not self.read_key(request):
            raise RequestRefused(self.fail("unauthorized", 0))
        try:
            mail = json.loads(await request.read())
        except (ValueError, RecursionError):
            mail = None
        if not isinstance(mail, dict):
            raise _bad("Bad Request", None)
        drafts = list(_drafts(mail))
        provider_id = secrets.token_urlsafe(16)
        answer = web.Response(status=202, headers={"X-Message-Id": provider_id})
        return Accepted(self._drop_reported(mail, drafts, provider_id), provider_id, answer)

    def _drop_reported(
        self, mail: dict[str, Any], drafts: list[OutboxDraft], provider_id: str
    ) -> list[OutboxDraft]:
        """Return the drafts without those to addresses that reported spam, which are taken and dropped later."""
        if _passes_spam_reports(mail):
            return drafts
        dropped = [draft for draft in drafts if draft.to.casefold() in self._spam_reports]
        self._send_events("dropped", provider_id, dropped)
        return [draft for draft in drafts if draft not in dropped]


def _sign(secret: str, body: bytes) -> dict[str, str]:
    return sign_events(secret, body, int(now().timestamp()))


def _passes_spam_reports(mail: dict[str, Any]) -> bool:
    settings = mail.get("mail_settings")
    chosen = settings.get("bypass_spam_management") if isinstance(settings, dict) else None
    return bool(chosen.get("enable")) if isinstance(chosen, dict) else False


def _drafts(mail: dict[str, Any]) -> Iterator[OutboxDraft]:
    of_all: dict[str, Any] = {
        "sender": _person(mail.get("from"), "from"),
        "contents": _contents(mail),
        "custom": _texts(mail.get("custom_args"), "custom_args"),
        "headers": _headers(mail, "headers"),
    }
    people = mail.get("personalizations")
    if not isinstance(people, list) or not people:
        raise _bad("The personalizations field is required and must have at least one.", "personalizations")
    if len(people) > _MOST_PERSONALIZATIONS:
        raise _bad("There is a limit of 1000 total personalizations per request.", "personalizations")
    met: set[str] = set()
    for place, one in enumerate(people):
        if not isinstance(one, dict):
            raise _bad("Each personalization must be an object.", f"personalizations.{place}")
        for draft in _of_personalization(mail, one, f"personalizations.{place}", **of_all):
            if draft.to.casefold() in met:
                raise _bad(_TWICE, "personalizations")
            met.add(draft.to.casefold())
            yield draft


def _of_personalization(
    mail: dict[str, Any],
    one: dict[str, Any],
    where: str,
    *,
    sender: str,
    contents: dict[str, str],
    custom: dict[str, str],
    headers: dict[str, str],
) -> Iterator[OutboxDraft]:
    subject = one.get("subject", mail.get("subject"))
    if not isinstance(subject, str) or not subject:
        raise _bad("The subject is required. You can get around this with a template.", "subject")
    swaps = _texts(one.get("substitutions"), f"{where}.substitutions")
    if sum(len(f"{tag}{value}".encode()) for tag, value in swaps.items()) > _LONGEST_SUBSTITUTIONS:
        message = "The substitutions of one personalization may not exceed 10000 bytes."
        raise _bad(message, f"{where}.substitutions")
    own = custom | _texts(one.get("custom_args"), f"{where}.custom_args")
    sent = headers | _headers(one, f"{where}.headers")
    if one.get("cc") or one.get("bcc"):
        raise _bad("Copies are not imitated by SendGrid's stand-in.", where)
    if not isinstance(one.get("to"), list) or not one["to"]:
        raise _bad("The to array is required for all personalization objects.", f"{where}.to")
    for place, person in enumerate(one["to"]):
        yield OutboxDraft(
            to=_person(person, f"{where}.to.{place}"),
            field_name=f"{where}.to.{place}.email",
            sender=sender,
            subject=subject,
            text=contents.get("text/plain", ""),
            html=contents.get("text/html"),
            seen_at=seen_at(own.get("seen_at")),
            custom=own,
            headers=sent,
            substitutions=swaps,
        )


def _person(person: object, where: str) -> str:
    address = person.get("email") if isinstance(person, dict) else None
    if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
        raise _bad("Does not contain a valid address.", f"{where}.email")
    return address


def _contents(mail: dict[str, Any]) -> dict[str, str]:
    given = mail.get("content")
    if not isinstance(given, list) or not given:
        raise _bad("The content is required. You can get around this with a template.", "content")
    kinds: dict[str, str] = {}
    for place, one in enumerate(given):
        value = one.get("value") if isinstance(one, dict) else None
        if not isinstance(value, str) or not value or not isinstance(one.get("type"), str):
            message = "The content value must be a string at least one character in length."
            raise _bad(message, f"content.{place}.value")
        kinds[one["type"]] = value
    if "text/plain" in kinds and next(iter(kinds)) != "text/plain":
        raise _bad("If present, text/plain must be first in the content array.", "content")
    return kinds


def _texts(values: object, where: str) -> dict[str, str]:
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise _bad("The values must be strings.", where)
    return values


def _headers(of: dict[str, Any], where: str) -> dict[str, str]:
    found = _texts(of.get("headers"), where)
    if refused := sorted(name for name in found if name.casefold() in _RESERVED_HEADERS):
        raise _bad(f"The header {refused[0]} is reserved and cannot be set.", where)
    return found
