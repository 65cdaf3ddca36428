"""The compose file and the images as data, for the tests of each."""

import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from deploy.local.ports import StackPorts
from deploy.local.programs import commands

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
FILE = DEPLOY / "compose" / "production.yaml"
DOCKERFILE = DEPLOY / "images" / "Dockerfile"
PROGRAMS = ("api", "background", "notifier", "planner", "proofs", "scrapyd")
ONCE = {"migrate"}  # services that run to their end
COMPOSES_OWN = {
    "API_ADDRESSES",
    "LIVE_ADDRESS",
    "ACME_EMAIL",
    "ALARM_CHAT_ID",
    "ALARM_EMAIL",
    "ALARM_HEARTBEAT_URL",
    "COMPOSE_FILE",
    "RELEASE",
    "SERVER_NAME",
}  # variables of nginx, certbot, Alertmanager and the images' tag


@cache
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
    return found


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def image_of(service: dict[str, Any]) -> str | None:
    """Return the name of our image that a service runs in; None for one of others."""
    found = re.fullmatch(r"rdvpriority\.invalid/([\w-]+):.*", service["image"])
    return found[1] if found else None


def secrets_of(service: dict[str, Any]) -> dict[str, str]:
    """Return the secrets that a service is given: the file of each, by the name that its program sees."""
    listed = service.get("secrets", [])
    pairs = [(each, each) if isinstance(each, str) else (each["target"], each["source"]) for each in listed]
    return dict(pairs)


def program_of(service: dict[str, Any]) -> str:
    """Return whose settings and rights a service has."""
    return str(service["environment"]["PROGRAM"])


def local_commands() -> dict[str, list[str]]:
    """Return what a local stack runs."""
    found = commands(StackPorts(api=4000, inbox=0, providers=0, scrapyd=0, sites=0))
    return {name: plain(command) for name, command in found.items() if name in PROGRAMS}


def plain(command: list[str]) -> list[str]:
    """Return a command without its program's folder and the addresses that it binds."""
    places = [at for at, word in enumerate(command) if word in ("--bind", "--metrics-host")]
    bound = {place for at in places for place in (at, at + 1)}
    first = Path(command[0]).name if command[0] != sys.executable else "python"
    return [first, *(word for at, word in enumerate(command) if at and at not in bound)]


def settings_of(lines: list[str]) -> set[str]:
    """Return the variables that lines of NAME=value set."""
    return {line.partition("=")[0] for line in lines if re.match(r"[A-Z0-9_]+=", line)}
