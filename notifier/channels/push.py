"""Web push."""

from collections.abc import Sequence

from notifier.channel_base import Channel


class Push(Channel):
    """One message a device, all of a call at the same time."""

    MOST_IN_JOB = 10  # as in a call

    def provider_names(self) -> Sequence[str]:
        """Return the only provider: the push services of all browser makers."""
        return ("web_push",)
