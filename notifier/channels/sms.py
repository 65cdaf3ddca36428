"""SMS."""

from collections.abc import Sequence

from notifier.channel_base import Channel


class Sms(Channel):
    """One SMS a message."""

    def provider_names(self) -> Sequence[str]:
        """Return the only provider."""
        return ("twilio",)
