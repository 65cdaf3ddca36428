"""A reset forgets everything: what one test leaves, the next one does not meet."""

from typing import Any

from deploy.sandbox.providers.telegram_chat import Chat
from deploy.sandbox.running import Running

BOT = "/bot123456:tests"


def test_providers_forget_messages_modes_updates_and_the_webhook(sandbox: Running, visit: Any) -> None:
    telegram = visit(sandbox.telegram)
    telegram.post(f"{BOT}/sendMessage", {"chat_id": 5, "text": "x"})
    telegram.post(f"{BOT}/setMyCommands", {"commands": [{"command": "alerts", "description": "x"}]})
    telegram.post(f"{BOT}/setWebhook", {"url": "http://127.0.0.1:9/hook"})
    sandbox.write_to_bot("/alerts", Chat(17))
    sandbox.provider_mode("telegram", "error_500")
    sandbox.reset()
    assert (sandbox.messages(), sandbox.bot_commands()) == ([], [])
    assert telegram.post(f"{BOT}/getUpdates", {}).json == {"ok": True, "result": []}
