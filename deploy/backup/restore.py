"""Restoring: a data folder of PostgreSQL from a base backup and the log after it, as it was at one second.

The folder is made in a subfolder first, and what PostgreSQL cannot start without is moved last. A restore that was
killed leaves nothing that starts; the next one begins again.
"""

import errno
import fcntl
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen, run
from tempfile import TemporaryFile
from typing import NamedTuple

import structlog
from pyrage.x25519 import Identity

from configs.ground.object_store import Blobs
from deploy.backup.database import parse_lsn
from deploy.backup.encryption import decrypt_stream
from deploy.backup.errors import BackupError, DamagedBackup
from deploy.backup.manifest import Manifest
from deploy.backup.object_stream import read_parts
from deploy.backup.restore_plan import Plan
from deploy.backup.wal_archive import write_segments

_HALF, _LOG = "restoring", "restored_wal"
_TAR_ENDS, _PAUSE = 10.0, 0.1  # seconds
_LAST = "global"  # has pg_control, without which PostgreSQL does not start
_NOT_OURS = frozenset({"lost+found"})
_CONFIGURATION = "postgresql.auto.conf"
_OF_RECOVERY = ("recovery_", "restore_command", "# written by a restore")
_LABEL = re.compile(
    r"^START WAL LOCATION: ([0-9A-F]+/[0-9A-F]+) .*^START TIMELINE: (\d+)$", re.DOTALL | re.MULTILINE
)
# Beside the log itself: PostgreSQL copies what it replays, and keeps max_wal_size (1 GB) of it.
_REPLAYED = 1 << 30
_DEBIAN = "/usr/lib/postgresql/{}/bin"  # its packages put this program on no PATH

log = structlog.get_logger(__name__)


class Restored(NamedTuple):
    """What a restore took."""

    seconds: float
    bytes: int  # of the base backup, unpacked
    log_bytes: int
    is_compared: bool  # by pg_verifybackup


def restore(blobs: Blobs, identities: Sequence[Identity], plan: Plan, into: Path) -> Restored:
    """Make a data folder. PostgreSQL, started on it, replays the log up to the wished instant and takes writes then.

    Raises:
        BackupError: the folder is in use, the disk too small, or what is stored is damaged.
        configs.ground.object_store.StoreAway: the store does not answer.
    """
    begun = time.monotonic()
    with _hold_folder(into):
        size, log_bytes, is_compared = _fill(blobs, identities, plan, into)
    return Restored(time.monotonic() - begun, size, log_bytes, is_compared)


@contextmanager
def _hold_folder(into: Path) -> Iterator[None]:
    """Keep other restores out of a folder, which is made where it is missing: each would remove what the other wrote.

    Raises:
        BackupError: another one is at work there, or the folder cannot be used.
    """
    try:
        into.mkdir(parents=True, exist_ok=True, mode=0o700)
        opened = os.open(into, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise BackupError(f"{into} cannot be used: {error}") from None
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise BackupError(
            f"another restore is at work in {into}: let it end, or name another folder"
        ) from None
    finally:
        os.close(opened)  # the kernel does so for a restore that is killed


def _fill(blobs: Blobs, identities: Sequence[Identity], plan: Plan, into: Path) -> tuple[int, int, bool]:
    """Make the data folder; return its bytes, those of its log, and whether its files were compared."""
    half = _prepare(into, plan)
    try:
        log.info("the base backup is unpacked", name=plan.base.name, of=str(plan.base.finished_at))
        _unpack(blobs, identities, plan.base, half)
        _check_identity(half, plan.base)
        is_compared = _verify(half, plan.base)
        size = _measure(half)
        log_bytes = _fetch_log(blobs, identities, plan, half / _LOG)
        _configure(half, plan)
    except BaseException as error:
        shutil.rmtree(half, ignore_errors=True)
        if isinstance(error, OSError):
            raise BackupError(
                f"{into} cannot be written: {error}: make room, or name another folder"
            ) from error
        raise
    _move(half, into)
    return size, log_bytes, is_compared


def _fetch_log(blobs: Blobs, identities: Sequence[Identity], plan: Plan, folder: Path) -> int:
    folder.mkdir()
    written = 0
    for timeline, chunks in plan.log:
        log.info("the log is fetched", timeline=timeline, chunks=len(chunks))
        written += write_segments(blobs, chunks, timeline, identities, folder)
    for timeline, content in plan.histories.items():
        (folder / f"{timeline:08X}.history").write_bytes(content)
    return written


def _prepare(into: Path, plan: Plan) -> Path:
    try:
        there = {path.name for path in into.iterdir()} - _NOT_OURS
    except OSError as error:
        raise BackupError(f"{into} cannot be used: {error}") from None
    if there and (_HALF not in there or _LAST in there):
        raise BackupError(f"{into} is not empty, and a restore overwrites nothing: move what is there away")
    for name in there:  # of a restore that was killed
        _remove(into / name)
    log_bytes = sum(chunk.length for _, chunks in plan.log for chunk in chunks)
    needed = plan.base.database_bytes + log_bytes + min(log_bytes, _REPLAYED)
    if (free := shutil.disk_usage(into).free) < needed:
        raise BackupError(
            f"{into} has {free >> 20} MB free, {needed >> 20} MB are needed: name a folder on a larger disk"
        )
    half = into / _HALF
    half.mkdir(mode=0o700)
    return half


def _remove(path: Path) -> None:
    """Remove a file or a folder; the tar of a restore that was just killed may write there for a moment more."""
    end = time.monotonic() + _TAR_ENDS
    while path.is_dir() and not path.is_symlink():
        try:
            shutil.rmtree(path)
        except OSError as error:
            if error.errno != errno.ENOTEMPTY or time.monotonic() > end:
                raise BackupError(f"{path} cannot be removed: {error.strerror}") from None
            time.sleep(_PAUSE)
    path.unlink(missing_ok=True)


def _unpack(blobs: Blobs, identities: Sequence[Identity], base: Manifest, half: Path) -> None:
    command = ["tar", "--extract", "--gzip", "--no-same-owner", "--file", "-", "--directory", str(half)]
    with TemporaryFile() as errors, Popen(command, stdin=PIPE, stdout=DEVNULL, stderr=errors) as tar:
        assert tar.stdin  # noqa: S101 -- for the type: it is a pipe
        try:
            decrypt_stream(read_parts(blobs, base), tar.stdin.write, identities, base.folder)
            tar.stdin.close()
        except BrokenPipeError:
            pass  # tar ended: its exit code says why
        except BaseException:
            tar.kill()
            raise
        if code := tar.wait():
            errors.seek(0)
            said = " ".join(errors.read().decode("utf-8", "replace").split())[-600:]
            free = shutil.disk_usage(half).free >> 20
            raise BackupError(
                f"the base backup cannot be unpacked, with {free} MB free tar ended with {code}: {said}"
            )


def _check_identity(half: Path, base: Manifest) -> None:
    """Refuse another base backup than the manifest describes: who may write to the store may have exchanged them.

    Raises:
        DamagedBackup: it is another cluster's, or begins elsewhere in the log.
    """
    try:
        system = int.from_bytes((half / "global" / "pg_control").read_bytes()[:8], sys.byteorder)
        label = _LABEL.search((half / "backup_label").read_text("utf-8"))
    except FileNotFoundError as error:
        raise DamagedBackup(
            f"{base.folder} is no base backup: it lacks {Path(error.filename).name}"
        ) from None
    is_own = (
        label and int(label[2]) == base.timeline and base.start_lsn <= parse_lsn(label[1]) <= base.stop_lsn
    )
    if not is_own or system != int(base.system):
        raise DamagedBackup(
            f"{base.folder} is another base backup than its manifest says: take another by --base"
        )


def _verify(half: Path, base: Manifest) -> bool:
    """Have PostgreSQL compare each file with the checksums that the server gave it; return whether it did.

    Raises:
        DamagedBackup: a file differs.
    """
    program = _find_verifier(base.server // 10_000)
    if program is None:
        log.warning("pg_verifybackup of the server's version is not installed: the files are not compared")
        return False
    done = run([program, "--no-parse-wal", str(half)], capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join(done.stderr.split())[-600:]
        raise DamagedBackup(f"pg_verifybackup refuses the base backup: {said}")
    return True


def _find_verifier(major: int) -> str | None:
    """Return PostgreSQL's program where it is of this major version; an older one cannot read the list of files.

    The embedded wheel's crashes, and is on no PATH.
    """
    for path in (None, _DEBIAN.format(major)):
        program = shutil.which("pg_verifybackup", path=path)
        if program:
            said = run([program, "--version"], capture_output=True, text=True, check=False).stdout
            if re.search(rf"\) {major}\b", said):
                return program
    return None


def _measure(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*"))


def _configure(half: Path, plan: Plan) -> None:
    """Write what recovery needs; paths are relative to the data folder, which another container may mount elsewhere."""
    lines = [
        "# written by a restore",
        f"restore_command = 'cp {_LOG}/%f \"%p\"'",
        f"recovery_end_command = 'rm -rf {_LOG}'",
        f"recovery_target_timeline = '{plan.timeline}'",
        "recovery_target_action = 'promote'",
    ]
    if plan.to:
        lines.append(f"recovery_target_time = '{plan.to.isoformat()}'")
    file = half / _CONFIGURATION
    before = file.read_text("utf-8").splitlines() if file.exists() else []
    kept = [line for line in before if not line.startswith(_OF_RECOVERY)]  # an earlier restore's
    file.write_text("\n".join([*kept, *lines]) + "\n", "utf-8")
    (half / "recovery.signal").touch()


def _move(half: Path, into: Path) -> None:
    os.sync()
    for path in sorted(half.iterdir(), key=lambda each: each.name == _LAST):
        path.rename(into / path.name)
    half.rmdir()
    into.chmod(0o700)
    os.sync()
