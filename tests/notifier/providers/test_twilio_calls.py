"""Twilio's answers to the calls that we ask for, and their meaning for the message."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from api.models.base import new_id
from notifier.channels.provider_base import Misconfigured, PermanentError, TemporaryError
from notifier.channels.providers.twilio import TwilioCalls
from notifier.content.outgoing_message import OutgoingMessage, RenderedMessage

if TYPE_CHECKING:
    from deploy.sandbox.running import Running


@pytest.fixture(autouse=True)
def _api(sandbox: "Running", settings_env: Callable[..., None]) -> None:
    settings_env(API_URL="https://rdv.example")


def message(address: str = "+33612345678") -> OutgoingMessage:
    return OutgoingMessage(RenderedMessage(text="Un créneau <ouvert>", language="es"), address, [new_id()])


def test_a_call_carries_its_words_and_the_address_of_its_report(sandbox: "Running") -> None:
    sent = message()
    accepted = TwilioCalls().send([sent])
    (call,) = sandbox.messages("voice")
    assert (accepted.provider, accepted.provider_id) == ("twilio_calls", call.provider_id)
    assert (accepted.awaits_receipt, accepted.receipt_within, accepted.cost) == (True, 240, Decimal("0.15"))
    parts = urlsplit(call.custom["StatusCallback"])
    assert (parts.netloc, parts.path) == ("rdv.example", "/api/hooks/twilio/calls")
    assert parse_qs(parts.query) == {"notifications": [str(sent.ids[0])]}
    assert parse_qs(parts.fragment) == {"rc": ["5"], "rp": ["all"]}
    assert "Un créneau &lt;ouvert&gt;" in call.custom["Twiml"]
    assert call.custom["MachineDetection"] == "Enable"


def test_long_words_are_cut_to_what_twilio_takes(sandbox: "Running") -> None:
    long = replace(message(), content=RenderedMessage(text="é & " * 5000, language="fr"))
    assert TwilioCalls().send([long]).provider_id


@pytest.mark.parametrize(
    ("mode", "error"),
    [("error_500", TemporaryError), ("rate_limited", TemporaryError), ("unauthorized", Misconfigured)],
)
def test_a_refusal_says_whether_to_try_again(sandbox: "Running", mode: str, error: type[Exception]) -> None:
    sandbox.provider_mode("twilio_calls", mode)
    with pytest.raises(error):
        TwilioCalls().send([message()])


def test_a_number_that_does_not_exist_is_refused_for_good(sandbox: "Running") -> None:
    sandbox.provider_mode("twilio_calls", "reject_address", address="+33612345678")
    with pytest.raises(PermanentError):
        TwilioCalls().send([message()])
