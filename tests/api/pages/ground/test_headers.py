"""Headers of pages, and the files that they load."""

import re
from collections.abc import Callable

from flask import Flask
from flask.testing import FlaskClient

from api.pages.assets import build_asset_url, list_assets, read_asset
from api.pages.headers import build_policy, list_payment_hosts
from configs.ground.brand import BRAND
from tests.clients import Browser
from tests.in_turn import in_turn

# What is no page: the API, files, and pages whose templates are older than the areas.
_OTHERS = ("/api/", "/static/", "/l/")
_SIDES = re.compile(
    r"(?<![\w-])(?:(?:margin|padding|border|inset|scroll-(?:margin|padding))-(?:left|right)|left|right|float|text-align)\s*:\s*([^;}]*)"
)


def test_every_page_declares_who_may_see_and_keep_it(app: Flask) -> None:
    undeclared = [
        rule.rule
        for rule in app.url_map.iter_rules()
        if not rule.rule.startswith(_OTHERS) and not hasattr(app.view_functions[rule.endpoint], "access")
    ]
    assert undeclared == []


def test_the_policy_denies_by_default_and_lets_forms_lead_to_stripe(
    settings_env: Callable[..., None],
) -> None:
    policy = build_policy(list_payment_hosts())
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "form-action 'self' https://checkout.stripe.com https://billing.stripe.com;" in policy
    settings_env(STAND_INS="stripe=http://127.0.0.1:8025/stripe")
    assert "form-action 'self' http://127.0.0.1:8025;" in build_policy(list_payment_hosts())


def test_an_error_page_is_kept_by_nobody_and_other_names_lead_to_no_file(visitor: Browser) -> None:
    visitor.get("/nothing")
    assert visitor.response.headers["Cache-Control"] == "no-store"
    assert visitor.response.headers["Referrer-Policy"] == "same-origin"
    for name in ("nothing.css", "../base.html", "%2e%2e/area.py", "start.js/", "texts/ar.po"):
        assert visitor.client.get(f"/static/x/{name}").status_code == 404, name


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


@in_turn("name", [name for name in list_assets() if name.endswith(".css")])
def test_styles_follow_the_direction_of_writing_and_take_colours_from_the_tokens(name: str) -> None:
    css = list_assets()[name].read_text()
    assert [found for found in _SIDES.findall(css) if found not in ("start", "end", "center")] == []
    assert name == "tokens.css" or re.findall(r"#[0-9a-fA-F]{3,8}\b(?![^{]*\{)", css) == []


@in_turn("name", ["tokens.css", "mark.svg"])
def test_styles_and_pictures_get_the_brands_colour(name: str) -> None:
    sent = read_asset(name).decode()
    assert BRAND in sent
    assert "$" not in sent
