"""Notices are dropped after MESSAGES_KEPT_FOR."""

from datetime import timedelta

import pytest

from api.background import jobs
from api.models.notice import Notice
from api.paging import first_id_at
from configs.ground.clock import clock
from configs.world.retention import MESSAGES_KEPT_FOR
from tests.api.notices.test_routes import write_notice
from tests.clients import People
from tests.factories import rows


@pytest.mark.usefixtures("database")
def test_only_old_notices_are_dropped(person: People) -> None:
    user_id, kept = person().id, MESSAGES_KEPT_FOR()
    assert kept == timedelta(days=90)
    for age in (kept + timedelta(minutes=1), kept - timedelta(minutes=1)):
        write_notice(user_id, str(age), id=first_id_at(clock() - age))
    write_notice(user_id, "new")
    assert jobs.apply_retention()["notices"] == 1
    assert "notices" not in jobs.apply_retention()
    assert {row.title for row in rows(Notice)} == {str(kept - timedelta(minutes=1)), "new"}
