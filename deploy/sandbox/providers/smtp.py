"""A mail server that asks for a login: SMTP by aiosmtpd, without TLS, as it is on loopback only.

https://aiosmtpd.aio-libs.org/ and https://www.rfc-editor.org/rfc/rfc5321
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING, Any, Final, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from deploy.sandbox import addresses
from deploy.sandbox.listener import Listener, reset_transport
from deploy.sandbox.modes import Mode
from deploy.sandbox.outbox import OutboxDraft
from deploy.sandbox.providers.provider import MESSAGE_MODES, Provider, read_told

if TYPE_CHECKING:
    from email.message import EmailMessage

    from deploy.sandbox.outbox import Outbox

logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd warns at each login of its own attributes

_OWN_HEADERS: Final = ("Message-ID", "Auto-Submitted", "List-Unsubscribe", "List-Unsubscribe-Post")
_REPLIES: Final = {"rate_limited": "450 4.7.1 too many messages", "error_500": "451 4.3.0 local error"}


class Smtp(Provider):
    """E-mail: one transaction, one mail to each of its recipients."""

    channel = "email"
    provider_name = "smtp"
    host = addresses.SMTP
    mode_table = MESSAGE_MODES

    def __init__(self, outbox: Outbox) -> None:
        super().__init__()
        self.outbox = outbox
        self._sessions: set[_Connection] = set()

    def make_listener(self) -> Listener:
        """Return what accepts connections."""
        return Listener(
            lambda: _Connection(self, self._sessions), lambda: [each.transport for each in self._sessions]
        )

    async def reset(self) -> None:
        """Forget its messages and answer normally again."""
        await super().reset()
        self.outbox.clear(self.channel)

    def to_json(self) -> dict[str, object]:
        """Return its state as JSON shows it."""
        kept = [each for each in self.outbox.messages(self.channel) if each.provider == self.provider_name]
        return {**super().to_json(), "messages": len(kept)}


class _Hooks:
    """What aiosmtpd calls for one connection; each returns the reply."""

    def __init__(self, stand_in: Smtp) -> None:
        self._stand_in = stand_in
        self._mode = Mode()  # of the transaction

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self._stand_in.calls += 1
        mode = self._mode = self._stand_in.modes.met_by()
        if mode.name == "reset":
            reset_transport(cast("asyncio.WriteTransport", server.transport))
        if mode.name in {"reset", "timeout"}:
            await asyncio.Event().wait()  # the loss of the connection cancels it
        if mode.name in _REPLIES:
            return _REPLIES[mode.name]
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802 - as above
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        wrong = self._mode.word("address").split(",") if self._mode.name == "reject_address" else []
        if address.casefold() in {each.strip().casefold() for each in wrong}:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        if self._mode.name == "slow":
            await asyncio.sleep(self._mode.number("seconds"))
        provider_id, to = secrets.token_hex(8), self._stand_in
        for draft in _drafts(envelope):
            to.outbox.accept(to.channel, provider_id, draft, to.provider_name)
        if self._mode.name == "yes_without_answer":
            await asyncio.Event().wait()
        return f"250 2.0.0 queued as {provider_id}"


class _Connection(SMTP):
    def __init__(self, stand_in: Smtp, sessions: set[_Connection]) -> None:
        def authenticate(
            _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any
        ) -> AuthResult:
            is_told = isinstance(given, LoginPassword) and bool(given.password)
            return AuthResult(success=is_told and stand_in.modes.site.name != "unauthorized", handled=False)

        # A name of its own: aiosmtpd would ask DNS for this machine's.
        super().__init__(
            _Hooks(stand_in), hostname="smtp.sandbox", authenticator=authenticate, auth_require_tls=False
        )
        self._sessions = sessions

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the connection."""
        self._sessions.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget it."""
        self._sessions.discard(self)
        super().connection_lost(error)


def _drafts(envelope: Envelope) -> list[OutboxDraft]:
    content = envelope.content
    mail = message_from_bytes(content if isinstance(content, bytes) else b"", policy=default)
    told = read_told(mail.get)
    told["custom"] |= {"message_id": str(mail["Message-ID"] or "")}
    return [
        OutboxDraft(
            to=address,
            sender=mail["From"].addresses[0].addr_spec if mail["From"] else str(envelope.mail_from),
            subject=str(mail["Subject"] or ""),
            text=_part(mail, "plain") or "",
            html=_part(mail, "html"),
            **told,
            headers={name: str(mail[name]) for name in _OWN_HEADERS if mail[name]},
        )
        for address in envelope.rcpt_tos
    ]


def _part(mail: EmailMessage, kind: str) -> str | None:
    found = mail.get_body((kind,))
    # A mail's last line has an end that its text may not have had.
    return str(found.get_content()).replace("\r\n", "\n").removesuffix("\n") if found else None
