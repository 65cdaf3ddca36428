"""A department's town halls under their real host's name, once allowed: an alert for one while another fails."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml

from configs.settings.groups import HOSTS
from deploy.local.stack import Stack
from deploy.sandbox.addresses import url
from deploy.sandbox.platforms import stand_ins
from tests.sample_desk_files import only
from tests.waiting import PATIENCE, until
from tests.whole.conftest import STACK_JOURNEY, any_ports, get, quiet_stack_on
from tests.whole.visitor import LOOK, Visitor, grant_plan

pytestmark = STACK_JOURNEY
DESK = "cergy_95/mairies-citopia"
HOST = "rendezvousonline.fr"
FAILING, OPEN = 995103, 995105  # numbers of town halls
SITE = next(site.host for name, site in stand_ins().values() if name == "citopia")


def rename(text: str) -> str:
    """Keep the department's desk alone, at its real address, as often as a real site may be asked."""
    told = yaml.safe_load(only("citopia", text))
    told["desks"] = [desk for desk in told["desks"] if "department_code" in desk["parameters"]]
    told["hosts"] = {}
    for desk in told["desks"]:
        desk |= {"url": f"https://{HOST}/", "interval": 30}
    return str(yaml.safe_dump(told, allow_unicode=True, sort_keys=False))


def allow(folder: Path) -> Path:
    """Return the shipped rules of hosts after an operator's decision."""
    rules = yaml.safe_load(HOSTS.read_text("utf-8"))
    rules[f"{HOST}:443"]["robots"] |= {"decision": "allowed", "reason": "its answer to our letter"}
    rules[f"{HOST}:443"] |= {"budget": 60, "reason": "a stand-in"}
    file = folder / "hosts.yaml"
    file.write_text(yaml.safe_dump(rules, allow_unicode=True), "utf-8")
    return file


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    ports = any_ports()
    there = url(SITE, ports.sites).partition("//")[2]
    names = ",".join(f"{name}={there}" for name in (HOST, f"pro.{HOST}"))
    hosts = allow(tmp_path_factory.mktemp("hosts"))
    variables = {"SANDBOX_HOSTS": names, "HOSTS_FILE": str(hosts), "VISIT_REQUESTS": "6"}
    with quiet_stack_on(ports, rename, variables) as made:
        yield made


def test_an_hour_of_one_town_hall_is_told_while_another_fails(stack: Stack) -> None:
    control = f"http://127.0.0.1:{stack.ports.inbox}/api/sites/citopia"
    assert get(f"{control}/mode", {"mode": "overload_502", "form": FAILING})[0] == 200
    visitor = Visitor(stack, "halls@example.org")
    visitor.register()
    visitor.sign_in()
    grant_plan(stack, visitor.email)

    wish = {"deskIds": [DESK]}
    token = {"Authorization": f"Bearer {visitor.token}"}
    address = f"http://127.0.0.1:{stack.ports.api}/api/alerts"
    made = until(
        lambda: next(
            (
                answer.json()["id"]
                for answer in [requests.post(address, json=wish, headers=token, timeout=60)]
                if answer.status_code == requests.codes.created
            ),
            None,
        ),
        pause=LOOK,
    )
    assert get(f"{control}/open", {"form": OPEN, "count": 1})[0] == 200
    (mail,) = until(lambda: visitor.messages("email", slots=True), 2 * PATIENCE, pause=LOOK)
    assert "Mairie annexe de Poitiers" in mail["text"]
    assert f"https://{HOST}/alias/poitiers-86000-{OPEN}" in mail["text"]
    assert f"https://{HOST}/alias/poitiers-86000-{FAILING}" not in mail["text"]

    shown = " ".join(re.sub(r"<[^>]+>", " ", visitor.open(f"/alertes/{made}")).split())
    assert f"Poitiers (86000) n° {OPEN}" in shown
    assert f"n° {FAILING}" not in shown
    assert "Les autres mairies du département utilisent d’autres systèmes" in shown
    _, asked = get(f"{control}/requests")
    assert any("/availabilities/week" in each["path"] for each in asked)
    assert not [each for each in asked if "lock" in each["path"]]
