import re
from typing import Any

import pytest
from flask.testing import FlaskClient

ANY, BRACED = r"<(?:\w+:)?(\w+)>", r"{\1}"  # a variable of a route, as Flask and as OpenAPI write it
# What anybody may ask for; a new route that needs no token belongs here.
PUBLIC = {
    *(f"/api/auth/{each}" for each in ("register", "verify-email", "forgot-password", "reset-password", "login", "login/totp")),
    *(f"/api/prefectures{each}" for each in ("", "/{id}", "/{id}/outlook", "/{id}/calendar.ics", "/map")),
    "/api/calendar", "/api/reliability", "/api/detections/stats", "/api/stats", "/api/stats/answers", "/api/support",
    "/api/billing/plans", "/api/billing/terms", "/api/billing/webhook", "/api/telegram/webhook",
    "/api/hooks/sendgrid", "/api/hooks/twilio", "/api/hooks/twilio/calls",
    "/api/health", "/api/health/live", "/api/health/ready",
}  # fmt: skip


@pytest.fixture
def document(bare: FlaskClient) -> dict[str, Any]:
    answer = bare.get("/api/openapi.json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    found: dict[str, Any] = answer.json or {}
    return found


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(method, path): each for path, item in document["paths"].items() for method, each in item.items()}


def test_the_document_lists_exactly_the_routes(bare: FlaskClient, document: dict[str, Any]) -> None:
    served = {
        (method.lower(), re.sub(ANY, BRACED, rule.rule))
        for rule in bare.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/") and not rule.endpoint.startswith("docs.")
    }
    assert set(operations(document)) == served


def test_every_error_is_declared_as_a_problem_also_of_what_reads_a_body(document: dict[str, Any]) -> None:
    for (method, path), operation in operations(document).items():
        for status, response in operation["responses"].items():
            health = path.startswith("/api/health") and status == "503" and "live" not in path
            if int(status) >= 400 and not health:
                assert list(response["content"]) == ["application/problem+json"], (method, path, status)
        assert {"429", "500", "503"} <= set(operation["responses"])
        refuses_bodies = {"400", "413", "415", "422"} <= set(operation["responses"])
        assert refuses_bodies is ("requestBody" in operation), (method, path)


def test_what_needs_a_token_says_so(document: dict[str, Any]) -> None:
    private = {
        key
        for key, operation in operations(document).items()
        if operation.get("security") and {} not in operation["security"]
    }
    assert {path for _, path in operations(document).keys() - private} == PUBLIC
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for key in private:
        assert "401" in operations(document)[key]["responses"]


def test_every_name_at_the_border_is_in_camel_case(document: dict[str, Any]) -> None:
    names = {
        name for schema in document["components"]["schemas"].values() for name in schema.get("properties", {})
    }
    assert {"prefectureId", "slotsAvailable", "isActive"} <= names
    assert [name for name in names if not re.fullmatch(r"[a-z][A-Za-z0-9]*", name)] == []


def test_the_page_shows_every_route_and_loads_nothing_from_elsewhere(
    bare: FlaskClient, document: dict[str, Any]
) -> None:
    page = bare.get("/api/docs")
    assert (page.status_code, page.mimetype) == (200, "text/html")
    for _, path in operations(document):
        assert f"<code>{path}</code>" in page.text
    assert "Problem" in page.text
    assert "A private service: the appointments themselves are free." in page.text
    assert "<code>acceptWaiting</code>:" in page.text
    assert not re.findall(r"<script|<link|src=|https?://(?!spec)", page.text)
