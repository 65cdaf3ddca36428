"""The people of the sandbox: Camille, registered once and entitled at every start, and an operator."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from api.models.alert import Alert
from api.models.base import session
from api.models.user import Contact, Grant, Role, User
from deploy.local import seed as seed_module
from deploy.local.seed import EMAIL, OPERATOR, seed
from deploy.local.stack import Stack


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, database: str) -> list[str]:
    """Return the paths that are called; registering writes the account, an alert its row."""
    called: list[str] = []

    def call(
        _stack: Stack, _method: str, path: str, body: Mapping[str, Any], token: str | None = None
    ) -> Any:
        called.append(path)
        with session() as s:
            if path == "/api/auth/register":
                s.add(User(email=body["email"]))
            elif path == "/api/alerts":
                assert token == "a-token"
                s.add(Alert(user_id=s.scalars(sa.select(User.id).where(User.email == EMAIL)).one()))
        return {"token": "a-token"}

    monkeypatch.setattr(seed_module, "_call", call)
    monkeypatch.setattr(seed_module, "register_webhook", lambda: called.append("webhook"))
    monkeypatch.setattr(seed_module, "register_commands", lambda: called.append("commands"))
    return called


def test_a_second_start_neither_registers_nor_asks_again(calls: list[str], tmp_path: Path) -> None:
    stack = cast("Stack", tmp_path)
    seed(stack)
    assert calls == [
        "/api/auth/register",
        "webhook",
        "commands",
        "/api/auth/login",
        "/api/alerts",
        "/api/alerts",
    ]
    seed(stack)
    assert calls[6:] == ["webhook", "commands"]
    with session() as s:
        people = {user.email: user.role for user in s.scalars(sa.select(User))}
        assert people == {EMAIL: Role.USER, OPERATOR: Role.ADMIN}
        assert s.scalar(sa.select(sa.func.count(Grant.id))) == 1
        assert all(contact.verified_at for contact in s.scalars(sa.select(Contact)))
