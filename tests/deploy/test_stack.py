"""The stack of several machines: what it keeps of production.yaml, what it says otherwise, and when it is refused."""

import hashlib
from typing import Any

import pytest
import yaml

from deploy.stack import StackRefused, make_stack
from tests.deploy.compose_files import FILE, secrets_of, services
from tests.in_turn import in_turn

SETTINGS = {"SERVER_NAME": "rdv.example.org", "SUPPORT_EMAIL": "aide@example.org", "RELEASE": "v7"}
STORES = {
    f"{name}_URL": f"s3://{name.lower()}?region=eu-west-3" for name in ("PROOFS", "EXPORTS", "INVOICES")
}
SECRETS = {name: name.encode() for name in yaml.safe_load(FILE.read_text("utf-8"))["secrets"]}
KEPT = (
    "user",
    "command",
    "healthcheck",
    "cap_drop",
    "cap_add",
    "read_only",
    "ulimits",
    "networks",
    "stop_grace_period",
)
SERVED = [name for name in services() if name != "api-2"]


def make(
    settings: dict[str, str], secrets: dict[str, bytes] = SECRETS, *more: dict[str, Any]
) -> dict[str, Any]:
    return make_stack([yaml.safe_load(FILE.read_text("utf-8")), *more], SETTINGS | settings, secrets)


def list_places(stack: dict[str, Any], name: str) -> list[str]:
    found: list[str] = stack["services"][name]["deploy"]["placement"]["constraints"]
    return found


@in_turn("name", SERVED)
def test_a_service_keeps_what_it_may_and_what_it_is_asked(name: str) -> None:
    ours, made = services()[name], make({})["services"][name]
    assert {key: made.get(key) for key in KEPT} == {key: ours.get(key) for key in KEPT}
    assert made["deploy"]["resources"] == ours["deploy"]["resources"]
    given = {each["target"]: each["source"].rpartition("_")[0] for each in made["secrets"]}
    assert given == secrets_of(ours)


def test_memory_is_mounted_where_compose_has_it() -> None:
    mounted = {
        each["target"]: each["tmpfs"]
        for each in make({})["services"]["nginx"]["volumes"]
        if each["type"] == "tmpfs"
    }
    assert mounted == {
        "/tmp": {"size": 64 << 20},
        "/run": {"size": 8 << 20},
        "/var/cache/nginx": {"size": 64 << 20},
    }


def test_a_secret_is_named_by_its_content_and_an_empty_one_is_left_out() -> None:
    stack = make({}, SECRETS | {"jwt_secret": b"one\n", "twilio_auth_token": b"\n", "jwt_secret~": b"old"})
    digest = hashlib.sha256(b"one\n").hexdigest()[:12]
    assert stack["secrets"][f"jwt_secret_{digest}"] == {"external": True}
    assert not any("twilio_auth_token" in each["source"] for each in stack["services"]["notifier"]["secrets"])
    assert not any(name.startswith(("twilio_auth_token", "jwt_secret~")) for name in stack["secrets"])


def test_a_server_of_data_is_never_deployed_without_a_secret() -> None:
    with pytest.raises(StackRefused, match="redis cannot do without redis_password: empty, or no such file"):
        make({}, SECRETS | {"redis_password": b"\n"})


def test_what_has_data_stays_on_the_node_of_the_data_and_the_rest_moves() -> None:
    stack = make({})
    free = ["node.labels.browser != 1"]
    moves = {name for name in stack["services"] if list_places(stack, name) == free}
    assert moves == {"planner", "scrapyd", "notifier", "stream"}
    stored = make(STORES)
    more = {"api-1", "background", "proofs"}
    assert {name for name in stored["services"] if list_places(stored, name) == free} == moves | more
    assert list_places(make(STORES | {"BROWSER_NODE": "x"}), "proofs") == ["node.labels.browser == 1"]
    assert {each.get("source") for each in stack["services"]["scrapyd"]["volumes"]} == {"scrapyd", None}


def test_a_browser_is_only_where_its_sandbox_can_be() -> None:
    node = {"BROWSER_NODE": "x"}
    for settings, images in (
        (STORES | node, {"rdvpriority.invalid/app-browser:v7"}),
        (STORES, set()),
        (node, set()),
    ):
        found = {each["image"] for each in make(settings)["services"].values() if "browser" in each["image"]}
        assert found == images


def test_replicas_are_the_numbers_of_the_settings() -> None:
    numbers = {"API_REPLICAS": "4", "SCRAPYD_REPLICAS": "3", "NOTIFIER_REPLICAS": "2"}
    made = make(STORES | numbers)["services"]
    assert [made[name]["deploy"]["replicas"] for name in ("api-1", "scrapyd", "notifier")] == [4, 3, 2]
    assert made["nginx"]["environment"]["API_ADDRESSES"] == "api-1:4000"


def test_one_of_several_ends_before_the_next_begins_but_for_apis_which_visitors_would_miss() -> None:
    made = make({"NOTIFIER_REPLICAS": "2"})["services"]
    orders = {name: made[name]["deploy"]["update_config"]["order"] for name in made if name != "migrate"}
    assert {name for name, order in orders.items() if order == "start-first"} == {
        "api-1",
        "planner",
        "scrapyd",
        "stream",
    }


def test_more_apis_than_one_machine_has_are_refused_where_their_files_lie_in_its_volumes() -> None:
    with pytest.raises(StackRefused, match="PROOFS_URL, EXPORTS_URL, INVOICES_URL object stores"):
        make({**STORES, "EXPORTS_URL": "", "API_REPLICAS": "3"})


def test_a_name_without_a_value_is_refused_with_its_reason() -> None:
    with pytest.raises(
        StackRefused, match="SERVER_NAME is not set: the name that people call this server by"
    ):
        make({"SERVER_NAME": ""})


def test_nothing_of_compose_alone_is_left_and_nothing_is_filled_in_twice() -> None:
    stack = make({})
    text = yaml.safe_dump(stack)
    for word in ("build:", "depends_on:", "restart:", "security_opt:", "shm_size:", "${"):
        assert word not in text
    assert "$$(cat /run/secrets/redis_password)" in stack["services"]["redis"]["healthcheck"]["test"][1]
    assert {"type": "tmpfs", "target": "/dev/shm", "tmpfs": {"size": 128 << 20}} in stack["services"][
        "postgres"
    ]["volumes"]
    assert stack["services"]["nginx"]["ports"] == [
        {"target": port, "published": port, "protocol": "tcp", "mode": "host"} for port in (80, 443)
    ]


def test_a_file_laid_over_the_others_adds_to_them() -> None:
    smtp = yaml.safe_load((FILE.parent / "smtp.yaml").read_text("utf-8"))
    stack = make({}, SECRETS | {"smtp_url": b"smtps://a:b@c"}, smtp)
    for name in ("background", "notifier"):
        assert "smtp_url" in {each["target"] for each in stack["services"][name]["secrets"]}
    assert "data_keys" in {each["target"] for each in stack["services"]["notifier"]["secrets"]}


def test_no_image_of_ours_can_be_pulled_from_strangers() -> None:
    """A swarm asks the registry of each image's name before a task starts: a name under .invalid has none."""
    ours = [each["image"] for each in make({})["services"].values() if "env_file" in each]
    assert {image.split("/")[0] for image in ours} == {"rdvpriority.invalid"}
