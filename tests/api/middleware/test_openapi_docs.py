import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from flask_openapi3.openapi import OpenAPI

from api.middleware import openapi_docs

ANY, BRACED = r"<(?:\w+:)?(\w+)>", r"{\1}"  # a variable of a route, as Flask and as OpenAPI write it
EXPECTED = {
    ("post", "/api/auth/register"), ("get", "/api/auth/me"),
    ("post", "/api/auth/verify-email"), ("post", "/api/auth/verify-email/again"),
    ("post", "/api/auth/forgot-password"), ("post", "/api/auth/reset-password"), ("post", "/api/auth/change-password"),
    ("post", "/api/auth/login"), ("post", "/api/auth/login/totp"), ("post", "/api/auth/refresh"),
    ("post", "/api/auth/logout"), ("post", "/api/auth/logout-all"), ("post", "/api/auth/prove"),
    ("get", "/api/auth/logins"), ("delete", "/api/auth/logins/{id}"),
    ("post", "/api/auth/totp"), ("post", "/api/auth/totp/confirm"), ("delete", "/api/auth/totp"),
    ("post", "/api/auth/totp/recovery-codes"),
    ("get", "/api/alerts"), ("post", "/api/alerts"), ("delete", "/api/alerts/{id}"),
    ("patch", "/api/alerts/{id}/toggle"), ("get", "/api/alerts/{id}"), ("patch", "/api/alerts/{id}"),
    ("post", "/api/alerts/{id}/test"), ("post", "/api/alerts/{id}/found"),
    ("put", "/api/alerts/{id}/reminders"), ("post", "/api/alerts/{id}/answers"),
    ("get", "/api/prefectures"), ("get", "/api/prefectures/{id}"), ("get", "/api/prefectures/{id}/outlook"),
    ("get", "/api/prefectures/map"), ("get", "/api/prefectures/{id}/calendar.ics"), ("get", "/api/calendar"),
    ("get", "/api/reliability"),
    ("get", "/api/detections"), ("get", "/api/detections/{id}"), ("get", "/api/detections/stats"),
    ("get", "/api/notifications"),
    ("get", "/api/notices"), ("post", "/api/notices/{id}/read"), ("post", "/api/notices/read-all"),
    ("get", "/api/stats"), ("get", "/api/stats/answers"), ("post", "/api/support"), ("post", "/api/telegram/webhook"),
    ("post", "/api/hooks/sendgrid"), ("post", "/api/hooks/twilio"),
    ("post", "/api/hooks/twilio/calls"),
    ("get", "/api/billing/plans"), ("get", "/api/billing/terms"), ("get", "/api/billing/quote"),
    ("post", "/api/billing/checkout"), ("get", "/api/billing/history"), ("post", "/api/billing/cancel"),
    ("post", "/api/billing/cancel/undo"),
    ("post", "/api/billing/withdraw"), ("get", "/api/billing/invoices"), ("get", "/api/billing/invoices/{id}"),
    ("post", "/api/billing/portal"), ("post", "/api/billing/webhook"), ("post", "/api/billing/closed-desk-refund"),
    ("patch", "/api/users/profile"), ("patch", "/api/users/notifications"), ("get", "/api/users/notifications"),
    ("post", "/api/users/phone/verify"),
    ("get", "/api/users/push-devices"), ("post", "/api/users/push-devices"), ("delete", "/api/users/push-devices/{id}"),
    ("get", "/api/users/telegram-link"), ("post", "/api/users/telegram-link"),
    ("post", "/api/users/telegram-link/confirm"),
    ("get", "/api/users/export"), ("get", "/api/users/export/file"), ("delete", "/api/users/me"),
    ("get", "/api/health"), ("get", "/api/health/live"), ("get", "/api/health/ready"),
}  # fmt: skip
SIGNED_IN = {"/api/detections", "/api/detections/{id}", "/api/notifications"} | {
    f"/api/notices{path}" for path in ("", "/{id}/read", "/read-all")
} | {
    f"/api/auth/{path}"
    for path in ("me", "verify-email/again", "change-password", "refresh", "logout", "logout-all", "prove", "logins",
                 "logins/{id}", "totp", "totp/confirm", "totp/recovery-codes")
}  # fmt: skip
SIGNED_IN |= {
    f"/api/billing/{path}"
    for path in (
        "quote",
        "checkout",
        "history",
        "cancel",
        "cancel/undo",
        "portal",
        "closed-desk-refund",
        "withdraw",
        "invoices",
        "invoices/{id}",
    )
}


@pytest.fixture
def document(bare: FlaskClient) -> dict[str, Any]:
    answer = bare.get("/api/openapi.json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    found: dict[str, Any] = answer.json or {}
    return found


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(method, path): each for path, item in document["paths"].items() for method, each in item.items()}


def test_the_document_lists_exactly_the_routes(bare: FlaskClient, document: dict[str, Any]) -> None:
    assert set(operations(document)) == EXPECTED
    served = {
        (method.lower(), re.sub(ANY, BRACED, rule.rule))
        for rule in bare.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/") and not rule.endpoint.startswith("docs.")
    }
    assert served == EXPECTED


def test_every_error_is_declared_as_a_problem(document: dict[str, Any]) -> None:
    for (method, path), operation in operations(document).items():
        for status, response in operation["responses"].items():
            health = path.startswith("/api/health") and status == "503" and "live" not in path
            if int(status) >= 400 and not health:
                assert list(response["content"]) == ["application/problem+json"], (method, path, status)
        assert {"429", "500", "503"} <= set(operation["responses"])


def test_what_reads_a_body_declares_how_it_refuses_one(document: dict[str, Any]) -> None:
    for operation in operations(document).values():
        reads = "requestBody" in operation
        assert ({"400", "413", "415", "422"} <= set(operation["responses"])) is reads


def test_what_needs_a_token_says_so(document: dict[str, Any]) -> None:
    private = {
        key
        for key, operation in operations(document).items()
        if operation.get("security") and {} not in operation["security"]
    }
    assert private == {
        key
        for key in EXPECTED
        if any(part in key[1] for part in ("alerts", "admin", "/users/")) or key[1] in SIGNED_IN
    }
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for key in private:
        assert "401" in operations(document)[key]["responses"]


def test_every_name_at_the_border_is_in_camel_case(document: dict[str, Any]) -> None:
    names = {
        name for schema in document["components"]["schemas"].values() for name in schema.get("properties", {})
    }
    assert {"prefectureId", "slotsAvailable", "isActive"} <= names
    assert [name for name in names if not re.fullmatch(r"[a-z][A-Za-z0-9]*", name)] == []


def test_the_page_shows_every_route_and_loads_nothing_from_elsewhere(bare: FlaskClient) -> None:
    page = bare.get("/api/docs")
    assert (page.status_code, page.mimetype) == (200, "text/html")
    for _, path in EXPECTED:
        assert f"<code>{path}</code>" in page.text
    assert "Problem" in page.text
    assert "A private service: the appointments themselves are free." in page.text
    assert "<code>acceptWaiting</code>:" in page.text
    assert not re.findall(r"<script|<link|src=|https?://(?!spec)", page.text)


@pytest.mark.parametrize("path", ["/api/openapi.json", "/api/docs"])
def test_a_document_is_rendered_once_in_a_process(
    client: FlaskClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    build = openapi_docs.build_document

    def count(app: OpenAPI) -> dict[str, Any]:
        made.append(app)
        return build(app)

    monkeypatch.setattr(openapi_docs, "build_document", count)
    monkeypatch.setitem(client.application.extensions, "api-documents", {})
    bodies = {client.get(path).data for _ in range(3)}
    assert (len(bodies), len(made)) == (1, 1)
