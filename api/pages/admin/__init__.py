"""Operators' pages: importing any of them declares all in their area."""

from api.pages.admin import (  # noqa: F401
    accounting,
    alerts,
    announcements,
    candidates,
    desks,
    figures,
    hosts,
    incidents,
    messages,
    organisations,
    payments,
    reports,
    status,
    system,
    user_actions,
    users,
)
