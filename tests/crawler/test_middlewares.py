"""robots.txt of the walk of prefectures' sites: read whole, within its host, or it allows nothing."""

import gzip

import pytest
from scrapy import Request
from scrapy.http import Response

from configs.settings import load
from crawler.middlewares import WholeRobotsTxt
from crawler.url_policy import AddressRefused, ensure_allowed, same_site
from tests.in_turn import in_turn

ROBOTS = Request("http://127.0.0.1/robots.txt", meta={"dont_obey_robotstxt": True})


def came(status: int, body: bytes = b"", **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(ROBOTS.url, status=status, body=body, headers=named)


@pytest.mark.rule("3.9")
@in_turn(
    "response, read",
    [
        (came(200, gzip.compress(b"Disallow: /a"), Content_Encoding="gzip"), b"Disallow: /a"),
        (came(200, gzip.compress(b"Disallow: /a")[:-9], Content_Encoding="gzip"), b"User-agent: *\nDisallow: /\n"),
        (came(200, b"Disallow: /a"), b"Disallow: /a"),
        (came(301, Location="http://127.0.0.2/robots.txt"), b"User-agent: *\nDisallow: /\n"),
        (came(404), b""),
    ],
)  # fmt: skip
def test_a_robots_txt_is_read_whole_or_allows_nothing(response: Response, read: bytes) -> None:
    found = WholeRobotsTxt(1000).process_response(ROBOTS, response)
    assert isinstance(found, Response)
    assert found.body == read


@pytest.mark.rule("3.9")
def test_a_robots_txt_is_followed_within_its_host_five_times() -> None:
    robots, hops = WholeRobotsTxt(1000), 0
    asked: Request | Response = ROBOTS
    while isinstance(asked, Request):
        assert asked.meta["dont_obey_robotstxt"]
        asked, hops = robots.process_response(asked, came(302, Location="/fichiers/robots.txt")), hops + 1
    assert hops == 6
    assert asked.body == b"User-agent: *\nDisallow: /\n"


HERE = "http://www.essonne.gouv.fr/booking/create/1"


ONE_SITE = ("http://www.essonne.gouv.fr/", "http://WWW.Essonne.gouv.fr:80/x", "https://www.essonne.gouv.fr/",
            "http://essonne.gouv.fr/", "https://essonne.gouv.fr:443/")  # fmt: skip
OTHERS = ("http://other.essonne.gouv.fr/", "http://www.essonne.gouv.fr.evil.com/", "http://www.essonne.gouv.fr:8080/",
          "ftp://www.essonne.gouv.fr/", "javascript:alert(1)", "")  # fmt: skip


def test_one_site_is_told_from_others() -> None:
    assert [each for each in (*ONE_SITE, *OTHERS) if same_site(HERE, each)] == list(ONE_SITE)


@in_turn("env", ["test", "sandbox", "development"])
@in_turn(
    "url", [HERE, "http://127.0.0.1.evil.com/", "http://10.0.0.1/", "http://[2001:db8::1]/", "http:///x"]
)
def test_outside_production_only_this_machine_is_asked(env: str, url: str) -> None:
    with pytest.raises(AddressRefused, match="is not on this machine"):
        ensure_allowed(url, load(app_env=env, test_periods={}))


@pytest.mark.rule("3.11")
def test_nothing_allows_live_sites_to_a_test() -> None:
    with pytest.raises(AddressRefused):
        ensure_allowed(HERE, load(app_env="test", allow_live_sites=True))
    ensure_allowed(HERE, load(app_env="development", allow_live_sites=True, test_periods={}))
