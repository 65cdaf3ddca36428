"""A lost server: the data folder is restored from the store, by the commands of docs/backup.md."""

import shutil
import time
from pathlib import Path

from deploy.drill.engine import PROJECT, Engine, StepFailed
from deploy.drill.steps import Drill, stop_all
from deploy.drill.visitor import wait_for

_OURS, _POSTGRES = 10001, 999  # users of the images
_STORED = "SELECT count(*) FROM backup_states WHERE part = 'wal' AND finished_at > '{}'"
_ROWS = """
SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM alerts), (SELECT count(*) FROM notifications),
(SELECT sum(amount_cents) FROM payments), (SELECT count(*) FROM slots)
"""


def restore(drill: Drill) -> str:
    """Lose PostgreSQL's folder, restore the newest moment, and go on.

    Raises:
        StepFailed: a row is missing, or the service does not go on.
    """
    engine = drill.engine
    drill.settle()
    ((now,),) = engine.query("SELECT clock_timestamp()")
    wait_for(lambda: engine.query(_STORED.format(now)) != [["0"]], "the log in the store")
    rows = engine.query(_ROWS)
    stop_all(drill)
    begun = time.monotonic()
    _put_back(engine)
    engine.start("postgres")
    engine.wait("postgres")
    wait_for(lambda: engine.query("SELECT pg_is_in_recovery()") == [["f"]], "the end of recovery")
    if (found := engine.query(_ROWS)) != rows:
        raise StepFailed(f"before there were {rows}, now {found}")
    took = time.monotonic() - begun
    migrate = ("python", "-m", "api.migrations", "upgrade", "--without-backup", "--logins")
    engine.compose("run", "--rm", "-T", "--no-deps", "migrate", *migrate)
    engine.start_all()
    drill.join()
    drill.open_slot()
    return f"all rows back after {took:.0f} s; {drill.settle()}"


def _put_back(engine: Engine) -> None:
    """Restore into a folder of the machine, then put it in place of the one that is lost."""
    place = engine.files.folder / "restored"
    place.mkdir()
    shutil.copy(engine.files.folder / "backup.key", place / "backup.key")
    for each in (place, place / "backup.key"):
        shutil.chown(each, _OURS, _OURS)
    program = "python -m deploy.backup restore --into /restored/data --key /restored/backup.key"
    given = ["--rm", "-T", "--no-deps", "--volume", f"{place}:/restored"]
    engine.compose("run", *given, "backup", *program.split())
    volume = Path(
        engine.podman("volume", "inspect", "--format", "{{.Mountpoint}}", f"{PROJECT}_postgres").strip()
    )
    data = volume / "18" / "docker"
    shutil.rmtree(data)
    shutil.move(place / "data", data)
    for each in (data, *data.rglob("*")):
        shutil.chown(each, _POSTGRES, _POSTGRES)
