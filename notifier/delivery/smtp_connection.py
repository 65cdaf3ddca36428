"""Connection to a mail server: TLS and login at its start, one deadline for all of a call, refusals by their step."""

import io
import re
import smtplib
import socket
import ssl
from enum import Enum
from functools import lru_cache
from typing import Any

from configs.mail_server import MailServer
from configs.settings import settings
from notifier.delivery import tcp_connect
from notifier.delivery.call_time import seconds_left
from notifier.delivery.deadline_reader import DeadlineReader

_CONNECT_SECONDS = 3.0
_LOGINS = {"CRAM-MD5", "PLAIN", "LOGIN"}
_READY, _GO_ON = 220, 354  # https://www.rfc-editor.org/rfc/rfc5321#section-4.2.3
_ENHANCED = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}(?=\s|$)")
# Mail servers name their reasons in prose only. One that no longer relays for us refuses every address.
_ABOUT_US = re.compile(rb"relay|sender|authenti|polic|spam|black.?list|block.?list|reputation", re.IGNORECASE)


class Step(Enum):
    """What a mail server answers to."""

    CONNECTION = "connection"
    LOGIN = "login"
    SENDER = "sender"
    RECIPIENT = "recipient"
    CONTENT = "content"


class Refusal(Exception):
    """The server said no. `enhanced` is its code of RFC 3463, empty where it gave none.

    `is_about_us` is whether its words speak of us or of the mail, and so not of the address.
    """

    def __init__(self, step: Step, code: int, reply: bytes = b"") -> None:
        found = _ENHANCED.match(reply)
        self.step, self.code = step, code
        self.enhanced = found[0].decode() if found else ""
        self.is_about_us = bool(_ABOUT_US.search(reply))
        super().__init__(f"{code} {self.enhanced}".rstrip())


class NotEncrypted(Exception):
    """The server offers no STARTTLS, and the mails would leave this machine readably."""


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """Return the context of all connections; it checks the server's certificate. Building it takes 20 ms."""
    return ssl.create_default_context()


class SmtpConnection(smtplib.SMTP):
    """One connection to a mail server. All methods raise OSError or SMTPException where it is lost."""

    def __init__(self, server: MailServer, own_name: str) -> None:
        super().__init__(local_hostname=own_name)  # without a name smtplib asks DNS for one
        self._server = server
        self._host = server.host  # what TLS compares the certificate with
        self.has_sent = False  # whether the whole of the last message left

    def open(self) -> None:
        """Connect, encrypt and log in.

        Raises:
            Refusal: the server does not want us.
            NotEncrypted: it offers no TLS.
        """
        code, reply = self.connect(self._server.host, self._server.port)
        if code != _READY:
            raise Refusal(Step.CONNECTION, code, reply)
        try:
            self._encrypt()
            self.ehlo_or_helo_if_needed()
            if self._server.user:
                self._log_in()
        except smtplib.SMTPAuthenticationError as error:
            raise Refusal(Step.LOGIN, error.smtp_code, _bytes(error.smtp_error)) from None
        except smtplib.SMTPResponseException as error:
            raise Refusal(Step.CONNECTION, error.smtp_code, _bytes(error.smtp_error)) from None

    def _encrypt(self) -> None:
        if self._server.is_tls_from_start:
            return
        self.ehlo_or_helo_if_needed()
        if self.has_extn("starttls"):
            self.starttls(context=tls_context())
        elif not settings().loopback_only:
            raise NotEncrypted

    def _log_in(self) -> None:
        if not _LOGINS & {*self.esmtp_features.get("auth", "").upper().split()}:
            raise smtplib.SMTPNotSupportedError("no way to log in that smtplib knows")
        try:
            self.login(self._server.user, self._server.password)
        except ValueError as error:
            raise smtplib.SMTPException("a challenge that is no base64") from error

    def transfer(self, sender: str, address: str, mail: bytes) -> None:
        """Hand over one mail. It is the server's once this returns.

        Raises:
            Refusal: it is not, and the connection can be used again; not after 421.
        """
        self.has_sent = False
        options = [f"size={len(mail)}"] if self.has_extn("size") else []
        _check(Step.SENDER, *self.mail(sender, options))
        _check(Step.RECIPIENT, *self.rcpt(address))
        code, reply = self.docmd("DATA")
        if code != _GO_ON:
            raise Refusal(Step.CONTENT, code, reply)
        self.send(re.sub(rb"(?m)^\.", b"..", mail) + b".\r\n")
        self.has_sent = True
        _check(Step.CONTENT, *self.getreply())

    def send(self, s: Any) -> None:
        """Send in the time that the call has."""
        if self.sock:
            self.sock.settimeout(seconds_left())
        super().send(s)

    def getreply(self) -> tuple[int, bytes]:
        """Return a reply that is whole in the time that the call has."""
        if self.file is None and self.sock:
            self.sock.settimeout(seconds_left())
            source = self.sock.makefile("rb", buffering=0)
            self.file = io.BufferedReader(DeadlineReader(source, self.sock))
        code, reply = super().getreply()
        if code < 0:
            raise smtplib.SMTPServerDisconnected("no SMTP reply")
        return code, reply

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # noqa: ARG002 -- the call's time is less
        made = tcp_connect.connect(host, port, min(_CONNECT_SECONDS, seconds_left()))
        made.settimeout(seconds_left())
        if not self._server.is_tls_from_start:
            return made
        return tls_context().wrap_socket(made, server_hostname=host)

    def leave(self) -> None:
        """Say goodbye and close, without waiting for an answer: what was accepted stays so."""
        try:
            self.putcmd("QUIT")
        except (OSError, smtplib.SMTPException):
            pass  # it is lost already
        finally:
            self.close()


def _check(step: Step, code: int, reply: bytes) -> None:
    if not 200 <= code < 300:  # noqa: PLR2004 -- the codes of success
        raise Refusal(step, code, reply)


def _bytes(reply: bytes | str) -> bytes:
    return reply if isinstance(reply, bytes) else reply.encode()
