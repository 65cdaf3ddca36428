"""`python -m deploy.keys`: which step of a rotation is due, what it writes, and what it refuses; health names old keys."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine

from api.admin.health.findings import PartDown
from api.admin.health.server_checks import check_key_age
from api.models.key_renewal import note_keys, renew_tables
from api.models.user import Channel, Contact
from configs.ground.clock import clock
from configs.ground.redis import open_redis
from deploy.keys import main
from tests.factories import add_account, save
from tests.rotation import OLD

pytestmark = pytest.mark.usefixtures("database", "redis_server")
DAY = timedelta(days=1)
PROGRAMS = ("api", "notifier")


class Server:
    """A folder of secrets, and programs that begin with what stands there."""

    def __init__(
        self,
        folder: Path,
        put: Callable[..., None],
        capsys: pytest.CaptureFixture[str],
        clock: time_machine.Traveller,
    ) -> None:
        self.folder, self._put, self._capsys, self._clock = folder, put, capsys, clock

    def start(self, *programs: str) -> None:
        values = {file.name.upper(): file.read_text().strip() for file in self.folder.iterdir()}
        self._clock.shift(60)
        for program in programs:
            self._put(PROGRAM=program, **values)
            note_keys()

    def run(self, *arguments: str, code: int = 0) -> str:
        self._capsys.readouterr()
        assert main([str(self.folder), *arguments]) == code
        return self._capsys.readouterr().out


@pytest.fixture
def server(
    frozen: time_machine.Traveller,
    tmp_path: Path,
    settings_env: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> Server:
    for name in ("link_key", "data_keys"):
        (tmp_path / name).write_text(f"{name}-{OLD}\n")
    made = Server(tmp_path, settings_env, capsys, frozen)
    made.start(*PROGRAMS)
    return made


def test_a_key_is_replaced_in_three_steps_and_none_of_them_is_taken_too_early(
    server: Server, frozen: time_machine.Traveller
) -> None:
    file = server.folder / "link_key"
    assert "link_key: step 1 is due on" in server.run()
    assert "too early" in server.run("link_key", code=1)
    frozen.shift(366 * DAY)
    assert "link_key: step 1 is due since" in server.run()
    with pytest.raises(PartDown, match=r"more than a year: .*LINK_KEY"):
        check_key_age(open_redis())
    old = file.read_text().strip()
    file.chmod(0o640)
    if os.getuid() == 0:
        os.chown(file, 1234, 1235)  # as of the programs' user, whom root stands in for
    kept = file.stat()
    assert "restart all programs" in server.run("link_key")
    is_now = file.stat()
    assert (is_now.st_uid, is_now.st_gid, is_now.st_mode) == (kept.st_uid, kept.st_gid, kept.st_mode)
    before, new = file.read_text().strip().split(",")
    assert before == old
    assert "api, notifier began before the last step" in server.run("link_key", code=1)
    server.start("api")
    assert "notifier began before" in server.run("link_key", code=1)
    server.start("notifier")
    server.run("link_key")
    assert file.read_text() == f"{new},{old}\n"
    assert "began before" in server.run("link_key", code=1)
    server.start(*PROGRAMS)
    assert "link_key: step 3 is due on" in server.run("link_key", code=1)
    frozen.shift(30 * DAY)
    server.run("link_key")
    assert file.read_text() == f"{new}\n"
    server.start(*PROGRAMS)
    assert "link_key: step 1 is due on" in server.run()
    with pytest.raises(PartDown) as told:
        check_key_age(open_redis())
    assert "LINK_KEY" not in str(told.value)


def test_an_old_value_stays_while_rows_are_under_it(server: Server) -> None:
    save(Contact(user_id=add_account().id, channel=Channel.SMS, address="+33639800001", verified_at=clock()))
    assert "--now" not in server.run("data_keys", "--now"), "somebody left who knew it"
    server.start(*PROGRAMS)
    assert "flask rekey" in server.run("data_keys")
    server.start(*PROGRAMS)
    assert "1 rows need the old value" in server.run("data_keys", code=1)
    renew_tables()
    server.run("data_keys")
    assert "," not in (server.folder / "data_keys").read_text()


def test_a_key_that_no_program_has_any_more_is_not_old(
    server: Server, frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    settings_env(OIDC_CLIENT_SECRET="x" * 24)
    server.start("api")
    settings_env(OIDC_CLIENT_SECRET="")
    server.start("api")
    frozen.shift(366 * DAY)
    with pytest.raises(PartDown) as told:
        check_key_age(open_redis())
    assert "OIDC_CLIENT_SECRET" not in str(told.value)
    assert "oidc_client_secret" not in server.run()


def test_a_file_with_three_values_is_left_to_a_person(server: Server) -> None:
    (server.folder / "link_key").write_text("a,b,c")
    assert "3 values" in server.run("link_key")
    assert (server.folder / "link_key").read_text() == "a,b,c"
