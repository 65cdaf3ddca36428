"""robots.txt of the walk of prefectures' sites: read whole, within its host, or it allows nothing."""

import gzip

import pytest
from scrapy import Request
from scrapy.http import Response

from crawler.middlewares import WholeRobotsTxt
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
