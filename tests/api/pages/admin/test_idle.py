"""Logins of operators end without use: what an open page asks by itself is none."""

from datetime import timedelta

import pytest
import time_machine

from tests.clients import Browser

_JSON = {"Accept": "application/json"}
POLLS = ["/admin/en-direct", "/notifications/direct"]


@pytest.mark.parametrize("path", POLLS)
def test_an_open_page_keeps_no_login_of_an_operator(
    frozen: time_machine.Traveller, admin: Browser, path: str
) -> None:
    admin.get("/admin")
    for _ in range(30):
        frozen.shift(timedelta(minutes=1))
        assert admin.client.get(path, headers=_JSON).status_code == 200
    frozen.shift(timedelta(minutes=1))
    assert admin.client.get(path, headers=_JSON).status_code == 401
    admin.get("/admin")
    assert admin.location.startswith("/login?next=admin.show_status")


def test_a_page_that_is_opened_keeps_the_login(frozen: time_machine.Traveller, admin: Browser) -> None:
    for _ in range(4):
        frozen.shift(timedelta(minutes=29))
        admin.get("/admin/sites")
        assert admin.status == 200
