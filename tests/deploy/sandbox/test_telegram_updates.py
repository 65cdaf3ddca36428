"""The updates of Telegram's stand-in: fetched, or sent to a webhook until it takes them; the page to press Start."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deploy.sandbox.running import Running
from tests.waiting import until

Visit = Callable[[str | int], Any]
BOT = "/bot123456:tests"


@pytest.fixture
def telegram(visit: Visit, sandbox: Running) -> Any:
    return visit(sandbox.telegram)


class Hook:
    """A webhook that keeps what it gets, and answers with one status after the other."""

    def __init__(self, url: str, statuses: list[int]) -> None:
        self.url, self.statuses = url, statuses
        self.calls: list[tuple[str | None, Any]] = []


@pytest.fixture
def hook() -> Iterator[Hook]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made.calls.append((self.headers["X-Telegram-Bot-Api-Secret-Token"], body))
            self.send_response(made.statuses.pop(0) if made.statuses else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Hook(f"http://127.0.0.1:{server.server_address[1]}/hook", [])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def updates(telegram: Any, **asked: int) -> list[dict[str, Any]]:
    answer = telegram.post(f"{BOT}/getUpdates", asked)
    assert answer.status == 200
    found: list[dict[str, Any]] = answer.json["result"]
    return found


def test_updates_stay_until_they_are_confirmed(telegram: Any, sandbox: Running) -> None:
    assert updates(telegram) == []
    sandbox.press_start("abc", 17, "Camille Martin")
    (first,) = updates(telegram)
    assert first["message"]["text"] == "/start abc"
    assert first["message"]["chat"] == {
        "id": 17, "first_name": "Camille", "last_name": "Martin", "type": "private",
    }  # fmt: skip
    assert updates(telegram) == [first]
    assert updates(telegram, offset=first["update_id"] + 1) == []
    assert updates(telegram) == []


def test_a_call_waits_for_the_first_update(telegram: Any, sandbox: Running) -> None:
    found: list[dict[str, Any]] = []
    waiting = threading.Thread(target=lambda: found.extend(updates(telegram, timeout=4)))
    waiting.start()
    sandbox.press_start("abc", 17, "Camille")
    waiting.join()
    assert len(found) == 1


def test_the_page_lets_a_user_press_start(telegram: Any) -> None:
    page = telegram.get("/rdvpriority_bot?start=abc%22")
    assert page.status == 200
    assert "@rdvpriority_bot" in page.text
    assert 'value="abc&#34;"' in page.text
    done = telegram.send("/rdvpriority_bot", code="abc", name="Camille", chat="17", kind="private")
    assert "Vous avez appuyé" in done.text
    telegram.send("/rdvpriority_bot", code="abc", name="Famille", chat="18", kind="group")
    private, group = (update["message"]["chat"] for update in updates(telegram))
    assert (private["id"], private["type"]) == (17, "private")
    assert (group["id"], group["type"], group["title"]) == (-18, "group", "Famille")


@pytest.mark.parametrize("wrong", [{"chat": "x"}, {"kind": "channel"}, {"name": " "}])
def test_a_form_that_says_nothing_is_refused(telegram: Any, wrong: dict[str, str]) -> None:
    sent = {"code": "abc", "name": "Camille", "chat": "17", "kind": "private"} | wrong
    assert telegram.send("/rdvpriority_bot", **sent).status == 422
    assert updates(telegram) == []


def test_a_webhook_gets_updates_with_its_secret(telegram: Any, sandbox: Running, hook: Hook) -> None:
    sandbox.press_start("before", 17, "Camille")
    assert telegram.post(f"{BOT}/setWebhook", {"url": hook.url, "secret_token": "s"}).json["ok"] is True
    until(lambda: len(hook.calls) == 1)
    sandbox.press_start("after", 17, "Camille")
    until(lambda: len(hook.calls) == 2)
    assert [(secret, body["message"]["text"]) for secret, body in hook.calls] == [
        ("s", "/start before"),
        ("s", "/start after"),
    ]
    assert telegram.post(f"{BOT}/getUpdates", {}).status == 409
    assert telegram.post(f"{BOT}/deleteWebhook").json["ok"] is True
    assert updates(telegram) == []


def test_an_update_that_is_not_taken_is_sent_again(telegram: Any, sandbox: Running, hook: Hook) -> None:
    hook.statuses = [500] * 10_000
    telegram.post(f"{BOT}/setWebhook", {"url": hook.url})
    sandbox.press_start("abc", 17, "Camille")
    until(lambda: len(hook.calls) > 1)
    shown = telegram.post(f"{BOT}/getWebhookInfo").json["result"]
    assert (shown["url"], shown["pending_update_count"]) == (hook.url, 1)
    assert hook.calls[0] == hook.calls[1]


def test_a_reset_forgets_webhook_and_updates(telegram: Any, sandbox: Running) -> None:
    telegram.post(f"{BOT}/setWebhook", {"url": "http://127.0.0.1:9/hook"})
    sandbox.press_start("abc", 17, "Camille")
    sandbox.reset()
    assert updates(telegram) == []
