"""Description of the programs of one version, as JSON; each version runs this file with its own Python and code.

So it imports only what every version has had since the first one that can be released from.
"""

import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from deploy.local import environment, programs
from deploy.local.ports import StackPorts


def main() -> None:
    """Read the state folder, the ports and the addresses of the servers; write commands and variables."""
    given = json.load(sys.stdin)
    known = {each.name for each in fields(StackPorts)}  # an older version has fewer programs
    ports = StackPorts(**{name: port for name, port in given["ports"].items() if name in known})
    state, address = Path(given["state"]), given["database_url"]
    rights = {**programs.database_programs(), "backup": "backup"}
    found = {
        "commands": programs.commands(ports, world=False)
        | {"backup": [sys.executable, "-m", "deploy.backup", "run"]},
        "variables": environment.sandbox_variables(state, ports, address, given["redis_url"])
        | _name_logins(state, address),
        "own": {name: _own_variables(own) for name, own in rights.items()},
    }
    json.dump(found, sys.stdout)


def _name_logins(state: Path, address: str) -> dict[str, str]:
    """Return the address of the database for each program; the first versions had one for all."""
    build: Any = getattr(environment, "program_addresses", lambda _state, _address: {})
    return {f"DATABASE_URL_{name.upper()}": own for name, own in build(state, address).items()}


def _own_variables(own: Any) -> dict[str, str]:
    """Return what only this program gets; the first version knew its name alone."""
    build = getattr(programs, "build_environment", lambda name: {"PROGRAM": name})
    found: dict[str, str] = build(own)
    return found


if __name__ == "__main__":
    main()
