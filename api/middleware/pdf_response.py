"""Response with a PDF, for the JSON API and for pages."""

from flask import Response

PDF_TYPE = "application/pdf"


def build_pdf_response(pdf: bytes, name: str) -> Response:
    """Return a PDF, to be shown by the browser and saved under this name."""
    answer = Response(pdf, mimetype=PDF_TYPE)
    answer.headers.set("Content-Disposition", "inline", filename=f"{name}.pdf")
    return answer
