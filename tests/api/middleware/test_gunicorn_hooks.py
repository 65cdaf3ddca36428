import re

import pytest
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser

from api.middleware import gunicorn_hooks
from api.middleware.gunicorn_hooks import on_starting
from deploy.local.ports import usual
from deploy.local.programs import commands


def test_gunicorn_is_started_with_these_hooks() -> None:
    (found,) = re.findall(r"--config python:(\S+)", " ".join(commands(usual(any_port=True))["api"]))
    assert found == on_starting.__module__


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "192.0.2.1"])
def test_no_peer_is_believed_about_scheme_and_path(peer: str) -> None:
    """PROXY_HOPS alone decides, in the app."""
    config = Config()
    for name in config.settings.keys() & vars(gunicorn_hooks).keys():
        config.set(name, getattr(gunicorn_hooks, name))
    sent = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Ssl": "on",
        "SCRIPT_NAME": "/evil",
        "PATH_INFO": "/evil",
    }
    lines = ["GET /login HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in sent.items())]
    raw = "\r\n".join([*lines, "", ""]).encode()
    read = next(RequestParser(config, iter([raw]), (peer, 5000)))
    assert (read.scheme, read.path) == ("http", "/login")
    assert not {"SCRIPT_NAME", "PATH_INFO"} & {name for name, _ in read.headers}
