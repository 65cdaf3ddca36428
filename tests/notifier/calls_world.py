"""World of the tests of calls: people who want to be called, and the webhook that Twilio's stand-in asks."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlencode
from uuid import UUID

import sqlalchemy as sa

import notifier
from api.models.base import session
from api.models.notification import Notification
from api.models.user import Channel
from configs.clock import clock
from configs.settings import settings
from deploy.sandbox.receipts.signatures import sign_form
from notifier.call_addresses import CallStep, call_address, write_call_token
from notifier.call_planning import plan_calls
from notifier.jobs import apply_receipts, deliver
from tests.notifier.world import Person, alert, detection, matched, person

ALWAYS = {"voice_enabled": True, "voice_from": time(0), "voice_to": time(23, 59)}
SID = "CA00000000000000000000000000000001"


def callee(*channels: Channel) -> Person:
    """Make a person with a confirmed number, beside other contacts, who waits for the desk and wants calls."""
    who = person(channels=(Channel.SMS, *channels))
    alert(who, **ALWAYS)
    return who


def planned() -> list[UUID]:
    """Let the sweep plan calls; return the attempts that it wrote."""
    with session() as s:
        return plan_calls(s, clock())


def wanted_call() -> UUID:
    """Match a detection for a person who wants calls; return the first attempt."""
    callee()
    matched(detection())
    (key,) = planned()
    return key


def placed_call() -> UUID:
    """Have a wanted call made; return its attempt."""
    key = wanted_call()
    deliver(str(key))
    return key


def calls() -> list[Notification]:
    """Return the attempts of calls, in their order."""
    with session() as s:
        found = s.scalars(sa.select(Notification).where(Notification.kind == "slot_call"))
        return sorted(found, key=lambda row: row.dedupe_key)


def missed_sms() -> list[Notification]:
    """Return the SMS that follow an answering machine."""
    with session() as s:
        return list(s.scalars(sa.select(Notification).where(Notification.kind == "call_missed")))


def ask(key: UUID, step: CallStep, *, sid: str = SID, language: str = "fr", **form: str) -> str:
    """Let Twilio make a request about a call; return what it is to say."""
    address = call_address(step, write_call_token(key, language))
    fields = {"AccountSid": settings().twilio_account_sid or "", "CallSid": sid, "To": "+33612345678"} | form
    headers = sign_form(settings().require("twilio_auth_token"), address, fields)
    return notifier.answer_call(headers, urlencode(fields).encode(), address.partition("?")[2])


def report(key: UUID, step: CallStep, *, sid: str = SID, **form: str) -> str:
    """Let Twilio make a request about a call, and have what it reports applied."""
    said = ask(key, step, sid=sid, **form)
    apply_receipts()
    return said


class CallHooks(ThreadingHTTPServer):
    """The webhook of calls, as the API serves it; `calls` are the steps that it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.steps: list[str] = []

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answer(BaseHTTPRequestHandler):
    server: CallHooks

    def do_POST(self) -> None:
        query = self.path.partition("?")[2]
        body = self.rfile.read(int(self.headers["Content-Length"]))
        said = notifier.answer_call(dict(self.headers), body, query).encode()
        self.send_response(200 if said else 204)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)
        self.server.steps.append(query.partition("&")[0].removeprefix("step="))

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
