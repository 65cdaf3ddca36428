"""Declarations in the OpenAPI document that all routes share: errors, security, operation ids."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, current_app
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from flask_openapi3.types import ResponseDict
from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from flask_openapi3.openapi import OpenAPI

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
REFRESH: list[dict[str, list[str]]] = [{"refresh": []}]


def declare_errors(*statuses: int) -> ResponseDict:
    """Return the declarations of these errors and of those that every route can answer."""
    return {status: _declare_error(status) for status in (*statuses, *_ALWAYS)}


def make_blueprint(
    name: str, module: str, prefix: str, tag: str, about: str, *, signed_in: bool = False
) -> APIBlueprint:
    """Return a blueprint whose routes stand below `prefix`, and in the document under a tag; `about` describes it.

    `signed_in`: all of them need a token.
    """
    return APIBlueprint(
        name,
        module,
        url_prefix=prefix,
        operation_id_callback=_make_operation_id,
        abp_tags=[Tag(name=tag, description=about)],
        abp_security=BEARER if signed_in else None,
    )


def _make_operation_id(*, name: str, path: str, method: str) -> str:  # noqa: ARG001 -- the library names all three
    """Return the route's name in generated clients: that of its view function, in camelCase."""
    return to_camel(name)


def _declare_error(status: int) -> dict[str, Any]:
    return {"description": _MEANINGS[status], "content": {"application/problem+json": dict(_PROBLEM)}}


def needs_token(endpoint: str | None) -> bool:
    """Return whether the OpenAPI document asks for an access token at an endpoint."""
    if _PROTECTED not in current_app.extensions:
        current_app.extensions[_PROTECTED] = frozenset(_list_protected(current_app))
    return endpoint in current_app.extensions[_PROTECTED]


def _list_protected(app: Flask) -> Iterator[str]:
    paths = cast("OpenAPI", app).api_doc["paths"]
    for rule in app.url_map.iter_rules():
        described = paths.get(_CONVERTER.sub("{", rule.rule).replace(">", "}"), {})
        if any(described.get(each.lower(), {}).get("security") == BEARER for each in rule.methods or ()):
            yield rule.endpoint
