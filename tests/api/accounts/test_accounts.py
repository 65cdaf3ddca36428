"""Passwords and their hashes, turns at hashing, and which plan holds now."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from zxcvbn_rs_py import zxcvbn

from api.accounts import passwords
from api.accounts.passwords import (
    JUDGED,
    LONGEST,
    explain_weakness,
    hash_password,
    hold_turn,
    verify_password,
)
from api.accounts.queries import _find_best
from api.ground.errors import ApiError
from api.models.user import Grant
from configs.world.plan import PlanName
from tests.in_turn import in_turn

EMAIL = "camille.durand@example.org"


@in_turn(
    "password",
    ["correct horse battery", "jaimelesfraises mauves", "Zx9-kq2L!vv03", "une phrase de passe", "pässwörd pässwörd"],
)  # fmt: skip
def test_a_password_that_takes_many_guesses_is_taken(password: str) -> None:
    assert explain_weakness(password, EMAIL) is None


@in_turn(
    "password",
    [
        "aaaaaaaaaaaaaaa", "motdepasse1234", "azertyuiop12", "password1234", EMAIL, "camille.durand", EMAIL + "1",
        "rdvpriority2026", "prefecture-rdv", "titredesejour", "RDVPriority-12",
        "".join(chr(ord(each) + 0xFEE0) for each in "password1234"),  # full-width: hashed as plain letters
    ],
)  # fmt: skip
def test_one_that_is_common_or_made_of_the_address_is_refused(password: str) -> None:
    assert "can be guessed" in (explain_weakness(password, EMAIL) or "")


# Each sign replaces letters, most of them several: zxcvbn takes longest for these.
SLOWEST = ("4@8({[<369!|1/|7+$5%2" * 7)[:LONGEST]


@in_turn(
    "password",
    [
        "a" * LONGEST, "ab1!" * (LONGEST // 4), "\U0001f600" * LONGEST, "p4$sW0rd" * 16, SLOWEST,
        "\ufdfa" * LONGEST,  # eighteen letters each, once normalised
    ],
)  # fmt: skip
def test_no_more_than_the_first_signs_of_a_password_are_judged(
    password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[int] = []

    def judge(text: str, known: list[str]) -> object:
        judged.append(len(text))
        return zxcvbn(text, known)

    monkeypatch.setattr(passwords, "zxcvbn", judge)
    explain_weakness(password, EMAIL)
    assert judged == [JUDGED]


@given(st.text(st.characters(), max_size=40))
def test_every_text_is_judged(password: str) -> None:
    explain_weakness(password, EMAIL)
    explain_weakness(password + "\ud83d", EMAIL)


def test_every_password_fits_its_own_hash_typed_on_another_system_and_counts_whole() -> None:
    for password in ("x" * 73, "x" * 1000, "pässwörd", "\u2126 ohm", " spaces ", "half \ud83d"):
        assert verify_password(password, hash_password(password))
    assert verify_password("cafe\u0301", hash_password("caf\u00e9"))
    assert not verify_password("x" * 72 + "a", hash_password("x" * 72 + "b"))
    assert not verify_password("anything", None)


def test_two_hashes_of_one_password_differ_and_cost_what_the_setting_says(
    settings_env: Callable[..., None],
) -> None:
    settings_env(BCRYPT_COST="5")
    first, second = hash_password("x"), hash_password("x")
    assert first != second
    assert first.startswith("$2b$05$")


NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def held(name: PlanName, starts: float, ends: float) -> Grant:
    """Make a grant from and to so many hours from now."""
    return Grant(
        user_id=uuid4(),
        plan=name,
        starts_at=NOW + timedelta(hours=starts),
        ends_at=NOW + timedelta(hours=ends),
    )


@pytest.mark.parametrize(
    ("grants", "name", "hours"),
    [
        ([], PlanName.NONE, None),
        ([held(PlanName.URGENCE_24H, 1, 2)], PlanName.NONE, None),
        ([held(PlanName.URGENCE_24H, -2, 0)], PlanName.NONE, None),
        ([held(PlanName.URGENCE_24H, 0, 1)], PlanName.URGENCE_24H, 1),
        ([held(PlanName.URGENCE_7J, -1, 1), held(PlanName.URGENCE_24H, -1, 9)], PlanName.URGENCE_7J, 1),
        ([held(PlanName.URGENCE_24H, -1, 1), held(PlanName.URGENCE_24H, 1, 9)], PlanName.URGENCE_24H, 9),
        ([held(PlanName.URGENCE_24H, -1, 1), held(PlanName.URGENCE_24H, 2, 9)], PlanName.URGENCE_24H, 1),
    ],
)
def test_the_best_plan_that_covers_now_counts_to_the_end_of_what_joins(
    grants: list[Grant], name: PlanName, hours: float | None
) -> None:
    found = _find_best(grants, NOW)
    assert found.plan.name is name
    assert found.ends_at == (None if hours is None else NOW + timedelta(hours=hours))


@pytest.fixture(autouse=True)
def short_wait(settings_env: Callable[..., None]) -> None:
    settings_env(PASSWORD_WAIT_SECONDS="0.2")


def test_one_turn_is_taken_at_a_time() -> None:
    inside, most = 0, 0
    guard = threading.Lock()

    def work(_: int) -> None:
        nonlocal inside, most
        with hold_turn():
            with guard:
                inside += 1
                most = max(most, inside)
            time.sleep(0.01)
            with guard:
                inside -= 1

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(6)))
    assert most == 1
    for _ in range(2):  # an error gives it back
        with pytest.raises(ZeroDivisionError), hold_turn():
            raise ZeroDivisionError


def test_who_waits_too_long_is_told_to_come_back(client: FlaskClient) -> None:
    with hold_turn():
        answer = client.post("/api/auth/login", json={"email": "a@example.org", "password": "x"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert (answer.json or {})["type"].endswith(":busy")


def fill_places(stack: ExitStack, *, kept: bool = False) -> None:
    """Have as many threads wait as may."""
    for _ in range(passwords._WAITING[kept]):
        stack.callback(passwords._places[kept].release)
        passwords._places[kept].acquire()


def test_strangers_leave_a_turn_and_places_to_wait_to_people_who_are_known() -> None:
    with ExitStack() as stack:
        stack.enter_context(hold_turn())
        fill_places(stack)
        with pytest.raises(ApiError), hold_turn():
            pass
        with hold_turn(kept=True), pytest.raises(ApiError), hold_turn(kept=True):
            pass
    with ExitStack() as stack:  # and they leave one to strangers
        stack.enter_context(hold_turn(kept=True))
        fill_places(stack, kept=True)
        stack.enter_context(hold_turn())
