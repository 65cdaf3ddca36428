"""Receipts are dropped after RECEIPTS_KEPT_FOR."""

from datetime import timedelta

import pytest

from api.background import jobs
from api.models.base import new_id, session
from api.models.provider_event import ProviderEvent, ReceiptKind
from configs.ground.clock import clock
from configs.world.retention import RECEIPTS_KEPT_FOR
from tests.factories import rows


@pytest.mark.usefixtures("database")
def test_only_receipts_that_came_long_ago_are_dropped() -> None:
    kept = RECEIPTS_KEPT_FOR()
    with session() as s:
        for name, age in (("old", kept + timedelta(hours=1)), ("young", kept - timedelta(hours=1))):
            at = clock() - age
            s.add(
                ProviderEvent(
                    provider="sendgrid", event_id=name, notification_ids=[new_id()], kind=ReceiptKind.DELIVERED,
                    at=at, received_at=at, applied_at=at,
                )
            )  # fmt: skip
    assert jobs.apply_retention()["provider_events"] == 1
    assert [row.event_id for row in rows(ProviderEvent)] == ["young"]
