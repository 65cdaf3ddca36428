"""Hosts: names and ports, and what is this machine."""

import pytest

from configs.ground.hosts import host_of, is_loopback, is_private, parse_host_map, resolve_stand_in


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://x.fr", "x.fr:443"),
        ("http://X.fr/a?b#c", "x.fr:80"),
        ("wss://x.fr:8", "x.fr:8"),
        ("http://[::1]:80/", "::1:80"),
        ("nothing", ":0"),
    ],
)
def test_a_host_is_a_name_and_a_port(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize("name", ["127.0.0.1", "127.77.0.91", "localhost", "::1", "[::1]", "LOCALHOST"])
def test_loopback_is_this_machine(name: str) -> None:
    assert is_loopback(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "8.8.8.8",
        "192.0.2.1",
        "127.0.0.1.nip.io",
        "localhost.example.fr",
        "127.1",
        "2130706433",
        "10.0.0.1",
    ],
)
def test_a_name_that_may_resolve_to_anything_is_not(name: str) -> None:
    assert not is_loopback(name)


@pytest.mark.parametrize(
    "name", ["10.0.0.1", "192.168.1.4", "169.254.169.254", "[fc00::1]", "fe80::1", "100.64.0.1"]
)
def test_an_address_of_a_private_network_is_told(name: str) -> None:
    assert is_private(name)


@pytest.mark.parametrize(
    "name", ["127.77.0.91", "[::1]", "8.8.8.8", "2a00:1450::1", "www.essonne.gouv.fr", ""]
)
def test_anybodys_address_a_name_and_this_machine_are_none_of_those(name: str) -> None:
    assert not is_private(name)


def test_a_map_pairs_real_hosts_with_stand_ins() -> None:
    assert parse_host_map(" a.fr=127.0.0.1:8, b.fr=localhost:9 ,") == {
        "a.fr": "127.0.0.1:8",
        "b.fr": "localhost:9",
    }
    assert parse_host_map("") == {}


def test_a_stand_in_is_found_by_name_or_by_name_and_port() -> None:
    stand_ins = {"www.essonne.gouv.fr": "127.77.0.91:8800", "a.gouv.fr:8443": "127.77.0.1:1"}
    assert (
        resolve_stand_in("https://www.essonne.gouv.fr/booking/create/1?a=1", stand_ins)
        == "http://127.77.0.91:8800/booking/create/1?a=1"
    )
    assert resolve_stand_in("https://a.gouv.fr:8443/x", stand_ins) == "http://127.77.0.1:1/x"
    assert resolve_stand_in("https://a.gouv.fr/x", stand_ins) == "https://a.gouv.fr/x"
    assert resolve_stand_in("wss://www.essonne.gouv.fr/x", stand_ins) == "ws://127.77.0.91:8800/x"
    assert resolve_stand_in("wss://a.gouv.fr/x", stand_ins) == "wss://a.gouv.fr/x"
