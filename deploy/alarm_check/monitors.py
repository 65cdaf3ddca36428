"""Prometheus, Alertmanager and the exporter of the machine beside a stack, with the shipped configurations."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from deploy.alarm_check.expressions import ALERTMANAGER, PROMETHEUS, RULES
from deploy.alarm_check.files import CheckFailed
from deploy.local.processes import answers, free_port, start, stop, wait_until, with_parent
from deploy.local.stack import Stack

_HERE = "127.0.0.1"
_SECONDS = 30.0


@dataclass(frozen=True)
class PrometheusClient:
    """Asks a Prometheus by its HTTP API: https://prometheus.io/docs/prometheus/2.42/querying/api/."""

    port: int

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an instant query.

        Raises:
            CheckFailed: Prometheus refuses the query; the text says why.
        """
        found: list[dict[str, Any]] = self._get("query", query=expression)["result"]
        return found

    def list_metrics(self) -> set[str]:
        """Return the names of all metrics that were read."""
        return set(self._get("label/__name__/values"))

    def list_targets(self) -> dict[str, str]:
        """Return the health of each target by its job: `up`, `down` or `unknown`."""
        return {each["labels"]["job"]: each["health"] for each in self._get("targets")["activeTargets"]}

    def _get(self, path: str, **values: str) -> Any:
        query = urllib.parse.urlencode(values)
        try:
            with urllib.request.urlopen(
                f"http://{_HERE}:{self.port}/api/v1/{path}?{query}", timeout=30
            ) as answer:
                return json.loads(answer.read())["data"]
        except urllib.error.HTTPError as refusal:
            said = refusal.read().decode("utf-8", "replace")
            raise CheckFailed(f"{values.get('query', path)}: {refusal.code} {said}") from None

    def is_ready(self) -> bool:
        """Whether it has read its data, and answers."""
        try:
            with urllib.request.urlopen(f"http://{_HERE}:{self.port}/-/ready", timeout=30):
                return True
        except OSError:
            return False


@contextmanager
def run_monitors(stack: Stack, tools: Mapping[str, str], folder: Path) -> Iterator[PrometheusClient]:
    """Run the three beside a stack; they end with the block.

    Raises:
        deploy.local.processes.StartFailed: one did not come up; the text has the end of its log.
    """
    ports = {name: free_port() for name in ("prometheus", "alertmanager", "node")}
    write_configurations(stack, ports, folder)
    commands = {
        "node": [tools["prometheus-node-exporter"], f"--web.listen-address={_HERE}:{ports['node']}"],
        "alertmanager": _with_templates([
            tools["prometheus-alertmanager"], f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'alertmanager'}", f"--web.listen-address={_HERE}:{ports['alertmanager']}",
            "--cluster.listen-address=",
        ]),
        "prometheus": [
            tools["prometheus"], f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'prometheus'}", f"--web.listen-address={_HERE}:{ports['prometheus']}",
        ],
    }  # fmt: skip
    with ExitStack() as ends:
        for name, command in commands.items():
            log = folder / f"{name}.log"
            process = start(with_parent(command), log)
            ends.callback(stop, process)
            door = partial(answers, _HERE, ports[name])
            wait_until(door, log, what=name, process=process, seconds=_SECONDS)
        client = PrometheusClient(ports["prometheus"])
        wait_until(client.is_ready, folder / "prometheus.log", what="prometheus", seconds=_SECONDS)
        yield client


def _with_templates(command: list[str]) -> list[str]:
    """Return the command with Debian's templates where its Alertmanager looks for them: below /usr/share only."""
    share = Path(command[0]).parents[1] / "share"
    if share == Path("/usr/share"):
        return command
    script = 'mount -t overlay -o lowerdir="$0":/usr/share overlay /usr/share && exec "$@"'
    return ["unshare", "--mount", "--map-root-user", "sh", "-c", script, str(share), *command]


def write_configurations(stack: Stack, ports: Mapping[str, int], folder: Path) -> None:
    """Write the shipped configurations with a stack's ports and token."""
    folder.mkdir(parents=True, exist_ok=True)
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(stack.environment["ALERTMANAGER_TOKEN"])
    moved = {
        f"{_HERE}:9464": f"{_HERE}:{stack.ports.metrics}",
        f"{_HERE}:9100": f"{_HERE}:{ports['node']}",
        f"{_HERE}:9093": f"{_HERE}:{ports['alertmanager']}",
        f"{_HERE}:9090": f"{_HERE}:{ports['prometheus']}",
        f"{_HERE}:4002": f"{_HERE}:{stack.ports.api}",
        "/run/alertmanager/token": str(token),
    }
    usual = re.compile("|".join(map(re.escape, moved)))
    for source in (PROMETHEUS, ALERTMANAGER, RULES):
        made = usual.sub(lambda found: moved[found[0]], source.read_text("utf-8"))
        (folder / source.name).write_text(made)
