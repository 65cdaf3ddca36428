"""Binding: one port on all hosts, and a clear word when it cannot be had."""

import re
import socket

import pytest

from deploy.sandbox import sockets
from deploy.sandbox.sockets import PortTaken, listen

HOSTS = ["127.79.0.1", "127.79.0.2", "127.79.0.3"]


def close(bound: list[socket.socket]) -> None:
    for made in bound:
        made.close()


def test_all_hosts_share_one_free_port() -> None:
    bound = listen(HOSTS, 0, "--x")
    names = [made.getsockname() for made in bound]
    assert [host for host, _ in names] == HOSTS
    assert len({port for _, port in names}) == 1
    close(bound)


def test_a_taken_port_names_itself_and_the_option_and_frees_the_others() -> None:
    holder = listen(HOSTS[2:], 0, "--x")
    port = holder[0].getsockname()[1]
    with pytest.raises(PortTaken) as taken:
        listen(HOSTS, port, "--sites-port")
    assert str(taken.value) == (
        f"127.79.0.3:{port} is taken: stop what listens there or choose another port with --sites-port PORT"
    )
    close(holder)
    close(listen(HOSTS, port, "--x"))


def test_a_free_port_is_looked_for_again_when_another_host_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    real = sockets.bind_socket

    def bound(host: str, port: int) -> socket.socket:
        if host == HOSTS[1] and not tried:
            tried.append(port)
            holder = real(host, port)
            try:
                return real(host, port)
            finally:
                holder.close()
        return real(host, port)

    monkeypatch.setattr(sockets, "bind_socket", bound)
    found = listen(HOSTS, 0, "--x")
    assert tried
    assert len(found) == 3
    close(found)


def test_an_address_that_the_machine_lacks_says_how_to_get_it() -> None:
    with pytest.raises(
        PortTaken, match=r"this machine has no address 192\.0\.2\.1; on macOS add it: sudo ifconfig"
    ):
        listen(["192.0.2.1"], 0, "--x")


def test_a_port_that_is_not_allowed_names_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    def bound(host: str, port: int) -> socket.socket:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(sockets, "bind_socket", bound)
    expected = "cannot listen on 127.79.0.1:80: Permission denied; choose another port with --x PORT"
    with pytest.raises(PortTaken, match=re.escape(expected)):
        listen(HOSTS, 80, "--x")
