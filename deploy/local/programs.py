"""The programs of a stack and their supervisor: what runs, and that it runs again when it ends."""

import configparser
import hashlib
import os
import sys
import tempfile
import xmlrpc.client
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import psutil
from supervisor.xmlrpc import SupervisorTransport

from configs.settings import Settings
from configs.settings.common import Program
from configs.settings.program_settings import list_allowed, list_secrets
from deploy.local.ports import StackPorts
from deploy.local.processes import with_parent
from deploy.local.state_dir import LOGS

# --preload: one import for both workers, nothing is connected before they fork; its control socket would lie in $HOME.
_GUNICORN = (
    "--workers 2 --threads 8 --timeout 30 --graceful-timeout 35 --preload --no-control-socket"
    " --config python:api.web.gunicorn_hooks"
)

_RPC = "supervisor.rpcinterface:make_main_rpcinterface"
# Secrets of the stand-ins, which sign what they send to us; the former is not one of our settings.
_OF_STAND_INS = frozenset({"sendgrid_receipt_secret", "stripe_webhook_secret"})
# unix(7) allows 108 bytes; supervisord puts its process id behind the name while it binds.
_LONGEST_SOCKET = 90


def commands(ports: StackPorts) -> dict[str, list[str]]:
    """Return the command of each of our programs, by its name."""
    python = sys.executable
    scripts = Path(python).parent
    gunicorn = [str(scripts / "gunicorn"), "api.app:create_app()", "--bind", f"127.0.0.1:{ports.api}"]
    sandbox = ["--sites-port", ports.sites, "--providers-port", ports.providers, "--inbox-port", ports.inbox]
    webhook = ["--stripe-webhook", f"http://127.0.0.1:{ports.api}/api/billing/webhook"]
    receipts = ["--receipts", f"http://127.0.0.1:{ports.api}/api/hooks"]
    return {
        "sandbox": [python, "-m", "deploy.sandbox", *map(str, sandbox), *webhook, *receipts],
        "api": [*gunicorn, *_GUNICORN.split()],
        "scrapyd": [python, "-m", "deploy.scrapyd"],
        "planner": [python, "-m", "crawler.loops"],
        "proofs": [python, "-m", "crawler.proofs"],
        "notifier": [python, "-m", "notifier.workers"],
        "background": [python, "-m", "api.jobs"],
        "stream": [python, "-m", "api.stream", "--port", str(ports.live)],
    }


def database_programs() -> dict[str, Program]:
    """Return whose rights each program has: the value of PROGRAM (see configs/ground/database.py)."""
    crawl: dict[str, Program] = dict.fromkeys(("scrapyd", "planner"), "crawler")
    return {
        "api": "api", "stream": "stream", **crawl, "proofs": "proofs", "notifier": "notifier",
        "background": "background",
    }  # fmt: skip


def build_environment(own: Program | None, redis_url: str = "") -> dict[str, str]:
    """Return the variables of a program: which one it is, and nothing in place of the secrets that others read.

    Each program has addresses of the database and of Redis for itself. Only migrations have the owner's.
    """
    given = list_allowed(own) - {"database_url"} if own else _OF_STAND_INS
    withheld = {*list_secrets(Settings.model_fields), *_OF_STAND_INS} - given
    return (
        ({"PROGRAM": own} if own else {})
        | {name.upper(): "" for name in sorted(withheld)}
        | {"REDIS_URL": redis_url}
    )


def write_supervisor(
    folder: Path, programs: Mapping[str, list[str]], root: Path, queue: Mapping[str, str]
) -> Path:
    """Write supervisord's configuration for all programs and return its path; `queue`: Redis' address of each user.

    supervisord starts again what ends: http://supervisord.org/configuration.html
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = configparser.RawConfigParser()
    made["supervisord"] = {
        "nodaemon": "true", "logfile": _literal(folder / "supervisord.log"), "logfile_maxbytes": "5MB",
        "pidfile": _literal(folder / "supervisord.pid"), "loglevel": "info", "directory": _literal(root),
        **({"user": "root"} if os.geteuid() == 0 else {}),
    }  # fmt: skip
    door = _literal(_socket(folder))
    made["unix_http_server"] = {"file": door, "chmod": "0700"}
    made["supervisorctl"] = {"serverurl": f"unix://{door}"}
    made["rpcinterface:supervisor"] = {"supervisor.rpcinterface_factory": _RPC}
    for name, command in programs.items():
        variables = build_environment(
            database_programs().get(name), queue.get(database_programs().get(name, ""), "")
        )
        if name == "background":  # its child that answers Prometheus has this login
            del variables["DATABASE_URL_READER"]
            variables["REDIS_URL_READER"] = queue["reader"]
        made[f"program:{name}"] = _program(name, command, folder, variables)
    # supervisord ends one group after the other: in a group of their own, all programs are asked at once
    made["group:rdvpriority"] = {"programs": ",".join(programs)}
    path = folder / "supervisord.conf"
    with path.open("w", encoding="utf-8") as file:
        made.write(file)
    return path


def read_programs(state: Path) -> list[dict[str, Any]]:
    """Ask the supervisor of the stack on that folder; `children` are those that have names of their own.

    Raises:
        OSError, xmlrpc.client.Error: it does not answer.
    """
    door = f"unix://{_socket(state / LOGS)}"
    with xmlrpc.client.ServerProxy("http://supervisor", SupervisorTransport(None, None, door)) as supervisor:
        return [_describe(each) for each in cast("Any", supervisor.supervisor.getAllProcessInfo())]


def _describe(told: Mapping[str, Any]) -> dict[str, Any]:
    memory, children = 0, list[str]()
    with suppress(psutil.Error):  # it has ended
        process = psutil.Process(told["pid"])
        memory = round(process.memory_info().rss / 1e6)
        own = process.name()
        children = [f"{each.name()} {each.pid}" for each in process.children() if each.name() != own]
    runs = told["statename"] == "RUNNING"
    return {
        "name": told["name"], "state": told["statename"],
        "since": datetime.fromtimestamp(told["start"], UTC) if runs else None,
        "pid": told["pid"], "memory_mb": memory, "children": children,
    }  # fmt: skip


def _socket(folder: Path) -> str:
    """Return where supervisord can be asked: beside its logs, elsewhere where that path is too long for a socket."""
    path = str(folder / "supervisor.sock")
    if len(os.fsencode(path)) <= _LONGEST_SOCKET:
        return path
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return str(Path(tempfile.gettempdir()) / f"rdvpriority-{os.geteuid()}-{digest}.sock")


def _program(name: str, command: list[str], folder: Path, variables: Mapping[str, str]) -> Mapping[str, str]:
    log = _literal(_literal(folder / f"{name}.log"))  # it expands the names of these logs twice
    return {
        "command": " ".join(f'"{_literal(part)}"' for part in with_parent(command)),  # split as a shell does
        "autorestart": "true", "startsecs": "1", "startretries": "1000000",
        "stopsignal": "TERM", "stopwaitsecs": "5", "stopasgroup": "true", "killasgroup": "true",
        "stdout_logfile": log, "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": "2", "redirect_stderr": "true",
        "environment": ",".join(f'{key}="{value}"' for key, value in variables.items()),
    }  # fmt: skip


def _literal(text: object) -> str:
    """Return a text that supervisord, which expands `%(name)s` in every value, takes as it is."""
    return str(text).replace("%", "%%")
