"""Compilation of the tests as pytest does it, with its asserts, but without an import of what they import.

pytest has no public function for it: where an inner one goes, its workers compile the tests themselves.
"""

import os
import subprocess
from contextlib import suppress
from multiprocessing import Pool
from pathlib import Path

from _pytest.assertion import rewrite


def compile_test(file: Path) -> None:
    """Write the compiled file that pytest looks for, unless it is there and of this source."""
    compiled = rewrite.get_cache_dir(file) / f"{file.stem}{rewrite.PYC_TAIL}"
    with suppress(OSError):
        if rewrite._read_pyc(file, compiled) is None:
            compiled.parent.mkdir(exist_ok=True)
            source, code = rewrite._rewrite_test(file, None)  # type: ignore[arg-type]  # rewrite_asserts takes None
            with (aside := compiled.with_suffix(f".{os.getpid()}")).open("wb") as written:
                rewrite._write_pyc_fp(written, source, code)
            aside.replace(compiled)


if __name__ == "__main__":
    names = ("test_*.py", "conftest.py")
    tracked = subprocess.check_output(
        ["git", "ls-files", "--", *(f":(glob)tests/**/{each}" for each in names)], text=True
    )
    with Pool(2) as pool:
        pool.map(compile_test, [Path.cwd() / each for each in tracked.split()], chunksize=20)
