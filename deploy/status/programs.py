"""Status of the local stack's programs, and the screen's lines about programs, spiders and workers."""

import configparser
import os
import xmlrpc.client
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from rich.text import Text
from supervisor.xmlrpc import SupervisorTransport

from api.health.process_overview import QueueListener, Spider
from api.models.notification import Priority, queue_of
from api.models.user import Channel
from configs.clock import clock
from configs.formatting import format_duration, pluralize
from deploy.local.state_dir import LOGS
from deploy.status.text import BAD, DIM, GOOD, ODD, join_pieces, line

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


def program_lines(part: list[Program]) -> list[Text]:
    """Say it."""
    return [join_pieces(_program_line(each) for each in part)]


def _program_line(each: Program) -> Text:
    if each.since is None:
        return line((f"{each.name} {each.state}", BAD))
    memory = f" {each.memory_mb} MB" if each.memory_mb else ""
    children = f" ({', '.join(each.children)})" if each.children else ""
    return line(each.name, (f" {format_duration(clock() - each.since)}{memory}{children}", DIM))


def spider_lines(part: list[Spider]) -> list[Text]:
    """Say it."""
    return [_spider_line(each) for each in part] or [line(("none speaks: nothing is checked", BAD))]


def _spider_line(each: Spider) -> Text:
    style = GOOD if each.state == "serving" else ODD
    return line(
        f"{each.system} ", (each.state, style),
        f" {format_duration(clock() - each.started)}, {each.memory_mb} MB, {each.checks} checks, ",
        f"{each.running} under way ",
        (f" job {each.job[:8] or '-'}, version {each.version[:8]}", DIM),
    )  # fmt: skip


def worker_lines(part: list[QueueListener]) -> list[Text]:
    """Say it."""
    return [_worker_line(each) for each in part] or [line(("none: nobody is told", BAD))]


def _worker_line(each: QueueListener) -> Text:
    age = f" {format_duration(clock() - each.since)}" if each.since else ""
    said = line(f"{' + '.join(_work(each.queues))}: {each.state}{age}, {pluralize(each.jobs, 'job')} done")
    return said.append(f", {each.failed} failed", ODD) if each.failed else said


def _work(queues: list[str]) -> list[str]:
    """Return queues by name, those of a whole channel by the channel's."""
    named = list(queues)
    for channel in Channel:
        own = [queue_of(channel, priority) for priority in Priority]
        if set(own) <= set(named):
            named[named.index(own[0])] = channel.value
            named = [name for name in named if name not in own]
    return named
