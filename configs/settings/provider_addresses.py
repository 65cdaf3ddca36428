"""Where providers are asked, unless STAND_INS names a stand-in."""

from pydantic import AnyHttpUrl, TypeAdapter, ValidationError

ADDRESSES = {
    "sendgrid": "https://api.sendgrid.com",
    "stripe": "https://api.stripe.com",
    "telegram": "https://api.telegram.org",
    "telegram_link": "https://t.me",  # where links to the bot begin
    "twilio": "https://api.twilio.com",
    "twilio_calls": "https://api.twilio.com",
}


def parse_stand_ins(text: str) -> dict[str, str]:
    """Read `stripe=http://127.79.0.4:8801,…` into {provider: address without a slash at its end}.

    Raises:
        ValueError: an entry names no provider, or no address of the web.
    """
    return dict(_parse_pair(entry) for entry in map(str.strip, text.split(",")) if entry)


def _parse_pair(entry: str) -> tuple[str, str]:
    name, _, address = entry.partition("=")
    if name not in ADDRESSES:
        raise ValueError(f"names no provider ({', '.join(ADDRESSES)}): {name!r}")
    try:
        return name, str(TypeAdapter(AnyHttpUrl).validate_python(address)).rstrip("/")
    except ValidationError:
        raise ValueError(f"gives {name} no address that begins with http:// or https://") from None
