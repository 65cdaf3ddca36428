"""Trial start of what is deployed now, in a process of its own: `python -m configs.start_trial MODULE CHECK…`.

It imports a program's module and calls functions by their dotted names, such as the reader of the desk files. Only a
new process has the new code, which alone knows the keys of new files; and the program that asks for the trial goes on
meanwhile.
"""

import importlib
import os
import pkgutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from configs.formatting import truncate_line

_SECONDS = 300  # of a start on a machine that is busy
_REFUSED = 65  # exit code: the output has a line for each problem
_NAMED, _LONGEST = 3, 300  # problems, and the characters of each


def try_start(module: str, checks: Sequence[str]) -> str:
    """Try whether a program would start; return what is wrong, "" where it would.

    The text names files without their folders.
    """
    command = [sys.executable, "-m", "configs.start_trial", module, *checks]
    try:
        done = subprocess.run(  # noqa: S603 -- our own program
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it does not start within {_SECONDS} s"
    except OSError as error:
        return f"it cannot be tried ({error.strerror})"
    if done.returncode == 0:
        return ""
    if done.returncode == _REFUSED:
        return list_problems(done.stdout.decode(errors="replace").splitlines())
    return f"it does not start ({_name_error(done.stderr.decode(errors='replace'))})"


def list_problems(problems: Sequence[str]) -> str:
    """Return the first problems as one line, and how many more there are."""
    named = [truncate_line(each, _LONGEST) for each in problems[:_NAMED]]
    return "; ".join(named + [f"{len(problems) - _NAMED} more"] * (len(problems) > _NAMED))


def hide_folders(text: str, *folders: Path) -> str:
    """Return a text that names the files of these folders without them, and a folder by its own name."""
    for folder in folders:
        text = text.replace(f"{folder}/", "").replace(str(folder), folder.name)
    return text


def _name_error(traceback: str) -> str:
    """Return the class of the error that a traceback ends with: its text may hold what strangers must not read."""
    lines = [line for line in traceback.splitlines() if line.strip()]
    return truncate_line(lines[-1].partition(":")[0], 80) if lines else "no word of why"


def main(given: Sequence[str]) -> int:
    """Try; return the exit code."""
    os.nice(10)  # what runs goes first
    from configs.settings import SettingMissing, SettingsRefused, settings  # noqa: PLC0415 -- new code may fail here
    from configs.startup import NotReady  # noqa: PLC0415
    from configs.strict_yaml import ConfigFileError  # noqa: PLC0415

    module, *checks = given
    try:
        importlib.import_module(module)
        for name in checks:
            pkgutil.resolve_name(name)()
    except (ConfigFileError, NotReady, SettingMissing, SettingsRefused) as error:
        text, current = str(error), settings()
        print(hide_folders(text, current.prefectures_dir, current.hosts_file.parent))  # noqa: T201 -- its parent reads it
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
