"""E-mail."""

from collections.abc import Sequence

from configs.settings import settings
from notifier.channel_base import Channel


class Email(Channel):
    """Mails that share their content leave in one call: each with its own links and ids."""

    def provider_names(self) -> Sequence[str]:
        """Return MAIL_PROVIDERS."""
        return settings().mail_providers
