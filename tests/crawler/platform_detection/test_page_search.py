"""The extent of a page search, and the pages that it leaves out."""

import asyncio
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from crawler.platform_detection.page_fetcher import PageFetcher
from crawler.platform_detection.page_search import Findings, search_desks
from tests.crawler import ezbooking_pages as ez
from tests.crawler.wire import Wire, answer, wire

CAPTCHA = '<form method="post"><div class="g-recaptcha"></div></form>'


@contextmanager
def site(pages: Mapping[str, str]) -> Iterator[Wire]:
    """Serve pages by their path."""

    def say(connection: socket.socket, request: bytes) -> None:
        path = request.split(b" ", 2)[1].decode()
        answer(pages.get(path, "<html><title>Rien</title></html>").encode())(connection, request)

    with wire(say) as served:
        yield served


def links(*paths: str, text: str = "Prendre rendez-vous") -> str:
    return "<html><title>Préfecture</title>" + "".join(
        f'<p><a href="{path}">{text}</a></p>' for path in paths
    )


def looked(served: Wire, path: str = "/", requests: int = 99) -> Findings:
    async def once() -> Findings:
        async with PageFetcher(requests, lambda *_: None) as opener:
            return await search_desks(opener, f"{served.address}{path}", lambda _: None)

    return asyncio.run(once())


def paths(served: Wire) -> list[str]:
    return [line.split()[1] for line in served.lines]


def test_two_links_far_and_no_farther() -> None:
    with site({f"/rdv-{number}": links(f"/rdv-{number + 1}") for number in range(9)}) as served:
        assert looked(served, "/rdv-0").found == []
        assert paths(served) == ["/rdv-0", "/rdv-1", "/rdv-2"]


def test_eight_pages_and_no_more_each_once() -> None:
    many = links(*(f"/rdv-{number}" for number in range(20)), "/rdv-0", "/rdv-1#x")
    with site({"/": many}) as served:
        looked(served)
        assert paths(served) == ["/", *(f"/rdv-{number}" for number in range(7))]


def test_as_many_requests_as_are_allowed() -> None:
    with site({"/": links("/rdv-1", "/rdv-2")}) as served:
        findings = looked(served, requests=2)
        assert paths(served) == ["/", "/rdv-1"]
    assert "no request is left" in findings.troubles[0]


def test_nothing_is_followed_behind_a_wall_or_an_error() -> None:
    with site({"/": CAPTCHA + links("/rdv-1")}) as served:
        looked(served)
        assert paths(served) == ["/"]
    with wire(answer(links("/rdv-1").encode(), status="404 Not Found")) as served:
        looked(served)
        assert paths(served) == ["/"]


@pytest.mark.parametrize(
    ("title", "body", "label"),
    [
        ("Just a moment...", "", ""),
        ("Access to this page has been denied", "<div id='px-captcha'></div>", ""),
        ("Sucuri WebSite Firewall - Access Denied", "", ""),
        ("Access Denied", "<h1>Access Denied</h1>", ""),
        ("Site en maintenance", "", ""),
        ("Contrôle de sécurité", CAPTCHA, ""),
        ("Carte de résident", CAPTCHA, "Carte de résident"),
        ("Guichet des étrangers", "<p>Bonjour</p>", "Guichet des étrangers"),
    ],
)
def test_a_walls_title_is_no_desks_label(title: str, body: str, label: str) -> None:
    page = f"<html><head><title>{title}</title></head><body>{body}</body></html>"
    with site({"/booking/create/1": page}) as served:
        (found,) = looked(served, "/booking/create/1").found
    assert (found.sign.platform, found.label) == ("ezbooking", label)


def test_what_does_not_look_like_booking_is_left_alone() -> None:
    left = links(
        "/annuler-rendez-vous", "/rendez-vous.pdf", "mailto:rdv@x.fr", "javascript:rdv()", "http://[/rdv"
    )
    other = links("/actualites", text="Actualités") + links(
        "https://www.facebook.com/rdv", text="Rendez-vous"
    )
    with site({"/": left + other}) as served:
        looked(served)
        assert paths(served) == ["/"]


def test_an_address_that_tells_its_platform_is_a_desk_unopened_and_named_by_its_link() -> None:
    listed = '<ul><li>Naturalisation : <a href="/booking/create/7/5/1795000000">ici</a></li></ul>'
    with site({"/": listed}) as served:
        (found,) = looked(served).found
        assert paths(served) == ["/"]
    assert (found.sign.platform, found.url, found.label) == (
        "ezbooking",
        f"{served.address}/booking/create/7",
        "Naturalisation : ici",
    )


def test_a_page_that_embeds_a_desk_leads_to_it_and_nowhere_else() -> None:
    embedding = '<iframe src="/booking/create/9845"></iframe>' + links("/rdv-1")
    with site({"/": embedding, "/booking/create/9845": ez.conditions()}) as served:
        (found,) = looked(served).found
        assert "/rdv-1" not in paths(served)
    assert (found.sign.platform, found.url) == ("ezbooking", f"{served.address}/booking/create/9845")


def test_what_is_unsure_comes_after_what_is_sure_in_the_pages_own_order() -> None:
    page = (
        links("/naturalisation", text="Naturalisation")
        + links("/b", "/a")
        + links("/rendez-vous", text="Ici")
    )
    with site({"/": page}) as served:
        looked(served)
        assert paths(served) == ["/", "/b", "/a", "/rendez-vous", "/naturalisation"]


def test_a_page_that_sends_its_visitors_on_is_followed_there_first() -> None:
    sent = '<meta http-equiv="Refresh" content="0; URL=/la-bas">' + links("/rdv")
    with site({"/": sent}) as served:
        looked(served)
        assert paths(served) == ["/", "/la-bas", "/rdv"]


def test_links_are_read_from_where_a_page_says_they_begin() -> None:
    with site({"/": '<base href="/ailleurs/">' + links("rdv")}) as served:
        looked(served)
        assert paths(served) == ["/", "/ailleurs/rdv"]
