"""The OpenAPI document: what all routes declare in it, its route, and a page that shows it, without scripts."""

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from flask import Blueprint, Flask, Response, current_app, render_template
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from flask_openapi3.types import ResponseDict
from markupsafe import Markup, escape
from pydantic.alias_generators import to_camel
from werkzeug.routing import Rule

from api.web.public_answers import answer_public
from configs.ground.brand import BRAND

if TYPE_CHECKING:
    from flask_openapi3.openapi import OpenAPI

INTRODUCTION = (
    "Watches the booking pages of the French prefectures and tells subscribers that a slot has opened. "
    "A private service: the appointments themselves are free. JSON in camelCase; instants are ISO 8601 with Z; "
    "money is integer cents with its currency. Errors are problem details (RFC 9457), their type never changes."
)
_METHODS = ("get", "post", "put", "patch", "delete")
_CONVERTER = re.compile(r"<([^<:>]+:)?")
_PROTECTED = "rdvpriority-protected"
_PROBLEM = {"schema": {"$ref": "#/components/schemas/Problem"}}
_ALWAYS = (429, 500, 503)
_MEANINGS = {
    400: "The body is no JSON",
    401: "Not signed in, or the token is no longer good",
    402: "A plan is needed, or a larger one: `plans` lists them",
    403: "You may not do this: `type` says why",
    404: "There is no such thing, or it is not yours",
    409: "It conflicts with what there is already",
    410: "It was good once, and is too old now",
    413: "The body is too large",
    415: "The body is not sent as JSON",
    422: "A field is wrong: `errors` names each with its path",
    429: "Too many requests: wait as long as Retry-After says",
    500: "An error of ours, logged under `requestId`",
    503: "Something we need does not answer: try again",
}
BODY = (400, 413, 415, 422)
BEARER: list[dict[str, list[str]]] = [{"bearer": []}]
KEYED: list[dict[str, list[str]]] = [
    *BEARER,
    {"organisationKey": []},
]  # a token, or the API key of an organisation
REFRESH: list[dict[str, list[str]]] = [{"refresh": []}]


def declare_errors(*statuses: int) -> ResponseDict:
    """Return the declarations of these errors and of those that every route can answer."""
    return {
        status: {"description": _MEANINGS[status], "content": {"application/problem+json": dict(_PROBLEM)}}
        for status in (*statuses, *_ALWAYS)
    }


def make_blueprint(
    name: str,
    module: str,
    prefix: str,
    tag: str,
    about: str,
    *,
    signed_in: bool = False,
    takes_keys: bool = False,
) -> APIBlueprint:
    """Return a blueprint whose routes stand below `prefix`, and in the document under a tag; `about` describes it.

    `signed_in`: all of them need a token; `takes_keys`: or the API key of an organisation.
    """
    return APIBlueprint(
        name,
        module,
        url_prefix=prefix,
        operation_id_callback=_make_operation_id,
        abp_tags=[Tag(name=tag, description=about)],
        abp_security=KEYED if takes_keys else BEARER if signed_in else None,
    )


def _make_operation_id(*, name: str, path: str, method: str) -> str:  # noqa: ARG001 -- the library names all three
    """Return the route's name in generated clients: that of its view function, in camelCase."""
    return to_camel(name)


def needs_token(endpoint: str | None) -> bool:
    """Return whether the OpenAPI document asks for an access token at an endpoint."""
    if _PROTECTED not in current_app.extensions:
        current_app.extensions[_PROTECTED] = frozenset(_list_protected(current_app))
    return endpoint in current_app.extensions[_PROTECTED]


def takes_key(endpoint: str | None) -> bool:
    """Return whether an API key of an organisation may stand in for the token at an endpoint."""
    rules = current_app.url_map.iter_rules(endpoint) if endpoint else ()
    return any(
        operation.get("security") == KEYED for rule in rules for operation in find_operations(rule).values()
    )


def _list_protected(app: Flask) -> Iterator[str]:
    for rule in app.url_map.iter_rules():
        described = find_operations(rule)
        if any(
            described.get(each.lower(), {}).get("security") in (BEARER, KEYED) for each in rule.methods or ()
        ):
            yield rule.endpoint


def find_operations(rule: Rule) -> dict[str, dict[str, Any]]:
    """Return what the OpenAPI document says of a route's address, by method in small letters."""
    path = _CONVERTER.sub("{", rule.rule).replace(">", "}")
    found: dict[str, dict[str, Any]] = cast("OpenAPI", current_app).api_doc["paths"].get(path, {})
    return found


blueprint = Blueprint("docs", __name__, url_prefix="/api")


@blueprint.get("/openapi.json")
def document() -> Response:
    """Return the OpenAPI document."""
    app = cast("OpenAPI", current_app)
    return answer_public(_render_once("openapi.json", lambda: app.json.dumps(build_document(app)).encode()))


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


def build_document(app: "OpenAPI") -> dict[str, Any]:
    """Return the app's document, without the 422 that the library adds to routes that read no input.

    What a login changes is refused with 403 while the address is not confirmed.
    """
    made: dict[str, Any] = app.api_doc
    for path in made["paths"].values():
        for method, operation in path.items():
            if method != "get" and operation.get("security") in (BEARER, KEYED):
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
