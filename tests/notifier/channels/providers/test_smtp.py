"""E-mail by SMTP: what arrives, what each reply and each loss of the connection means, TLS and the login."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.parser import BytesParser
from pathlib import Path
from socket import SHUT_RDWR, create_server, socket
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from api.models.user import Channel, ContactState
from notifier.channels.provider_base import (
    Acceptance,
    AddressBusy,
    DeliveryError,
    Misconfigured,
    NotAttempted,
    OutcomeUnknown,
    PermanentError,
    TemporaryError,
)
from notifier.channels.providers import smtp
from notifier.channels.providers.smtp import Smtp
from notifier.content.message_kind_base import OutgoingMessage, RenderedMessage, build_mime, split_sender
from tests.crawler.wire import self_signed, serving
from tests.in_turn import in_turn
from tests.notifier.conftest import hand_over_in_job

if TYPE_CHECKING:
    from notifier.channels.provider_base import Answer
    from tests.running_sandbox import Running

SILENCE, HANG_UP, TRICKLE = "", "hang up", "250-more"  # replies that are none
_USUAL = {
    "GREETING": "220 ready",
    "EHLO": "250-mail.example\r\n250-AUTH PLAIN\r\n250 SIZE 1000000",
    "STARTTLS": "220 go on",
    "AUTH": "235 2.7.0 in",
    "DATA": "354 go on",
    "DOT": "250 2.0.0 queued",
    "QUIT": "221 bye",
}


@dataclass
class ScriptedMailServer:
    """Answers each command by its verb; `GREETING` and `DOT` are the connection and the end of a mail."""

    listening: socket
    replies: dict[str, list[str]]  # by verb; the last one repeats
    starttls: ssl.SSLContext | None = None
    from_start: ssl.SSLContext | None = None
    verbs: list[str] = field(default_factory=list)
    encrypted: set[str] = field(default_factory=set)  # verbs that came by TLS
    connections: int = 0
    trickles: threading.Event = field(default_factory=threading.Event)
    _open: list[socket] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Return host and port."""
        return f"127.0.0.1:{self.listening.getsockname()[1]}"

    def serve(self) -> None:
        """Take one connection after the other until the listening socket is closed."""
        with suppress(OSError):
            while True:
                wire, _ = self.listening.accept()
                self.connections += 1
                self._open.append(wire)
                with suppress(OSError), wire:
                    self._talk(
                        self.from_start.wrap_socket(wire, server_side=True) if self.from_start else wire
                    )

    def close(self) -> None:
        """End it and its connections."""
        self.listening.shutdown(SHUT_RDWR)
        self.listening.close()
        for wire in self._open:
            with suppress(OSError):
                wire.shutdown(SHUT_RDWR)
            wire.close()

    def _talk(self, wire: socket) -> None:
        self._open.append(wire)
        lines = wire.makefile("rb")
        if not self._reply(wire, "GREETING"):
            return
        while line := lines.readline():
            verb = line.split()[0].decode("latin-1").upper()  # of a connection that ends, anything
            self.verbs.append(verb)
            if isinstance(wire, ssl.SSLSocket):
                self.encrypted.add(verb)
            if not self._reply(wire, verb):
                return
            if verb == "STARTTLS" and self.starttls:
                wire = self.starttls.wrap_socket(wire, server_side=True)
                self._open.append(wire)
                lines = wire.makefile("rb")
            if verb == "DATA" and self._last == "354 go on":
                while lines.readline() not in (b".\r\n", b""):
                    pass
                if not self._reply(wire, "DOT"):
                    return

    def _reply(self, wire: socket, verb: str) -> bool:
        script = self.replies.get(verb) or [_USUAL.get(verb, "250 2.0.0 OK")]
        self._last = script.pop(0) if len(script) > 1 else script[0]
        if self._last == HANG_UP:
            return False
        while self._last == TRICKLE:  # until the other side has had enough
            wire.sendall(f"{TRICKLE}\r\n".encode())
            self.trickles.set()
            time.sleep(0.01)
        wire.sendall(f"{self._last}\r\n".encode() if self._last else b"")
        return True


@contextmanager
def scripted_mail_server(
    starttls: ssl.SSLContext | None = None,
    from_start: ssl.SSLContext | None = None,
    **replies: str | list[str],
) -> Iterator[ScriptedMailServer]:
    """Run one: `scripted_mail_server(RCPT="550 5.1.1 no", DOT=[HANG_UP, "250 OK"])`."""
    script = {verb: [each] if isinstance(each, str) else each for verb, each in replies.items()}
    if starttls:
        script.setdefault("EHLO", ["250-mail.example\r\n250-AUTH PLAIN\r\n250 STARTTLS"])
    server = ScriptedMailServer(create_server(("127.0.0.1", 0)), script, starttls, from_start)
    thread = threading.Thread(target=server.serve, name="scripted mail server")
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()


Put = Callable[..., None]
SEEN = datetime(2026, 11, 20, 9, tzinfo=UTC)
CONTENT = RenderedMessage(
    text="Créneau détecté : {link}\n.une ligne qui commence par un point\n" + "x" * 2000,
    html="<p>Créneau <a href='{link}'>détecté</a></p>",
    subject="Créneau détecté : Essonne (91), naturalisation, dépôt d'un dossier à Évry-Courcouronnes",
)


def mails(count: int = 1, **fields: Any) -> list[OutgoingMessage]:
    return [
        OutgoingMessage(
            CONTENT,
            f"p{number}@example.org",
            [uuid4()],
            {"{link}": f"https://rdv.example/{number}"},
            **fields,
        )
        for number in range(count)
    ]


def hand_over(messages: list[OutgoingMessage], seconds: float = 10) -> "list[Answer]":
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(smtp, "answer_seconds", lambda _: seconds)
        return list(Smtp().hand_over(messages))


def one(seconds: float = 10) -> "Answer":
    (answer,) = hand_over(mails(), seconds)
    return answer


def test_a_mail_arrives_whole_with_all_it_carries_at_a_domain_as_dns_has_it(sandbox: "Running") -> None:
    mail = replace(mails(seen_at=SEEN)[0], address="camille@exämple.org", ids=[uuid4() for _ in range(20)])
    (answer,) = hand_over([mail])
    (message,) = sandbox.messages("email")
    assert (message.to, message.provider) == ("camille@xn--exmple-cua.org", "smtp")
    assert (message.subject, message.text, message.html) == (
        CONTENT.subject,
        mail.filled.text,
        mail.filled.html,
    )
    assert (message.draft.sender, message.draft.seen_at) == ("alerte@rdvpriority.fr", SEEN)
    assert message.custom == {
        "notification_id": str(mail.ids[0]),
        "notification_ids": ",".join(map(str, mail.ids)),
        "message_id": f"<{mail.ids[0]}@rdvpriority.fr>",
    }
    assert answer == Acceptance("smtp", "")


@in_turn("name", ["RDVPriority", "Créneaux", "Slots, alerts", "Créneaux, alertes", 'Les "créneaux"'])
def test_a_mail_has_the_sender_that_the_setting_names(settings_env: Put, name: str) -> None:
    settings_env(EMAIL_FROM=str(Address(name, addr_spec="alerte@example.org")))
    sent = BytesParser(policy=policy.default).parsebytes(build_mime(mails()[0]))
    (shown,) = sent["From"].addresses
    assert (shown.display_name, shown.addr_spec) == split_sender() == (name, "alerte@example.org")


@in_turn(
    "address",
    [
        "élise@example.org",
        "a@b.example\r\nRCPT TO:<c@d.example>",
        "a@" + "b" * 70,
        "a,b@example.org",
        "a<b>@example.org",
    ],
)
def test_an_address_that_no_server_takes_fails_alone(sandbox: "Running", address: str) -> None:
    sandbox.reset()
    bad = OutgoingMessage(CONTENT, address, [uuid4()])
    first, second = hand_over([bad, *mails()])
    assert isinstance(first, PermanentError)
    assert isinstance(second, Acceptance)
    assert len(sandbox.messages("email")) == 1


@pytest.fixture
def serve(settings_env: Put) -> Iterator[Callable[..., Any]]:
    """Give a function that runs a scripted server and points SMTP_URL at it."""
    with ExitStack() as stack:

        def run(**options: Any) -> Any:
            server = stack.enter_context(scripted_mail_server(**options))
            scheme = "smtps" if "from_start" in options else "smtp"
            settings_env(SMTP_URL=f"{scheme}://rdv:password-of-tests@{server.address}")
            return server

        yield run


Serve = Callable[..., Any]
BOUNCED = ContactState.BOUNCED
REPLIES = [
    ("GREETING", "421 4.3.2 closing", TemporaryError, None),
    ("GREETING", "554 5.7.1 no service for you", Misconfigured, None),
    ("AUTH", "535 5.7.8 wrong", Misconfigured, None),
    ("AUTH", "454 4.7.0 later", TemporaryError, None),
    ("MAIL", "421 4.7.0 too many", TemporaryError, None),
    ("MAIL", "451 4.3.0 local error", TemporaryError, None),
    ("MAIL", "530 5.7.0 log in", Misconfigured, None),
    ("MAIL", "550 5.7.1 not your domain", Misconfigured, None),
    ("MAIL", "552 5.3.4 too big", PermanentError, None),
    ("RCPT", "421 4.7.0 too many", TemporaryError, None),
    ("RCPT", "450 4.2.1 busy", AddressBusy, None),
    ("RCPT", "451 4.7.1 greylisted", AddressBusy, None),
    ("RCPT", "552 5.2.2 full", AddressBusy, None),
    ("RCPT", "550 5.1.1 no such user", PermanentError, BOUNCED),
    ("RCPT", "554 5.7.1 policy", PermanentError, None),
    ("DATA", "451 4.3.0 later", TemporaryError, None),
    ("DATA", "554 5.5.1 no", PermanentError, None),
    ("DOT", "451 4.3.0 later", TemporaryError, None),
    ("DOT", "452 4.3.1 disk full", TemporaryError, None),
    ("DOT", "554 5.6.0 content", PermanentError, None),
]


@in_turn("verb, reply, kind, state", REPLIES)
def test_replies_are_sorted(
    serve: Serve, verb: str, reply: str, kind: type[DeliveryError], state: ContactState | None
) -> None:
    serve(**{verb: reply})
    answer = one()
    assert type(answer) is kind
    assert getattr(answer, "contact_state", None) is state
    assert reply[:3] in answer.reason
    assert "@" not in answer.reason


# Refusals of an address, and whether they say that no mail is taken there. Without a code the words decide.
DEAD = [
    "550 5.1.1 no", "550 5.1.2 no such domain", "553 5.1.3 spelling", "551 5.1.6 moved", "550 5.1.10 not found",
    "550 5.2.1 The email account that you tried to reach is inactive", "550 5.0.0 User unknown",
    "550 No such user here", "554 delivery error: This user doesn't have a mail.example account", "550 unknown mailbox",
    "550 Recipient address does not exist", "553 invalid recipient", "550 mailbox disabled",
]  # fmt: skip
ALIVE = [
    # the sender, our account with the relay, a policy
    "550 5.1.0 address rejected", "553 5.1.7 sender", "550 5.1.8 sender's domain", "550 5.7.1 no such user",
    "550 Blocked", "550 Access denied", "550 Account suspended", "550 Account disabled", "550 SPF check failed",
    "550 DMARC failure", "550 Administrative prohibition", "550 Unauthorized", "550 IP 192.0.2.1 is listed",
    "550 rejected by RBL", "550 relay not permitted", "550 No such user here. Sender verify failed",
    "550 Delivery is not allowed to this address.", "550 mailbox unavailable",
    # too much, too early, full
    "550 5.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages",
    "550 5.1.1 Too many unknown users", "550 Too many messages, try again in an hour",
    "550 Message rate limit exceeded", "550 User has exceeded the hourly quota", "550 Daily sending limit reached",
    "550 Domain example.org has exceeded the max emails per hour (150/150 (100%)) allowed. Message discarded.",
    "550 Mailbox full", "550 Over quota", "550 Try again later", "550 Greylisted", "554 no",
]  # fmt: skip


@in_turn("reply, state", [(each, BOUNCED) for each in DEAD] + [(each, None) for each in ALIVE])
def test_only_a_reply_that_speaks_of_the_address_ends_a_contact(
    serve: Serve, reply: str, state: ContactState | None
) -> None:
    serve(RCPT=reply)
    answer = one()
    assert type(answer) is PermanentError
    assert answer.contact_state is state


@in_turn(
    "verb, trouble",
    [
        *((verb, HANG_UP) for verb in ("GREETING", "EHLO", "AUTH", "MAIL", "RCPT", "DATA")),
        *(
            (verb, trouble)
            for verb in ("GREETING", "RCPT")
            for trouble in (SILENCE, "hello", "250-never\r\n250-the end")
        ),
    ],
)
def test_a_connection_lost_before_the_final_dot_was_not_taken(serve: Serve, verb: str, trouble: str) -> None:
    serve(**{verb: trouble})
    assert type(one(0.3)) is TemporaryError


@in_turn("trouble", [HANG_UP, SILENCE, "hello", "250-never\r\n250-the end"])
def test_a_connection_lost_after_the_final_dot_is_unknown(serve: Serve, trouble: str) -> None:
    serve(DOT=trouble)
    assert type(one(0.3)) is OutcomeUnknown


@pytest.mark.rule("6.3")
@pytest.mark.usefixtures("redis_server")
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # a job may end between a socket and its owner
@pytest.mark.parametrize(
    ("verb", "kinds"),
    [
        ("GREETING", [TemporaryError, TemporaryError]),
        ("MAIL", [TemporaryError, TemporaryError]),
        ("DOT", [OutcomeUnknown, NotAttempted]),
    ],
)
def test_a_reply_that_trickles_ends_with_the_job(
    serve: Serve, settings_env: Put, verb: str, kinds: list[type]
) -> None:
    server = serve(**{verb: TRICKLE})
    settings_env(MAIL_PROVIDERS="smtp")
    began = time.monotonic()
    assert [type(each) for each in hand_over_in_job(Channel.EMAIL, mails(2), server.trickles)] == kinds
    assert time.monotonic() - began < 30


@in_turn(
    "replies, kind",
    [
        ({"EHLO": "250-mail.example\r\n250 AUTH XOAUTH2 GSSAPI"}, Misconfigured),
        ({"EHLO": "250-mail.example\r\n250 AUTH LOGIN", "AUTH": "334 a"}, TemporaryError),
    ],
)
def test_a_login_that_cannot_be_made_sends_nothing(serve: Serve, replies: Any, kind: type) -> None:
    server = serve(**replies)
    assert type(one()) is kind
    assert "MAIL" not in server.verbs


BUSY, ENOUGH = "421 4.3.2 closing", "421 4.7.0 enough by this connection"
# What a server replies to several mails: the kind of each answer, and how many connections and contents it is given.
SERIES: list[tuple[dict[str, Any], list[type], int, int]] = [
    (  # a refused address holds up no other
        {"RCPT": ["550 5.1.1 no", "250 OK", "450 4.2.1 busy", "250 OK"]},
        [PermanentError, Acceptance, AddressBusy, Acceptance], 1, 2,
    ),
    # it takes few mails by a connection
    ({"MAIL": ["250 OK", "250 OK", HANG_UP] * 2 + ["250 OK"]}, [Acceptance] * 5, 3, 5),
    ({"MAIL": ["250 OK", "250 OK", ENOUGH] * 2 + ["250 OK"]}, [Acceptance] * 5, 3, 5),
    # no copy follows a content whose answer was lost
    ({"DOT": ["250 OK", HANG_UP, "250 OK"]}, [Acceptance, OutcomeUnknown, Acceptance], 2, 3),
    ({"DOT": [HANG_UP]}, [OutcomeUnknown, TemporaryError, TemporaryError], 1, 1),
    # one that takes none, or no more after some, is asked once
    ({"GREETING": BUSY}, [TemporaryError] * 5, 1, 0),
    ({"MAIL": BUSY}, [TemporaryError] * 5, 1, 0),
    ({"GREETING": ["220 ready", BUSY], "MAIL": ["250 OK", HANG_UP]}, [Acceptance, *[TemporaryError] * 19], 2, 1),
]  # fmt: skip


@in_turn("replies, kinds, connections, contents", SERIES)
def test_each_of_several_mails_has_its_own_answer_and_no_server_is_pressed(
    serve: Serve, replies: dict[str, Any], kinds: list[type], connections: int, contents: int
) -> None:
    server = serve(**deepcopy(replies))  # it uses them up
    assert [type(each) for each in hand_over(mails(len(kinds)))] == kinds
    assert (server.connections, server.verbs.count("DATA")) == (connections, contents)


def test_mails_for_which_no_time_is_left_are_not_attempted(serve: Serve) -> None:
    server = serve(DOT=["250 OK", SILENCE])
    answers = hand_over(mails(4), 1.5)
    assert [type(each) for each in answers] == [Acceptance, OutcomeUnknown, NotAttempted, NotAttempted]
    assert server.verbs.count("MAIL") == 2


@pytest.fixture
def certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """Give what a server needs for TLS with a certificate that our side trusts."""
    pem = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    smtp.tls_context.cache_clear()
    yield serving(pem)
    smtp.tls_context.cache_clear()


@pytest.mark.parametrize("way", ["starttls", "from_start"])
def test_login_and_mail_travel_by_tls(serve: Serve, certified: ssl.SSLContext, way: str) -> None:
    server = serve(**{way: certified})
    assert isinstance(one(), Acceptance)
    assert {"AUTH", "MAIL", "RCPT", "DATA"} <= server.encrypted


@pytest.mark.parametrize("way", ["starttls", "from_start"])
def test_a_certificate_that_nobody_vouches_for_is_refused(serve: Serve, tmp_path: Path, way: str) -> None:
    server = serve(**{way: serving(self_signed(tmp_path))})
    assert type(one()) is TemporaryError
    assert not {"AUTH", "MAIL"} & set(server.verbs)


def test_in_production_nothing_leaves_without_tls(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve()
    monkeypatch.setattr("configs.settings.Settings.loopback_only", False)
    answer = one()
    assert type(answer) is Misconfigured
    assert "STARTTLS" in answer.reason
    assert not {"AUTH", "MAIL"} & set(server.verbs)


@pytest.mark.rule("3.11")
def test_outside_production_nothing_leaves_this_machine(settings_env: Put) -> None:
    settings_env(SMTP_URL="smtps://rdv:password-of-tests@mail.example")
    with pytest.raises(PermanentError, match="SMTP_URL"):
        one()
