"""Status of the local stack's programs, as its supervisor knows them."""

import configparser
import os
import xmlrpc.client
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from supervisor.xmlrpc import SupervisorTransport

from deploy.local.state_dir import LOGS

_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Program:
    """One program of the supervisor's; memory is resident, in MB. `children` are those that have names of their own."""

    name: str
    state: str
    since: datetime | None
    pid: int
    memory_mb: int
    children: list[str]


def read_programs(state: Path) -> list[Program]:
    """Ask the supervisor of the stack on that folder.

    Raises:
        OSError, xmlrpc.client.Error: it does not answer.
    """
    conf = configparser.RawConfigParser()
    conf.read(state / LOGS / "supervisord.conf", "utf-8")
    door = conf["unix_http_server"]["file"].replace("%%", "%")
    transport = SupervisorTransport(None, None, f"unix://{door}")
    with xmlrpc.client.ServerProxy("http://supervisor", transport) as supervisor:
        told = cast("list[dict[str, Any]]", supervisor.supervisor.getAllProcessInfo())
    return [_program(each) for each in told]


def _program(told: dict[str, Any]) -> Program:
    runs = told["statename"] == "RUNNING"
    since = datetime.fromtimestamp(told["start"], UTC) if runs else None
    pid = told["pid"]
    return Program(told["name"], told["statename"], since, pid, _resident(pid), _children(pid))


def _children(pid: int) -> list[str]:
    """Return a process's children, as name and id, where they call themselves otherwise than it does."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
        names = {each: Path(f"/proc/{each}/comm").read_text("utf-8").strip() for each in (str(pid), *found)}
    except OSError:
        return []
    return [f"{names[each]} {each}" for each in found if names[each] != names[str(pid)]]


def _resident(pid: int) -> int:
    """Return a process's resident memory in MB; 0 where there is no /proc, or no process."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    except OSError:
        return 0
    return round(pages * os.sysconf("SC_PAGE_SIZE") / _MB)
