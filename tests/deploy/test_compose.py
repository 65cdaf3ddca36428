"""production.yaml: its schema, what each service has, which variables and networks it names."""

import itertools
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from configs.ground.redis import OWNER, RULES, read_rules, write_users
from configs.settings import Settings, load
from configs.settings.common import DatabaseProgram
from configs.settings.program_settings import list_allowed, list_secrets
from deploy.local import postgres, valkey
from deploy.postgres_tools import MAJOR
from tests.configs.settings.test_env_example import marked, needed_by
from tests.configs.settings.test_settings import PRODUCTION
from tests.deploy.compose_files import (
    COMPOSES_OWN,
    DEPLOY,
    FILE,
    ONCE,
    compose,
    image_of,
    program_of,
    secrets_of,
    services,
    settings_of,
)
from tests.in_turn import in_turn

THEIRS = yaml.safe_load((FILE.parent / "prometheus.yaml").read_text("utf-8"))["services"]
EVERY = services() | {name: each for name, each in THEIRS.items() if "image" in each}
EXAMPLE = (DEPLOY / "compose" / "settings.env.example").read_text("utf-8").splitlines()
SECRETS = list_secrets(Settings.model_fields)
ADDRESSES = {each for each in SECRETS if each.startswith("database_url")}
OURS_ONLY = [name for name, each in services().items() if image_of(each)]


def test_they_fit_the_schema_of_compose() -> None:
    check = [str(Path(sys.executable).parent / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run(
        [*check, FILE, FILE.parent / "prometheus.yaml"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


@in_turn("name", EVERY)
def test_a_service_is_pinned_bounded_and_starts_again(name: str) -> None:
    service = EVERY[name]
    pinned = r":v?\d+\.\d+(\.\d+)?(-\w+)?(@sha256:[0-9a-f]{64})?$"
    assert image_of(service) or re.search(pinned, service["image"])
    limits = service["deploy"]["resources"]["limits"]
    assert float(limits["cpus"]) > 0
    assert re.fullmatch(r"\d+M", limits["memory"])
    assert limits["pids"] > 0
    assert "pids_limit" not in service  # Compose 2.26 takes no value beside that
    assert service["restart"] == ("on-failure:3" if name in ONCE else "unless-stopped")
    assert service["logging"]["driver"] == "json-file"
    assert {"max-size", "max-file"} <= service["logging"]["options"].keys()


@in_turn("name", EVERY)
def test_a_service_may_do_no_more_than_it_must(name: str) -> None:
    service = EVERY[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", []))
    assert any(each.startswith("/tmp:size=") for each in service["tmpfs"])


def test_only_nginx_publishes_a_port() -> None:
    published = {name: each["ports"] for name, each in services().items() if "ports" in each}
    assert published == {"nginx": ["80:80", "443:443"]}
    assert not any("network_mode" in each for each in services().values())


def own_secrets(service: dict[str, Any]) -> set[str]:
    """Return what the program itself reads: a folder is for a child that is another program."""
    return {name for name in secrets_of(service) if "/" not in name}


def networks(name: str) -> set[str]:
    return set(services()[name]["networks"])


@in_turn("name", ["scrapyd", "proofs"])
def test_what_opens_pages_of_strangers_reaches_the_servers_and_nothing_else_of_ours(name: str) -> None:
    reached = {each for each in services() if networks(each) & networks(name)}
    assert reached == {"scrapyd", "planner", "proofs", "postgres", "redis"}


def test_who_renders_pages_of_strangers_holds_the_key_of_their_store_alone() -> None:
    assert set(secrets_of(services()["proofs"])) == {"redis_url"}
    held = {name for name in list_allowed("proofs") if name in SECRETS}
    assert held == {"redis_url", "proofs_secret_access_key", "sentry_dsn"}


def test_only_what_calls_the_outside_has_a_way_there() -> None:
    inner = {name for name, each in compose()["networks"].items() if each.get("internal")}
    outer = {name for name in services() if networks(name) - inner}
    assert outer == {
        "api-1",
        "api-2",
        "background",
        "backup",
        "certbot",
        "nginx",
        "notifier",
        "proofs",
        "scrapyd",
    }
    shared = [networks(name) - inner for name in sorted(outer - {"api-2", "certbot", "background"})]
    assert not any(one & other for one, other in itertools.combinations(shared, 2))


def test_nginx_has_two_equal_apis_and_waits_for_both() -> None:
    nginx = services()["nginx"]
    assert services()["api-1"] == services()["api-2"]
    assert nginx["environment"]["API_ADDRESSES"] == "${API_ADDRESSES:-api-1:4000 api-2:4000}"
    assert {"api-1", "api-2"} < set(nginx["depends_on"])
    assert services()["api-1"]["networks"]["serve"] == {"aliases": ["api"]}
    assert services()["background"]["environment"]["METRICS_API_URL"] == "http://api:4000"


def test_the_exporter_of_metrics_has_the_login_of_the_reader_and_nothing_else() -> None:
    """They are in a folder of their own: api/jobs/exporter.py."""
    given = {name: file for name, file in secrets_of(services()["background"]).items() if "/" in name}
    assert given == {
        "metrics/database_url_reader": "database_url_reader",
        "metrics/redis_url": "redis_url_reader",
    }
    assert {Path(name).name for name in given} <= list_allowed("reader")


def test_an_api_that_ends_has_the_time_that_nginx_gives_an_answer() -> None:
    conf = (DEPLOY / "nginx" / "nginx.conf").read_text("utf-8")
    answer = max(map(int, re.findall(r"proxy_read_timeout (\d+)s;  #", conf)))
    command = services()["api-1"]["command"]
    graceful = int(command[command.index("--graceful-timeout") + 1])
    assert answer <= graceful < int(services()["api-1"]["stop_grace_period"].removesuffix("s"))


def test_settings_know_every_variable() -> None:
    known = {name.upper() for name in Settings.model_fields} | COMPOSES_OWN
    server_s = {f"REDIS_URL_{user.upper()}" for user in read_rules()}
    for name, service in services().items():
        if image_of(service) or name in ("nginx", "certbot"):
            assert set(service["environment"]) <= known, name
            assert {Path(each).name.upper() for each in secrets_of(service)} <= known | server_s, name
    assert settings_of(EXAMPLE) <= known


@in_turn("name", OURS_ONLY)
def test_production_gives_a_program_exactly_what_it_needs(
    name: str, settings_env: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = services()[name]
    program, secrets = program_of(service), own_secrets(service)
    given = settings_of(EXAMPLE) | set(service["environment"]) | {each.upper() for each in secrets}
    own_address = f"DATABASE_URL_{program.upper()}"
    assert needed_by(program) <= given | {"DATABASE_URL"}
    assert (own_address in given) == (program in get_args(DatabaseProgram))
    assert secrets - ADDRESSES <= list_allowed(program)
    monkeypatch.chdir(tmp_path)
    for each in Settings.model_fields:
        monkeypatch.delenv(each.upper(), raising=False)
    values = {each: PRODUCTION[each] for each in given & PRODUCTION.keys()}
    values[own_address] = PRODUCTION["DATABASE_URL"]
    fixed = {key: value for key, value in service["environment"].items() if "${" not in value}
    for each in values.keys() & {name.upper() for name in SECRETS}:  # production reads them from files alone
        (tmp_path / each.lower()).write_text(values.pop(each))
    settings_env(**values | fixed | {"SECRETS_DIR": tmp_path, "PROGRAM": program})
    assert load().app_env == "production"
    assert load().proxy_hops == 1


def test_who_migrates_has_all_addresses_of_the_database_and_a_program_its_own() -> None:
    for name, service in services().items():
        if image_of(service):
            held = own_secrets(service) & ADDRESSES
            own = {f"database_url_{program_of(service)}"} if name != "proofs" else set()
            assert held == (held if name == "migrate" else own)
    migrate = set(secrets_of(services()["migrate"])) & ADDRESSES
    assert migrate == {each for each in compose()["secrets"] if each in ADDRESSES}
    assert services()["migrate"]["command"][-2:] == ["upgrade", "--logins"]


def test_servers_are_of_the_majors_of_the_embedded_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MAJOR, raising=False)
    server = [str(postgres._binary("postgres")), "--version"]
    major = subprocess.run(server, capture_output=True, text=True, check=True).stdout.split()[2].split(".")[0]
    queue = subprocess.run(
        [str(valkey.find_embedded()), "--version"], capture_output=True, text=True, check=True
    )
    found = re.search(r"v=(\d+)", queue.stdout)
    assert found
    assert services()["postgres"]["image"].startswith(f"postgres:{major}.")
    assert services()["redis"]["image"].startswith(f"valkey/valkey:{found.group(1)}.")


def write_passwords(folder: Path) -> dict[str, str]:
    """Write the secrets of the server of Redis; return the password of each user."""
    found = {OWNER: """a "b" %s \\n 'c' $HOME # é""", **{user: f"Word-of_{user}" for user in read_rules()}}
    (folder / "redis_password").write_text(f"{found[OWNER]}\n")
    for user in read_rules():
        (folder / f"redis_url_{user}").write_text(f"redis://{user}:{found[user]}@redis:6379/0\n")
    return found


def test_the_server_of_redis_is_given_the_users_that_are_declared(tmp_path: Path) -> None:
    passwords, script = write_passwords(tmp_path), DEPLOY / "compose" / "redis_users.sh"
    command = services()["redis"]["command"][2].partition(" &&")[0]
    assert command == "sh /etc/valkey/redis_users.sh /etc/valkey/redis_users.acl /tmp/users.acl"
    mounted = dict(each.split(":")[1::-1] for each in services()["redis"]["volumes"])
    assert (DEPLOY / "compose" / mounted["/etc/valkey/redis_users.acl"]).resolve() == RULES
    given = {f"redis_url_{user}" for user in read_rules()} | {"redis_password"}
    assert set(services()["redis"]["secrets"]) == given
    environment = {"PATH": os.environ["PATH"], "SECRETS_DIR": str(tmp_path)}
    subprocess.run(["sh", script, RULES, tmp_path / "users.acl"], env=environment, check=True)
    assert (tmp_path / "users.acl").read_text().splitlines() == write_users(passwords).splitlines()
    assert stat.S_IMODE((tmp_path / "users.acl").stat().st_mode) == 0o600


@in_turn("address", ["redis://redis:6379/0", "redis://api:a%20b@redis:6379/0", ""])
def test_the_server_of_redis_does_not_start_with_an_address_that_has_no_password(
    tmp_path: Path, address: str
) -> None:
    write_passwords(tmp_path)
    (tmp_path / "redis_url_api").write_text(address)
    environment = {"PATH": os.environ["PATH"], "SECRETS_DIR": str(tmp_path)}
    script = ["sh", *map(str, (DEPLOY / "compose" / "redis_users.sh", RULES, tmp_path / "users.acl"))]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr == "redis_url_api has no password of letters, digits, - and _\n"


def test_each_service_is_given_its_own_user_of_redis() -> None:
    given = {
        name: secrets_of(each)["redis_url"]
        for name, each in services().items()
        if "redis_url" in secrets_of(each)
    }
    assert given == {name: f"redis_url_{program_of(services()[name])}" for name in given}
    assert set(given) == {
        name for name in OURS_ONLY if "redis_url" in list_allowed(program_of(services()[name]))
    }


def test_the_queue_keeps_what_it_has_and_evicts_nothing() -> None:
    lines = (DEPLOY / "compose" / "valkey.conf").read_text("utf-8").splitlines()
    assert {"appendonly yes", "maxmemory-policy noeviction", "aclfile /tmp/users.acl"} <= set(lines)


def test_no_secret_stands_in_a_file_of_the_repository() -> None:
    secret = re.compile("SECRET$|KEY|TOKEN|PASSWORD$|_URL$")
    stores = {"EXPORTS_URL", "INVOICES_URL", "METRICS_API_URL", "PROOFS_URL", "SCRAPYD_URL"}
    for service in services().values():
        assert {key for key in service.get("environment", {}) if secret.search(key)} <= stores
    assert not {each.lower() for each in settings_of(EXAMPLE)} & set(SECRETS)


def test_the_example_of_settings_has_what_production_needs_besides() -> None:
    ours = [services()[name] for name in OURS_ONLY]
    elsewhere = {name.upper() for each in ours for name in (*each["environment"], *own_secrets(each))}
    assert marked("needed in production") - elsewhere <= settings_of(EXAMPLE)


def test_the_file_of_web_push_gives_its_key_to_the_notifier_alone() -> None:
    added = yaml.safe_load((FILE.parent / "push.yaml").read_text("utf-8"))
    assert {name: service["secrets"] for name, service in added["services"].items()} == {
        "notifier": ["vapid_private_key"]
    }
    assert set(added["secrets"]) == {"vapid_private_key"}
    assert "vapid_private_key" in list_allowed(program_of(services()["notifier"]))


def test_the_file_of_a_second_provider_of_mail_gives_its_address_to_who_sends_mail() -> None:
    added = yaml.safe_load((FILE.parent / "smtp.yaml").read_text("utf-8"))
    given = {name: service["secrets"] for name, service in added["services"].items()}
    senders = {name for name in OURS_ONLY if "sendgrid_api_key" in services()[name]["secrets"]}
    assert given == {name: ["smtp_url"] for name in senders}
    assert set(added["secrets"]) == {"smtp_url"}
    assert all("smtp_url" in list_allowed(program_of(services()[name])) for name in given)
