from collections.abc import Callable

import pytest
from scrapy import Request

from crawler.middlewares import LoopbackGuard
from crawler.url_policy import AddressRefused


def test_requests_to_this_machine_pass() -> None:
    LoopbackGuard().process_request(Request("http://127.77.0.91:8800/"))
    LoopbackGuard().process_request(Request("http://127.0.0.1/", meta={"proxy": "localhost:3128"}))


@pytest.mark.rule("3.11")
def test_requests_to_anywhere_else_do_not() -> None:
    with pytest.raises(AddressRefused):
        LoopbackGuard().process_request(Request("https://www.essonne.gouv.fr/"))


@pytest.mark.rule("3.11")
@pytest.mark.parametrize("proxy", ["http://10.1.2.3:3128", "proxy.example.com:3128"])
def test_no_proxy_is_a_way_out(proxy: str) -> None:
    with pytest.raises(AddressRefused, match=r"10\.1\.2\.3|proxy\.example\.com"):
        LoopbackGuard().process_request(Request("http://127.0.0.1/", meta={"proxy": proxy}))


def test_an_explicit_setting_opens_it(settings_env: Callable[..., None]) -> None:
    settings_env(APP_ENV="development", ALLOW_LIVE_SITES="1")
    LoopbackGuard().process_request(Request("https://www.essonne.gouv.fr/"))
