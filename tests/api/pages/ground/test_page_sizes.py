"""Bytes of each page with all that it loads, as a browser without a cache gets them."""

import gzip
import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from api.models.base import session
from configs.settings import PREFECTURES
from tests.api.pages.accounts import create_account, sign_in
from tests.api.pages.browser import Browser

MOST, MOST_SCRIPTS = 60_000, 20_000
TAKES = {"Accept": "text/html", "Accept-Encoding": "gzip"}
FILE = re.compile(r"/static/[\w/.-]+")
# Desks with slots opened in every hour of the week: their advice has most to tell.
HISTORY = """
INSERT INTO desks (id, status) SELECT unnest(CAST(:desks AS text[])), 'ACTIVE';
INSERT INTO slots (desk_id, place_key, moment, url, opened_at, seen_at, gone_at, gone_reason)
  SELECT desk, 'p' || n, '2027-03-01', 'https://x.example/', t, t, t + interval '9 minutes', 'taken'
  FROM unnest(CAST(:desks AS text[])) desk, generate_series(1, 336) n,
    LATERAL (SELECT now() - n * interval '5 hours' AS t) opened;
INSERT INTO check_days (desk_id, day, checks, proven, outcomes, openings, updated_at)
  SELECT desk, current_date - n, 700, 690, '{}', 5, now()
  FROM unnest(CAST(:desks AS text[])) desk, generate_series(1, 80) n;
"""


@pytest.fixture
def shipped(app: Flask, settings_env: Callable[..., None]) -> Flask:
    """Give the app all the departments, the largest of which has a history."""
    settings_env(PREFECTURES_DIR=PREFECTURES)
    from configs.prefecture import prefectures

    nanterre = [desk.id for desk in prefectures()["nanterre_92"].desks]
    with session() as s:
        s.execute(sa.text(HISTORY), {"desks": nanterre})
    return app


def weigh(client: FlaskClient, path: str) -> tuple[int, int]:
    """Return the bytes of a page with all that it loads, and those of its scripts; each with its headers."""

    def fetch(url: str) -> tuple[str, int]:
        answer = client.get(url, headers=TAKES)
        assert answer.status_code == 200, url
        body = gzip.decompress(answer.data) if "Content-Encoding" in answer.headers else answer.data
        return body.decode(errors="replace"), len(answer.data) + len(str(answer.headers))

    html, size = fetch(path)
    loaded = {url: fetch(url)[1] for url in set(FILE.findall(html))}
    assert len(loaded) >= 3, "its styles and start.js at least"
    return size + sum(loaded.values()), sum(each for url, each in loaded.items() if url.endswith(".js"))


def list_pages(app: Flask, *, personal: bool) -> list[str]:
    """Return the addresses of all pages that need nothing in their address."""
    views = app.view_functions
    return [
        rule.rule
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ())
        and not rule.arguments
        and getattr(views[rule.endpoint], "is_personal", None) is personal
    ]


def test_every_page_is_light(shipped: Flask) -> None:
    create_account()
    browsers = {False: Browser(shipped), True: sign_in(Browser(shipped))}
    heaviest = [
        "/departements/nanterre_92",
        "/departements/nanterre_92/titre-sejour",
        "/departements?lang=ar",
    ]
    seen = 0
    for personal, browser in browsers.items():
        for path in list_pages(shipped, personal=personal) + (heaviest if not personal else []):
            answer = browser.client.get(path, headers=TAKES)
            if answer.status_code != 200 or answer.mimetype != "text/html":
                continue  # it leads elsewhere, is no page, or needs more in its address
            size, scripts = weigh(browser.client, path)
            assert (size <= MOST, scripts <= MOST_SCRIPTS) == (True, True), f"{path}: {size}, {scripts}"
            seen += 1
    assert seen >= 25
