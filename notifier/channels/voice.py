"""Calls."""

from collections.abc import Sequence

from notifier.channel_base import Channel


class Voice(Channel):
    """One call a message, to the number of the SMS contact."""

    def provider_names(self) -> Sequence[str]:
        """Return the only provider."""
        return ("twilio_calls",)
