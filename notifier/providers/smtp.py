"""E-mail by any mail server that speaks SMTP with TLS and a login.

https://www.rfc-editor.org/rfc/rfc5321
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from smtplib import SMTPException, SMTPNotSupportedError

from api.models.user import ContactState
from configs.contact_addresses import ascii_address
from configs.hosts import is_loopback
from configs.mail_server import MailServer, parse_mail_server
from configs.settings import settings
from notifier.channel_base import Acceptance, OutgoingMessage
from notifier.content.mime_message import build_mime, split_sender
from notifier.delivery.call_time import seconds_left
from notifier.delivery.smtp_connection import NotEncrypted, Refusal, SmtpConnection, Step, tls_context
from notifier.errors import (
    AddressBusy,
    DeliveryError,
    LeavesLoopback,
    Misconfigured,
    NotAttempted,
    OutcomeUnknown,
    PermanentError,
    TemporaryError,
)
from notifier.provider_base import Answer, Provider

PROVIDER = "smtp"
_ACCEPTED = Acceptance(PROVIDER, "")  # the Message-ID contains the notification's id
_LEAST_SECONDS = 1.0  # that must be left of the call for one more mail
_PERMANENT = 500
_CLOSING, _TOO_MUCH = 421, 552  # 552: https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1.10
_LOGIN_NEEDED = {530, 534, 535, 538}  # https://www.rfc-editor.org/rfc/rfc4954#section-6
# Codes that speak of the address; with an enhanced one (https://www.rfc-editor.org/rfc/rfc3463) only these do.
_NO_ADDRESS = {550, 551, 553}
_GONE = {"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"}


class Smtp(Provider):
    """All mails of a call on one connection, one after the other; each is answered alone."""

    MOST = 100
    IS_SEQUENTIAL = True

    def warm_up(self) -> None:
        """Read the certificates of the authorities."""
        tls_context()

    def hand_over(self, messages: Sequence[OutgoingMessage]) -> Iterator[Answer]:
        """Hand mails to the server; yield each answer as it comes."""
        server = parse_mail_server(settings().require("smtp_url"))
        if settings().loopback_only and not is_loopback(server.host):
            yield from [_refuse_to_leave(server)] * len(messages)
            return
        with closing(_Transfer(server)) as transfer:
            for message in messages:
                yield transfer.send(message)


@dataclass(slots=True)
class _Transfer:
    """Sends mails by one connection, and by another where the server closed it after some."""

    server: MailServer
    connection: SmtpConnection | None = field(default=None, init=False)
    answered: int = field(default=0, init=False)  # mails of this connection
    slowest: float = field(default=0.0, init=False)  # seconds
    failure: DeliveryError | None = field(
        default=None, init=False
    )  # there is no connection: for all that follow

    def send(self, message: OutgoingMessage) -> Answer:
        try:
            mail = build_mime(message)
        except ValueError:
            return PermanentError(f"{PROVIDER}: the address cannot be sent to: it is not ASCII")
        if self.failure:
            return self.failure
        if self.slowest and seconds_left() < max(_LEAST_SECONDS, 2 * self.slowest):
            return NotAttempted("put back: no time was left of the call")
        began, has_worked = time.monotonic(), self.answered > 0
        answer = self._transfer(message, mail)
        if has_worked and self._is_ended(answer) and seconds_left() > _LEAST_SECONDS:
            answer = self._transfer(message, mail)
        self.slowest = max(self.slowest, time.monotonic() - began)
        return answer

    def _is_ended(self, answer: Answer) -> bool:
        """Whether the server only took no more mails by this connection: this one was certainly not taken."""
        return self.connection is None and isinstance(answer, TemporaryError)

    def _transfer(self, message: OutgoingMessage, mail: bytes) -> Answer:
        if self.connection is None and (error := self._connect()):
            self.failure = error
            return error
        assert self.connection  # noqa: S101 -- for mypy
        try:
            self.connection.transfer(split_sender()[1], ascii_address(message.address), mail)
        except Refusal as refusal:
            return self._go_on(refusal)
        except (OSError, SMTPException) as error:
            return self._lose(type(error).__name__)
        self.answered += 1
        return _ACCEPTED

    def _connect(self) -> DeliveryError | None:
        self.connection = SmtpConnection(self.server, split_sender()[1].rpartition("@")[2])
        self.answered = 0
        try:
            self.connection.open()
        except Refusal as refusal:
            error = sort_refusal(refusal)
        except NotEncrypted:
            error = Misconfigured(f"{PROVIDER}: the server offers no STARTTLS: check SMTP_URL")
        except SMTPNotSupportedError:
            error = Misconfigured(f"{PROVIDER}: the server takes no login: check SMTP_URL")
        except (OSError, SMTPException) as lost:
            error = TemporaryError(f"{PROVIDER} not reached: {type(lost).__name__}")
        else:
            return None
        self.close()
        return error

    def _go_on(self, refusal: Refusal) -> DeliveryError:
        """Return what a refusal means; prepare the connection for the next mail."""
        error = sort_refusal(refusal)
        if refusal.code == _CLOSING:
            self._drop(error)
            return error
        self.answered += 1
        try:
            if self.connection:
                self.connection.rset()
        except (OSError, SMTPException):
            self._drop(error)
        return error

    def _lose(self, because: str) -> DeliveryError:
        has_sent = self.connection is not None and self.connection.has_sent
        lost = TemporaryError(f"{PROVIDER} not reached: {because}")
        self._drop(lost)
        return OutcomeUnknown(f"{PROVIDER} did not answer: {because}") if has_sent else lost

    def _drop(self, error: DeliveryError) -> None:
        """Close the connection. One that answered no mail is not replaced, so that this ends."""
        if not self.answered:
            self.failure = error
        self.close()

    def close(self) -> None:
        if self.connection is not None:
            self.connection.leave()
            self.connection = None


def sort_refusal(refusal: Refusal) -> DeliveryError:
    """Return what a server's no means for the message."""
    said = f"{PROVIDER} answered {refusal}"
    if refusal.step is Step.RECIPIENT and (refusal.code < _PERMANENT or refusal.code == _TOO_MUCH):
        return TemporaryError(said) if refusal.code == _CLOSING else AddressBusy(said)
    if refusal.code < _PERMANENT:
        return TemporaryError(said)
    if refusal.step in (Step.CONNECTION, Step.LOGIN) or refusal.code in _LOGIN_NEEDED:
        return Misconfigured(f"{said}: check SMTP_URL")
    if refusal.step is Step.SENDER and refusal.code != _TOO_MUCH:
        return Misconfigured(f"{said} to the sender: check EMAIL_FROM")
    if refusal.step is Step.RECIPIENT:
        return PermanentError(f"{said} to the address", ContactState.BOUNCED if _is_gone(refusal) else None)
    return PermanentError(said)


def _is_gone(refusal: Refusal) -> bool:
    if refusal.enhanced:
        return refusal.enhanced in _GONE
    return refusal.code in _NO_ADDRESS and not refusal.is_about_us


def _refuse_to_leave(server: MailServer) -> LeavesLoopback:
    return LeavesLoopback(
        f"{server.host} is not on this machine, and APP_ENV={settings().app_env} sends to loopback only: "
        "point SMTP_URL at a stand-in, or set APP_ENV=production"
    )
