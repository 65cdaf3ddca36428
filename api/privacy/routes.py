"""Routes of personal data: a copy of everything, and the deletion of the signed-in user."""

from typing import Any

from flask import Response

from api.ground.background_nudges import ask_job
from api.models.base import read_once, write_once
from api.models.job import MAINTENANCE
from api.privacy.access import DeletionWish, ExportAnswer, delete_signed_in
from api.privacy.exports import open_file, read_export, start_export
from api.web.auth import current_user_id, require_confirmed_address, require_recent_proof
from api.web.openapi import BODY, declare_errors, make_blueprint
from api.web.public_answers import send_export

_ZIP = {
    "description": "The archive",
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}

blueprint = make_blueprint(
    "privacy", __name__, "/api/users", "users", "A copy of everything, and the deletion", signed_in=True
)


@blueprint.get("/export", responses={200: ExportAnswer, 202: ExportAnswer, **declare_errors(401, 403)})
def export_data() -> tuple[dict[str, Any], int]:
    """Get a copy of everything about the account: the first call has it made, 202 until it is, 200 for a day.

    A mail says when it is ready. A day after that the next call has another one made.
    """
    require_confirmed_address()
    export = write_once(start_export, current_user_id())
    if export.ready_at is None and not export.attempts:
        ask_job(MAINTENANCE, "make_exports")
    return ExportAnswer.of(export).as_json(), 200 if export.ready_at else 202


@blueprint.get("/export/file", responses={200: _ZIP, **declare_errors(401, 403, 404)})
def download_export() -> Response:
    """Download the export that is ready. Needs a recent proof: it can reveal a person's immigration status."""
    require_recent_proof()
    export = read_once(read_export, current_user_id())
    return send_export(open_file(export))


@blueprint.delete("/me", responses={204: None, **declare_errors(*BODY, 401, 403, 409)})
def delete_me(body: DeletionWish) -> tuple[str, int]:
    """Delete the account and everything that names its owner, at once. Needs a recent proof.

    While a plan runs the answer is 409 with what is `lost`, until the body says `understood`. A subscription is
    cancelled. Payments stay for the accounts, without a name.
    """
    require_recent_proof()
    delete_signed_in(understood=body.understood)
    return "", 204
