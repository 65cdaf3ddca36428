"""Addresses of the stand-ins: each host has its own loopback address, as a real one has its own name."""

from __future__ import annotations

from typing import Final

SITES_PORT: Final = 8800
PROVIDERS_PORT: Final = 8850
INBOX_PORT: Final = 8025

SENDGRID: Final = "127.78.0.1"
TWILIO: Final = "127.78.0.2"
TELEGRAM: Final = "127.78.0.3"
STRIPE: Final = "127.78.0.4"
SMTP: Final = "127.78.0.5"
TWILIO_CALLS: Final = "127.78.0.7"
PUSH: Final = "127.78.0.8"
SENTRY: Final = "127.78.0.9"
INBOX: Final = "127.0.0.1"
# Without a listener: where a site that redirects to a foreign host sends its visitors.
ELSEWHERE: Final = "127.77.9.9"
_SYSTEMS: Final = ("prefenligne", "ants", "custom", "doctolib", "sites")


def department_host(code: str) -> str:
    """Return the address of a department's booking site: ``91`` is 127.77.0.91."""
    return f"127.77.0.{int(code)}"


def platform_host(system: str, number: int) -> str:
    """Return an address for a platform that is one site for all departments, by its booking system."""
    return f"127.77.{_SYSTEMS.index(system) + 1}.{number}"


def url(host: str, port: int, scheme: str = "http") -> str:
    """Return the base URL of a stand-in, without a trailing slash."""
    return f"{scheme}://{host}:{port}"
