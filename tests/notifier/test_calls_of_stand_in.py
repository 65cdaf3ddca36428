"""Calls by Twilio's stand-in, from the match to the report: missed, busy, a machine, a person."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

import notifier
from api.models.notification import Notification, State
from notifier.jobs import apply_receipts, deliver
from tests.notifier.calls_world import calls, missed_sms, wanted_call
from tests.notifier.world import get
from tests.waiting import until

if TYPE_CHECKING:
    from deploy.sandbox.running import Running


class CallHooks(ThreadingHTTPServer):
    """The webhook of calls, as the API serves it; `reports` counts what it took."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Take)
        self.reports = 0

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Take(BaseHTTPRequestHandler):
    server: CallHooks

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        notifier.receive("twilio_calls", dict(self.headers), body, self.path.partition("?")[2])
        self.server.reports += 1
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def serve_calls() -> Iterator[CallHooks]:
    """Serve the webhook of calls."""
    with CallHooks() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def hooks(whole: "Running", settings_env: Callable[..., None]) -> Iterator[CallHooks]:
    """Give the webhook that the stand-in reports to."""
    with serve_calls() as server:
        settings_env(API_URL=server.origin, CALLS_PER_SECOND="1000")
        whole.send_receipts(f"{server.origin}/api/hooks", "tests-receipts")
        yield server
        whole.send_receipts("", "")


def make_call(hooks: CallHooks, reports: int = 1) -> None:
    deliver(str(wanted_call()))
    until(lambda: hooks.reports >= reports)
    apply_receipts()


@pytest.mark.parametrize("mode", ["nobody", "busy", "failed"])
def test_a_call_that_nobody_takes_is_made_again(whole: "Running", hooks: CallHooks, mode: str) -> None:
    whole.call_answers(mode)
    make_call(hooks)
    assert [row.state for row in calls()] == [State.BOUNCED, State.PENDING]
    (call,) = whole.messages("voice")
    assert call.text == ""


def test_a_person_hears_the_words_twice(whole: "Running", hooks: CallHooks) -> None:
    whole.call_answers("person")
    make_call(hooks)
    (only,) = calls()
    assert only.state is State.DELIVERED
    (call,) = whole.messages("voice")
    assert call.text.count("créneau est ouvert") == 2


def test_after_a_machine_an_sms_leaves(whole: "Running", hooks: CallHooks) -> None:
    whole.call_answers("machine")
    make_call(hooks)
    (sms,) = missed_sms()
    deliver(str(sms.id))
    (message,) = [each for each in whole.messages("sms") if "appeler" in each.text]
    assert message.to == "+33612345678"


def test_a_ringing_phone_is_answered_by_hand(whole: "Running", hooks: CallHooks) -> None:
    key = wanted_call()
    deliver(str(key))
    whole.act_in_call(get(Notification, key).provider_id or "", "answer")
    until(lambda: hooks.reports)
    apply_receipts()
    assert [row.state for row in calls()] == [State.DELIVERED]


def test_a_report_that_is_repeated_brings_one_call(whole: "Running", hooks: CallHooks) -> None:
    whole.receipt_mode("twilio_calls", "repeated", times=3)
    whole.call_answers("nobody")
    make_call(hooks, 3)
    assert len(calls()) == 2
