"""The app's start; commands of flask: a plan is given, the first admin is made, deletions are repeated after a restore."""

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

import pytest
import redis
import time_machine
from click import Command
from click.testing import CliRunner

import notifier
from api.app import create_app
from api.commands import admin_command, forget_command, grant_command
from api.models.audit import ActorKind, AuditEntry
from api.models.base import new_id
from api.models.notification import Notification
from api.models.user import Contact, Grant, Role, User
from configs.ground.clock import clock
from configs.settings import SettingMissing, settings
from configs.world.plan import PlanName
from notifier.delivery import nudges
from tests.api.world import PREFECTURES
from tests.clients import People, Person
from tests.factories import PASSWORD, change, rows

pytestmark = pytest.mark.usefixtures("app")


def grant(*arguments: str) -> Any:
    return CliRunner().invoke(grant_command, arguments)


def test_a_plan_lasts_as_long_as_it_is_sold_for_is_extended_and_leaves_a_row_in_the_audit(
    camille: Person, frozen: time_machine.Traveller
) -> None:
    done = grant("CAMILLE@example.org", "URGENCE_7J", "--source", "a gift for camille@example.org")
    assert done.exit_code == 0, done.output
    assert done.output == (
        "camille@example.org has URGENCE_7J from 2026-11-20 09:00 to 2026-11-27 09:00 UTC\n"
    )
    (row,), (given,) = rows(AuditEntry), rows(Grant)
    assert given.user_id == camille.id
    assert (row.actor_kind, row.action, row.subject_id) == (ActorKind.COMMAND, "grant.give", str(camille.id))
    assert (row.changes["id"], row.changes["plan"]) == (str(given.id), "URGENCE_7J")
    assert "camille" not in str(row.changes)
    again = grant("camille@example.org", "URGENCE_7J")
    assert "from 2026-11-27 09:00 to 2026-12-04 09:00" in again.output


def test_a_subscription_is_given_for_a_month_days_and_source_can_be_said(
    person: People, frozen: time_machine.Traveller
) -> None:
    person()
    assert "to 2026-12-20 09:00" in grant("camille@example.org", "URGENCE_TOTAL").output
    done = grant("camille@example.org", "URGENCE_24H", "--days", "3", "--source", "support")
    assert "to 2026-11-23 09:00" in done.output
    assert sorted(row.source for row in rows(Grant)) == ["command", "support"]


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
    for what, done in (
        ("changed", make("camille@example.org")),
        ("given", grant("camille@example.org", "URGENCE_24H")),
    ):
        assert (done.exit_code, len(done.output.splitlines())) == (1, 1)
        assert f"nothing was {what}: the database refused" in done.output


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


def test_nobody_and_whoever_registered_a_strangers_address_is_made_no_admin(person: People) -> None:
    person(confirmed=False)
    for name, said in (
        ("nobody", "nobody has the address nobody@"),
        ("camille", "confirm the address first"),
    ):
        done = make(f"{name}@example.org")
        assert (done.exit_code, len(done.output.splitlines())) == (1, 1)
        assert said in done.output
    assert (roles()["camille@example.org"], rows(AuditEntry)) == (Role.USER, [])


def forget(*ids: object) -> Any:
    return CliRunner().invoke(forget_command, input="\n".join(map(str, ids)))


def emails() -> list[str]:
    return sorted(each.email for each in rows(User))


def test_the_named_accounts_go_as_their_owners_had_them_go(person: People) -> None:
    gone, other = person("gone@example.org"), person("other@example.org")
    gone.holds(PlanName.URGENCE_24H, days=1)
    for count in (1, 0):
        done = forget(gone.id, "", gone.id, new_id())
        assert (done.exit_code, f"{count} accounts deleted\n" in done.output) == (0, True)
    assert emails() == [other.email]
    assert [each.kind for each in rows(Notification)] == ["account_deleted"]


def test_an_operator_is_kept_and_named_and_a_list_that_is_none_deletes_nobody(person: People) -> None:
    admin, gone = person("admin@example.org"), person("gone@example.org")
    change(User, User.id == admin.id, role=Role.ADMIN)
    done = forget(gone.id, gone.email)
    assert (done.exit_code, "nothing was deleted" in done.output) == (1, True)
    assert emails() == [admin.email, gone.email]
    done = forget(admin.id, gone.id)
    assert (done.exit_code, str(admin.id) in done.output) == (1, True)
    assert emails() == [admin.email]


def test_without_a_secret_or_redis_it_does_not_start_and_says_what_is_missing(
    settings_env: Callable[..., None],
) -> None:
    settings_env(JWT_SECRET="", REDIS_URL="redis://127.0.0.1:1/0")
    with pytest.raises(SettingMissing, match="JWT_SECRET is not set"):
        create_app()
    settings_env(JWT_SECRET="0123456789abcdef-0123456789abcdef-tests", REDIS_URL="")
    with pytest.raises(SettingMissing, match="REDIS_URL is not set"):
        create_app()


def test_flask_knows_the_commands() -> None:
    known = {each.name: each.load() for each in entry_points(group="flask.commands")}
    assert all(isinstance(each, Command) for each in known.values())
    assert known.keys() >= {"admin", "forget", "grant", "push-keys", "rekey"}


def test_what_is_registered_stays_when_redis_goes_away_after_the_commit(
    database: str,
    redis_server: redis.Redis,
    settings_env: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings_env(PREFECTURES_DIR=PREFECTURES)
    monkeypatch.setattr(notifier, "ask_deliver", nudges.ask_deliver)  # the real one
    client = create_app().test_client()
    monkeypatch.setenv(
        "REDIS_URL", "redis://127.0.0.1:1/0"
    )  # what the front door reads; the limits keep theirs
    settings.cache_clear()
    answer = client.post("/api/auth/register", json={"email": "camille@example.org", "password": PASSWORD})
    assert answer.status_code == 202
    assert len(rows(Notification)) == 1
