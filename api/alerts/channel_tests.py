"""Test messages: a user tries whether an alert would reach them on each linked channel."""

from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.queries import find_entitlement, lock_user
from api.alerts.schemas import SentTest
from api.alerts.service import get_open
from api.ground.errors import ApiError
from api.ground.messages import write_message
from api.models.base import is_any_of, new_id
from api.models.notification import Notification, sum_of_day
from api.models.user import Channel
from configs.ground.clock import clock
from configs.settings import settings
from configs.world.plan import PlanName

KIND = "test_message"
_PER_HOUR = 3
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_SMS_A_DAY = 3


def write_test(session: Session, user_id: UUID, alert_id: UUID, only: Channel | None = None) -> SentTest:
    """Write a test message for each linked channel, or for one.

    By SMS, which costs us, only while a plan lasts, three a day, and none once the day's SMS cost SMS_DAY_STOP.

    Raises:
        ApiError: 404; 409 where the alert is closed or no channel is linked; 429 beyond 3 in an hour by a channel.
    """
    lock_user(session, user_id)
    alert = get_open(session, user_id, alert_id)
    _check_rate(session, user_id, only)
    test = str(new_id())
    by_sms = _may_cost(session, user_id)
    ids = write_message(
        session,
        user_id,
        KIND,
        {"alert": str(alert.id), "test": test},
        f"test:{test}",
        channels=[each for each in ([only] if only else Channel) if by_sms or each is not Channel.SMS],
        language=alert.language,
    )
    if not ids:
        raise ApiError(
            409, "no-channel", "no channel is linked and switched on: confirm the e-mail address first"
        )
    used = sa.select(Notification.channel).distinct().where(is_any_of(Notification.id, ids))
    return SentTest(channels=sorted(session.scalars(used)))


def _may_cost(session: Session, user_id: UUID) -> bool:
    now = clock()
    if find_entitlement(session, user_id, now).plan.name is PlanName.NONE:
        return False
    today = sa.select(sa.func.count()).where(
        Notification.user_id == user_id, Notification.created_at > now - _DAY, Notification.kind == KIND,
        Notification.channel == Channel.SMS,
    )  # fmt: skip
    return session.scalars(today).one() < _SMS_A_DAY and sum_of_day(session, now) < settings().sms_day_stop


def _check_rate(session: Session, user_id: UUID, only: Channel | None) -> None:
    test = Notification.params["test"].astext
    began = (
        sa.select(sa.func.min(Notification.created_at))
        .where(
            Notification.user_id == user_id,
            Notification.created_at > clock() - _HOUR,
            Notification.kind == KIND,
            Notification.channel == only if only else sa.true(),
        )
        .group_by(test)
    )
    tests = sorted(session.scalars(began))
    if len(tests) >= _PER_HOUR:
        wait = int((tests[-_PER_HOUR] + _HOUR - clock()).total_seconds()) + 1
        raise ApiError(
            429,
            "too-many-requests",
            f"{_PER_HOUR} test messages an hour: wait as long as Retry-After says",
            headers={"Retry-After": str(wait)},
        )
