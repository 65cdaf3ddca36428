"""The step `units`: `systemd-analyze verify` on copies of all units. Any output fails."""

import shutil
import sys
from pathlib import Path

from deploy.drill.machine import find_program, run_checked
from deploy.drill.step import StepFailed, Workplace
from deploy.server_files import write_unit_copies


def check_units(work: Workplace) -> str:
    """Verify them: an unknown key is a warning only, with exit code 0.

    Raises:
        CannotRun: there is no systemd-analyze.
        StepFailed: it has something to say.
    """
    analyze = find_program("systemd-analyze", "systemd")
    folder = work.folder / "units"
    shutil.rmtree(folder, ignore_errors=True)
    units = write_unit_copies(folder, Path(sys.executable).parent)
    if said := run_checked([analyze, "verify", *map(str, units)]).strip():
        raise StepFailed(said)
    return f"{len(units)} units, nothing to say"
