"""A lost second factor ends by support: asked for, told to every contact, kept by each way of its owner, or ended."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pyotp
import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from api.auth import factor_end
from api.auth.second_factor import hash_recovery_code
from api.jobs import schedule as jobs
from api.models.audit import AuditEntry
from api.models.base import session
from api.models.notification import Notification, State
from api.models.user import Channel, Contact, ContactState, Role, User
from configs.ground import signing
from configs.ground.addresses import digest
from configs.ground.clock import clock
from notifier.content.message_kind_base import Skip, TemplateContext
from tests.api.messages import prepare
from tests.api.world import Door
from tests.clients import Browser, seat_operator, sign_in
from tests.factories import EMAIL, PASSWORD, add_account, add_contact, change, get, rows
from tests.refused_writes import broken_row

SECRET, RECOVERY = "A" * 32, "abcde-fghjk"
NEW_ADDRESS, FORMER = "camille2@example.org", "camille.before@example.org"
DAY = timedelta(days=1)
WAIT = 7 * DAY
KEPT, ENDED = "reste en place", "n’a plus de second facteur"
pytestmark = pytest.mark.usefixtures("frozen")


@dataclass
class World:
    """Camille, who has a second factor, with what reaches the product."""

    app: Flask
    client: FlaskClient
    id: UUID

    def operate(self, path: str, role: Role = Role.SUPPORT, **fields: str) -> Browser:
        """Open an operator's form of her account in a new login, and send it."""
        name = f"{role.value}{len(rows(User))}@example.org"
        browser = seat_operator(self.app, role, email=name)
        browser.get(f"/admin/utilisateurs/{self.id}/second-facteur/{path}")
        browser.send(f"/second-facteur/{path}", **fields)
        return browser

    def ask(self) -> datetime:
        browser = self.operate("fin", reason="she wrote from camille@example.org")
        assert browser.status == 303, browser.page.text
        ends_at = self.read().factor_ends_at
        assert ends_at
        return ends_at

    def read(self) -> User:
        return get(User, self.id)

    def browse(self) -> Browser:
        browser = Browser(self.app)
        browser.give_login(self.id)
        return browser

    def write_link(self, link: signing.Link | None = None) -> str:
        ends_at = self.read().factor_ends_at or clock()
        return (
            f"/l/{signing.write_token(link or signing.KeepSecondFactor(self.id, int(ends_at.timestamp())))}"
        )

    def finish_login(self, code: str) -> int:
        given = self.client.post("/api/auth/login", json={"email": EMAIL, "password": PASSWORD}).json or {}
        body = {"challenge": given["challenge"], "code": code}
        return self.client.post("/api/auth/login/totp", json=body).status_code

    def find_mailbox(self) -> UUID:
        found: UUID = next(
            each.id for each in rows(Contact) if (each.user_id, each.channel) == (self.id, Channel.EMAIL)
        )
        return found


@pytest.fixture
def world(app: Flask, client: FlaskClient) -> World:
    user_id = add_account().id
    hashes = [hash_recovery_code(SECRET, RECOVERY)]
    change(
        User, User.id == user_id, totp_secret=SECRET, totp_confirmed_at=clock() - DAY, recovery_hashes=hashes
    )
    return World(app, client, user_id)


def told() -> list[Notification]:
    return [each for each in rows(Notification) if each.kind == "factor_end"]


def actions(action: str) -> list[AuditEntry]:
    return [each for each in rows(AuditEntry) if each.action == action]


def test_every_contact_is_told_whatever_is_switched_off(world: World, door: Door) -> None:
    now = clock()
    change(Contact, former_address=FORMER, moved_at=now)
    add_contact(world.id, Channel.SMS, "+33612345678")
    add_contact(world.id, Channel.TELEGRAM, "987654")
    add_contact(world.id, Channel.PUSH)
    change(Contact, enabled=False)
    ends_at = world.ask()
    assert ends_at == clock() + WAIT
    found = {(row.channel, row.params.get("to")) for row in told()}
    assert found == {
        (Channel.EMAIL, None), (Channel.EMAIL, FORMER), (Channel.SMS, None), (Channel.TELEGRAM, None),
        (Channel.PUSH, None),
    }  # fmt: skip
    assert {row.id for row in told()} <= set(door.nudged)
    for row in told():
        made = prepare(row)
        assert isinstance(made, TemplateContext)
        assert (made.address, "/l/factor." in (made.url or "")) == (row.params.get("to"), True)
    (entry,) = actions("user.end_factor")
    assert (entry.subject_id, "camille@" in entry.changes["reason"]) == (str(world.id), False)
    assert entry.actor_kind == "support"


def by_code(world: World) -> None:
    assert world.finish_login(pyotp.TOTP(SECRET).at(clock())) == 200


def by_recovery_code(world: World) -> None:
    assert world.finish_login(RECOVERY) == 200


def by_proof(world: World) -> None:
    body = {"password": PASSWORD, "code": pyotp.TOTP(SECRET).at(clock())}
    headers = sign_in(world.app, world.id).headers
    assert world.client.post("/api/auth/prove", json=body, headers=headers).status_code == 200


def by_new_codes(world: World) -> None:
    browser = world.browse()
    browser.get("/securite")
    browser.send("/securite/codes")
    assert browser.status == 200


def by_page(world: World) -> None:
    browser = world.browse()
    page = browser.get("/securite")
    assert "prend fin le" in page.text
    browser.send("/securite/garder-le-second-facteur")
    page = browser.follow()
    assert ("Votre second facteur reste en place." in page.text, "prend fin le" in page.text) == (True, False)


def by_link(world: World) -> None:
    path = world.write_link()
    for _ in range(2):
        assert "prend fin le" in world.client.get(path).text
    assert world.read().factor_ends_at, "a GET does not act"
    for _ in range(2):
        assert KEPT in world.client.post(path).text


def by_operator(world: World) -> None:
    browser = world.operate("garder")
    assert "reste en place" in browser.follow().text
    assert len(actions("user.keep_factor")) == 1


def by_mailbox(world: World) -> None:
    change(Contact, former_address=FORMER, moved_at=clock())
    token = signing.write_token(signing.ReturnAddress(world.find_mailbox(), digest(FORMER)))
    assert "Votre compte est revenu" in world.client.post(f"/l/{token}").text


def by_move(world: World) -> None:
    headers = sign_in(world.app, world.id).headers
    world.client.patch("/api/users/profile", json={"email": NEW_ADDRESS}, headers=headers)
    version = world.read().token_version
    token = signing.write_token(signing.VerifyAddress(world.find_mailbox(), digest(NEW_ADDRESS), new=version))
    answer = world.client.post("/api/auth/verify-email", json={"token": token}, headers=headers)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "object_",
    [by_code, by_recovery_code, by_proof, by_new_codes, by_page, by_link, by_operator, by_mailbox, by_move],
)
def test_each_way_keeps_it(
    world: World, frozen: time_machine.Traveller, object_: Callable[[World], None]
) -> None:
    world.ask()
    frozen.shift(6 * DAY)
    object_(world)
    assert world.read().factor_ends_at is None
    (row,) = told()
    assert prepare(row) == Skip(State.EXPIRED, "the second factor was kept, or has ended")
    frozen.shift(2 * DAY)
    assert jobs.end_lost_factors() == {"ended": 0, "failed": 0}
    assert world.read().has_second_factor


def test_its_owner_may_remove_it_meanwhile(world: World, frozen: time_machine.Traveller) -> None:
    world.ask()
    browser = world.browse()
    browser.get("/securite")
    browser.send("/securite/sans-application")
    frozen.shift(WAIT)
    assert jobs.end_lost_factors() == {"ended": 0, "failed": 0}
    assert (world.read().has_second_factor, len(told())) == (False, 1)


def test_it_ends_after_the_waiting_time_and_the_password_alone_signs_in(
    world: World, frozen: time_machine.Traveller, door: Door
) -> None:
    world.ask()
    login = {"email": EMAIL, "password": PASSWORD}
    frozen.shift(WAIT - timedelta(seconds=1))
    assert jobs.end_lost_factors() == {"ended": 0, "failed": 0}
    assert "challenge" in (world.client.post("/api/auth/login", json=login).json or {})
    frozen.shift(timedelta(seconds=1))
    assert [jobs.end_lost_factors() for _ in range(2)] == [
        {"ended": 1, "failed": 0},
        {"ended": 0, "failed": 0},
    ]
    user = world.read()
    assert (user.has_second_factor, user.factor_ends_at, user.recovery_hashes) == (False, None, [])
    wrong = world.client.post("/api/auth/login", json=login | {"password": "not the password"})
    assert wrong.status_code == 401
    assert "token" in (world.client.post("/api/auth/login", json=login).json or {})
    ended = [row for row in told() if row.params["ended"]]
    assert [row.channel for row in ended] == [Channel.EMAIL]
    assert ended[0].id in door.nudged
    made = prepare(ended[0])
    assert isinstance(made, TemplateContext)
    assert str(made.url).endswith("/securite")
    (entry,) = actions("user.factor_ended")
    assert (entry.subject_id, entry.actor_kind) == (str(world.id), "command")


def test_an_account_that_fails_keeps_no_other_from_its_end(
    world: World, frozen: time_machine.Traveller
) -> None:
    world.ask()
    second = add_account("other@example.org").id
    change(
        User, User.id == second, totp_secret=SECRET, totp_confirmed_at=clock(), factor_ends_at=clock() + WAIT
    )
    frozen.shift(WAIT)
    with broken_row("users", "id", world.id):
        assert jobs.end_lost_factors() == {"ended": 1, "failed": 1}
    assert not get(User, second).has_second_factor
    assert world.read().has_second_factor
    assert jobs.end_lost_factors() == {"ended": 1, "failed": 0}


def test_asking_again_shortens_nothing_and_waits_a_day(world: World, frozen: time_machine.Traveller) -> None:
    ends_at = world.ask()
    assert world.finish_login("000000") == 401, "neither a wrong code nor a password alone keeps it"
    frozen.shift(timedelta(hours=2))
    again = world.operate("fin", reason="again")
    assert (again.status, "ne raccourcit rien" in again.page.text) == (422, True)
    assert world.read().factor_ends_at == ends_at
    world.client.post(world.write_link())
    for hours, status in ((20, 422), (2, 303)):
        frozen.shift(timedelta(hours=hours))
        assert world.operate("fin", reason="again").status == status
    assert world.read().factor_ends_at == clock() + WAIT
    assert len(told()) == 2


@pytest.mark.parametrize(
    ("of", "by", "words"),
    [
        (Role.USER, Role.SUPPORT, ""),
        (Role.ADMIN, Role.SUPPORT, "seul un administrateur"),
        (Role.SUPPORT, Role.ADMIN, ""),
    ],
)
def test_who_may_ask_for_whose_account(world: World, of: Role, by: Role, words: str) -> None:
    change(User, User.id == world.id, role=of)
    browser = world.operate("fin", by, reason="a test")
    assert (browser.status, world.read().factor_ends_at is None) == ((422, True) if words else (303, False))
    assert words in browser.page.text
    assert len(told()) == (0 if words else 1)


def test_it_does_not_end_where_no_contact_can_be_told(world: World, frozen: time_machine.Traveller) -> None:
    change(Contact, state=ContactState.BOUNCED)
    refused = world.operate("fin", reason="her mailbox is gone")
    assert (refused.status, "ne peut être prévenu" in refused.page.text) == (422, True)
    assert (world.read().factor_ends_at, told(), actions("user.end_factor")) == (None, [], [])
    change(Contact, state=ContactState.OK)
    world.ask()
    change(Contact, state=ContactState.BOUNCED)
    frozen.shift(WAIT)
    assert jobs.end_lost_factors() == {"ended": 0, "failed": 0}
    user = world.read()
    assert (user.has_second_factor, user.factor_ends_at, len(told())) == (True, None, 1)


def test_what_support_asked_for_does_not_end_the_factor_of_an_operator(world: World) -> None:
    world.ask()
    admin = seat_operator(world.app, Role.ADMIN, email="admin@example.org")
    admin.get(f"/admin/utilisateurs/{world.id}/role")
    admin.send("/role", role="support", typed=EMAIL)
    user = world.read()
    assert (user.role, user.factor_ends_at) == (Role.SUPPORT, None)


def test_nobody_asks_for_the_own_account_without_a_reason_or_for_nothing(world: World) -> None:
    assert world.operate("fin", reason=" ").status == 422
    assert world.operate("garder").status == 422, "nothing is to be kept"
    change(User, User.id == world.id, role=Role.ADMIN)
    own = world.browse()
    own.get(f"/admin/utilisateurs/{world.id}/second-facteur/fin")
    own.send("/second-facteur/fin", reason="mine")
    assert "votre propre compte" in own.page.text
    change(User, User.id == world.id, totp_secret=None, totp_confirmed_at=None, role=Role.USER)
    assert "pas de second facteur" in world.operate("fin", reason="x").page.text
    assert (told(), actions("user.end_factor")) == ([], [])


def test_a_link_of_something_else_keeps_nothing(world: World, frozen: time_machine.Traveller) -> None:
    ends_at = world.ask()
    other = add_account("other@example.org").id
    moment = int(ends_at.timestamp())
    expected: list[tuple[signing.Link, int, str]] = [
        (signing.KeepSecondFactor(other, moment), 200, ENDED),  # it has none
        (signing.KeepSecondFactor(world.id, moment - 1), 200, "demande plus ancienne"),
        (signing.KeepSecondFactor(UUID(int=7), moment), 200, "demande plus ancienne"),
        (signing.ShowProof(world.id), 405, ""),
    ]
    for link, status, words in expected:
        answer = world.client.post(world.write_link(link))
        assert (answer.status_code, words in answer.text) == (status, True), link
    assert world.client.post(world.write_link()[:-4] + "AAAA").status_code == 400
    assert world.read().factor_ends_at == ends_at
    path = world.write_link()
    frozen.shift(WAIT)
    jobs.end_lost_factors()
    for answer in (world.client.get(path), world.client.post(path)):
        assert (answer.status_code, ENDED in answer.text) == (200, True)
    assert not world.read().has_second_factor


@pytest.mark.parametrize("first", ["job", "link"])
def test_of_an_objection_and_the_job_at_once_one_wins_and_the_page_says_which(
    world: World, frozen: time_machine.Traveller, first: str
) -> None:
    """The second waits for the row, which the first has changed and not committed yet."""
    world.ask()
    path = world.write_link()
    frozen.shift(WAIT)
    later: dict[str, Callable[[], Any]] = {
        "job": jobs.end_lost_factors,
        "link": lambda: world.client.post(path).text,
    }
    second = "link" if first == "job" else "job"
    with ThreadPoolExecutor(1) as pool:
        with session() as s:
            if first == "job":
                factor_end.end_due(s, world.id)
            else:
                factor_end.keep_factor(s, world.id)
            s.flush()
            waiting = pool.submit(later[second])
            _wait_for_lock()
        found = waiting.result(timeout=20)
    assert found == {"ended": 0, "failed": 0} if second == "job" else ENDED in found
    assert world.read().has_second_factor is (first == "link")
    assert len([row for row in told() if row.params["ended"]]) == (1 if first == "job" else 0)


def _wait_for_lock() -> None:
    """Return once another session waits for a row."""
    waits = sa.text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    for _ in range(10_000):
        with session() as s:
            if s.scalar(waits):
                return
    raise AssertionError("nobody waits")
