from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

import pytest
import time_machine
from click.testing import CliRunner

from api.grant_command import grant_command
from api.models.audit import ActorKind, AuditEntry
from api.models.desk import DeskChange
from api.models.user import Grant
from tests.api.world import Door
from tests.clients import People, Person
from tests.factories import add_alert, rows

pytestmark = pytest.mark.usefixtures("app")


def grant(*arguments: str) -> Any:
    return CliRunner().invoke(grant_command, arguments)


def test_flask_knows_the_command() -> None:
    (known,) = entry_points(group="flask.commands", name="grant")
    assert known.load() is grant_command


def test_a_plan_lasts_as_long_as_it_is_sold_for(camille: Person, frozen: time_machine.Traveller) -> None:
    done = grant("CAMILLE@example.org", "URGENCE_7J")
    assert done.exit_code == 0, done.output
    assert done.output == (
        "camille@example.org has URGENCE_7J from 2026-11-20 09:00 to 2026-11-27 09:00 UTC\n"
    )
    (row,) = rows(Grant)
    assert (row.user_id, row.source) == (camille.id, "command")


def test_a_plan_that_is_given_leaves_a_row_in_the_audit(camille: Person) -> None:
    grant("camille@example.org", "URGENCE_7J", "--source", "a gift for camille@example.org")
    (row,), (given,) = rows(AuditEntry), rows(Grant)
    assert (row.actor_kind, row.action, row.subject_id) == (ActorKind.COMMAND, "grant.give", str(camille.id))
    assert (row.changes["id"], row.changes["plan"]) == (str(given.id), "URGENCE_7J")
    assert "camille" not in str(row.changes)


def test_a_subscription_is_given_for_a_month_days_and_source_can_be_said(
    person: People, frozen: time_machine.Traveller
) -> None:
    person()
    assert "to 2026-12-20 09:00" in grant("camille@example.org", "URGENCE_TOTAL").output
    done = grant("camille@example.org", "URGENCE_24H", "--days", "3", "--source", "support")
    assert "to 2026-11-23 09:00" in done.output
    assert sorted(row.source for row in rows(Grant)) == ["command", "support"]


def test_the_same_plan_again_extends(person: People, frozen: time_machine.Traveller) -> None:
    person()
    grant("camille@example.org", "URGENCE_24H")
    again = grant("camille@example.org", "URGENCE_24H")
    assert "from 2026-11-21 09:00 to 2026-11-22 09:00" in again.output


def test_a_plan_that_begins_wakes_the_alerts_that_wait(person: People, door: Door) -> None:
    camille, robin = person(), person("robin@example.org")
    mine = add_alert(camille.id)
    add_alert(robin.id)
    grant("camille@example.org", "URGENCE_24H")
    assert door.caught_up == [mine]
    assert {line.reason for line in rows(DeskChange)} == {"plan began"}


def test_what_is_wrong_with_a_grant_is_named(person: People) -> None:
    person()
    for arguments, hint in [
        (("nobody@example.org", "URGENCE_24H"), "nobody has the address nobody@example.org"),
        (("camille@example.org", "NONE"), "URGENCE_24H"),
        (("camille@example.org", "GOLD"), "URGENCE_24H"),
        (("camille@example.org", "URGENCE_24H", "--days", "0"), "1<=x<=3650"),
        (("camille@example.org",), "Missing argument 'PLAN'"),
    ]:
        done = grant(*arguments)
        assert done.exit_code != 0
        assert hint in done.output, done.output
        assert "Traceback" not in done.output
    assert rows(Grant) == []


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
def test_without_an_environment_one_line_names_what_is_missing_and_what_to_do(
    name: str, person: People, settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    person()
    monkeypatch.delenv(name)
    settings_env()
    done = grant("camille@example.org", "URGENCE_24H")
    assert (done.exit_code, len(done.output.splitlines())) == (1, 1)
    assert done.output.startswith(f"Error: nothing was given: {name} is not set")
    assert ". .state/env" in done.output


def test_a_database_that_is_away_is_one_line(person: People, settings_env: Callable[..., None]) -> None:
    settings_env(DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    done = grant("camille@example.org", "URGENCE_24H")
    assert (done.exit_code, len(done.output.splitlines())) == (1, 1)
    assert "nothing was given, the database does not answer" in done.output
