"""Downloads that the JSON API and the pages share: a PDF, and the archive of an export."""

from flask import Response

PDF_TYPE = "application/pdf"


def build_pdf_response(pdf: bytes, name: str) -> Response:
    """Return a PDF, to be shown by the browser and saved under this name."""
    answer = Response(pdf, mimetype=PDF_TYPE)
    answer.headers.set("Content-Disposition", "inline", filename=f"{name}.pdf")
    return answer


def send_export(archive: bytes) -> Response:
    """Return the archive as a download that nothing on the way keeps."""
    response = Response(archive, mimetype="application/octet-stream")
    response.headers.set("Content-Disposition", "attachment", filename="rdvpriority-export.zip")
    response.headers["Cache-Control"] = "no-store"
    return response
