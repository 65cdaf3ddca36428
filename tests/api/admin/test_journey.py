"""A day of an operator: from the account to the audit, as docs/operations.md says."""

from typing import Any

import pyotp
import time_machine
from click.testing import CliRunner
from flask.testing import FlaskClient

from api.admin_command import admin_command
from api.models.desk import HostState
from api.models.user import Contact
from configs.ground.clock import clock
from tests.api.admin.conftest import Stage
from tests.api.world import Door
from tests.clients import Operator, Person
from tests.factories import PASSWORD, change, rows

OSCAR = {"email": "oscar@example.org", "password": PASSWORD}
HOST = "127.77.0.93:8800"


def post(client: FlaskClient, path: str, token: str = "", **body: Any) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = client.post(f"/api/auth/{path}", headers=headers, **({"json": body} if body else {}))
    assert answer.status_code < 300, answer.text
    found: dict[str, Any] = answer.get_json(silent=True) or {}
    return found


def test_an_operator_signs_in_stops_a_host_replays_a_letter_gives_a_grant_and_reads_the_audit(
    client: FlaskClient, stage: Stage, door: Door, frozen: time_machine.Traveller
) -> None:
    post(client, "register", **OSCAR)
    change(Contact, Contact.address == OSCAR["email"], verified_at=clock())
    token = post(client, "login", **OSCAR)["token"]
    assert CliRunner().invoke(admin_command, [OSCAR["email"]]).exit_code == 0
    setup = post(client, "totp", token)
    codes = pyotp.TOTP(setup["secret"])
    post(client, "totp/confirm", token, setup=setup["setup"], code=codes.at(clock()))
    frozen.shift(60)
    challenge = post(client, "login", **OSCAR)["challenge"]
    token = post(client, "login/totp", challenge=challenge, code=codes.at(clock()))["token"]
    me = client.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"}).json or {}
    headers = {"Authorization": f"Bearer {token}"}
    oscar = Operator(Person(client.application, me["id"], OSCAR["email"], headers, stage.person.login_id))
    oscar.do("POST", f"/hosts/{HOST}/stop", reason="they wrote to us")
    assert rows(HostState)[0].stopped_at == clock()
    letters = oscar.get("/dead-letters")["items"]
    oscar.do("POST", "/dead-letters/replay", ids=[letters[0]["id"]])
    assert stage.letter in door.nudged
    (camille,) = oscar.do("POST", "/users/search", email="camille@example.org")["items"]
    oscar.do("POST", f"/users/{camille['id']}/grants", plan="URGENCE_TOTAL")
    done = [each["action"] for each in oscar.get("/audit", actorId=me["id"])["items"]]
    assert done[::-1] == [
        "host.stop",
        "dead-letters.list",
        "dead-letters.replay",
        "users.search",
        "grant.give",
    ]
