"""Addresses of our own pages, as messages carry them."""

from configs.settings import settings


def sms_stop_page() -> str | None:
    """Return the page, in few characters, that an SMS names for stopping alerts; None where STOP can be answered.

    A name cannot receive an answer, and a messaging service may send from one.
    """
    sender = settings().twilio_phone_number or ""
    if sender.removeprefix("+").isdecimal():
        return None
    return f"{str(settings().frontend_url).rstrip('/').partition('://')[2]}/alertes"


def account_page(path: str) -> str:
    """Return a page of its reader's account: `dashboard`, `canaux`, `donnees`, `messages`."""
    return f"{str(settings().frontend_url).rstrip('/')}/{path}"


def link(page: str, token: str = "") -> str:
    """Return `{API_URL}/l/<page>/<token>`; without a token the page that needs none."""
    return f"{str(settings().api_url).rstrip('/')}/l/{page}/{token}".rstrip("/")
