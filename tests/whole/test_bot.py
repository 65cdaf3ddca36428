"""Journey through the Telegram bot on a whole stack: buttons are pressed and commands written in the stand-in."""

from typing import Any

import pytest

from deploy.local.seed import EMAIL, PASSWORD
from deploy.local.stack import Stack
from deploy.sandbox.addresses import INBOX
from tests.lab.bench.latency import open_slot, take_all
from tests.waiting import until
from tests.whole.conftest import STACK_JOURNEY, get
from tests.whole.visitor import LOOK, Visitor

pytestmark = STACK_JOURNEY
CHAT, OTHER_CHAT = "100000017", "100000042"
ANSWERS = {
    "Trop tard": "C’est noté, merci.",
    "La page ne montre rien": "C’est noté, merci de l’avoir signalé.",
    "Arrêter": "C’est noté\u00a0: cette alerte est arrêtée.",
    "Trouvé": "C’est noté, bravo\u00a0! Cette alerte est close.",
}


def ask_stand_in(stack: Stack, path: str, body: dict[str, Any] | None = None) -> Any:
    """Ask the inbox page's API."""
    status, said = get(f"http://{INBOX}:{stack.ports.inbox}/api{path}", body)
    assert status == 200, said
    return said


def chat_messages(stack: Stack) -> list[dict[str, Any]]:
    found = ask_stand_in(stack, "/messages")
    return [each for each in found if each["channel"] == "telegram" and each["to"] == CHAT]


def press(stack: Stack, message: dict[str, Any], button: str, **fields: Any) -> str:
    """Press a button; return the line that the bot ends the press with."""
    said = ask_stand_in(stack, "/telegram/press", {"message": message["number"], "button": button, **fields})
    assert said["answered"]
    return str(said["text"])


def say(stack: Stack, text: str, chat: str = CHAT) -> None:
    ask_stand_in(stack, "/telegram/say", {"chat": chat, "text": text})


def read_again(stack: Stack, message: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = ask_stand_in(stack, f"/messages/{message['number']}")
    return found


@pytest.fixture(scope="module")
def camille(stack: Stack) -> Visitor:
    """Give the person whom the stack has, signed in."""
    one = Visitor(stack, EMAIL, PASSWORD)
    one.sign_in()
    return one


def test_every_button_below_a_slot_alert_is_answered_and_shown(stack: Stack, camille: Visitor) -> None:
    alerts = camille.ask("GET", "/alerts")["items"]
    mine = next(each["id"] for each in alerts if each["prefectureId"] == "evry-courcouronnes_91")
    until(lambda: camille.ask("GET", f"/alerts/{mine}")["lastProvenAt"], pause=LOOK)
    open_slot(stack)
    message = until(lambda: [each for each in chat_messages(stack) if each["seen_at"]])[0]
    assert "liée à aucun compte" in press(stack, message, "Trouvé", chat=OTHER_CHAT)
    assert camille.ask("GET", f"/alerts/{mine}")["isActive"]
    for button, line in ANSWERS.items():
        assert press(stack, message, button) == line
        shown = f"Votre réponse\u00a0: {button}"
        until(lambda shown=shown: shown in read_again(stack, message)["text"])  # type: ignore[misc] # mypy cannot infer it
    assert camille.ask("GET", f"/alerts/{mine}")["closedBecause"] == "found"
    labels = [each["text"] for each in read_again(stack, message)["buttons"]]
    assert labels[0] == "Ajouter la date"
    assert "✓ Trouvé" in labels
    assert "de nouveau active" in press(stack, message, "Trop tard")
    assert camille.ask("GET", f"/alerts/{mine}")["isActive"]
    take_all(stack)


def test_commands_list_pause_and_resume_alerts(stack: Stack, camille: Visitor) -> None:
    before = len(chat_messages(stack))
    say(stack, "/alerts")
    listed = until(lambda: chat_messages(stack)[before:])[0]
    assert "Vos alertes" in listed["text"]
    assert "en pause" in press(stack, listed, "⏸ Pause · 1")
    until(lambda: read_again(stack, listed)["edited_at"])
    assert [each["isActive"] for each in camille.ask("GET", "/alerts")["items"]].count(False) == 1
    assert "reprend" in press(stack, read_again(stack, listed), "▶ Reprendre · 1")
    assert all(each["isActive"] for each in camille.ask("GET", "/alerts")["items"])


def test_in_a_chat_without_an_account_a_command_says_so(stack: Stack) -> None:
    say(stack, "/stop", OTHER_CHAT)
    found = until(lambda: [each for each in ask_stand_in(stack, "/messages") if each["to"] == OTHER_CHAT])
    assert "liée à aucun compte" in found[0]["text"]
