"""The download of an export, which the API and the pages share."""

from flask import Response


def send_export(archive: bytes) -> Response:
    """Return the archive as a download that nothing on the way keeps."""
    response = Response(archive, mimetype="application/octet-stream")
    response.headers.set("Content-Disposition", "attachment", filename="rdvpriority-export.zip")
    response.headers["Cache-Control"] = "no-store"
    return response
