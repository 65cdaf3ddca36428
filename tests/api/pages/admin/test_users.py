"""Operators' pages of users: search by address, one account, grants that are given and ended, and roles."""

from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from api.models.audit import AuditEntry
from api.models.base import session
from api.models.login import Login
from api.models.notification import Notification
from api.models.user import Contact, Grant, Role, User
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.world import Door, statements
from tests.clients import Browser
from tests.factories import EMAIL, add_account, add_alert, add_grant, change, rows

LIST, SEARCH = "/admin/utilisateurs", "/admin/utilisateurs/recherche"


@pytest.fixture
def camille_id() -> UUID:
    return add_account().id


def write_address(user_id: UUID) -> str:
    return f"{LIST}/{user_id}"


def hold(user_id: UUID, days: float = 1, starts: float = -0.5, plan: PlanName = PlanName.URGENCE_7J) -> UUID:
    """Write a grant from `starts` days from now on."""
    return add_grant(user_id, plan, days, starts, source="payment").id


def list_actions(action: str) -> list[AuditEntry]:
    return [each for each in rows(AuditEntry) if each.action == action]


def read_role(user_id: UUID) -> Role:
    (found,) = (each.role for each in rows(User) if each.id == user_id)
    return Role(found)


def test_a_user_is_found_by_address_which_stands_in_no_url(
    admin: Browser, camille_id: UUID, capfd: pytest.CaptureFixture[str]
) -> None:
    add_account("somebody@example.org")
    admin.get(LIST)
    page = admin.send(SEARCH, email="CAMILLE@example.org")
    assert admin.status == 200
    assert EMAIL in page.text
    assert "somebody@" not in page.text
    links = [at.get("href", "") + at.get("action", "") for _, at in page.tags]
    assert not any("amille" in each for each in links)
    assert write_address(camille_id) in page.html
    (row,) = list_actions("users.search")[1:]
    assert row.changes == {"searched": "C…@example.org", "seen": [str(camille_id)]}
    written = "".join(capfd.readouterr())
    assert "/admin/utilisateurs/recherche" in written, "the request is logged"
    assert "amille" not in written


def test_ten_thousand_users_have_pages(admin: Browser) -> None:
    with session() as s:
        s.execute(
            sa.text(
                "INSERT INTO users (id, email, email_folded) SELECT gen_random_uuid(), "
                "'many' || n || '@example.org', 'many' || n || '@example.org' FROM generate_series(1, 10000) n"
            )
        )
    page = admin.get(LIST)
    assert page.html.count('<th scope="row">') == 50
    assert statements(lambda: admin.get(LIST)) < 10


@pytest.mark.parametrize("email", ["", "camille@", "camille@exa", "  ", "a\0b@example.org", "x" * 300])
def test_a_search_for_a_part_of_an_address_says_so(admin: Browser, email: str) -> None:
    admin.get(LIST)
    page = admin.send(SEARCH, email=email)
    assert admin.status == 422
    assert page.title.startswith("Erreur")
    assert list_actions("users.search")[1:] == []


def test_support_searches_sees_addresses_shortened_and_changes_nothing(
    support: Browser, camille_id: UUID
) -> None:
    grant = hold(camille_id)
    support.get(LIST)
    page = support.send(SEARCH, email=EMAIL)
    assert "c…@example.org" in page.text
    assert EMAIL not in page.text
    page = support.get(write_address(camille_id))
    assert "c…@example.org" in page.text
    assert EMAIL not in page.html
    token = page.find_form("/logout")["fields"]["csrf_token"]
    for path in ("formule", "role", "lien-de-reprise", f"formules/{grant}/fin"):
        assert f"{write_address(camille_id)}/{path}" not in page.html
        support.get(f"{write_address(camille_id)}/{path}")
        assert support.status == 403, path
        assert EMAIL not in support.page.html
        answer = support.client.post(
            f"{write_address(camille_id)}/{path}", data={"csrf_token": token}, headers=support.headers
        )
        assert answer.status_code == 403, path


def test_the_mailbox_that_an_account_left_is_found_and_gets_its_link_again(
    admin: Browser, camille_id: UUID, door: Door
) -> None:
    path = f"{write_address(camille_id)}/lien-de-reprise"
    assert path not in admin.get(write_address(camille_id)).html
    admin.get(path)
    admin.send("/lien-de-reprise")
    assert "Ce compte n’a pas changé d’adresse" in admin.page.text
    change(Contact, Contact.user_id == camille_id, former_address="Left@example.org", moved_at=clock())
    admin.get(LIST)
    assert write_address(camille_id) in admin.send(SEARCH, email="left@example.org").html
    assert path in admin.get(write_address(camille_id)).html
    assert "Left@example.org" in admin.get(path).text
    admin.send("/lien-de-reprise")
    assert "Le lien est en route" in admin.follow().text
    (told,) = rows(Notification)
    assert (told.kind, told.params["to"], told.params["back"]) == (
        "address_changed",
        "Left@example.org",
        True,
    )
    assert door.nudged == [told.id]
    assert [each.subject_id for each in list_actions("user.return_mail")] == [str(camille_id)]


def test_a_plan_is_given_after_one_more_question(admin: Browser, camille_id: UUID, door: Door) -> None:
    alert = add_alert(camille_id)
    page = admin.get(f"{write_address(camille_id)}/formule")
    assert "Ce compte n’a pas de formule en ce moment." in page.text
    assert rows(Grant) == []
    admin.send("/formule", plan="URGENCE_7J", days="3")
    assert "URGENCE 7J est donnée" in admin.follow().text
    (grant,) = rows(Grant)
    assert (grant.plan, grant.source) == (PlanName.URGENCE_7J, "admin")
    assert grant.ends_at - grant.starts_at == timedelta(days=3)
    assert door.caught_up == [alert]
    (row,) = list_actions("grant.give")
    assert (row.subject_id, row.changes["plan"]) == (str(camille_id), "URGENCE_7J")


def test_the_end_of_a_given_plan_is_told_in_the_operator_s_time(
    frozen: time_machine.Traveller, admin: Browser, camille_id: UUID
) -> None:
    change(User, User.email == "admin@example.org", time_zone="Indian/Reunion")
    admin.get(f"{write_address(camille_id)}/formule")
    admin.send("/formule", plan="URGENCE_7J", days="3")
    assert "13:00" in admin.follow().text, "09:00 UTC"


def test_a_form_that_is_sent_twice_gives_once(admin: Browser, camille_id: UUID) -> None:
    admin.get(f"{write_address(camille_id)}/formule")
    asked = admin.page
    admin.send("/formule", plan="URGENCE_7J")
    admin.page = asked
    page = admin.send("/formule", plan="URGENCE_7J")
    assert admin.status == 422
    assert "Entre-temps, ce compte a reçu ou perdu une formule." in page.text
    assert "URGENCE 7J court jusqu’au" in page.text
    assert len(rows(Grant)) == len(list_actions("grant.give")) == 1
    admin.send("/formule", plan="URGENCE_7J")  # after reading it
    assert len(rows(Grant)) == 2


def test_two_at_once_give_once(admin: Browser, camille_id: UUID) -> None:
    admin.get(f"{write_address(camille_id)}/formule")
    assert admin.send_twice("/formule", plan="URGENCE_7J") == [303, 422]
    assert len(rows(Grant)) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"plan": ""},
        {"plan": "NONE"},
        {"plan": "URGENCE_7J", "days": "0"},
        {"plan": "URGENCE_7J", "days": "4000"},
    ],
)
def test_a_plan_that_nobody_means_is_not_given(
    admin: Browser, camille_id: UUID, fields: dict[str, str]
) -> None:
    admin.get(f"{write_address(camille_id)}/formule")
    admin.send("/formule", **fields)
    assert admin.status == 422
    assert rows(Grant) == []


def test_a_plan_ends_once_its_name_is_typed(admin: Browser, camille_id: UUID) -> None:
    grant = hold(camille_id)
    path = f"{write_address(camille_id)}/formules/{grant}/fin"
    assert path in admin.get(write_address(camille_id)).html
    page = admin.get(path)
    assert "prend fin maintenant" in page.text
    assert "Rien n’est remboursé" in page.text
    admin.send("/fin", typed="URGENCE 24H")
    assert admin.status == 422
    assert rows(Grant)[0].ends_at > clock()
    asked = admin.page
    admin.send("/fin", typed="URGENCE 7J")
    assert "Cette formule a pris fin." in admin.follow().text
    assert rows(Grant)[0].ends_at <= clock()
    admin.page = asked
    admin.send("/fin", typed="URGENCE 7J")
    assert "Cette formule est déjà finie." in admin.follow().text
    assert len(list_actions("grant.end")) == 1


def test_a_plan_that_has_not_begun_is_removed(admin: Browser, camille_id: UUID) -> None:
    grant = hold(camille_id, starts=2)
    page = admin.get(f"{write_address(camille_id)}/formules/{grant}/fin")
    assert "qui n’a pas commencé, est retirée" in page.text
    admin.send("/fin", typed="URGENCE 7J")
    assert rows(Grant) == []
    admin.get(f"{write_address(camille_id)}/formules/{grant}/fin")
    assert admin.status == 404


def test_a_grant_is_found_under_its_own_user_only(admin: Browser, camille_id: UUID) -> None:
    other = add_account("other@example.org").id
    admin.get(f"{write_address(other)}/formules/{hold(camille_id)}/fin")
    assert admin.status == 404


def test_a_role_is_given_once_the_address_is_typed(admin: Browser, camille_id: UUID) -> None:
    page = admin.get(f"{write_address(camille_id)}/role")
    assert EMAIL in page.text
    admin.send("/role", role="support", typed="camille@example.com")
    assert admin.status == 422
    assert read_role(camille_id) is Role.USER
    admin.send("/role", role="support", typed=EMAIL)
    assert "Assistance (consulte)" in admin.follow().text
    assert read_role(camille_id) is Role.SUPPORT
    (row,) = list_actions("user.role")
    assert row.changes == {"role": ["user", "support"]}


def test_the_last_admin_and_an_unconfirmed_address_keep_their_role(admin: Browser) -> None:
    (me,) = (each.id for each in rows(User))
    admin.get(f"{write_address(me)}/role")
    page = admin.send("/role", role="user", typed="admin@example.org")
    assert "C’est le dernier administrateur" in page.text
    stranger = add_account("stranger@example.org", confirmed=False).id
    admin.get(f"{write_address(stranger)}/role")
    page = admin.send("/role", role="admin", typed="stranger@example.org")
    assert "Cette adresse n’est pas confirmée" in page.text
    assert read_role(stranger) is Role.USER
    assert list_actions("user.role") == []


def test_money_and_roles_need_a_recent_proof(admin: Browser, camille_id: UUID) -> None:
    change(Login, proven_at=clock() - timedelta(hours=1))
    grant = hold(camille_id)
    for path in ("formule", "role", f"formules/{grant}/fin"):
        admin.get(f"{write_address(camille_id)}/{path}")
        assert admin.location.startswith("/prove?next=admin_users."), path
    admin.get(write_address(camille_id))
    assert admin.status == 200


def test_grants_have_pages(admin: Browser, camille_id: UUID) -> None:
    for _ in range(51):
        hold(camille_id)
    page = admin.get(write_address(camille_id))
    assert page.html.count("/fin") == 50
    (following,) = (at["href"] for _, at in page.tags if at.get("rel") == "next")
    page = admin.get(following)
    assert page.html.count("/fin") == 1
    assert "Première page" in page.text


def test_for_a_user_no_page_is_there(camille: Browser, app: Flask) -> None:
    other = add_account("other@example.org").id
    for path in (LIST, write_address(other), f"{write_address(other)}/role"):
        camille.get(path)
        assert camille.status == 404, path
    token = camille.get("/dashboard").find_form("/logout")["fields"]["csrf_token"]
    answer = camille.client.post(SEARCH, data={"csrf_token": token, "email": "oth"}, headers=camille.headers)
    assert answer.status_code == 404
    assert rows(AuditEntry) == []


def test_who_is_not_there_is_not_found(admin: Browser) -> None:
    nobody = UUID(int=0)
    for path in ("", "/formule", "/role", f"/formules/{nobody}/fin"):
        admin.get(f"{write_address(nobody)}{path}")
        assert admin.status == 404, path
