"""SendGrid's v3 mail/send: the shapes it takes and refuses, after its public API reference.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Final

from aiohttp import web
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from deploy.sandbox import addresses
from deploy.sandbox.clock import now
from deploy.sandbox.outbox import OutboxDraft
from deploy.sandbox.providers.provider import Accepted, MessageProvider, RequestRefused, seen_at
from deploy.sandbox.providers.receipts import make_events, sign_events

if TYPE_CHECKING:
    from deploy.sandbox.outbox import Outbox

_ADDRESS: Final = r"^[^@\s<>,;\"]+@[^@\s<>,;\"]+\.[^@\s<>,;\".]{2,}$"
# https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send#request-body
_RESERVED_HEADERS: Final = frozenset(
    {"x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"}
    | {"to", "from", "subject", "reply-to", "cc", "bcc"}
)
# https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors
_TWICE: Final = "Each unique email address in the personalizations array should only be included once."
_LONGEST_SUBSTITUTIONS: Final = 10_000  # bytes of one personalization, tags and values


def _check_headers(found: dict[str, str]) -> dict[str, str]:
    if refused := sorted(name for name in found if name.casefold() in _RESERVED_HEADERS):
        raise ValueError(f"The header {refused[0]} is reserved and cannot be set.")
    return found


def _check_substitutions(swaps: dict[str, str]) -> dict[str, str]:
    if sum(len(f"{tag}{value}".encode()) for tag, value in swaps.items()) > _LONGEST_SUBSTITUTIONS:
        raise ValueError("The substitutions of one personalization may not exceed 10000 bytes.")
    return swaps


Texts = Annotated[dict[str, str], BeforeValidator(lambda told: told or {})]
Headers = Annotated[Texts, AfterValidator(_check_headers)]


class _Person(BaseModel):
    email: Annotated[str, Field(pattern=_ADDRESS)]


class _Content(BaseModel):
    type: str
    value: Annotated[str, Field(min_length=1)]


def _check_order(contents: list[_Content]) -> list[_Content]:
    if any(each.type == "text/plain" for each in contents[1:]):
        raise ValueError("If present, text/plain must be first in the content array.")
    return contents


class _Own(BaseModel):
    """What a mail and each of its personalizations may say."""

    subject: str = ""
    custom_args: Texts = Field({})
    headers: Headers = Field({})


class _Personalization(_Own):
    model_config = ConfigDict(extra="forbid")  # copies, say, are not imitated

    to: list[_Person] = Field(min_length=1)
    substitutions: Annotated[Texts, AfterValidator(_check_substitutions)] = Field({})


class _Mail(_Own):
    from_: _Person = Field(alias="from")
    personalizations: list[_Personalization] = Field(min_length=1, max_length=1000)
    content: Annotated[list[_Content], Field(min_length=1), AfterValidator(_check_order)]
    mail_settings: dict[str, Any] = Field({})

    @property
    def passes_spam_reports(self) -> bool:
        """Whether it goes to addresses that reported spam, too."""
        return bool(self.mail_settings.get("bypass_spam_management", {}).get("enable"))

    def list_drafts(self) -> list[OutboxDraft]:
        """Return a draft for each recipient."""
        contents = {each.type: each.value for each in self.content}
        return [
            OutboxDraft(
                to=person.email,
                field_name=f"personalizations.{number}.to.{place}.email",
                sender=self.from_.email,
                subject=one.subject or self.subject,
                text=contents.get("text/plain", ""),
                html=contents.get("text/html"),
                seen_at=seen_at((self.custom_args | one.custom_args).get("seen_at")),
                custom=self.custom_args | one.custom_args,
                headers=self.headers | one.headers,
                substitutions=one.substitutions,
            )
            for number, one in enumerate(self.personalizations)
            for place, person in enumerate(one.to)
        ]


def _errors(status: int, message: str, *fields: str | None, **headers: str) -> web.Response:
    errors = [{"message": message, "field": field, "help": None} for field in fields or (None,)]
    return web.json_response({"errors": errors}, status=status, headers=headers)


class SendGrid(MessageProvider):
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
        is_spam = self.receipts.mode.name == "spam"
        self._send_events("spam" if is_spam else "delivered", accepted.provider_id, accepted.drafts)
        if is_spam:
            self._spam_reports |= {draft.to.casefold() for draft in accepted.drafts}

    def _send_events(self, says: str, provider_id: str, drafts: list[OutboxDraft]) -> None:
        to = self.receipts
        if drafts:
            body = json.dumps(make_events(says, provider_id, drafts)).encode()
            url, secret = f"{to.hooks}/sendgrid", to.secret
            to.send(url, body, lambda: sign_events(secret, body, int(now().timestamp())))

    async def reset(self) -> None:
        """Forget who reported spam, too."""
        await super().reset()
        self._spam_reports.clear()

    def fail(self, mode: str, seconds: int) -> web.Response:
        """Answer in SendGrid's shape; 429 has Retry-After."""
        if mode == "error_500":
            return _errors(500, "An unexpected error occurred.")
        if mode == "unauthorized":
            return _errors(401, "The provided authorization grant is invalid, expired, or revoked")
        return _errors(429, "too many requests", **{"Retry-After": str(seconds)})

    def reject(self, drafts: list[OutboxDraft], *, named: bool) -> web.Response:
        """Answer 400 and name the recipients' fields: no message of the call is sent."""
        fields = [draft.field_name for draft in drafts] if named else [None]
        return _errors(400, "Does not contain a valid address.", *fields)

    async def read_call(self, request: web.Request) -> Accepted:
        """Read a mail/send call into one draft per recipient, without those to addresses that reported spam.

        These are taken, and dropped later.
        """
        kind, _, key = request.headers.get("Authorization", "").partition(" ")
        if kind != "Bearer" or not key.strip():
            raise RequestRefused(self.fail("unauthorized", 0))
        try:
            mail = _Mail.model_validate_json(await request.read())
        except ValidationError as errors:
            found = errors.errors()[0]
            field = ".".join(map(str, found["loc"])) or None
            raise RequestRefused(_errors(400, found["msg"], field)) from errors
        drafts, provider_id = mail.list_drafts(), secrets.token_urlsafe(16)
        if not all(draft.subject for draft in drafts):
            raise RequestRefused(_errors(400, "The subject is required.", "subject"))
        if max(Counter(draft.to.casefold() for draft in drafts).values()) > 1:
            raise RequestRefused(_errors(400, _TWICE, "personalizations"))
        answer = web.Response(status=202, headers={"X-Message-Id": provider_id})
        reported = () if mail.passes_spam_reports else self._spam_reports
        dropped = [draft for draft in drafts if draft.to.casefold() in reported]
        self._send_events("dropped", provider_id, dropped)
        return Accepted([draft for draft in drafts if draft not in dropped], provider_id, answer)
