import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest

from api.models.user import ContactState
from notifier.channels.batch_sender import providers
from notifier.channels.provider_base import (
    LONGEST_EVENT_ID,
    Acceptance,
    Answer,
    DeliveryError,
    Misconfigured,
    OutcomeUnknown,
    PermanentError,
    RateLimited,
    TemporaryError,
)
from notifier.content.message_kind_base import ChoiceButton, LinkButton, OutgoingMessage, RenderedMessage
from notifier.content.sms_text import fit_text
from tests.in_turn import in_turn
from tests.notifier.conftest import Posts

if TYPE_CHECKING:
    from tests.running_sandbox import Running


SEEN = datetime(2026, 11, 20, 9, tzinfo=UTC)
SAID = RenderedMessage(
    text="Créneau détecté",
    html="<b>Créneau détecté</b>",
    subject="Créneau détecté : Essonne (91)",
    button=LinkButton("Réserver", "https://www.essonne.example/"),
    language="fr",
)

NUMBER = "+33612345678"
ADDRESSES = {"email": "camille@example.org", "sms": NUMBER, "telegram": "987654", "voice": NUMBER}
CHANNELS = sorted(ADDRESSES)
PROVIDERS = {"email": "sendgrid", "sms": "twilio", "telegram": "telegram", "voice": "twilio_calls"}


def send(
    name: str,
    message: RenderedMessage = SAID,
    address: str | None = None,
    key: UUID | None = None,
    seen_at: datetime | None = SEEN,
) -> Acceptance:
    one = OutgoingMessage(message, address or ADDRESSES[name], [key or uuid4()], seen_at=seen_at)
    (answer,) = providers()[PROVIDERS[name]].hand_over([one])
    assert isinstance(answer, Acceptance)
    return answer


def test_a_mail_arrives_whole(sandbox: "Running") -> None:
    key = uuid4()
    receipt = send("email", address="camille@exämple.org", key=key)
    (mail,) = sandbox.messages("email")
    assert (mail.to, mail.subject, mail.text, mail.html) == (
        "camille@xn--exmple-cua.org",  # as DNS has it
        SAID.subject,
        SAID.text,
        SAID.html,
    )
    assert mail.draft.sender == "alerte@rdvpriority.fr"
    assert mail.custom == {"notification_id": str(key), "seen_at": SEEN.isoformat()}
    assert receipt == Acceptance("sendgrid", mail.provider_id)


def test_an_sms_arrives_whole(sandbox: "Running") -> None:
    receipt = send("sms")
    (message,) = sandbox.messages("sms")
    assert (message.to, message.text, message.draft.sender) == ("+33612345678", SAID.text, "RDVPriority")
    assert message.draft.seen_at == SEEN
    assert receipt == Acceptance(
        "twilio", message.provider_id, Decimal("0.08"), awaits_receipt=True, segments=1
    )


def test_a_messaging_service_chooses_the_sender_of_an_sms(
    sandbox: "Running", settings_env: Callable[..., None]
) -> None:
    service = f"MG{'0a' * 16}"
    settings_env(TWILIO_PHONE_NUMBER=service)
    send("sms")
    (message,) = sandbox.messages("sms")
    assert (message.draft.sender, message.custom["MessagingServiceSid"]) == (service, service)


def test_a_telegram_message_arrives_with_its_button(sandbox: "Running") -> None:
    receipt = send("telegram")
    (message,) = sandbox.messages("telegram")
    assert (message.to, message.html) == ("987654", SAID.html)
    assert [(each.text, each.url) for each in message.draft.buttons] == [
        ("Réserver", "https://www.essonne.example/")
    ]
    assert message.draft.seen_at == SEEN
    assert receipt == Acceptance("telegram", message.provider_id, delivered=True)


def test_buttons_that_answer_stand_below_the_link_in_their_rows(sandbox: "Running") -> None:
    choices = (
        (ChoiceButton("Trouvé", "a:f:%key%"), ChoiceButton("Trop tard", "a:l")),
        (ChoiceButton("Arrêter", "a:s"),),
    )
    asked = replace(SAID, choices=choices)
    one = OutgoingMessage(asked, "987654", [uuid4()], {"%key%": "mine"})
    providers()["telegram"].hand_over([one])
    providers()["telegram"].hand_over([replace(one, content=replace(asked, button=None))])
    first, second = sandbox.messages("telegram")
    answers = [("Trouvé", "a:f:mine", 0), ("Trop tard", "a:l", 0), ("Arrêter", "a:s", 1)]
    assert [(each.text, each.data, each.row) for each in second.draft.buttons] == answers
    assert [(each.text, each.data, each.row - 1) for each in first.draft.buttons[1:]] == answers
    assert (first.draft.buttons[0].url, first.draft.buttons[0].row) == ("https://www.essonne.example/", 0)


@in_turn("html", ["<b>" + "创" * 4000 + "</b>", "&lt;" * 4000, "<i>👩</i>" * 3000, "x" * 4097])
def test_a_telegram_message_that_is_too_long_is_cut_and_shows_nothing_hidden(
    sandbox: "Running", html: str
) -> None:
    """No kind makes one: tests/notifier/content holds that with the longest values."""
    sandbox.reset()
    send("telegram", replace(SAID, html=f"<b>Créneau &amp;</b>\n<tg-spoiler>Visa</tg-spoiler>\n{html}"))
    (message,) = sandbox.messages("telegram")
    assert (message.html, message.text[:12], message.text[-1]) == (None, "Créneau &\n…\n", "…")
    assert message.draft.buttons
    sandbox.reset()
    fits = "<b>" + "é" * 4096 + "</b>"
    send("telegram", replace(SAID, html=fits))
    assert [each.html for each in sandbox.messages("telegram")] == [fits]


@in_turn("name", CHANNELS)
@in_turn("mode", ["timeout", "yes_without_answer"])
def test_silence_is_unknown(
    name: str,
    mode: str,
    sandbox: "Running",
    monkeypatch: pytest.MonkeyPatch,
    settings_env: Callable[..., None],
) -> None:
    sandbox.reset()
    settings_env(PROVIDER_TIMEOUT_SECONDS="0.2")
    sandbox.provider_mode(PROVIDERS[name], mode)
    with pytest.raises(OutcomeUnknown, match="ReadTimeout"):
        send(name)
    assert len(sandbox.messages(name)) == (mode == "yes_without_answer")


@pytest.mark.rule("3.11")
@in_turn("name", CHANNELS)
def test_without_a_stand_in_nothing_leaves(name: str, settings_env: Callable[..., None]) -> None:
    settings_env()
    with pytest.raises(PermanentError, match="STAND_INS"):
        send(name)


AnswerOf = Callable[[str, int, Any], Any]


@pytest.fixture
def answer_of(posts: Posts, settings_env: Callable[..., None]) -> AnswerOf:
    """Give a function that has a provider answer so to one message, and returns what that means."""
    settings_env(STAND_INS=",".join(f"{name}={posts.url}" for name in PROVIDERS.values()))

    def ask(name: str, status: int, body: Any) -> Answer:
        posts.usual = status, body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            (answer,) = providers()[PROVIDERS[name]].hand_over(
                [OutgoingMessage(SAID, ADDRESSES[name], [uuid4()])]
            )
        except DeliveryError as error:
            return error
        return answer

    return ask


APART = ("sms", "voice", "telegram")  # each copy is seen, or rings
BOUNCED, STOPPED, BLOCKED = ContactState.BOUNCED, ContactState.UNSUBSCRIBED, ContactState.BLOCKED
ODD_CODES: list[Any] = [403, "21211", None, [], {}, 10**400, True]
# Fields of SendGrid's errors that speak of what we wrote
OURS = [
    "subject", None, "personalizations", "mail_settings.bypass_spam_management", "personalizations.0.to",
    *(f"personalizations.0.{name}" for name in ("substitutions", "custom_args", "headers", "headers.Message-ID")),
]  # fmt: skip
# A meaning, the answers that have it, and what the reason names.
ANSWERS: list[tuple[str, type[DeliveryError], ContactState | None, int, list[Any], str]] = [
    ("sms", PermanentError, BOUNCED, 400, [{"code": 21211}, {"code": 21614}], "number"),
    ("sms", PermanentError, STOPPED, 400, [{"code": 21610}], "21610"),
    ("sms", PermanentError, None, 400, [{"code": code} for code in (21408, 21612, 21999)], "21"),
    ("sms", RateLimited, None, 400, [{"code": 21611}], "21611"),  # its queue is full
    ("sms", Misconfigured, None, 400, [{"code": code} for code in (21212, 21606, 21660, 21704)], "TWILIO_PHONE_NUMBER"),
    ("voice", PermanentError, BOUNCED, 400, [{"code": 21211}], "number"),
    ("voice", Misconfigured, None, 400, [{"code": 21210}], "TWILIO_VOICE_NUMBER"),
    ("voice", Misconfigured, None, 401, [{"code": 20003}], "TWILIO_ACCOUNT_SID"),
    # not written by Twilio, or with a code that is none: blames no message
    ("sms", TemporaryError, None, 400, [{"code": code} for code in ODD_CODES], "in no words"),
    ("sms", Misconfigured, None, 403, [{"type": "x", "title": "x", "status": 403, "code": 20003}], "TWILIO_ACCOUNT_SID"),
    ("email", PermanentError, BOUNCED, 400, [{"errors": [{"field": "personalizations.0.to.0.email"}]}], "address"),
    ("email", PermanentError, None, 400, [{"errors": [{"field": field}]} for field in OURS], "400"),
    ("email", TemporaryError, None, 400, [{"errors": "odd"}, b"\xff\xfe", b"<html>refused"], "in no words"),
    ("email", PermanentError, None, 413, [b"<html>too large</html>"], "413"),
    ("email", Misconfigured, None, 400, [{"errors": [{"field": "from.email"}]}], "EMAIL_FROM"),
    ("email", Misconfigured, None, 403, [{"errors": [{"field": None}]}], "SENDGRID_API_KEY"),
    ("email", OutcomeUnknown, None, 200, [{}], "200"),  # it was checked, and not queued
    ("telegram", PermanentError, BLOCKED, 403, [{"ok": False, "description": "Forbidden: user is deactivated"}], "user"),
    ("telegram", PermanentError, BOUNCED, 400, [{"ok": False, "description": "Bad Request: chat not found"}], "chat"),
    ("telegram", PermanentError, BOUNCED, 403, [{"ok": False, "description": "Forbidden: bot can't initiate conversation with a user"}], "bot"),
    ("telegram", PermanentError, None, 400, [{"ok": False, "description": "can't parse entities"}], "400"),
    ("telegram", Misconfigured, None, 404, [{"ok": False, "description": "Not Found"}], "TELEGRAM_BOT_TOKEN"),
    ("telegram", OutcomeUnknown, None, 200, [{"ok": False}, b"<html>"], "none"),
    *((name, TemporaryError, None, status, [{}, b"<html>"], "in no words") for name in CHANNELS for status in (401, 403, 404)),
    # whoever stands before the provider does not know what it did
    *((name, OutcomeUnknown, None, status, [b"<html>"], str(status)) for name in APART for status in (500, 502, 503, 504)),
    *((name, OutcomeUnknown, None, 500, [{"code": 20500, "ok": False}], "500") for name in APART),
    *((name, TemporaryError, None, 503, [{"code": 20503, "ok": False}], "503") for name in APART),
    *(("email", TemporaryError, None, status, [{}, b"<html>"], str(status)) for status in (500, 502, 503, 504)),
]  # fmt: skip


@in_turn("name, kind, state, status, bodies, named", ANSWERS)
def test_answers_of_providers_are_sorted(
    answer_of: AnswerOf,
    *,
    name: str,
    kind: type[DeliveryError],
    state: ContactState | None,
    status: int,
    bodies: list[Any],
    named: str,
) -> None:
    for body in bodies:
        error = answer_of(name, status, body)
        assert type(error) is kind, body
        assert getattr(error, "contact_state", None) is state
        assert named in error.reason
        assert ADDRESSES[name] not in error.reason


def test_sendgrid_rewrites_no_link_and_adds_none(answer_of: AnswerOf, posts: Posts) -> None:
    answer_of("email", 202, {})
    tracking = json.loads(posts.bodies[-1])["tracking_settings"]
    names = ("click_tracking", "open_tracking", "subscription_tracking")
    assert tracking == {name: {"enable": False} for name in names}


@in_turn(
    "wait, bodies",
    [
        (None, [b"<html>", b"[]", b"", b'{"parameters": 3}', b"[" * 100_000]),
        (45, [b'{"parameters": {"retry_after": NaN}}']),
        (17.5, [b'{"parameters": {"retry_after": 17.5}}']),
        (60, [b'{"parameters": {"retry_after": "60"}}']),
        (45, [b'{"parameters": {"retry_after": %s}}' % (b"1" * 400)]),
    ],
)
def test_a_wait_that_telegram_names_is_bounded(
    answer_of: AnswerOf, wait: float | None, bodies: list[bytes]
) -> None:
    for body in bodies:
        error = answer_of("telegram", 429, body)
        assert (type(error), error.retry_after) == (RateLimited, wait)


def test_a_yes_of_telegram_is_one_whatever_follows(answer_of: AnswerOf) -> None:
    odd: list[Any] = [None, {}, [], {"message_id": "x" * 5000}, {"message_id": {}}]
    for result in odd:
        answer = answer_of("telegram", 200, {"ok": True, "result": result})
        assert isinstance(answer, Acceptance)
        assert len(answer.provider_id) <= LONGEST_EVENT_ID


def test_an_sms_in_another_script_is_sent_as_it_is_and_counted_as_ucs2(sandbox: "Running") -> None:
    text = "RDVPriority: 3 свободных места, Seine-Saint-Denis (93). https://rdv.example/a"
    answer = send("sms", RenderedMessage(text=text, language="ru"))
    (sms,) = sandbox.messages("sms")
    assert sms.text == text
    assert (len(text), answer.segments) == (77, 2)


@pytest.mark.rule("6.9")
def test_an_sms_is_never_longer_than_twilio_takes_and_cuts_no_link(sandbox: "Running") -> None:
    link = "https://rdv.example/" + "x" * 200
    several = RenderedMessage(text="long", brief=" - ".join(f"Essonne (91) {link}" for _ in range(10)))
    said = fit_text(replace(several, text=several.brief))
    assert len(said) <= 1600
    assert set(said.replace("Essonne (91)", "").replace(" - ", " ").split()) <= {link, "-"}
    assert len(fit_text(RenderedMessage(brief="y" * 2000, text="y" * 2000))) == 1600
    send("sms", replace(several, text=several.brief))
    assert len(sandbox.messages("sms")) == 1


def test_no_client_logs_what_it_sends(sandbox: "Running", caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        for name in CHANNELS:
            send(name)
    assert not [each for each in caplog.messages if "camille" in each or "+336" in each or "987654" in each]


@pytest.mark.parametrize("text", ["Un créneau <ouvert>", "é & " * 5000])
def test_a_call_carries_its_words_and_the_address_of_its_report(
    sandbox: "Running", settings_env: Callable[..., None], text: str
) -> None:
    settings_env(API_URL="https://rdv.example")
    key = uuid4()
    accepted = send("voice", RenderedMessage(text=text, language="es"), key=key)
    (call,) = sandbox.messages("voice")
    assert (accepted.provider, accepted.provider_id) == ("twilio_calls", call.provider_id)
    assert (accepted.awaits_receipt, accepted.receipt_within, accepted.cost) == (True, 240, Decimal("0.15"))
    parts = urlsplit(call.custom["StatusCallback"])
    assert (parts.netloc, parts.path) == ("rdv.example", "/api/hooks/twilio/calls")
    assert parse_qs(parts.query) == {"notifications": [str(key)]}
    assert parse_qs(parts.fragment) == {"rc": ["5"], "rp": ["all"]}
    assert escape(text)[:19] in call.custom["Twiml"]
    assert call.custom["MachineDetection"] == "Enable"
