"""Users, roles and grants as operators see and change them."""

import re
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
import time_machine

from api.admin.short_addresses import shorten_address, shorten_email, shorten_phone
from api.models.alert import Alert
from api.models.desk import DeskChange
from api.models.notification import State
from api.models.user import Channel, Contact, Grant, Role, User
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.admin.conftest import Operators, Stage, audit
from tests.api.world import Door
from tests.clients import Answer, Operator, People, Person, problem
from tests.factories import add_alert, add_contact, add_message, change, rows


def emails(operator: Operator, **query: Any) -> list[str]:
    """Return the addresses of a search by address, or of a list by role."""
    found = (
        operator.do("POST", "/users/search", **query) if "email" in query else operator.get("/users", **query)
    )
    return [each["email"] for each in found["items"]]


def test_a_user_is_found_by_the_whole_address_only(
    admin: Operator, support: Operator, person: People
) -> None:
    for name in ("Anna@example.org", "annabelle@example.org", "an_na@example.org"):
        person(name)
    assert emails(admin, email=" ANNA@example.org") == ["Anna@example.org"]
    assert emails(support, email="annabelle@example.org") == ["a…@example.org"]
    assert emails(admin, email="an%@example.org") == emails(admin, email="nn_na@example.org") == []


@pytest.mark.parametrize("email", ["anna", "anna@", "anna@ex", "%@example.org%", "", "x" * 255, "a\0b"])
def test_a_part_of_an_address_is_refused(admin: Operator, person: People, email: str) -> None:
    person("anna@example.org")
    assert problem(admin.ask("POST", "/users/search", json={"email": email})) == (422, "invalid")


def test_no_address_is_taken_from_a_url(admin: Operator) -> None:
    query = {"email": "camille@example.org"}
    assert problem(admin.ask("GET", "/users", query_string=query)) == (422, "invalid")
    assert problem(admin.ask("POST", "/users/search", query_string=query)) == (422, "invalid")


def test_operators_are_found_by_their_role(admin: Operator, support: Operator, person: People) -> None:
    person()
    assert emails(admin, role="admin") == ["oscar@example.org"]
    assert emails(admin, role="support") == ["simone@example.org"]


def test_pages_of_users_follow_each_other_without_gap_or_repetition(admin: Operator, person: People) -> None:
    newest_first = [person(f"user{number}@example.org").email for number in range(5)][::-1]
    seen: list[str] = []
    before: str | None = None
    while True:
        page = admin.get("/users", role="user", limit=2, **({"before": before} if before else {}))
        seen += [each["email"] for each in page["items"]]
        before = page["next"]
        if before is None:
            break
    assert seen == newest_first


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"before": "nothing"}, {"role": "queen"}])
def test_a_page_that_cannot_be_is_refused(admin: Operator, query: dict[str, Any]) -> None:
    assert problem(admin.ask("GET", "/users", query_string=query)) == (422, "invalid")


def test_support_sees_addresses_shortened_and_an_admin_sees_them_whole(
    admin: Operator, support: Operator, stage: Stage
) -> None:
    add_contact(stage.person.id, Channel.SMS, "+33612345612")
    short = support.get(f"/users/{stage.person.id}")
    assert (short["email"], short["phone"]) == ("c…@example.org", "+33…12")
    assert emails(support, email="camille@example.org") == ["c…@example.org"]
    whole = admin.get(f"/users/{stage.person.id}")
    assert (whole["email"], whole["phone"]) == ("camille@example.org", "+33612345612")
    assert (whole["plan"], whole["role"], whole["openAlerts"]) == ("URGENCE_7J", "user", 1)
    assert whole["totpEnabled"] is False
    assert "password" not in str(whole).lower()


def test_support_sees_no_address_in_any_field(support: Operator, stage: Stage) -> None:
    secret = {"address": "private-address@example.net", "new_address": "private-next@example.net"}
    columns = {name: value for name, value in secret.items() if hasattr(Contact, name)}
    change(User, User.id == stage.person.id, email="private@example.net")
    change(Contact, **columns)
    add_contact(stage.person.id, Channel.SMS, "+33612345612")
    user = f"userId={stage.person.id}"
    for path in (
        f"/users/{stage.person.id}",
        "/users",
        f"/alerts?{user}",
        f"/notifications?{user}",
        "/audit",
    ):
        answer = support.ask("GET", path)
        assert answer.status_code == 200
        assert not re.search("private|6123456", answer.text), path


def test_short_addresses() -> None:
    assert shorten_email("a@b.fr") == "a…@b.fr"
    assert shorten_email('"a@b"@c.fr') == '"…@c.fr'
    assert shorten_phone("+262692123456") == "+26…56"
    assert shorten_address("new_email", "alice@example.org") == "a…@example.org"
    assert shorten_address("new_phone", "+33612345612") == "+33…12"
    assert shorten_address("phone", None) is None
    assert shorten_address("notify_email", value=True) is True


@pytest.mark.parametrize("path", ["", "/grants"])
def test_another_kind_of_id_or_an_unknown_one_is_not_found(admin: Operator, path: str) -> None:
    for user_id in (str(uuid4()), "1", "x" * 200, "../users", "%00"):
        assert problem(admin.ask("GET", f"/users/{user_id}{path}")) == (404, "not-found")
    assert audit() == []


def test_who_is_no_operator_any_more_reads_no_message_to_operators(admin: Operator, stage: Stage) -> None:
    mine: dict[str, Any] = {
        "user_id": stage.person.id,
        "state": State.SENT,
        "accepted_at": clock(),
        "text": "Un compte.",
    }
    add_message(kind="hoarding", **mine)
    add_message(kind="support_received", **mine)
    path = f"/users/{stage.person.id}/role"
    for role, shown in (("support", {"hoarding", "support_received"}), ("user", {"support_received"})):
        admin.do("PATCH", path, role=role)
        found = stage.person.get("/api/notifications").json
        assert {each["type"] for each in found["items"] if each["content"] == "shown"} == shown


def test_an_admin_makes_support_and_admins_and_takes_it_away(admin: Operator, stage: Stage) -> None:
    path = f"/users/{stage.person.id}/role"
    for role in ("support", "admin", "user"):
        assert admin.do("PATCH", path, role=role)["role"] == role
    assert [row.changes for row in audit(action="user.role")] == [
        {"role": ["user", "support"]},
        {"role": ["support", "admin"]},
        {"role": ["admin", "user"]},
    ]


def test_whoever_registered_a_strangers_address_is_made_no_operator(admin: Operator, person: People) -> None:
    path = f"/users/{person('boss@example.org', confirmed=False).id}/role"
    for role in ("support", "admin"):
        assert problem(admin.ask("PATCH", path, json={"role": role})) == (409, "address-unconfirmed")
    assert audit() == []
    change(Contact, Contact.address == "boss@example.org", verified_at=clock())
    assert admin.do("PATCH", path, role="support")["role"] == "support"


@pytest.mark.parametrize("body", [{}, {"role": "queen"}, {"role": None}, {"role": "admin", "also": 1}])
def test_a_role_that_does_not_exist_is_refused(admin: Operator, stage: Stage, body: dict[str, Any]) -> None:
    answer = admin.ask("PATCH", f"/users/{stage.person.id}/role", json=body)
    assert problem(answer) == (422, "invalid")


def test_the_last_admin_stays(admin: Operator, operator: Operators) -> None:
    assert problem(admin.ask("PATCH", f"/users/{admin.id}/role", json={"role": "user"})) == (
        409,
        "last-admin",
    )
    other = operator(Role.ADMIN, "ophelia@example.org")
    admin.do("PATCH", f"/users/{admin.id}/role", role="user")
    assert problem(other.ask("PATCH", f"/users/{other.id}/role", json={"role": "support"}))[0] == 409


def together(*acts: Callable[[], Answer]) -> list[Answer]:
    """Run requests at once, each on a thread of its own; return their answers in order."""
    start = threading.Barrier(len(acts))
    answers: dict[int, Answer] = {}

    def run(number: int, act: Callable[[], Answer]) -> None:
        start.wait()
        answers[number] = act()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[number] for number in range(len(acts))]


def statuses(answers: Sequence[Answer]) -> list[int]:
    return sorted(answer.status_code for answer in answers)


def test_two_admins_who_remove_each_other_at_once_leave_one(operator: Operators) -> None:
    for attempt in range(5):
        one, two = (operator(Role.ADMIN, f"{name}{attempt}@example.org") for name in ("one", "two"))
        answers = together(
            partial(one.ask, "PATCH", f"/users/{two.id}/role", json={"role": "user"}),
            partial(two.ask, "PATCH", f"/users/{one.id}/role", json={"role": "user"}),
        )
        assert statuses(answers)[0] == 200
        assert statuses(answers)[1] in (403, 409)
        left = [user for user in rows(User) if user.role is Role.ADMIN]
        assert len(left) == 1
        change(User, role=Role.USER)


def test_a_grant_is_given_and_wakes_the_alerts(admin: Operator, camille: Person, door: Door) -> None:
    alert = add_alert(camille.id)
    given = admin.do("POST", f"/users/{camille.id}/grants", plan="URGENCE_24H", days=3)
    (grant,) = rows(Grant)
    assert (str(grant.id), grant.ends_at - grant.starts_at) == (given["id"], timedelta(days=3))
    assert (given["plan"], given["source"], given["userId"]) == ("URGENCE_24H", "admin", str(camille.id))
    assert door.caught_up == [alert]
    assert {line.reason for line in rows(DeskChange)} == {"plan began"}
    (row,) = audit(action="grant.give")
    assert row.changes["id"] == given["id"]


def test_a_plan_lasts_as_long_as_it_is_sold_for(admin: Operator, camille: Person) -> None:
    for plan, days in (("URGENCE_24H", 1), ("URGENCE_7J", 7), ("URGENCE_TOTAL", 30)):
        admin.do("POST", f"/users/{camille.id}/grants", plan=plan)
        (grant,) = (each for each in rows(Grant) if each.plan == plan)
        assert grant.ends_at - grant.starts_at == timedelta(days=days)


@pytest.mark.parametrize(
    "body",
    [{}, {"plan": "NONE"}, {"plan": "GOLD"}, {"plan": "URGENCE_7J", "days": 0}]
    + [{"plan": "URGENCE_7J", "days": days} for days in (3651, 10**30, 1.5, "7", True)],
)
def test_a_grant_that_cannot_be_is_refused(admin: Operator, stage: Stage, body: dict[str, Any]) -> None:
    answer = admin.ask("POST", f"/users/{stage.person.id}/grants", json=body)
    assert problem(answer) == (422, "invalid")
    assert len(rows(Grant)) == 1


def test_plans_one_behind_the_other_end_within_a_hundred_years(admin: Operator, stage: Stage) -> None:
    change(Grant, ends_at=clock() + timedelta(days=99 * 365))
    path = f"/users/{stage.person.id}/grants"
    admin.do("POST", path, plan="URGENCE_7J", days=300)
    for days in (300, 3650):
        answer = admin.ask("POST", path, json={"plan": "URGENCE_7J", "days": days})
        assert problem(answer) == (409, "grant-too-long")
    admin.do("POST", path, plan="URGENCE_24H", days=3650)


def test_a_grant_ends_once(admin: Operator, stage: Stage, frozen: time_machine.Traveller) -> None:
    frozen.shift(60)
    path = f"/users/{stage.person.id}/grants/{stage.grant}"
    admin.do("DELETE", path)
    (grant,) = rows(Grant)
    assert grant.ends_at <= clock()
    assert admin.get(f"/users/{stage.person.id}")["plan"] == "NONE"
    assert "plan ended" in {line.reason for line in rows(DeskChange)}
    assert problem(admin.ask("DELETE", path)) == (409, "grant-over")
    assert len(audit(action="grant.end")) == 1


def test_a_grant_that_has_not_begun_is_removed(admin: Operator, camille: Person) -> None:
    camille.holds(PlanName.URGENCE_7J, starts=2)
    (grant,) = rows(Grant)
    admin.do("DELETE", f"/users/{camille.id}/grants/{grant.id}")
    assert rows(Grant) == []
    assert problem(admin.ask("DELETE", f"/users/{camille.id}/grants/{grant.id}")) == (404, "not-found")


def test_a_grant_of_another_user_is_not_found(admin: Operator, stage: Stage, person: People) -> None:
    robin = person("robin@example.org")
    assert problem(admin.ask("DELETE", f"/users/{robin.id}/grants/{stage.grant}")) == (404, "not-found")
    assert rows(Grant)[0].ends_at > clock()


def test_two_admins_end_a_grant_at_once(
    operator: Operators, stage: Stage, frozen: time_machine.Traveller
) -> None:
    frozen.shift(60)
    both = [operator(Role.ADMIN, f"{name}@example.org") for name in ("one", "two")]
    path = f"/users/{stage.person.id}/grants/{stage.grant}"
    answers = together(*(partial(each.ask, "DELETE", path) for each in both))
    assert statuses(answers) == [204, 409]
    assert len(audit(action="grant.end")) == 1


def test_grants_are_listed_the_newest_first(admin: Operator, camille: Person) -> None:
    for days in (1, 2, 3):
        camille.holds(PlanName.URGENCE_7J, days=days)
    page = admin.get(f"/users/{camille.id}/grants", limit=2)
    last = admin.get(f"/users/{camille.id}/grants", limit=2, before=page["next"])
    assert [len(page["items"]), len(last["items"]), last["next"]] == [2, 1, None]
    assert page["items"][0]["startsAt"] >= page["items"][1]["startsAt"]


def test_a_grant_that_ends_leaves_the_alerts_that_a_smaller_plan_carries(
    admin: Operator, camille: Person, door: Door
) -> None:
    camille.holds(PlanName.URGENCE_24H)
    camille.holds(PlanName.URGENCE_7J)
    change(Contact, verified_at=clock())
    oldest, *_ = [add_alert(camille.id) for _ in range(3)]
    (larger,) = (each for each in rows(Grant) if each.plan is PlanName.URGENCE_7J)
    admin.do("DELETE", f"/users/{camille.id}/grants/{larger.id}")
    assert [alert.id for alert in rows(Alert) if alert.enabled] == [oldest]
    assert len(door.nudged) == 1
