"""Health says how long the site's certificate lasts, and names one that visitors are, or soon will be, refused for."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from api.admin.health.findings import PartState
from configs.ground.clock import clock
from tests.api.admin.health.conftest import ask

DAY = timedelta(days=1)
pytestmark = pytest.mark.usefixtures("redis_server")


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
