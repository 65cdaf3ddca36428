"""Commands of the bot, as Telegram lists them after a typed slash.

https://core.telegram.org/bots/api#setmycommands
"""

from configs.languages import FRENCH, MESSAGE_LANGUAGES
from notifier.content.messages import write_words

COMMANDS = ("alerts", "pause", "resume", "stop", "language", "unlink", "help")
_KIND = "bot_reply"  # whose words describe them
_PRIVATE = {"type": "all_private_chats"}


def list_commands() -> list[dict[str, object]]:
    """Return the parameters of each call that registers the commands: French for all, then by language."""
    calls: list[dict[str, object]] = [{"scope": _PRIVATE, "commands": _describe(FRENCH)}]
    calls += [
        {"scope": _PRIVATE, "commands": _describe(each), "language_code": each} for each in MESSAGE_LANGUAGES
    ]
    return calls


def _describe(language: str) -> list[dict[str, str]]:
    return [
        {"command": each, "description": write_words(_KIND, language, "command", each)} for each in COMMANDS
    ]
