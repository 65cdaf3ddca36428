"""Services of deploy/compose/production.yaml with what their images add: variables, files, rights."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).resolve().parents[1]
_COMPOSE = DEPLOY / "compose"
_VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?::([-?])([^}]*))?\}")


@dataclass(frozen=True)
class Volume:
    """A file or folder of the host, or a named volume, and its place in the container."""

    source: str
    target: str
    is_writable: bool


@dataclass(frozen=True)
class ComposeService:
    """A service, as Docker would start it."""

    name: str
    image: str | None  # its target in deploy/images/Dockerfile; None: somebody else's image
    command: list[str]
    environment: dict[str, str]
    secrets: list[str]
    volumes: list[Volume]
    tmpfs: list[str]  # /tmp:size=64m,mode=1777
    capabilities: list[str]
    user: str  # 10001:10001
    health: list[str]  # a command
    stop_seconds: float


def read_services(path: Path) -> dict[str, dict[str, Any]]:
    """Return the services of a compose file, as they are written."""
    found: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text("utf-8"))["services"]
    return found


def find_image(service: Mapping[str, Any]) -> str | None:
    """Return the name of our image that a service runs in; None for one of others."""
    found = re.fullmatch(r"rdvpriority/([\w-]+):.*", service["image"])
    return found[1] if found else None


@cache
def read_dockerfile() -> str:
    """Return the text of the images' Dockerfile."""
    return (DEPLOY / "images" / "Dockerfile").read_text("utf-8")


def read_variables() -> dict[str, str]:
    """Return the variables that our images set."""
    found = re.search(r"^ENV (.*)$", read_dockerfile().replace("\\\n", " "), re.MULTILINE)
    words = shlex.split(found[1]) if found else []
    return dict(word.split("=", 1) for word in words)


def read_service(name: str, variables: Mapping[str, str], given: Mapping[str, str]) -> ComposeService:
    """Return a service of production, with a second provider of mail where the settings name one.

    `variables` stand for `${…}`; `given` is what the file of settings holds.
    """
    text = read_services(_COMPOSE / "production.yaml")[name]
    image = find_image(text)
    own = text.get("environment", {})
    environment = (read_variables() if image else {}) | (dict(given) if "env_file" in text else {})
    return ComposeService(
        name=name,
        image=image,
        command=[
            fill_in(part, variables) for part in (*text.get("entrypoint", ()), *text.get("command", ()))
        ],
        environment=environment | {key: fill_in(str(value), variables) for key, value in own.items()},
        secrets=[*text.get("secrets", []), *_read_mail_secrets(name, given)],
        volumes=[_read_volume(each) for each in text.get("volumes", [])],
        tmpfs=list(text.get("tmpfs", [])),
        capabilities=[each.lower() for each in text.get("cap_add", [])],
        user=_read_user(text, image),
        health=_read_health(text),
        stop_seconds=float(str(text.get("stop_grace_period", "10s")).removesuffix("s")),
    )


def fill_in(text: str, variables: Mapping[str, str]) -> str:
    """Replace `${NAME}`, `${NAME:-default}` and `$$`, as Compose does.

    Raises:
        LookupError: a variable without a default is not given.
    """

    def replace(place: re.Match[str]) -> str:
        if place[0] == "$$":
            return "$"
        value = variables.get(place[1], "")
        if not value and place[2] != "-":
            raise LookupError(f"{place[1]} is not given: {place[3] or text}")
        return value or place[3]

    return _VARIABLE.sub(replace, text)


def _read_mail_secrets(name: str, given: Mapping[str, str]) -> list[str]:
    if "smtp" not in given.get("MAIL_PROVIDERS", "").split(","):
        return []
    return list(read_services(_COMPOSE / "smtp.yaml").get(name, {}).get("secrets", []))


def _read_volume(text: str) -> Volume:
    source, target, *mode = text.split(":")
    return Volume(source, target, "ro" not in mode)


def _read_user(text: Mapping[str, Any], image: str | None) -> str:
    if image:
        found = re.findall(r"^USER (\S+)$", read_dockerfile(), re.MULTILINE)
        return str(found[-1])
    user = str(text.get("user", "0"))
    return user if ":" in user else f"{user}:{user}"


def _read_health(text: Mapping[str, Any]) -> list[str]:
    """Return the command that asks whether a service works; none where it is switched off."""
    own = text["healthcheck"]
    if own.get("disable"):
        return []
    kind, *command = own["test"]
    return ["sh", "-c", *(each.replace("$$", "$") for each in command)] if kind == "CMD-SHELL" else command
