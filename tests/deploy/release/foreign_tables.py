"""Plugin of pytest: the tables of a run are made by the migrations of another version, in TABLES_TREE.

It is loaded by tests of another version too, so it imports nothing of ours.
"""

import os
import subprocess
from typing import Any

import alembic.command


def _upgrade(config: Any, _revision: str) -> None:
    """Do what `command.upgrade` does, by the other version's own program."""
    url = config.attributes["engine"].url.render_as_string(hide_password=False)
    tree = os.environ["TABLES_TREE"]
    done = subprocess.run(
        [os.environ["TABLES_PYTHON"], "-m", "api.migrations", "upgrade"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": tree, "DATABASE_URL": url, "BACKUP_URL": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the tables of {tree} cannot be made:\n{done.stderr}")


setattr(alembic.command, "upgrade", _upgrade)  # noqa: B010 -- of fewer arguments
