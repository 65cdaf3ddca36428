import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.pages.asset_files import build_asset_url, list_assets, read_asset
from configs.ground.brand import BRAND

_SIDES = re.compile(
    r"(?<![\w-])(?:(?:margin|padding|border|inset|scroll-(?:margin|padding))-(?:left|right)|left|right|float|text-align)\s*:\s*([^;}]*)"
)


def test_a_file_is_kept_for_a_year_under_the_digest_of_all(app: Flask, client: FlaskClient) -> None:
    with app.test_request_context():
        url = build_asset_url("base.css")
    answer = client.get(url, headers={"Accept-Encoding": "gzip"})
    assert (answer.status_code, answer.mimetype, answer.data) == (200, "text/css", read_asset("base.css"))
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "X-RateLimit-Limit" not in answer.headers
    again = client.get(url, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    old = client.get("/static/old/base.css")
    assert (old.status_code, old.headers["Cache-Control"]) == (200, "no-store")


@pytest.mark.parametrize(
    "name", ["nothing.css", "../base.html", "%2e%2e/area.py", "start.js/", "texts/ar.po"]
)
def test_nothing_else_is_sent(client: FlaskClient, name: str) -> None:
    assert client.get(f"/static/x/{name}").status_code == 404


def test_a_file_that_does_not_exist_is_a_mistake_of_the_template(app: Flask) -> None:
    with app.test_request_context(), pytest.raises(KeyError, match="no static/ folder"):
        build_asset_url("nothing.css")


@pytest.mark.parametrize("name", [name for name in list_assets() if name.endswith(".css")])
def test_styles_follow_the_direction_of_writing(name: str) -> None:
    css = list_assets()[name].read_text()
    assert [found for found in _SIDES.findall(css) if found not in ("start", "end", "center")] == []


@pytest.mark.parametrize(
    "name", [name for name in list_assets() if name.endswith(".css") and name != "tokens.css"]
)
def test_colours_come_from_the_tokens(name: str) -> None:
    css = list_assets()[name].read_text()
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?![^{]*\{)", css) == []


@pytest.mark.parametrize("name", [name for name in list_assets() if name.endswith(".js")])
def test_a_script_is_short(name: str) -> None:
    assert len(list_assets()[name].read_text().splitlines()) <= 100


@pytest.mark.parametrize("name", ["tokens.css", "mark.svg"])
def test_styles_and_pictures_get_the_brands_colour(name: str) -> None:
    sent = read_asset(name).decode()
    assert BRAND in sent
    assert "$" not in sent
