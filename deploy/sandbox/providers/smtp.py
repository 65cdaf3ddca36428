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
from deploy.sandbox.providers.provider import Provider, read_told

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

    def accepts_login(self, password: str) -> bool:
        """Whether the mode of the moment lets this password in."""
        return self.modes.site.name != "unauthorized" and bool(password)

    def to_json(self) -> dict[str, object]:
        """Return its state as JSON shows it."""
        kept = [each for each in self.outbox.messages(self.channel) if each.provider == self.provider_name]
        return {**super().to_json(), "messages": len(kept)}


class _Hooks:
    """What aiosmtpd calls for one connection; each returns the reply."""

    def __init__(self, stand_in: Smtp) -> None:
        self._stand_in = stand_in
        self._mode = Mode()  # of the transaction

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self._mode = self._stand_in.modes.site
        reply = await self._misbehave("ehlo", server)
        return [reply] if reply else responses

    async def handle_MAIL(  # noqa: N802 - as above
        self, server: SMTP, session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self._stand_in.calls += 1
        self._mode = self._stand_in.modes.met_by()
        if reply := await self._misbehave("mail", server):
            return reply
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802 - as above
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if reply := await self._misbehave("rcpt", server):
            return reply
        wrong = self._mode.word("address").split(",") if self._mode.name == "reject_address" else []
        if address.casefold() in {each.strip().casefold() for each in wrong}:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        if reply := await self._misbehave("dot", server):
            return reply
        provider_id = secrets.token_hex(8)
        for draft in _drafts(envelope):
            self._stand_in.outbox.accept(
                self._stand_in.channel, provider_id, draft, self._stand_in.provider_name
            )
        if self._mode.name == "yes_without_answer":
            await asyncio.Event().wait()
        return f"250 2.0.0 queued as {provider_id}"

    async def _misbehave(self, step: str, server: SMTP) -> str | None:
        """Do what the mode says at this step; return the reply that it gives, None where all is well."""
        mode = self._mode
        if mode.name == "refuse":
            await _end(server)
        if mode.name == "slow" and step == "dot":
            await asyncio.sleep(mode.number("seconds"))
        if step != "mail":
            return None
        if mode.name == "timeout":
            await asyncio.Event().wait()
        if mode.name == "reset":
            await _end(server)
        return _REPLIES.get(mode.name)


async def _end(server: SMTP) -> None:
    """End the connection; its loss cancels what waits here."""
    reset_transport(cast("asyncio.WriteTransport", server.transport))
    await asyncio.Event().wait()


class _Connection(SMTP):
    def __init__(self, stand_in: Smtp, sessions: set[_Connection]) -> None:
        def authenticate(
            _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any
        ) -> AuthResult:
            password = given.password.decode("utf-8", "replace") if isinstance(given, LoginPassword) else ""
            return AuthResult(success=stand_in.accepts_login(password), handled=False)

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
