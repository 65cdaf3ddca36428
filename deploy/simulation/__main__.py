"""`make simulate`: the simulation with a PostgreSQL and a Redis of its own, which end with it."""

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

import redis

from deploy.local.postgres import start_postgres
from deploy.local.processes import with_parent
from deploy.local.valkey import start_valkey

_DATABASE = "simulation"


def main(arguments: list[str]) -> int:
    """Run the simulation with these arguments on empty servers; return its exit code."""
    with ExitStack() as ends:
        state = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="rdv-simulate-")))
        postgres = start_postgres(state / "postgres", durable=False)
        ends.callback(postgres.stop)
        valkey = start_valkey(state / "redis", durable=False)
        ends.callback(valkey.stop)
        _stop_expiry(valkey.url())
        postgres.create(_DATABASE)
        environment = {
            **os.environ,
            "APP_ENV": "sandbox",
            "STATE_DIR": str(state),
            "DATABASE_URL": postgres.url(_DATABASE),
            "REDIS_URL": valkey.url(),
        }
        python = [sys.executable, "-m"]
        subprocess.run(
            [*python, "api.migrations", "upgrade"], env=environment, check=True, capture_output=True
        )
        return subprocess.run(
            with_parent([*python, "deploy.simulation.command", *arguments]), env=environment, check=False
        ).returncode


def _stop_expiry(url: str) -> None:
    """Have Redis keep what expires by the real clock (Valkey 8.1 or later): simulated time passes more slowly, too."""
    with redis.Redis.from_url(url) as client, suppress(redis.ResponseError):
        client.config_set("import-mode", "yes")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
