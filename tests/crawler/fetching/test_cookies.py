"""Cookies of a check: those that Scrapy's own jar would send go with a request, and no others."""

from collections.abc import Callable
from time import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scrapy import Request
from scrapy.http import Response
from scrapy.http.cookies import CookieJar

from crawler.fetching import cookies
from crawler.fetching.cookies import Cookies
from tests.fuzz import times

HOSTS = (
    "www.essonne.gouv.fr",
    "essonne.gouv.fr",
    "gouv.fr",
    "www.essonne.gouv.fr:8443",
    "WWW.Essonne.gouv.fr",
    "other.gouv.fr",
    "127.0.0.1",
    "127.0.0.1:8800",
    "7.0.0.1",
    "localhost",
    "sub.localhost",
    "[::1]:8800",
    "user:word@essonne.gouv.fr",
    "",
    ":80",
)
PATHS = ("/", "/booking", "/booking/", "/booking/create/1", "/bookings", "", "/a%2fb", "/a%2Fb/c", "//x")
URLS = st.builds(
    "{}://{}{}{}".format,
    st.sampled_from(("http", "https")),
    st.sampled_from(HOSTS),
    st.sampled_from(PATHS),
    st.sampled_from(("", "?planning=7", "?a=/booking")),
)
PARTS = st.sampled_from(
    [f"; path={path}" for path in PATHS]
    + [f"; domain={dot}{host}" for host in (*HOSTS, "fr", "0.0.1", "local") for dot in ("", ".")]
    + ["; secure", "; HttpOnly", "; max-age=0", "; max-age=60", "; max-age=-1", "; max-age=x", "; version=1"]
    + ["; expires=Wed, 01 Jan 2020 00:00:00 GMT", "; expires=Fri, 01 Jan 2100 00:00:00 GMT", "; expires=x"]
    + ["; port", '; port="80,8443"', "; port=8800", "; port=a", "; SameSite=Lax", "; discard"]
)
NAMES = st.sampled_from(("a", "b", "eZSESSID", "$v", ""))
SET = st.builds(
    "{}{}{}".format,
    NAMES,
    st.sampled_from(("=1", "=2 3", '="q"', "=", "", "=\xe9")),
    st.lists(PARTS, max_size=4).map("".join),
)
VISITS = st.lists(st.tuples(URLS, st.lists(SET, max_size=3)), min_size=1, max_size=5)


@pytest.mark.fuzz
@settings(max_examples=times(300))
@given(VISITS, st.lists(URLS, min_size=1, max_size=4))
def test_what_is_sent_is_what_scrapys_jar_would_send(
    visits: list[tuple[str, list[str]]], asked: list[str]
) -> None:
    ours, theirs = Cookies(), CookieJar()
    for url, lines in visits:
        answer = Response(url, headers=[("Set-Cookie", line) for line in lines])
        ours.keep(answer, Request(url))
        theirs.extract_cookies(answer, Request(url))
    for url in asked:
        sent, expected = Request(url), Request(url)
        ours.add_to(sent)
        theirs.add_cookie_header(expected)
        assert sent.headers.get("Cookie") == expected.headers.get("Cookie"), url


def test_a_request_that_brings_cookies_keeps_its_own() -> None:
    kept, request = Cookies(), Request("http://127.0.0.1/", headers={"Cookie": "mine=1"})
    kept.keep(Response(request.url, headers={"Set-Cookie": "s=1"}), request)
    kept.add_to(request)
    assert request.headers.getlist("Cookie") == [b"mine=1"]


def test_a_cookie_is_sent_until_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, request = Cookies(), Request("http://127.0.0.1/")
    kept.keep(Response(request.url, headers={"Set-Cookie": "s=1; max-age=60"}), request)
    began = time()
    for later, sent in ((50, b"s=1"), (70, None)):
        monkeypatch.setattr(cookies, "time", _at(began + later))
        asked = Request("http://127.0.0.1/")
        kept.add_to(asked)
        assert asked.headers.get("Cookie") == sent


def _at(moment: float) -> Callable[[], float]:
    return lambda: moment
