"""PostgreSQL's own pg_verifybackup on a real base backup, where a system's packages have server and program."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.backup import restore
from deploy.backup.__main__ import main
from deploy.backup.encryption import make_key
from deploy.backup.errors import DamagedBackup
from deploy.local import postgres
from tests.deploy.backup.conftest import bases, service
from tests.waiting import until

pytestmark = [pytest.mark.journey, pytest.mark.processes]


@pytest.fixture
def programs() -> Path:
    """Return the folder of a packaged server's programs; the wheel's pg_verifybackup crashes."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_verifybackup"))
    if not found:
        pytest.skip("no PostgreSQL is installed beside the embedded one")
    return found[-1].parent


def test_the_files_of_a_restore_are_compared_with_the_servers_checksums(
    programs: Path,
    tmp_path: Path,
    settings_env: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(postgres, "find_in_wheel", lambda name: programs / name)
    server = postgres.start_postgres(tmp_path / "postgres")
    private, public = make_key()
    (tmp_path / "key").write_text(private)
    settings_env(
        DATABASE_URL=server.url("postgres"), BACKUP_URL=tmp_path / "store", BACKUP_RECIPIENTS=public,
        BACKUP_WAL_SECONDS="0.2", BACKUP_LOOK_SECONDS="0.2", BACKUP_RETRY_SECONDS="1", STATE_DIR=tmp_path / "state",
    )  # fmt: skip
    try:
        with service(tmp_path / "log"):
            until(bases)
    finally:
        server.stop()
    assert main(["restore", "--into", str(tmp_path / "data"), "--key", str(tmp_path / "key")]) == 0
    assert "its files were compared with the server's checksums" in capsys.readouterr().out
    (tmp_path / "data" / "PG_VERSION").write_text("?\n")
    with pytest.raises(DamagedBackup, match="PG_VERSION"):
        restore._verify(tmp_path / "data", bases()[-1])
