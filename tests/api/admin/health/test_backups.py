"""Health names a backup that is too old, too small or damaged, log that is not stored, and a certificate that visitors are, or soon will be, refused for."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from api.admin.health import server_checks
from api.admin.health.findings import PartState
from api.admin.health.server_checks import SLOT
from api.models.backup_state import BackupPart, BackupState
from api.models.base import session
from configs.ground.clock import clock
from deploy.backup import database
from tests.api.admin.health.conftest import ask
from tests.factories import remove
from tests.in_turn import in_turn

pytestmark = pytest.mark.usefixtures("redis_server")
HOUR = timedelta(hours=1)


def keep(part: BackupPart, age: timedelta = HOUR, **columns: Any) -> None:
    with session() as s:
        s.merge(BackupState(**{"part": part, "finished_at": clock() - age, "bytes": 100} | columns))


@pytest.fixture
def _whole(database: str, redis_server: Any, settings_env: Callable[..., None]) -> None:
    settings_env(DATABASE_URL=database, BACKUP_URL="/backups")
    keep_all()


def keep_all() -> None:
    remove(BackupState)
    for part in BackupPart:
        keep(part, timedelta(seconds=10) if part is BackupPart.WAL else HOUR)


def troubles() -> str:
    state, reason, _ = ask("backups")
    assert state is PartState.DEGRADED
    return reason


@pytest.mark.usefixtures("_whole")
def test_backups_that_are_well_say_how_far_they_reach() -> None:
    assert ask("backups").reason == "the log is stored up to 10 s ago, the base backup is of 60 min ago"
    assert SLOT == database.SLOT, "both programs mean the same slot"


@pytest.mark.usefixtures("database", "redis_server")
def test_without_a_store_it_says_so_and_before_the_first_backup_everything_is_missing(
    settings_env: Callable[..., None],
) -> None:
    assert ask("backups").reason == "nothing is backed up: BACKUP_URL is not set"
    settings_env(BACKUP_URL="/backups")
    assert troubles() == (
        "no log is stored yet: is `python -m deploy.backup run` running?; the base backup was not made yet;"
        " the dump was not made yet; the list of proofs was not made yet; the store was not made yet"
    )


@pytest.mark.usefixtures("_whole")
@in_turn(
    "part, age, columns, said",
    [
        (BackupPart.BASE, 27 * HOUR, {}, "the base backup is 27 h old"),
        (BackupPart.DUMP, 9 * 24 * HOUR, {}, "the dump is 9 d old"),
        (BackupPart.BASE, -5 * HOUR, {}, "the base backup is of 5 h from now: a clock is, or was, set wrong"),
        (BackupPart.BASE, HOUR, {"previous_bytes": 201}, "the base backup is less than half as large as the one before"),
        (BackupPart.DUMP, HOUR, {"bytes": 0, "previous_bytes": 9}, "the dump is less than half as large as the one before"),
        (BackupPart.WAL, 3 * HOUR, {}, "the log is stored up to 3 h ago: is `python -m deploy.backup run` running?"),
        (BackupPart.WAL, 3 * HOUR, {"trouble": "the store of backups takes nothing"}, "the log is stored up to 3 h ago: the store of backups takes nothing"),
        (BackupPart.STORE, HOUR, {"trouble": "base/x is not encrypted"}, "the store: base/x is not encrypted (for 60 min)"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(part: BackupPart, age: timedelta, columns: dict[str, Any], said: str) -> None:
    keep_all()
    since = {"trouble_since": clock() - HOUR} if "trouble" in columns else {}
    keep(part, age, **columns, **since)
    assert troubles() == said


@pytest.mark.usefixtures("_whole")
@in_turn(
    "waiting, limit, status, said",
    [
        (100, 1000, "extended", ""),
        (500, 1000, "extended", ""),
        (
            501,
            1000,
            "extended",
            "501 MB of log wait for the store on PostgreSQL's disk, which gives it up at 1,000 MB",
        ),
        (2047, 8192, "extended", ""),
        (
            1,
            -1,
            "reserved",
            "log that waits for the store may fill PostgreSQL's disk: set max_slot_wal_keep_size",
        ),
        (0, 0, "lost", "PostgreSQL gave up log that was not stored: that time cannot be restored"),
    ],
)
def test_log_that_waits_is_named_before_postgresql_gives_it_up_or_fills_its_disk(
    monkeypatch: pytest.MonkeyPatch, waiting: int, limit: int, status: str, said: str
) -> None:
    slot = f"SELECT {waiting << 20}::bigint, '{status}', {limit << 20}::bigint WHERE CAST(:slot AS text) IS NOT NULL"
    monkeypatch.setattr(server_checks, "_WAITING", sa.text(slot))
    assert ask("backups").state is (PartState.DEGRADED if said else PartState.OK)
    assert ask("backups").reason.startswith(said)


DAY = timedelta(days=1)


def write_certificate(file: Path, ends_at: datetime, name: str = "localhost") -> None:
    """Write a certificate and its key into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends_at - 90 * DAY)
        .not_valid_after(ends_at)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))


@contextmanager
def site(file: Path) -> Iterator[int]:
    """Serve nothing but handshakes with a certificate; give the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    def answer(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with suppress(OSError), context.wrap_socket(connection, server_side=True) as encrypted:
                    encrypted.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer, args=(listening,))
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(30)


def find(file: Path, settings_env: Callable[..., None], trusted: Path | None = None) -> tuple[PartState, str]:
    with site(file) as port:
        settings_env(API_URL=f"https://localhost:{port}", SSL_CERT_FILE=trusted or file)
        return ask("certificate")[:2]


def test_a_good_one_says_how_long_it_lasts(tmp_path: Path, settings_env: Callable[..., None]) -> None:
    write_certificate(tmp_path / "pem", clock() + 60 * DAY)
    assert find(tmp_path / "pem", settings_env) == (PartState.OK, "that of localhost ends in 60 d")


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (9, "that of localhost ends in 9 d: the log of `certbot` says why it was not renewed"),
        (-1, "visitors of localhost are refused: certificate has expired"),
    ],
)
def test_one_that_ends_soon_or_has_ended_is_named(
    tmp_path: Path, settings_env: Callable[..., None], days: int, said: str
) -> None:
    write_certificate(tmp_path / "pem", clock() + days * DAY)
    assert find(tmp_path / "pem", settings_env) == (PartState.DEGRADED, said)


def test_one_of_another_name_or_of_nobody_is_named(tmp_path: Path, settings_env: Callable[..., None]) -> None:
    write_certificate(tmp_path / "other", clock() + 60 * DAY, name="elsewhere.example")
    state, said = find(tmp_path / "other", settings_env)
    assert (state, "Hostname mismatch" in said) == (PartState.DEGRADED, True)
    write_certificate(tmp_path / "mine", clock() + 60 * DAY)
    state, said = find(tmp_path / "mine", settings_env, trusted=tmp_path / "other")
    assert (state, "self-signed certificate" in said) == (PartState.DEGRADED, True)


def test_a_door_that_is_closed_is_named(settings_env: Callable[..., None], closed_port: int) -> None:
    settings_env(API_URL=f"https://localhost:{closed_port}")
    said = "nothing listens at localhost: is nginx running?"
    assert ask("certificate")[:2] == (PartState.DEGRADED, said)


def test_what_cannot_be_seen_from_here_is_no_alarm(settings_env: Callable[..., None]) -> None:
    # The way out and back in is closed on some machines.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings_env(API_URL=f"https://localhost:{silent.getsockname()[1]}")
        said = "that of localhost cannot be seen from here (TimeoutError)"
        assert ask("certificate")[:2] == (PartState.OK, said)


@pytest.mark.parametrize("url", ["http://localhost:4000", "https://rdvpriority.fr"])
def test_without_https_and_outside_production_nothing_is_asked(
    settings_env: Callable[..., None], url: str
) -> None:
    settings_env(API_URL=url)
    assert ask("certificate").reason == "none: API_URL is not https"
