"""E-mail by any mail server that speaks SMTP with TLS and a login, by smtplib.

https://www.rfc-editor.org/rfc/rfc5321
"""

import io
import smtplib
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from api.models.user import ContactState
from configs.ground.addresses import ascii_address
from configs.settings import settings
from notifier.channels.mail_refusals import find_enhanced_code, is_dead_address
from notifier.channels.provider_base import (
    Acceptance,
    AddressBusy,
    Answer,
    DeliveryError,
    Misconfigured,
    NotAttempted,
    OutcomeUnknown,
    PermanentError,
    Provider,
    TemporaryError,
    TimedReader,
    answer_seconds,
    answer_until,
    guard_host,
    may_have_left,
)
from notifier.content.message_kind_base import OutgoingMessage, build_mime, split_sender

PROVIDER = "smtp"
# https://www.rfc-editor.org/rfc/rfc8314#section-7.3 and https://www.rfc-editor.org/rfc/rfc6409#section-3.1
_PORTS = {"smtp": 587, "smtps": 465}  # with `smtps` TLS begins with the connection, with `smtp` by STARTTLS
_ACCEPTED = Acceptance(PROVIDER, "")  # the Message-ID contains the notification's id
_LEAST_SECONDS = 1.0  # that must be left of the call for one more mail
_GO_ON, _PERMANENT = 354, 500  # https://www.rfc-editor.org/rfc/rfc5321#section-4.2.3
_CLOSING, _TOO_MUCH = 421, 552  # 552: https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1.10
_OF_A_MAIL = smtplib.SMTPSenderRefused, smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError
_NOT_OFFERED = smtplib.SMTPException, smtplib.SMTPNotSupportedError  # no TLS, no login that we know
_LOGIN_NEEDED = {530, 534, 535, 538}  # https://www.rfc-editor.org/rfc/rfc4954#section-6


class _Connection(smtplib.SMTP):
    """A connection whose replies end, and are replies. After its yes to DATA the server may have the mail."""

    def getreply(self) -> tuple[int, bytes]:
        with ExitStack() as stack:
            stack.callback(self.close)
            if self.file is None and self.sock:
                self.file = io.BufferedReader(TimedReader(self.sock))
            try:
                code, reply = super().getreply()
            except smtplib.SMTPResponseException:  # a line that is too long
                code, reply = -1, b""
            if code < 0:
                raise smtplib.SMTPServerDisconnected("no SMTP reply")
            stack.pop_all()
        if code == _GO_ON:
            may_have_left.set(True)
        return code, reply


class _TlsConnection(_Connection, smtplib.SMTP_SSL):
    pass


class Smtp(Provider):
    """All mails of a call on one connection, one after the other; each is answered alone."""

    IS_SEQUENTIAL = True

    def hand_over(self, messages: Sequence[OutgoingMessage]) -> Iterator[Answer]:
        """Hand mails to the server; yield each answer as it comes."""
        server = urlsplit(settings().require("smtp_url"))
        guard_host(server.hostname or "", "point SMTP_URL at a stand-in")
        until = time.monotonic() + answer_seconds(PROVIDER)
        answer_until.set(until)
        with closing(_Transfer(server, until)) as transfer:
            for message in messages:
                yield transfer.send(message)


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """Return the context of all connections; it checks the server's certificate. Building it takes 20 ms."""
    return ssl.create_default_context()


@dataclass(slots=True)
class _Transfer:
    """Sends mails by one connection, and by another where the server closed it after some."""

    server: SplitResult = field(repr=False)
    until: float  # when the last mail may begin, by time.monotonic()
    connection: _Connection | None = field(default=None, init=False)
    answered: int = field(default=0, init=False)  # mails of this connection
    failure: DeliveryError | None = field(default=None, init=False)  # for all that follow: no connection

    def send(self, message: OutgoingMessage) -> Answer:
        try:
            mail, address = build_mime(message), ascii_address(message.address)
        except ValueError:
            return PermanentError(f"{PROVIDER}: the address cannot be sent to: it is not ASCII")
        if self.failure:
            return self.failure
        has_worked = self.answered > 0
        if has_worked and self._find_timeout() < _LEAST_SECONDS:
            return NotAttempted("put back: no time was left of the call")
        answer = self._transfer(address, mail)
        # The server only took no more mails by this connection: this one was certainly not taken.
        if has_worked and self.connection is None and isinstance(answer, TemporaryError):
            answer = self._transfer(address, mail)
        return answer

    def _find_timeout(self) -> float:
        """Return the seconds in which each read of the next mail must bring something."""
        return max(self.until - time.monotonic(), 0.1)

    def _transfer(self, address: str, mail: bytes) -> Answer:
        """Hand over one mail. The connection is reset after a refusal, and closed by 421 or a loss."""
        may_have_left.set(False)
        answer: Answer = _ACCEPTED
        try:
            if self.connection is None:
                self.answered = 0  # also of one that is not made
                self.connection = _open(self.server, self._find_timeout())
            elif self.connection.sock:
                self.connection.sock.settimeout(self._find_timeout())
            self.connection.sendmail(split_sender()[1], [address], mail)
        except smtplib.SMTPRecipientsRefused as error:
            answer = sort_refusal(error, *error.recipients[address])
        except smtplib.SMTPResponseException as error:
            answer = sort_refusal(error, error.smtp_code, error.smtp_error)
        except (OSError, ValueError) as lost:  # ValueError: the challenge of a login that is no base64
            because = type(lost).__name__
            if type(lost) in _NOT_OFFERED:
                answer = Misconfigured(f"{PROVIDER}: {lost} Check SMTP_URL")
            elif may_have_left.get():
                answer = OutcomeUnknown(f"{PROVIDER} lost: {because}")
            else:
                answer = TemporaryError(f"{PROVIDER} not reached: {because}")
            self.close()
        if self.connection and self.connection.sock:
            self.answered += 1
            return answer
        self.close()
        if not self.answered and isinstance(answer, DeliveryError):  # it is not replaced, so that this ends
            is_unknown = isinstance(answer, OutcomeUnknown)
            self.failure = TemporaryError(answer.reason) if is_unknown else answer
        return answer

    def close(self) -> None:
        """Say goodbye, without waiting for an answer: what was accepted stays so."""
        if self.connection is not None:
            with suppress(OSError):  # it is lost already
                self.connection.putcmd("QUIT")
            self.connection.close()
            self.connection = None


def _open(server: SplitResult, seconds: float) -> _Connection:
    """Return a connection that is encrypted and logged in. Each read may take so many seconds."""
    # Without a name smtplib asks DNS for the machine's.
    options: dict[str, Any] = {"local_hostname": split_sender()[1].rpartition("@")[2], "timeout": seconds}
    host, port = server.hostname or "", server.port or _PORTS[server.scheme]
    is_tls_from_start = server.scheme == "smtps"
    if is_tls_from_start:
        made: _Connection = _TlsConnection(host, port, context=tls_context(), **options)
    else:
        made = _Connection(host, port, **options)
    with ExitStack() as stack:
        stack.callback(made.close)
        made.ehlo_or_helo_if_needed()
        if not is_tls_from_start and (made.has_extn("starttls") or not settings().loopback_only):
            made.starttls(context=tls_context())
        if server.username:
            made.login(unquote(server.username), unquote(server.password or ""))
        stack.pop_all()
    return made


def sort_refusal(error: smtplib.SMTPException, code: int, reply: bytes | str) -> DeliveryError:
    """Return what a server's no means for the message, by what smtplib raises of it."""
    words = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    enhanced = find_enhanced_code(words)
    said = f"{PROVIDER} answered {code} {enhanced}".rstrip()
    is_address = isinstance(error, smtplib.SMTPRecipientsRefused)
    if is_address and (code < _PERMANENT or code == _TOO_MUCH):
        return TemporaryError(said) if code == _CLOSING else AddressBusy(said)
    if code < _PERMANENT:
        return TemporaryError(said)
    if code in _LOGIN_NEEDED or not isinstance(error, _OF_A_MAIL):
        return Misconfigured(f"{said}: check SMTP_URL")
    if is_address:
        state = ContactState.BOUNCED if is_dead_address(words) else None
        return PermanentError(f"{said} to the address", state)
    if isinstance(error, smtplib.SMTPSenderRefused) and code != _TOO_MUCH:
        return Misconfigured(f"{said} to the sender: check EMAIL_FROM")
    return PermanentError(said)
