"""Route of /api/reliability: the public ledger."""

from flask import Response

from api.reliability.queries import CACHE_KEY, Reliability, read_reliability
from api.web.openapi import declare_errors, make_blueprint
from api.web.public_answers import answer_cached

blueprint = make_blueprint(
    "reliability", __name__, "/api/reliability", "reliability", "How well we kept our word"
)


@blueprint.get("", responses={200: Reliability, **declare_errors()})
def show_reliability() -> Response:
    """Show for thirty days how fast alerts were accepted, which failed, outages, and what was given back."""
    return answer_cached(CACHE_KEY, read_reliability)
