"""Areas: blueprints of pages. Each view declares who may see it, which decides on caching, login and form tokens."""

from collections.abc import Callable
from enum import StrEnum
from functools import wraps

from flask import Blueprint, Response, g, make_response
from flask.typing import ResponseReturnValue

from api.pages.headers import forbid_keeping, keep_for_everybody

View = Callable[..., ResponseReturnValue]


class Access(StrEnum):
    """Who may see a page, and who may keep it."""

    PUBLIC = "public"  # everybody, and every cache: it cannot read the login, and has no form that posts
    VISITOR = "visitor"  # everybody; never kept; its forms carry a token of their own
    PERSONAL = "personal"  # the user who is signed in; never kept


class Area(Blueprint):
    """The pages of one part of the product: `templates/<area>/`, `static/` and `texts/` stand beside its routes."""

    def __init__(self, name: str, import_name: str) -> None:
        super().__init__(name, import_name, template_folder="templates")

    def page(self, rule: str, access: Access) -> Callable[[View], View]:
        """Declare a page: a view that answers GET, and changes nothing."""
        return self._declare(rule, access, "GET")

    def action(self, rule: str, access: Access) -> Callable[[View], View]:
        """Declare what a form posts to: a view that answers POST, by 303 or by its form with status 422."""
        if access is Access.PUBLIC:
            raise ValueError(f"{rule}: a public page has no form that posts")
        return self._declare(rule, access, "POST")

    def _declare(self, rule: str, access: Access, method: str) -> Callable[[View], View]:
        def decorate(view: View) -> View:
            guarded = _guard(view, access)
            self.add_url_rule(rule, view.__name__, guarded, methods=[method])
            return guarded

        return decorate


def _guard(view: View, access: Access) -> View:
    @wraps(view)
    def run(**arguments: object) -> Response:
        g.access = access
        response = make_response(view(**arguments))
        return keep_for_everybody(response) if access is Access.PUBLIC else forbid_keeping(response)

    run.access = access  # type: ignore[attr-defined]
    return run
