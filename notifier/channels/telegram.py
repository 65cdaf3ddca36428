"""Telegram."""

from collections.abc import Sequence

from notifier.channel_base import Channel


class Telegram(Channel):
    """One message of the bot to the chat that is the message's address."""

    def provider_names(self) -> Sequence[str]:
        """Return the only provider."""
        return ("telegram",)
