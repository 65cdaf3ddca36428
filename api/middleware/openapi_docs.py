"""Routes of /api/openapi.json and of a page that shows it: one HTML file without scripts."""

import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from flask import Blueprint, Response, current_app, render_template
from flask_openapi3.openapi import OpenAPI
from markupsafe import Markup, escape

from api.middleware.openapi_helpers import BEARER, declare_errors
from api.middleware.public_answers import answer_public
from configs.ground.brand import BRAND

INTRODUCTION = (
    "Watches the booking pages of the French prefectures and tells subscribers that a slot has opened. "
    "A private service: the appointments themselves are free. JSON in camelCase; instants are ISO 8601 with Z; "
    "money is integer cents with its currency. Errors are problem details (RFC 9457), their type never changes."
)
_METHODS = ("get", "post", "put", "patch", "delete")

blueprint = Blueprint("docs", __name__, url_prefix="/api")


@blueprint.get("/openapi.json")
def document() -> Response:
    """Return the OpenAPI document."""
    return answer_public(_render_once("openapi.json", _render_json))


@blueprint.get("/docs")
def page() -> Response:
    """Show the OpenAPI document to a person."""
    return answer_public(_render_once("docs", _render_page), "text/html")


def _render_once(name: str, render: Callable[[], bytes]) -> bytes:
    """Return a body that never changes while the process runs, made at the first request for it."""
    made: dict[str, bytes] = current_app.extensions.setdefault("api-documents", {})
    if name not in made:
        made[name] = render()
    return made[name]


def _render_json() -> bytes:
    return current_app.json.dumps(build_document(cast("OpenAPI", current_app))).encode()


def _render_page() -> bytes:
    shown = build_document(cast("OpenAPI", current_app))
    html = render_template(
        "docs.html",
        brand=BRAND,
        document=shown,
        groups=_group_operations(shown),
        pretty=partial(json.dumps, indent=2, ensure_ascii=False),
        said=_render_description,
    )
    return html.encode()


def build_document(app: OpenAPI) -> dict[str, Any]:
    """Return the app's document, without the 422 that the library adds to routes that read no input.

    What a login changes is refused with 403 while the address is not confirmed.
    """
    made: dict[str, Any] = app.api_doc
    for path in made["paths"].values():
        for method, operation in path.items():
            if method != "get" and operation.get("security") == BEARER:
                operation["responses"].setdefault("403", declare_errors(403)[403])
            declared = operation["responses"].get("422", {})
            if "application/json" in declared.get("content", {}):
                del operation["responses"]["422"]
    return made


def _group_operations(document: dict[str, Any]) -> dict[str, list[tuple[str, str, dict[str, Any]]]]:
    """Return (method, path, operation) by tag, in the order of the document's tags."""
    groups: dict[str, list[tuple[str, str, dict[str, Any]]]] = {tag["name"]: [] for tag in document["tags"]}
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                groups[item[method]["tags"][0]].append((method.upper(), path, item[method]))
    return groups


def _render_description(text: str) -> Markup:
    """Return a description as HTML; text between backticks becomes code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 -- escaped before
