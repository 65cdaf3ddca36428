"""Child that answers Prometheus: `python -m deploy.metrics`, executed anew so that nothing of ours is in its memory.

It is given the login `reader` to the database and to Redis, and no other secret (docs/decisions/prefork-workers.md).
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import structlog

from configs.ground.hidden_folder import hide_folder
from configs.settings import Settings, settings
from configs.settings.constants import Constant
from configs.settings.program_settings import list_allowed, list_secrets
from configs.settings.secret_files import folder_in_use

# Port on which Prometheus is answered
METRICS_PORT = Constant("METRICS_PORT", 9464)

_MINE = "metrics"  # the folder of its secret files, in that of ours
_OF_READER = ("DATABASE_URL", "REDIS_URL")  # the owner's without one of its own, as on a developer's machine

log = structlog.get_logger(__name__)


def run(host: str) -> int:
    """Become the exporter, listening on this address; never returns."""
    folder = folder_in_use(settings().secrets_dir)
    environment = build_environment(os.environ, folder)
    if folder and not hide_folder(folder, folder / _MINE):
        log.warning("the exporter of metrics could read our secret files: this kernel has no Landlock")
    command = [sys.executable, "-m", "deploy.metrics", "--host", host]
    os.execve(sys.executable, command, environment)  # noqa: S606 -- our own program


def build_environment(ours: Mapping[str, str], folder: Path | None) -> dict[str, str]:
    """Return the exporter's environment, made from ours: of the secrets only those that it may have."""
    withheld = {*list_secrets(Settings.model_fields)} - list_allowed("reader")
    given = {name: value for name, value in ours.items() if name.lower() not in withheld}
    own = {name: given[f"{name}_READER"] for name in _OF_READER if f"{name}_READER" in given}
    return given | own | {"PROGRAM": "reader"} | ({"SECRETS_DIR": str(folder / _MINE)} if folder else {})
