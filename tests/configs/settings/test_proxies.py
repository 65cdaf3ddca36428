"""PROXY_LIST: what it gives, what is refused, and that no password ever shows."""

import pytest

from configs.settings import SettingsRefused, load
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


def test_none_is_normal() -> None:
    assert load(proxy_list="").proxy_list == ()
    assert load().proxy_list == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "proxy.example.com:3128",
            "entry 1 is no proxy's address: write it as http://user:password@host:port",
        ),
        ("http://proxy.example.com", "entry 1 is no proxy's address"),
        ("http://a:1,http://b:99999", "entry 2 is no proxy's address"),
        ("http://a:1,http://b:0", "entry 2 is no proxy's address"),
        ("http://a:1,http://b:x", "entry 2 is no proxy's address"),
        ("http://us er:sesame@a:1", "entry 1 is no proxy's address"),
        ("socks5://ann:sesame@a:1080", "entry 1 is of the kind socks5://, which is not spoken here"),
        ("https://ann:sesame@a:443", "entry 1 is of the kind https://"),
        ("http://ann:sesame@a:1/path", "entry 1 has something behind its port"),
        ("http://ann:sesame@a:1,http://ann:sesame@a:1", "names a proxy twice"),
    ],
)
def test_what_is_no_proxy_is_refused_without_its_password(text: str, said: str) -> None:
    with pytest.raises(SettingsRefused) as caught:
        load(proxy_list=text)
    assert f"PROXY_LIST: {said}" in str(caught.value)
    assert "sesame" not in str(caught.value)


def test_the_settings_show_no_password() -> None:
    assert "sesame" not in repr(load(proxy_list="http://ann:sesame@127.0.0.1:3128"))
