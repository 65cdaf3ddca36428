"""The inbox page: what it serves, what it streams, what its buttons do."""

import http.client
import json
import re
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import deploy.sandbox
from deploy.sandbox.modes import MODES
from deploy.sandbox.platforms import stand_ins
from deploy.sandbox.providers.provider import PROVIDER_MODES
from deploy.sandbox.running import Running, running
from deploy.sandbox.stripe.stand_in import STRIPE_MODES

Visit = Callable[[str | int], Any]
STATIC = Path(deploy.sandbox.__file__).parent / "static"
SEND = "/bot1:x/sendMessage"


@pytest.fixture
def inbox(visit: Visit, sandbox: Running) -> Any:
    return visit(sandbox.inbox)


@pytest.fixture
def tell(visit: Visit, sandbox: Running) -> Callable[[str], None]:
    return lambda text: visit(sandbox.telegram).post(SEND, {"chat_id": 5, "text": text})


def mail(visit: Visit, sandbox: Running) -> None:
    body = {
        "personalizations": [{"to": [{"email": "a@b.fr"}]}],
        "from": {"email": "c@d.fr"},
        "subject": "Créneau détecté",
        "content": [{"type": "text/html", "value": "<p>Bonjour</p>"}],
    }
    visit(sandbox.sendgrid).post("/v3/mail/send", body, Authorization="Bearer SG.x")


class Stream:
    """The events of one connection, as they come."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.answer = answer

    def next(self, name: str) -> tuple[str | None, Any]:
        """Return (id, data) of the next event of that name."""
        while True:
            fields = dict(self._fields())
            if fields.get("event") == name:
                return fields.get("id"), json.loads(fields["data"])

    def _fields(self) -> Iterator[tuple[str, str]]:
        while line := self.answer.readline().decode().rstrip("\n"):
            key, _, value = line.partition(": ")
            yield key, value


@contextmanager
def stream(sandbox: Running, path: str = "/events", **headers: str) -> Iterator[Stream]:
    where = urlsplit(sandbox.inbox)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
    try:
        connection.request(
            "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        answer = connection.getresponse()
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        yield Stream(answer)
        answer.close()
    finally:
        connection.close()


def test_the_page_and_all_it_names_are_served_from_here(inbox: Any) -> None:
    page = inbox.get("/")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    named = set(re.findall(r'(?:src|href)="([^"#]+)"', page.text))
    assert named == {"/static/icon.svg", "/static/inbox.css", "/static/inbox.js"}
    for name in [*named, "/static/messages.js", "/static/preview.js", "/static/sites.js", "/static/text.js"]:
        answer = inbox.get(name)
        assert answer.status == 200
        imported = re.findall(r'from "\./([^"]+)"', answer.text)
        assert all(inbox.get(f"/static/{module}").status == 200 for module in imported)


def test_nothing_is_fetched_from_elsewhere(inbox: Any) -> None:
    policy = inbox.get("/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    for file in STATIC.iterdir():
        addresses = re.findall(r"https?://[\w.]+", file.read_text(encoding="utf-8"))
        assert set(addresses) <= {"http://www.w3.org"}, file.name


@pytest.mark.parametrize("name", ["../inbox.py", "..%2finbox.py", "inbox.html", "secrets.txt"])
def test_no_other_file_is_served(inbox: Any, name: str) -> None:
    assert inbox.get(f"/static/{name}").status == 404


def test_every_mode_has_a_french_name_on_the_page() -> None:
    words = (STATIC / "sites.js").read_text(encoding="utf-8")
    missing = [
        mode for mode in {*MODES, *PROVIDER_MODES, *STRIPE_MODES} if not re.search(rf"\b{mode}: \"", words)
    ]
    assert missing == []


def test_messages_are_listed_without_the_body_of_mails(inbox: Any, visit: Visit, sandbox: Running) -> None:
    mail(visit, sandbox)
    (summary,) = inbox.get("/api/messages").json
    assert (summary["subject"], summary["html"]) == ("Créneau détecté", None)
    whole = inbox.get(f"/api/messages/{summary['number']}").json
    assert whole["html"] == "<p>Bonjour</p>"


def test_a_message_that_is_not_kept_is_404(inbox: Any) -> None:
    answer = inbox.get("/api/messages/999999999")
    assert (answer.status, answer.json) == (404, {"error": "this message is no longer kept"})


def test_a_message_is_streamed_as_it_comes(sandbox: Running, tell: Any) -> None:
    with stream(sandbox) as events:
        events.next("state")
        tell("bonjour")
        number, message = events.next("message")
        assert (message["channel"], message["to"], message["text"]) == ("telegram", "5", "bonjour")
        assert number == str(message["number"])


def test_a_lost_connection_takes_up_where_it_stopped(sandbox: Running, tell: Any) -> None:
    tell("one")
    first = sandbox.messages()[0].number
    tell("two")
    tell("three")
    for events in (
        stream(sandbox, Last_Event_ID=str(first)),
        stream(sandbox, f"/events?after={first}"),
    ):
        with events as open_events:
            assert [open_events.next("message")[1]["text"] for _ in range(2)] == ["two", "three"]


def test_nothing_is_told_twice_to_who_knows_it(sandbox: Running, tell: Any) -> None:
    tell("known")
    with stream(sandbox, f"/events?after={sandbox.messages()[-1].number}") as events:
        events.next("state")
        tell("new")
        assert events.next("message")[1]["text"] == "new"


def test_the_state_is_streamed_when_it_changes(sandbox: Running) -> None:
    with stream(sandbox) as events:
        before = events.next("state")[1]
        assert [site["site"] for site in before["sites"]] == list(stand_ins())
        sandbox.open_slots(77, 48803, count=2)
        after = events.next("state")[1]
        assert len(after["sites"][1]["forms"][0]["plannings"][0]["slots"]) == 2


def test_each_sandbox_is_told_from_the_one_before(inbox: Any) -> None:
    with running() as other:
        here, there = inbox.get("/api/state").json["run"], urllib.request.urlopen(f"{other.inbox}/api/state")
        assert here == inbox.get("/api/state").json["run"] != json.load(there)["run"]


def test_many_readers_hear_the_same(sandbox: Running, tell: Any) -> None:
    heard: list[str] = []

    def listen(ready: threading.Barrier) -> None:
        with stream(sandbox) as events:
            events.next("state")
            ready.wait()
            heard.append(events.next("message")[1]["text"])

    ready = threading.Barrier(6)
    readers = [threading.Thread(target=listen, args=(ready,)) for _ in range(5)]
    for reader in readers:
        reader.start()
    ready.wait()
    tell("tous")
    for reader in readers:
        reader.join()
    assert heard == ["tous"] * 5


def test_the_buttons_open_and_take_slots(inbox: Any, visit: Visit) -> None:
    opened = inbox.post("/api/sites/91/open", {"form": 23014, "planning": 23199, "count": 3}).json["slots"]
    assert len(opened) == 3
    state = visit(91).get("/_control").json
    assert state["forms"][0]["plannings"][2]["slots"] == opened
    assert inbox.post("/api/sites/91/take", {"form": 23014}).json["slots"] == opened


def test_the_menus_set_modes(inbox: Any, visit: Visit) -> None:
    inbox.post("/api/sites/77/mode", {"mode": "block"})
    assert visit(77).get("/booking/create/48803/0").status == 403
    inbox.post("/api/providers/sms/mode", {"mode": "slow"})
    modes = {one["channel"]: one["mode"] for one in inbox.get("/api/state").json["providers"]}
    assert modes == {
        "email": "normal",
        "sms": "slow",
        "telegram": "normal",
        "voice": "normal",
        "push": "normal",
        "payment": "normal",
        "errors": "normal",
    }


def test_reset_empties_everything(inbox: Any, sandbox: Running, tell: Any) -> None:
    tell("x")
    sandbox.mode(77, "block")
    state = inbox.post("/api/reset", {}).json
    assert sandbox.messages() == []
    assert state["sites"][1]["mode"] == "normal"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/sites/13/open", 404),
        ("/api/sites/91/close", 404),
        ("/api/sites/91/open", 422),
        ("/api/providers/pigeon/mode", 404),
        ("/api/providers/sms/mode", 422),
    ],
)
def test_wrong_calls_are_told_why(inbox: Any, path: str, status: int) -> None:
    answer = inbox.post(path, {})
    assert answer.status == status
    assert answer.json["error"]


def test_other_pages_cannot_press_the_buttons(inbox: Any, sandbox: Running) -> None:
    answer = inbox.ask("POST", "/api/sites/91/open", b'{"form": 23014}', {"Content-Type": "text/plain"})
    assert answer.status == 415
    assert sandbox.take_slots(91, 23014) == []


def test_an_edit_comes_to_open_pages_and_to_those_that_return(
    visit: Visit, sandbox: Running, tell: Callable[[str], None]
) -> None:
    tell("un")
    (message,) = sandbox.messages()
    gone = {"chat_id": 5, "message_id": int(message.provider_id), "text": "parti"}
    with stream(sandbox) as events:
        events.next("state")
        visit(sandbox.telegram).post(SEND.replace("sendMessage", "editMessageText"), gone)
        number, shown = events.next("edit")
    assert (number, shown["number"], shown["text"]) == (None, message.number, "parti")
    assert (shown["text_before"], bool(shown["edited_at"])) == ("un", True)
    with stream(sandbox, f"/events?after={message.number}") as events:
        assert events.next("edit")[1] == shown
    with stream(sandbox, "/events?after=0") as events:
        assert events.next("message")[1] == shown
