"""PROXY_LIST: what it gives, what is refused, and that no password ever shows."""

from configs.settings import load
from configs.settings.proxies import parse_proxies


def test_each_proxy_has_a_name_without_secrets() -> None:
    found = parse_proxies(
        "http://ann:s%40cret@Gate.example.com:8000, http://bob:other@gate.example.com:8000 ,http://127.0.0.1:3128"
    )
    assert [each.name for each in found] == [
        "gate.example.com:8000#1",
        "gate.example.com:8000#2",
        "127.0.0.1:3128",
    ]
    assert "s%40cret" not in repr(found)
    assert "s%40cret" in found[0].url


def test_the_settings_show_no_password() -> None:
    assert "sesame" not in repr(load(proxy_list="http://ann:sesame@127.0.0.1:3128"))
