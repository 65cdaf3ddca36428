"""The providers by name."""

from functools import lru_cache

from notifier.channels.provider_base import Provider


@lru_cache(maxsize=1)
def providers() -> dict[str, Provider]:
    """Return all providers, imported at the first call: their SDKs take tens of megabytes."""
    from notifier.channels.providers import sendgrid, smtp, telegram, twilio, web_push  # noqa: PLC0415 -- at the first call

    return {
        "sendgrid": sendgrid.SendGrid(),
        "smtp": smtp.Smtp(),
        "telegram": telegram.Telegram(),
        "twilio": twilio.Twilio(),
        "twilio_calls": twilio.TwilioCalls(),
        "web_push": web_push.WebPush(),
    }
