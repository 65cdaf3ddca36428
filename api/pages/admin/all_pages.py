"""All pages of operators: importing them declares them in their area."""

from api.pages.admin import (  # noqa: F401
    accounting,
    alerts,
    desks,
    figures,
    hosts,
    incidents,
    messages,
    payments,
    status,
    system,
    user_actions,
    users,
)
from api.pages.admin.area import area

__all__ = ["area"]
