"""A bare Flask route with the same bytes: what the API's own route is compared with."""

import os
from pathlib import Path

from flask import Flask, Response


def create_app() -> Flask:
    """Return an app that answers BENCH_PATH with the bytes of the file BENCH_BODY."""
    app = Flask("bare")
    body = Path(os.environ["BENCH_BODY"]).read_bytes()

    @app.get(os.environ["BENCH_PATH"])
    def show() -> Response:
        return Response(body, mimetype="application/json")

    return app
