"""Addresses of our own pages, as messages carry them."""

from configs.settings import settings


def link(page: str, token: str = "") -> str:
    """Return `{API_URL}/l/<page>/<token>`; without a token the page that needs none."""
    return f"{str(settings().api_url).rstrip('/')}/l/{page}/{token}".rstrip("/")
