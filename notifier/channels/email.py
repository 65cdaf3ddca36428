"""E-mail."""

from collections.abc import Sequence

from configs.settings import settings
from notifier.channel_base import Channel


class Email(Channel):
    """Mails that share their content leave in one call: each with its own links and ids."""

    # As the first call of a crowd (notifier/delivery/call_sizes.py): a provider that hangs, or is tried again after a
    # rest, has no more of unknown fate.
    MOST_IN_JOB = 100

    def provider_names(self) -> Sequence[str]:
        """Return MAIL_PROVIDERS."""
        return settings().mail_providers
