"""Network address of a request: the peer's, unless PROXY_HOPS names proxies in front."""

from collections.abc import Callable

import pytest
from flask import request

from api.app import create_app

FORWARDED = {"X-Forwarded-For": "198.51.100.7, 203.0.113.9"}


@pytest.mark.parametrize(
    ("hops", "believed"), [("0", "127.0.0.1"), ("1", "203.0.113.9"), ("2", "198.51.100.7")]
)
def test_only_the_named_number_of_proxies_is_believed(
    database: str, redis_server: object, settings_env: Callable[..., None], hops: str, believed: str
) -> None:
    settings_env(PROXY_HOPS=hops)
    app = create_app()
    app.add_url_rule("/who", view_func=lambda: request.remote_addr or "")
    assert app.test_client().get("/who", headers=FORWARDED).text == believed
