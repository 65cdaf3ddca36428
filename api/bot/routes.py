"""Webhooks: updates of the bot, and receipts of providers of messages, which the notifier handles."""

from http import HTTPStatus
from typing import Any, Literal

from flask import request

import notifier
from api.bot.service import handle_update
from api.ground.schemas import Answer
from api.web.openapi import declare_errors, make_blueprint
from api.web.request_bodies import Verify, webhook

blueprint = make_blueprint("hooks", __name__, "/api", "webhooks", "Calls of providers, signed by them")


class Received(Answer):
    """The call was taken; the provider need not repeat it."""

    received: Literal[True] = True


def _is_signed_by(provider: str) -> Verify:
    """Return the check that a call is a provider's; Twilio signs the address too."""
    return lambda headers, body: notifier.is_genuine(provider, dict(headers), body, _read_query())


@blueprint.post("/telegram/webhook", responses={200: Received, **declare_errors(403, 413)})
@webhook(_is_signed_by("telegram"))
def receive_telegram_update() -> dict[str, Any]:
    """Take one update of the bot. Telegram sends an update again until it gets a success.

    The answer may carry a call of the Bot API, which Telegram then carries out.
    """
    call = handle_update(request.get_data())
    return Received().as_json() | (call or {})  # with the names that Telegram has


@blueprint.post("/hooks/sendgrid", responses={200: Received, **declare_errors(403, 413)})
@webhook(_is_signed_by("sendgrid"))
def receive_sendgrid_events() -> dict[str, Any]:
    """Take receipts of mails. SendGrid sends them again for a day until it gets a success."""
    notifier.store_receipts("sendgrid", dict(request.headers), request.get_data())
    return Received().as_json()


@blueprint.post("/hooks/twilio/calls", responses={204: None, **declare_errors(403, 413)})
@webhook(_is_signed_by("twilio_calls"))
def receive_call_state() -> tuple[str, int]:
    """Take how a call ended."""
    return _receive("twilio_calls")


@blueprint.post("/hooks/twilio", responses={204: None, **declare_errors(403, 413)})
@webhook(_is_signed_by("twilio"))
def receive_sms_state() -> tuple[str, int]:
    """Take the state of an SMS, or a person's answer such as STOP. An empty answer sends nothing back."""
    return _receive("twilio")


def _receive(provider: str) -> tuple[str, int]:
    notifier.store_receipts(provider, dict(request.headers), request.get_data(), _read_query())
    return "", HTTPStatus.NO_CONTENT


def _read_query() -> str:
    return request.query_string.decode("latin-1")
