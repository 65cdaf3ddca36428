from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

import pytest
from click.testing import CliRunner

from api.admin_command import admin_command
from api.models.audit import ActorKind, AuditEntry
from api.models.user import Contact, Role, User
from configs.ground.clock import clock
from tests.clients import People, Person
from tests.factories import change, rows

pytestmark = pytest.mark.usefixtures("app")


def make(*arguments: str) -> Any:
    return CliRunner().invoke(admin_command, arguments)


@pytest.fixture
def confirmed(person: People) -> People:
    """Make a user who has confirmed the address."""

    def make_confirmed(email: str = "camille@example.org") -> Person:
        made = person(email)
        change(Contact, Contact.address == email, verified_at=clock())
        return made

    return make_confirmed


def roles() -> dict[str, Role]:
    return {user.email: user.role for user in rows(User)}


def test_flask_knows_the_command() -> None:
    (known,) = entry_points(group="flask.commands", name="admin")
    assert known.load() is admin_command


def test_the_first_admin_is_made_and_leaves_a_row(confirmed: People) -> None:
    camille = confirmed()
    done = make("CAMILLE@example.org")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("camille@example.org is an admin; now sign in and set up a second factor")
    assert roles() == {"camille@example.org": Role.ADMIN}
    (row,) = rows(AuditEntry)
    assert (row.actor_id, row.actor_kind, row.action) == (None, ActorKind.COMMAND, "user.role")
    assert (row.subject_id, row.changes) == (str(camille.id), {"role": ["user", "admin"]})


def test_the_second_is_made_by_an_admin_or_on_demand(confirmed: People) -> None:
    confirmed()
    confirmed("robin@example.org")
    make("camille@example.org")
    refused = make("robin@example.org")
    assert (refused.exit_code, roles()["robin@example.org"]) == (1, Role.USER)
    assert "there is an admin already" in refused.output
    assert make("robin@example.org", "--another").exit_code == 0
    assert roles()["robin@example.org"] is Role.ADMIN


def test_whoever_registered_a_strangers_address_is_made_no_admin(person: People) -> None:
    person(confirmed=False)
    done = make("camille@example.org")
    assert (done.exit_code, len(done.output.splitlines())) == (1, 1)
    assert "confirm the address first" in done.output
    assert (roles()["camille@example.org"], rows(AuditEntry)) == (Role.USER, [])


def test_an_address_that_nobody_has_is_said() -> None:
    done = make("nobody@example.org")
    assert (done.exit_code, len(done.output.splitlines())) == (1, 1)
    assert "nobody has the address nobody@example.org" in done.output


def test_a_database_that_is_away_is_one_line(person: People, settings_env: Callable[..., None]) -> None:
    settings_env(DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    done = make("camille@example.org")
    assert (done.exit_code, len(done.output.splitlines())) == (1, 1)
    assert "nothing was changed, the database does not answer" in done.output
