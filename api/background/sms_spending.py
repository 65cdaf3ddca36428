"""The message to the admins on a day whose SMS cost more than SMS_DAY_WARN."""

from datetime import UTC
from uuid import UUID

from sqlalchemy.orm import Session

from api.accounts.service import write_to_admins
from api.models.notification import sum_of_day
from configs.ground.clock import clock
from configs.settings import settings


def tell_sms_cost(session: Session) -> list[UUID]:
    """Write to the admins, once a UTC day; return the notifications to nudge."""
    now = clock()
    spent, warn, stop = sum_of_day(session, now), settings().sms_day_warn, settings().sms_day_stop
    if spent < warn:
        return []
    amounts = {"spent": f"{spent:.2f}", "warn": f"{warn:.2f}", "stop": f"{stop:.2f}"}
    key = f"sms_cost:{now.astimezone(UTC):%Y-%m-%d}"
    return write_to_admins(session, "sms_cost", amounts, key)
