"""The bot's updates by polling, against the stand-in; the commands that register the webhook; who may call it."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

import notifier
from configs.world.languages import MESSAGE_LANGUAGES
from deploy.sandbox.providers.telegram_chat import Chat
from notifier.channels.provider_base import TemporaryError
from notifier.message_kinds.telegram import COMMANDS
from notifier.receipts.receiving import TELEGRAM_SECRET_HEADER
from notifier.telegram_bot import TelegramRefused, UpdateRefused, fetch_updates, telegram_command

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("whole")
CODE = "vK3J9Qm2cX7dR5tYb1LwZg"
HOOK = "http://127.0.0.1:9/api/telegram/webhook"
CAMILLE = Chat(100000017)


class Api:
    """The API's webhook: it keeps what it gets, and gives one answer after the other."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.updates: list[dict[str, Any]] = []
        self.secrets: list[str | None] = []
        self.answers: list[tuple[int, dict[str, Any]]] = []


@pytest.fixture
def api() -> Iterator[Api]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/api/telegram/webhook"
            made.updates.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            made.secrets.append(self.headers[TELEGRAM_SECRET_HEADER])
            status, said = made.answers.pop(0) if made.answers else (200, {})
            body = json.dumps({"received": True} | said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Api(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def _settings(whole: "Running", api: Api, settings_env: Callable[..., None]) -> None:
    settings_env(TELEGRAM_WEBHOOK_SECRET="new-secret,old-secret", TELEGRAM_WEBHOOK_URL=HOOK, API_URL=api.url)


def command(name: str, code: int = 0) -> str:
    done = CliRunner().invoke(telegram_command, [name])
    assert done.exit_code == code, (done.output, done.exception)
    return str(done.output)


def test_polling_hands_each_update_to_the_api_once(sandbox: "Running", api: Api) -> None:
    sandbox.press_start("another", 5, "Robin")
    last = sandbox.press_start(CODE, 100000017, "Camille Martin")
    offset = fetch_updates(0, 0)
    assert offset == int(str(last["update_id"])) + 1
    assert [each["message"]["text"] for each in api.updates] == ["/start another", f"/start {CODE}"]
    assert api.secrets == ["new-secret"] * 2
    assert fetch_updates(offset, 0) == offset
    assert len(api.updates) == 2


@pytest.mark.parametrize(("status", "error"), [(500, TemporaryError), (403, UpdateRefused)])
def test_an_update_that_was_not_handled_comes_again(
    sandbox: "Running", api: Api, status: int, error: type[Exception]
) -> None:
    sandbox.press_start(CODE, 17, "Camille")
    api.answers = [(status, {})]
    with pytest.raises(error):
        fetch_updates(0, 0)
    fetch_updates(0, 0)
    assert api.updates[0] == api.updates[1]


def test_the_calls_that_come_back_are_carried_out(sandbox: "Running", api: Api) -> None:
    sandbox.write_to_bot("/alerts", CAMILLE)
    api.answers = [(200, {"method": "sendMessage", "chat_id": CAMILLE.id, "text": "non"})]
    offset = fetch_updates(0, 0)
    (message,) = sandbox.messages("telegram")
    assert (message.to, message.text) == ("100000017", "non")
    press = sandbox.press_data(message, "x")
    answer = {"method": "answerCallbackQuery", "callback_query_id": press, "text": "fait", "show_alert": True}
    api.answers = [(200, answer)]
    offset = fetch_updates(offset, 0)
    assert api.updates[-1]["callback_query"]["data"] == "x"
    said = sandbox.answer_to(press)
    assert said is not None
    assert (said.text, said.show_alert) == ("fait", True)
    sandbox.write_to_bot("/help", CAMILLE)
    api.answers = [(200, answer)]
    assert fetch_updates(offset, 0) == offset + 1, "what Telegram refuses stops nothing"


def test_a_registered_webhook_ends_polling_until_it_is_deleted(sandbox: "Running") -> None:
    assert command("show-webhook") == "no webhook is registered\n0 updates wait\n"
    assert command("set-webhook") == (
        f"Telegram calls {HOOK}\nTelegram lists the commands in {len(MESSAGE_LANGUAGES)} languages\n"
    )
    assert command("show-webhook") == f"Telegram calls {HOOK}\n0 updates wait\n"
    with pytest.raises(TelegramRefused, match="409: Conflict"):
        fetch_updates(0, 0)
    assert command("delete-webhook") == "no webhook is registered\n"
    fetch_updates(0, 0)


def test_the_commands_are_registered_in_every_language(sandbox: "Running") -> None:
    command("set-webhook")
    for language in ["", *MESSAGE_LANGUAGES]:
        found = sandbox.bot_commands(language)
        assert [each["command"] for each in found] == list(COMMANDS)
        assert all(0 < len(each["description"]) <= 256 for each in found)
    assert sandbox.bot_commands("") == sandbox.bot_commands("fr")
    assert sandbox.bot_commands("fr")[0]["description"] == "vos alertes, et des boutons pour chacune"
    assert sandbox.bot_commands("fr") != sandbox.bot_commands("en")


def test_flask_knows_the_commands() -> None:
    (known,) = entry_points(group="flask.commands", name="telegram")
    assert known.load() is telegram_command


@pytest.mark.parametrize("name", ["TELEGRAM_WEBHOOK_URL", "TELEGRAM_WEBHOOK_SECRET", "TELEGRAM_BOT_TOKEN"])
def test_the_command_says_what_is_missing(settings_env: Callable[..., None], name: str) -> None:
    settings_env(**{name: ""})
    assert f"{name} is not set" in command("set-webhook", code=1)


def test_the_command_says_that_telegram_does_not_answer(sandbox: "Running") -> None:
    sandbox.provider_mode("telegram", "refuse")
    assert "telegram not reached" in command("set-webhook", code=1)


@pytest.mark.parametrize("secret", ["new-secret", "old-secret"])
def test_the_header_may_be_written_in_any_case(secret: str) -> None:
    assert notifier.is_genuine("telegram", {TELEGRAM_SECRET_HEADER.lower(): secret}, b"")
    assert not notifier.is_genuine("telegram", {}, b"")


@pytest.mark.parametrize("name", ["fax", "telegram"])
def test_a_provider_that_sends_no_receipts_is_named(name: str) -> None:
    with pytest.raises(LookupError, match=name):
        notifier.receive(name, {TELEGRAM_SECRET_HEADER: "new-secret"}, b"")
