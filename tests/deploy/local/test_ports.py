"""Ports: the usual one, or the next that is free, said in words."""

import socket
from collections.abc import Iterator
from dataclasses import fields

import pytest

from deploy.local import ports as module
from deploy.local.ports import NoPort, StackPorts, choose, usual
from deploy.local.processes import free_port


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def anywhere(**given: int) -> StackPorts:
    return StackPorts(**({port.name: free_port() for port in fields(StackPorts)} | given))


def test_free_ports_stay_as_they_are() -> None:
    usual = anywhere()
    assert choose(usual) == usual
    assert choose(usual).describe_moves(usual) == []


def test_a_taken_port_moves_to_the_next_and_is_told(taken: int) -> None:
    usual = anywhere(api=taken)
    chosen = choose(usual)
    assert taken < chosen.api < taken + 50
    assert chosen.describe_moves(usual) == [f"port {taken} is taken: api listens on {chosen.api}"]


def test_ports_of_any_choice_lie_below_those_that_the_kernel_gives_to_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(1, 400):
        monkeypatch.setattr("os.getpid", lambda number=number: number)
        ports = usual(any_port=True)
        assert 20000 <= ports.api < ports.scrapyd < 32768


@pytest.mark.parametrize("address", ["127.77.0.75", "127.78.0.3"])
def test_a_port_that_one_stand_in_cannot_have_is_taken_for_all(address: str) -> None:
    with socket.socket() as holder:
        holder.bind((address, 0))
        holder.listen()
        port = holder.getsockname()[1]
        chosen = choose(anywhere(sites=port, providers=port))
    assert (chosen.sites if address.startswith("127.77") else chosen.providers) > port


def test_two_programs_never_share_a_port() -> None:
    same = free_port()
    chosen = choose(StackPorts(api=same, inbox=same, sites=same, providers=same, scrapyd=same))
    assert len({chosen.api, chosen.inbox, chosen.sites, chosen.providers, chosen.scrapyd}) == 5


def test_no_port_at_all_names_the_range(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TRIES", 1)
    with pytest.raises(NoPort, match=f"api: ports {taken} to {taken} are all taken on 127.0.0.1"):
        choose(anywhere(api=taken))
