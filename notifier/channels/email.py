"""E-mail."""

from collections.abc import Sequence

from configs.settings import settings
from notifier.channel_base import Channel


class Email(Channel):
    """Mails that share their content leave in one call: each with its own links and ids."""

    # SendGrid takes 1000, but one bad address fails them all:
    # https://www.twilio.com/docs/sendgrid/for-developers/sending-email/personalizations
    MOST = 100

    def provider_names(self) -> Sequence[str]:
        """Return MAIL_PROVIDERS."""
        return settings().mail_providers
