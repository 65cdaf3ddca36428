"""The receipts of the stand-ins are taken as the providers' are: delivered, bounced, late, repeated, lost, STOP."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

import notifier
from api.models.base import session
from api.models.contact_lookup import claim_address
from api.models.notification import Notification, State
from api.models.user import Channel, Contact, ContactState
from deploy.sandbox.receipts.signatures import make_public_key
from notifier.jobs import apply_receipts, deliver
from tests.notifier.world import ADDRESSES, alert, detection, get, matched, person
from tests.waiting import until

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

SECRET = "tests-receipts"
NAMES = {Channel.EMAIL: "sendgrid", Channel.SMS: "twilio"}
Call = tuple[str, str, dict[str, str], bytes]


class Hooks(ThreadingHTTPServer):
    """Keeps calls of webhooks: provider, query, headers, body."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Keep)
        self.calls: list[Call] = []

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def take(self, count: int) -> list[Call]:
        """Wait for so many calls, and hand them to the front door; return them."""
        until(lambda: len(self.calls) >= count)
        taken, self.calls = self.calls, []
        for provider, query, headers, body in taken:
            notifier.receive(provider, headers, body, query)
        apply_receipts()
        return taken


class _Keep(BaseHTTPRequestHandler):
    server: Hooks

    def do_POST(self) -> None:
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
        self.server.calls.append((path.rpartition("/")[2], query, dict(self.headers), body))

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def hooks(whole: "Running", settings_env: Callable[..., None]) -> Iterator[Hooks]:
    """Give the webhooks that the stand-ins send receipts to."""
    with Hooks() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        settings_env(API_URL=server.origin, SENDGRID_WEBHOOK_KEY=make_public_key(SECRET))
        whole.send_receipts(f"{server.origin}/api/hooks", SECRET)
        yield server
        whole.send_receipts("", "")
        server.shutdown()
        thread.join()


def sent(channel: Channel) -> UUID:
    alert(person(channels=(channel,)))
    (key,) = matched(detection())
    deliver(str(key))
    return key


@pytest.mark.parametrize(
    ("says", "ends"),
    [
        ("delivered", (State.DELIVERED, ContactState.OK)),
        ("bounced", (State.BOUNCED, ContactState.BOUNCED)),
        ("refused", (State.BOUNCED, ContactState.OK)),
    ],
)
@pytest.mark.parametrize("channel", [Channel.EMAIL, Channel.SMS])
def test_a_receipt_says_what_became_of_a_message(
    channel: Channel, says: str, ends: tuple[State, ContactState], whole: "Running", hooks: Hooks
) -> None:
    whole.receipt_mode(NAMES[channel], says)
    key = sent(channel)
    hooks.take(2 if (channel, says) == (Channel.SMS, "delivered") else 1)
    row = get(Notification, key)
    assert (row.state, get(Contact, row.contact_id).state) == ends


def test_an_answer_of_stop_ends_sms(whole: "Running", hooks: Hooks) -> None:
    key = sent(Channel.SMS)
    hooks.take(2)
    contact_id = get(Notification, key).contact_id
    with session() as s:
        assert claim_address(s, s.get_one(Contact, contact_id))
    whole.answer_sms(ADDRESSES[Channel.SMS], "STOP")
    hooks.take(1)
    assert get(Contact, contact_id).state is ContactState.UNSUBSCRIBED
