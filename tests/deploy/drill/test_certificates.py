"""The drill's own authority: what it issues is trusted for its names, and no longer once it has expired."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from deploy.drill.authority import Authority, found_authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return found_authority(tmp_path / "authority")


@contextmanager
def served(folder: Path) -> Iterator[int]:
    """Serve TLS handshakes with a folder's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "fullchain.pem", folder / "privkey.pem")
    with closing(socket.create_server(("127.0.0.1", 0))) as door:

        def greet() -> None:
            with closing(door.accept()[0]) as plain, suppress(OSError):  # the client may refuse
                context.wrap_socket(plain, server_side=True).close()

        thread = threading.Thread(target=greet)
        thread.start()
        yield door.getsockname()[1]
        thread.join()


def refusal(port: int, name: str, trusted: Path) -> str:
    context = ssl.create_default_context(cafile=str(trusted))
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as plain:
            context.wrap_socket(plain, server_hostname=name).close()
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    return ""


@pytest.mark.parametrize(
    ("name", "days", "words"),
    [("rdv.test", 30, ""), ("other.test", 30, "Hostname mismatch"), ("rdv.test", -1, "expired")],
)
def test_a_certificate_is_good_for_its_names_and_its_days(
    authority: Authority, tmp_path: Path, name: str, days: int, words: str
) -> None:
    authority.issue(tmp_path / "tls", "rdv.test", "www.rdv.test", days=days)
    with served(tmp_path / "tls") as port:
        said = refusal(port, name, authority.certificate)
    assert words in said
    assert bool(said) is bool(words)


def test_another_authority_is_not_trusted(authority: Authority, tmp_path: Path) -> None:
    authority.issue(tmp_path / "tls", "rdv.test")
    other = found_authority(tmp_path / "other", "another one")
    with served(tmp_path / "tls") as port:
        assert "issuer" in refusal(port, "rdv.test", other.certificate)


def test_a_key_is_its_owner_s_alone(authority: Authority, tmp_path: Path) -> None:
    authority.issue(tmp_path / "tls", "rdv.test")
    assert (tmp_path / "tls" / "privkey.pem").stat().st_mode & 0o077 == 0
