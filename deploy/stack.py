"""The stack of several machines, made from production.yaml (docs/scaling.md), without what a stack has not."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

COMPOSE = Path(__file__).resolve().parent / "compose"
_NOT_OF_A_STACK = ("build", "depends_on", "restart", "security_opt", "shm_size", "tmpfs")
# And the volume of each
_STORES = {"PROOFS_URL": "proofs", "EXPORTS_URL": "exports", "INVOICES_URL": "invoices"}
_NO_DATA = "scrapyd"  # a volume: each node has its own
# How many of a service run: the setting that says it. api-1 stands for all APIs
_REPLICAS = {"api-1": "API_REPLICAS", "notifier": "NOTIFIER_REPLICAS", "scrapyd": "SCRAPYD_REPLICAS"}
_DEFAULTS = {"API_REPLICAS": "2", "API_ADDRESSES": "api-1:4000"}
_UPDATE = {"parallelism": 1, "delay": "10s", "monitor": "30s", "failure_action": "rollback"}
Yaml = dict[str, Any]


class StackRefused(Exception):
    """The stack cannot be made of these settings; the text says why, and what to do."""


def make_stack(files: Sequence[Yaml], settings: Mapping[str, str], secrets: Mapping[str, bytes]) -> Yaml:
    """Return the stack of compose files, each laid over the one before.

    `settings` fill in the names in the files. `secrets` are the contents of the secret files by name; empty ones are
    left out, and the name of each ends with a hash of its content, so that a changed one is another. BROWSER_NODE
    says that a node is labelled `browser`: it carries the proofs with their pictures, and nothing else.

    Raises:
        StackRefused: a name has no value, or APIs are to run where their volumes are not.
    """
    values = _DEFAULTS | {name: value for name, value in settings.items() if value}
    stored = {volume for name, volume in _STORES.items() if "://" in values.get(name, "")}
    if int(values["API_REPLICAS"]) > 2 and stored != {*_STORES.values()}:  # noqa: PLR2004 -- one machine's
        raise StackRefused(
            f"API_REPLICAS above 2 want other machines: give {', '.join(_STORES)} object stores"
        )
    hashes = {name: hashlib.sha256(text).hexdigest()[:12] for name, text in secrets.items() if text.strip()}
    merged: Yaml = {}
    for file in files:
        merged = _join(merged, {key: _fill_in(each, values) for key, each in file.items() if key[:2] != "x-"})
    del merged["services"]["api-2"]
    services = {
        name: _make_service(name, each, values, hashes, stored) for name, each in merged["services"].items()
    }
    mounted = {mount.get("source") for each in services.values() for mount in each["volumes"]}
    given = {secret["source"] for each in services.values() for secret in each["secrets"]}
    return {
        "version": "3.12",
        "services": services,
        "networks": {name: {"driver": "overlay"} | given for name, given in merged["networks"].items()},
        "volumes": {name: {} for name in merged["volumes"] if name in mounted},
        "secrets": {name: {"external": True} for name in sorted(given)},
    }


def _join(below: Any, above: Any) -> Any:
    """Lay a node over another, as compose does: maps are joined, lists get longer, all else is replaced."""
    if isinstance(below, dict) and isinstance(above, dict):
        return below | {
            key: _join(below[key], value) if key in below else value for key, value in above.items()
        }
    if isinstance(below, list) and isinstance(above, list):
        return [*below, *(each for each in above if each not in below)]
    return above


def _fill_in(node: Any, values: Mapping[str, str]) -> Any:
    """Fill in `${NAME}`, `${NAME:-other}`, `${NAME:?why}`; `$$` stays, because a stack fills in once more."""

    def fill(found: re.Match[str]) -> str:
        value = values.get(found["name"] or "", "") or (found["other"] if found["kind"] != ":?" else "")
        if found["kind"] == ":?" and not value:
            raise StackRefused(f"{found['name']} is not set: {found['other']}")
        return value or ("" if found["name"] else "$$")

    if isinstance(node, dict):
        return {key: _fill_in(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [_fill_in(each, values) for each in node]
    names = r"\$\$|\$\{(?P<name>\w+)(?:(?P<kind>:[-?])(?P<other>[^}]*))?\}"
    return re.sub(names, fill, node) if isinstance(node, str) else node


def _make_service(
    name: str, service: Yaml, values: Mapping[str, str], hashes: Mapping[str, str], stored: set[str]
) -> Yaml:
    volumes = [_mount(each) for each in service.get("volumes", ()) if each.split(":")[0] not in stored]
    stays = name == "migrate" or any(each["source"] != _NO_DATA for each in volumes)  # lost, it leaves locks
    # Chromium's sandbox needs our seccomp profile: a stack can set it for a whole engine alone
    shows = name == "proofs" and not stays and "BROWSER_NODE" in values
    given = [each if isinstance(each, dict) else {"source": each} for each in service.get("secrets", ())]
    empty = [each["source"] for each in given if each["source"] not in hashes]
    if empty and "env_file" not in service:  # a program says itself what it lacks; a server would stop all
        raise StackRefused(f"{name} cannot do without {', '.join(empty)}: empty, or no such file")
    return {key: value for key, value in service.items() if key not in _NOT_OF_A_STACK} | {
        "image": service["image"].replace("app-browser", "app-browser" if shows else "app"),
        "ports": [_publish(each) for each in service.get("ports", ())],
        "secrets": [
            {"target": source, "mode": 0o444} | each | {"source": f"{source}_{hashes[source]}"}
            for each in given
            if (source := each["source"]) in hashes
        ],
        "volumes": [*volumes, *_mount_memory(service)],
        "deploy": service.get("deploy", {})
        | _place(name, service, values, "data" if stays else "browser" if shows else ""),
    }


def _place(name: str, service: Yaml, values: Mapping[str, str], label: str) -> Yaml:
    """Return how often a service runs, on which nodes, and in which order it is replaced."""
    once = service.get("restart") == "on-failure:3"
    replicas = int(values.get(_REPLICAS.get(name, ""), "1"))
    # One that writes to a volume, or has a port of its machine, ends before the next begins; and one of several, or all
    # would go to a machine that came back empty: not an API, which visitors would miss
    order = "stop-first" if name != "api-1" and (label == "data" or replicas > 1) else "start-first"
    return {
        "endpoint_mode": "dnsrr",
        "mode": "replicated-job" if once else "replicated",
        "replicas": replicas,
        "placement": {"constraints": [f"node.labels.{label} == 1" if label else "node.labels.browser != 1"]},
        "restart_policy": {"delay": "5s"}
        | ({"condition": "on-failure", "max_attempts": 3} if once else {"condition": "any"}),
    } | ({} if once else {"update_config": _UPDATE | {"order": order}})


def _mount(volume: str) -> Yaml:
    source, target, *mode = volume.split(":")
    kind = "bind" if source[0] in "./" else "volume"
    place = str((COMPOSE / source).resolve()) if kind == "bind" else source
    return {"type": kind, "source": place, "target": target, "read_only": mode == ["ro"]}


def _mount_memory(service: Yaml) -> list[Yaml]:
    """Return `tmpfs` and `shm_size` as volumes, the only form that a stack takes; their mode is 1777."""
    shared = {"/dev/shm": service["shm_size"]} if "shm_size" in service else {}  # noqa: S108 -- its place
    given = [*service.get("tmpfs", ()), *(f"{place}:size={size}" for place, size in shared.items())]
    sizes = {place.partition(":")[0]: re.search(r"size=(\d+)m", place) for place in given}
    limits = {place: {"size": int(size[1]) << 20} if size else {} for place, size in sizes.items()}
    return [{"type": "tmpfs", "target": place, "tmpfs": limit} for place, limit in limits.items()]


def _publish(port: str) -> Yaml:
    """Publish a port of the machine itself: behind the swarm's own door all visitors have one address."""
    *_, published, target = port.split(":")
    return {"target": int(target), "published": int(published), "protocol": "tcp", "mode": "host"}
