from collections.abc import Callable
from typing import Any

import time_machine
from flask import Flask

from api.models.desk import DeskChange
from api.models.user import Grant
from tests.api.world import Door, Person, rows, wait_for

People = Callable[..., Person]


def grant(app: Flask, *arguments: str) -> Any:
    return app.test_cli_runner().invoke(args=["grant", *arguments])


def test_a_plan_lasts_as_long_as_it_is_sold_for(
    app: Flask, person: People, frozen: time_machine.Traveller
) -> None:
    camille = person()
    done = grant(app, "CAMILLE@example.org", "URGENCE_7J")
    assert done.exit_code == 0, done.output
    assert done.output == (
        "camille@example.org has URGENCE_7J from 2026-11-20 09:00 to 2026-11-27 09:00 UTC\n"
    )
    (row,) = rows(Grant)
    assert (row.user_id, row.source) == (camille.id, "command")


def test_a_subscription_is_given_for_a_month_days_and_source_can_be_said(
    app: Flask, person: People, frozen: time_machine.Traveller
) -> None:
    person()
    assert "to 2026-12-20 09:00" in grant(app, "camille@example.org", "URGENCE_TOTAL").output
    done = grant(app, "camille@example.org", "URGENCE_24H", "--days", "3", "--source", "support")
    assert "to 2026-11-23 09:00" in done.output
    assert sorted(row.source for row in rows(Grant)) == ["command", "support"]


def test_the_same_plan_again_extends(app: Flask, person: People, frozen: time_machine.Traveller) -> None:
    person()
    grant(app, "camille@example.org", "URGENCE_24H")
    again = grant(app, "camille@example.org", "URGENCE_24H")
    assert "from 2026-11-21 09:00 to 2026-11-22 09:00" in again.output


def test_a_plan_that_begins_wakes_the_alerts_that_wait(app: Flask, person: People, door: Door) -> None:
    camille, robin = person(), person("robin@example.org")
    mine = wait_for(camille.id)
    wait_for(robin.id)
    grant(app, "camille@example.org", "URGENCE_24H")
    assert door.caught_up == [mine]
    assert {line.reason for line in rows(DeskChange)} == {"plan began"}


def test_what_is_wrong_with_a_grant_is_named(app: Flask, person: People) -> None:
    person()
    for arguments, hint in [
        (("nobody@example.org", "URGENCE_24H"), "nobody has the address nobody@example.org"),
        (("camille@example.org", "NONE"), "URGENCE_24H"),
        (("camille@example.org", "GOLD"), "URGENCE_24H"),
        (("camille@example.org", "URGENCE_24H", "--days", "0"), "1<=x<=3650"),
        (("camille@example.org",), "Missing argument 'PLAN'"),
    ]:
        done = grant(app, *arguments)
        assert done.exit_code != 0
        assert hint in done.output, done.output
        assert "Traceback" not in done.output
    assert rows(Grant) == []
