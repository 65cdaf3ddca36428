"""Files and heads for programs: robots.txt, sitemap.xml, security.txt, and the heads of public pages."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import time_machine
from flask import Flask
from flask.testing import FlaskClient

from api.pages.area import Access
from api.pages.open_web.routes import PAGES
from configs.ground.clock import clock
from tests.clients import Browser

FRONT = "https://front.example"
# Public, but nothing for search engines.
_FILES = {
    "channels.send_push_worker",
    "open_web.send_robots",
    "open_web.send_sitemap",
    "open_web.send_security",
    "map.show_parts",
    "status.show_live",
}


def list_urls(client: FlaskClient) -> list[str]:
    answer = client.get("/sitemap.xml")
    assert (answer.status_code, answer.mimetype) == (200, "application/xml")
    assert answer.text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<urlset ')
    return re.findall("<url><loc>([^<&]+)</loc></url>", answer.text)


def test_robots_leave_the_api_alone_and_find_the_sitemap(client: FlaskClient) -> None:
    answer = client.get("/robots.txt")
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    assert answer.text.splitlines()[:2] == ["User-agent: *", "Disallow: /api/"]
    assert f"Sitemap: {FRONT}/sitemap.xml" in answer.text.splitlines()


def test_the_sitemap_has_each_page_once_in_each_language(client: FlaskClient) -> None:
    urls = list_urls(client)
    assert len(urls) == len(set(urls))
    for page in (
        "/",
        "/calendrier",
        "/fiabilite",
        "/departements/bobigny_93",
        "/departements/melun_77/titre-sejour",
    ):
        assert {f"{FRONT}{page}?lang={language}" for language in ("fr", "en", "ar")} <= set(urls), page
    assert f"{FRONT}/departements/cergy_95/visa?lang=fr" not in urls  # no desk serves it


def test_every_listed_page_exists_and_names_itself(
    client: FlaskClient, browse: Callable[..., Browser]
) -> None:
    french = [url for url in list_urls(client) if url.endswith("lang=fr")]
    own = [url for url in french if "/departements/" not in url] + [
        url for url in french if "/melun_77" in url
    ]
    for url in own:
        page = browse().get(url.removeprefix(FRONT))
        heads = [at for name, at in page.tags if name in ("link", "meta")]
        assert [at["href"] for at in heads if at.get("rel") == "canonical"] == [url]
        others = {at["hreflang"]: at["href"] for at in heads if at.get("rel") == "alternate"}
        assert others["ar"] == url.replace("lang=fr", "lang=ar")
        assert others["x-default"] == url.removesuffix("?lang=fr")
        (description,) = (at["content"] for at in heads if at.get("name") == "description")
        assert 30 < len(description) < 300
        assert not [at for at in heads if at.get("name") == "robots"], url


def test_every_public_page_without_parameters_is_listed(app: Flask) -> None:
    public = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if getattr(app.view_functions[rule.endpoint], "access", None) is Access.PUBLIC and not rule.arguments
    }
    assert public - _FILES == set(PAGES)


def test_filters_are_no_pages_of_their_own(visitor: Browser) -> None:
    page = visitor.get("/calendrier?prefecture=bobigny_93&lang=en")
    assert f'<link rel="canonical" href="{FRONT}/calendrier?lang=en">' in page.html


def test_security_txt_is_as_rfc_9116_wants_it(
    client: FlaskClient, settings_env: Callable[..., None], frozen: time_machine.Traveller
) -> None:
    assert client.get("/.well-known/security.txt").status_code == 404, "without an address"
    settings_env(SUPPORT_EMAIL="assistance@example.org")
    answer = client.get("/.well-known/security.txt")
    fields = dict(re.findall(r"(?m)^([\w-]+): (.+)$", answer.text))
    assert (answer.mimetype, fields["Contact"]) == ("text/plain", "mailto:assistance@example.org")
    left = datetime.fromisoformat(fields["Expires"]) - clock()
    assert timedelta(days=30) < left < timedelta(days=365)
    assert fields["Canonical"] == f"{FRONT}/.well-known/security.txt"
    frozen.shift(timedelta(hours=3))
    assert client.get("/.well-known/security.txt").text == answer.text
