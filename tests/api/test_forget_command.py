"""The command that repeats deletions after a restore."""

from importlib.metadata import entry_points
from typing import Any

import pytest
from click.testing import CliRunner

from api.forget_command import forget_command
from api.models.base import new_id
from api.models.notification import Notification
from api.models.user import Role, User
from configs.world.plan import PlanName
from tests.clients import People, Person
from tests.factories import change, rows

pytestmark = pytest.mark.usefixtures("app")


def forget(*ids: object) -> Any:
    return CliRunner().invoke(forget_command, input="\n".join(map(str, ids)))


def emails() -> list[str]:
    return sorted(each.email for each in rows(User))


def test_flask_knows_the_command() -> None:
    (known,) = entry_points(group="flask.commands", name="forget")
    assert known.load() is forget_command


def test_the_named_accounts_go_as_their_owners_had_them_go(person: People) -> None:
    gone, other = person("gone@example.org"), person("other@example.org")
    gone.holds(PlanName.URGENCE_24H, days=1)
    for count in (1, 0):
        done = forget(gone.id, "", gone.id, new_id())
        assert (done.exit_code, f"{count} accounts deleted\n" in done.output) == (0, True)
    assert emails() == [other.email]
    assert [each.kind for each in rows(Notification)] == ["account_deleted"]


def test_a_list_that_is_none_deletes_nobody(camille: Person) -> None:
    done = forget(camille.id, camille.email)
    assert done.exit_code == 1
    assert "nothing was deleted" in done.output
    assert emails() == [camille.email]


def test_an_operator_is_kept_and_named(person: People) -> None:
    admin, gone = person("admin@example.org"), person("gone@example.org")
    change(User, User.id == admin.id, role=Role.ADMIN)
    done = forget(admin.id, gone.id)
    assert (done.exit_code, str(admin.id) in done.output) == (1, True)
    assert emails() == [admin.email]
