from collections.abc import Callable

import pytest
from flask import Flask, Response, g
from flask.testing import FlaskClient

from api.pages.area import Access, Area
from api.pages.headers import build_policy, keep_for_everybody, list_payment_hosts
from tests.clients import Browser

# What is no page: the API, files, and pages whose templates are older than the areas.
_OTHERS = ("/api/", "/static/", "/l/")


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


@pytest.fixture
def plain() -> FlaskClient:
    """Give an app with a page of each kind."""
    made, area = Flask(__name__), Area("area", __name__)

    @area.page("/public", Access.PUBLIC)
    def public() -> str:
        return g.access.value  # type: ignore[no-any-return]

    @area.page("/cookie", Access.PUBLIC)
    def cookie() -> Response:
        response = Response("x")
        response.set_cookie("a", "b")
        return response

    made.register_blueprint(area)
    made.testing = True
    return made.test_client()


def test_a_public_page_is_kept_for_a_minute_by_language(plain: FlaskClient) -> None:
    answer = plain.get("/public")
    assert (answer.text, answer.headers["Cache-Control"]) == ("public", "public, max-age=60")
    assert answer.headers["Vary"] == "Accept-Language, Accept-Encoding"
    again = plain.get("/public", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.text) == (304, "")


def test_a_public_page_that_sets_a_cookie_is_a_mistake(plain: FlaskClient) -> None:
    with pytest.raises(RuntimeError, match="must not set a cookie"):
        plain.get("/cookie")


def test_a_public_page_has_no_form_that_posts() -> None:
    with pytest.raises(ValueError, match="no form that posts"):
        Area("area", __name__).action("/x", Access.PUBLIC)


def test_what_is_kept_already_stays(app: Flask) -> None:
    with app.test_request_context("/"):
        response = Response("x")
        response.set_etag("given")
        assert keep_for_everybody(response).get_etag()[0] == "given"


def test_an_error_page_is_kept_by_nobody(visitor: Browser) -> None:
    visitor.get("/nothing")
    assert visitor.response.headers["Cache-Control"] == "no-store"
    assert visitor.response.headers["Referrer-Policy"] == "same-origin"
