"""The stream of the log without a server: what is confirmed is stored, in order, however long the store was away."""

import socket
import threading
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pyrage.x25519 import Recipient

from configs.object_store import Blobs, StoreAway, StoreTrouble
from deploy.backup import status, wal_stream
from deploy.backup.database import ServerState
from deploy.backup.errors import BackupError
from deploy.backup.wal_archive import SEGMENT, read_archive
from deploy.backup.wal_stream import WalStream, _LogReader
from tests.deploy.backup.samples import KEY, NOW, SYSTEM, keep_log, open_folder
from tests.waiting import until

SERVER = ServerState(SYSTEM, 1, 3 * SEGMENT, NOW, 180004, 0)
RECIPIENTS: list[Recipient] = [KEY.to_public()]
CHUNK = 1 << 14


class Message(NamedTuple):
    data_start: int
    payload: bytes
    send_time: Any


class Cursor:
    """A server's stream of so many segments; `stopped` is set when all are taken."""

    def __init__(self, segments: int, stopped: threading.Event) -> None:
        self._left = iter(range(segments))
        self._stopped = stopped
        self._connection = silent_connection()
        self.confirmed: list[int] = []

    def fileno(self) -> int:
        return self._connection.fileno()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def read_message(self) -> Message | None:
        number = next(self._left, None)
        if number is None:
            self._stopped.set()
            return None
        return Message(
            number * CHUNK, number.to_bytes(4, "big") * (CHUNK // 4), NOW + timedelta(seconds=number)
        )

    def send_feedback(self, *, flush_lsn: int, **_how: Any) -> None:
        self.confirmed.append(flush_lsn + 1)


def silent_connection() -> socket.socket:
    """Return a socket on which nothing comes."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    return made


class CountingStore:
    """A store that keeps the keys only."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def put(self, key: str, _data: bytes) -> None:
        self.keys.append(key)


@pytest.fixture(autouse=True)
def _without_database(monkeypatch: pytest.MonkeyPatch, settings_env: Callable[..., None]) -> None:
    settings_env(BACKUP_WAL_SECONDS="1000")
    monkeypatch.setattr(wal_stream, "_CHUNK_BYTES", CHUNK)
    monkeypatch.setattr(status, "record_stored_log", lambda *_: None)


def read(store: Any, cursor: Cursor, stopped: threading.Event) -> None:
    with silent_connection() as sql, cursor:
        stream = WalStream(store, RECIPIENTS, stopped)
        _LogReader(stream, sql, cursor, SERVER, 0).run(stopped)  # type: ignore[arg-type]


@pytest.mark.journey
def test_ten_thousand_segments_that_waited_are_stored_in_order_in_little_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        wal_stream, "seal", lambda key, data, _: key.encode() + data
    )  # 160 MB of it take ten seconds
    stopped, store = threading.Event(), CountingStore()
    cursor = Cursor(10_000, stopped)
    tracemalloc.start()
    try:
        read(store, cursor, stopped)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [int(key.split("/")[3][:16], 16) for key in store.keys] == [n * CHUNK for n in range(10_000)]
    assert cursor.confirmed == [(n + 1) * CHUNK for n in range(10_000)]
    assert peak < 10 << 20  # of 160 MB; the keys themselves are some


def test_what_the_store_does_not_take_is_not_confirmed(tmp_path: Path) -> None:
    stopped, cursor = threading.Event(), Cursor(5, threading.Event())
    blobs = open_folder(tmp_path)
    put = blobs.put

    def fail_at_the_third(key: str, data: bytes) -> None:
        if len(cursor.confirmed) == 2:
            raise StoreAway("full", StoreTrouble.FULL)
        put(key, data)

    blobs.put = fail_at_the_third  # type: ignore[method-assign]
    with pytest.raises(StoreAway):
        read(blobs, cursor, stopped)
    assert cursor.confirmed == [CHUNK, 2 * CHUNK]
    assert max(each.end for each in read_archive(blobs, SYSTEM).chunks[1]) == 2 * CHUNK


def test_a_folder_that_hangs_is_noted_and_what_it_takes_then_is_confirmed(
    settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_env(BACKUP_CALL_SECONDS="0.1")
    stopped, goes_on, noted = threading.Event(), threading.Event(), list[StoreAway]()
    cursor, store = Cursor(1, stopped), CountingStore()
    put = store.put

    def hang(key: str, data: bytes) -> None:
        goes_on.wait(60)
        put(key, data)

    store.put = hang  # type: ignore[assignment,method-assign]
    monkeypatch.setattr(WalStream, "note", lambda _, error: noted.append(error))
    thread = threading.Thread(target=read, args=(store, cursor, stopped))
    thread.start()
    until(lambda: noted)
    assert (cursor.confirmed, noted[0].trouble) == ([], StoreTrouble.SILENT)
    goes_on.set()
    thread.join(60)
    assert (cursor.confirmed, len(noted)) == ([CHUNK], 1)


def test_a_day_without_the_store_is_one_line_and_its_end_another(
    settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings_env(BACKUP_WAL_SECONDS="30")
    tries, waits = 24 * 3600 // 30, list[float]()

    class Stopped(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0)
            return False

    stopped = Stopped()

    def fail(self: WalStream) -> None:
        if len(waits) < tries:
            raise StoreAway("the store of BACKUP_URL is in trouble: refused")
        self.store(SERVER, 0, b"log", NOW)
        stopped.set()

    monkeypatch.setattr(WalStream, "_stream", fail)
    monkeypatch.setattr(WalStream, "_record", lambda *_: None)
    WalStream(CountingStore(), RECIPIENTS, stopped).run()  # type: ignore[arg-type]
    said = capsys.readouterr()
    text = said.out + said.err
    assert sum(waits) == 24 * 3600
    assert text.count("the log is not stored, the server keeps it") == 1
    assert text.count("the log is stored again") == 1


def test_the_log_of_two_copies_of_a_server_is_not_mixed(tmp_path: Path) -> None:
    blobs: Blobs = open_folder(tmp_path)
    keep_log(blobs, 3 * SEGMENT - 10, b"0123456789")
    stream = WalStream(blobs, RECIPIENTS, threading.Event())
    stream._refuse_other_copy(SERVER)
    keep_log(blobs, 3 * SEGMENT, b"of the other copy")
    with pytest.raises(BackupError, match=r"another copy of it stores its log there.*another BACKUP_URL"):
        stream._refuse_other_copy(SERVER)
    stream._refuse_other_copy(SERVER._replace(timeline=2))
