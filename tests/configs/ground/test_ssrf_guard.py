"""The rule of the SSRF guard: which addresses are of the public internet, in whatever form they are written."""

import ipaddress

import pytest

from configs.ground.ssrf_guard import is_public, parse_address


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.1", "224.0.0.1",
        "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1",
        "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2001:db8::1",
        "::169.254.169.254", "::ffff:0:127.0.0.1", "64:ff9b:1::a9fe:a9fe", "fec0::1",
    ],
)  # fmt: skip
def test_these_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "193.252.22.1", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_these_are(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_a_name_is_no_address() -> None:
    assert parse_address("fcm.googleapis.com") is None
    assert parse_address("fe80::1%eth0") == ipaddress.ip_address("fe80::1")
