"""Schedule of the backups, by the server's clock; what ends the service, and what does not."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from configs.object_store import StoreAway, StoreTrouble
from deploy.backup import service, status
from deploy.backup.database import ServerState
from deploy.backup.encryption import fingerprints
from deploy.backup.manifest import Kind, Manifest, read_catalogue
from deploy.backup.service import BackupService, describe_for_health, find_due_time, is_due
from deploy.backup.snapshot import Store
from deploy.backup.wal_stream import WalStream
from tests.deploy.backup.samples import KEY, NOW, OTHER, SYSTEM, describe, keep, open_folder


def server(hours: float = 0, timeline: int = 1, system: str = SYSTEM) -> ServerState:
    return ServerState(system, timeline, 0, NOW + timedelta(hours=hours), 180004, 0)


def base(days: float) -> Manifest:
    return describe(days)


def test_base_backups_are_due_each_night_and_dumps_on_sundays() -> None:
    assert f"{find_due_time(Kind.BASE, NOW):%a %d %H:%M}" == "Sun 22 02:00"
    assert f"{find_due_time(Kind.DUMP, NOW):%a %d %H:%M}" == "Sun 22 02:00"
    assert f"{find_due_time(Kind.DUMP, NOW - timedelta(hours=8)):%a %d %H:%M}" == "Sun 15 02:00"


@pytest.mark.parametrize(
    ("ages", "due"), [((), True), ((2, 1), True), ((0.2,), False), ((1, 0.01), False), ((0.31,), True)]
)
def test_a_night_without_a_backup_is_made_up(ages: tuple[float, ...], due: bool) -> None:
    assert is_due(Kind.BASE, [base(days) for days in ages], server()) is due


def test_a_backup_of_the_future_does_not_count() -> None:
    assert is_due(Kind.BASE, [base(1), base(-300)], server())
    assert not is_due(Kind.BASE, [base(0.1), base(-300)], server())


def test_a_restored_cluster_needs_a_base_of_its_own_at_once() -> None:
    assert is_due(Kind.BASE, [base(0.1)], server(timeline=2))
    assert is_due(Kind.BASE, [base(0.1)], server(system="1"))
    assert not is_due(Kind.DUMP, [base(0.1)], server(timeline=2))


def test_other_recipients_need_a_base_of_their_own_at_once() -> None:
    ours, theirs = fingerprints([KEY.to_public()]), fingerprints([OTHER.to_public()])
    assert not is_due(Kind.BASE, [describe(0.1, recipients=ours)], server(), ours)
    assert is_due(Kind.BASE, [describe(0.1, recipients=theirs)], server(), ours)
    assert not is_due(Kind.BASE, [describe(0.1)], server(), ours)  # an older one does not say


def test_health_learns_what_the_store_does_but_not_where_it_is() -> None:
    error = StoreAway("the store of BACKUP_URL is in trouble: s3://secret", StoreTrouble.FULL)
    assert describe_for_health(error) == "the store of backups is full"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BackupService:
    """Give a service whose threads wait until it is stopped."""
    stopped = threading.Event()
    monkeypatch.setattr(WalStream, "run", lambda _: stopped.wait(60))
    monkeypatch.setattr(BackupService, "_repeat", lambda *_: stopped.wait(60))
    return BackupService(Store(open_folder(tmp_path), [KEY.to_public()]), stopped)


def test_what_nobody_foresaw_in_one_thread_ends_the_program(
    made: BackupService, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: WalStream) -> None:
        raise MemoryError

    monkeypatch.setattr(WalStream, "run", fail)
    assert made.run() == []
    assert made.has_failed
    assert "the service ends" in "".join(capsys.readouterr())


def test_a_stop_waits_for_no_store_that_hangs(made: BackupService, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = threading.Event()
    monkeypatch.setattr(service, "_LONGEST_STOP", 0.1)
    monkeypatch.setattr(WalStream, "run", lambda _: goes_on.wait(60))
    made._stopped.set()
    assert made.run() == ["log"]
    goes_on.set()
    assert not made.has_failed


def test_a_stop_is_shorter_than_what_ends_the_container() -> None:
    deploy = Path(service.__file__).parents[1]
    compose = yaml.safe_load((deploy / "compose" / "production.yaml").read_text("utf-8"))
    seconds = int(compose["services"]["backup"]["stop_grace_period"].removesuffix("s"))
    assert seconds - 5 > service._LONGEST_STOP


@pytest.fixture
def _full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each backup fail for want of room, and need no database."""

    def fail(*_given: object) -> None:
        raise StoreAway("No space left on device", StoreTrouble.FULL)

    monkeypatch.setattr(service, "take_backup", fail)
    monkeypatch.setattr(service, "read_server", lambda _: server())
    monkeypatch.setattr(status, "record_trouble", lambda *_: None)


@pytest.mark.usefixtures("_full")
def test_a_full_store_is_rid_of_what_is_kept_no_longer(tmp_path: Path) -> None:
    blobs, sql = open_folder(tmp_path), None
    for days in range(7, 16):
        keep(blobs, describe(days))
    made = BackupService(Store(blobs, [KEY.to_public()]), threading.Event())
    assert not made._try(sql, Kind.BASE)  # type: ignore[arg-type]
    left = read_catalogue(blobs, Kind.BASE).complete
    assert len(left) == 8
    assert (NOW - left[0].started_at).days == 14


def test_a_backup_that_another_process_made_meanwhile_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "has_slot", lambda _: True)
    monkeypatch.setattr(status, "read_request", lambda *_: None)
    taken: list[Kind] = []

    def attempt(_: BackupService, __: object, kind: Kind) -> bool:
        taken.append(kind)
        return False

    monkeypatch.setattr(BackupService, "_try", attempt)
    blobs, sql = open_folder(tmp_path), None
    made: Any = BackupService(Store(blobs, [KEY.to_public()]), threading.Event())
    made._list()
    made._make(sql, Kind.BASE, server())
    assert taken == [Kind.BASE]
    keep(blobs, describe(0.1))
    made._make(sql, Kind.BASE, server())
    assert taken == [Kind.BASE]
