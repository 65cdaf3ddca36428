"""Routes of /api/reports: what the signed-in user saw of a desk's page."""

from typing import Any

from flask import request

from api.models.base import write_once
from api.models.report import ReportVia
from api.reports.service import NewReport, ReportAnswer, counts_for_something, take_report
from api.web.auth import current_user_id
from api.web.openapi import BODY, declare_errors, make_blueprint

blueprint = make_blueprint(
    "reports", __name__, "/api/reports", "reports", "What people saw of a desk's page", signed_in=True
)


@blueprint.post("", responses={202: ReportAnswer, **declare_errors(*BODY, 401, 404, 409, 429)})
def create_report(body: NewReport) -> tuple[dict[str, Any], int]:
    """Say what a desk's page showed just now; needs no plan. Others are told as soon as somebody else saw it, too."""
    made = write_once(take_report, current_user_id(), body, ReportVia.API, request.remote_addr)
    answer = ReportAnswer(id=made.id, seen_at=made.seen_at, counts=counts_for_something(made))
    return answer.as_json(), 202
