"""Starting and ending our own processes so that none is left behind, and the signals that stop a stack."""

import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import psutil

_STEP = 0.02
_LINES = 15  # of a log, in an error text
_GRACE = 20.0  # seconds that descendants of a process have after its end


class StartFailed(RuntimeError):
    """Something did not come up; the text has the end of its log, or says what to do."""


def free_port() -> int:
    """Return a port for a server whose number others must know before it starts, or that cannot be told port 0.

    The kernel gives it to nobody else for a minute: the end of a conversation stays on it, beside which only a server
    that names the port may listen: with SO_REUSEADDR, as all set it.
    """
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", 0))
        listening.listen(1)
        port: int = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            listening.accept()[0].close()  # the side that closes first keeps the end
        return port


def is_free(address: str, port: int) -> bool:
    """Whether a server could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True


def answers(address: str, port: int) -> bool:
    """Whether somebody listens there.

    A connection may be given the very port it asks for and then meets itself: that is nobody, and must not wait
    for the end of a conversation on the port that a server is about to take.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        probe.settimeout(0.5)
        return probe.connect_ex((address, port)) == 0 and probe.getsockname() != probe.getpeername()


def with_parent(command: Sequence[str], signal_name: str = "TERM") -> list[str]:
    """Return the command so that the kernel ends it when we die, where util-linux can ask for that.

    It covers our own SIGKILL, which no handler sees: https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html
    """
    return [*_setpriv(), "--pdeathsig", signal_name, "--", *command] if _setpriv() else list(command)


@cache
def _setpriv() -> tuple[str, ...]:
    """Return the setpriv that can ask the kernel (busybox has one that cannot), or nothing."""
    found = shutil.which("setpriv")
    tried = found and subprocess.run(
        [found, "--pdeathsig", "TERM", "--", "true"], capture_output=True, check=False
    )
    return (found,) if found and tried and tried.returncode == 0 else ()


def start(
    command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own (a Ctrl-C at the terminal is ours to pass on), its output in `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )


def up(command: Sequence[str], log: Path, ready: Callable[[], bool], *, what: str) -> subprocess.Popen[bytes]:
    """Start a server and wait until it is ready; where that fails or is interrupted, nothing of it is left.

    Raises:
        StartFailed: it ended, or the time is up.
    """
    process = start(command, log)
    try:
        wait_until(ready, log, what=what, process=process)
    except BaseException:
        stop(process)
        raise
    return process


def wait_until(
    ready: Callable[[], object],
    log: Path | None = None,
    *,
    what: str,
    process: subprocess.Popen[bytes] | None = None,
    seconds: float = 60,
) -> None:
    """Wait until `ready()`.

    Raises:
        StartFailed: the process ended before, or the time is up.
    """
    end = time.monotonic() + seconds
    while not ready():
        code = process.poll() if process else None
        if code is not None or time.monotonic() > end:
            state = f"ended with {code}" if code is not None else f"is not ready after {seconds:g} s"
            said = f"; the end of {log}:\n{tail(log)}" if log else ""
            raise StartFailed(f"{what} {state}{said}")
        time.sleep(_STEP)


def tail(log: Path) -> str:
    """Return the last lines of a log, for an error text."""
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-_LINES:]) if log.exists() else "(no log)"


def stop(process: subprocess.Popen[bytes], signum: int = signal.SIGTERM, seconds: float = 10) -> None:
    """End a process that we started: asked first, killed when it does not listen."""
    if process.poll() is not None:
        return
    process.send_signal(signum)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def stop_with_descendants(process: subprocess.Popen[bytes]) -> None:
    """End a supervisor, and wait for what its programs started: spiders and browsers outlive the parent they had.

    They were asked to end with their programs; who still runs after _GRACE is killed, with its own children.
    """
    if process.poll() is not None:
        return
    descendants = psutil.Process(process.pid).children(recursive=True)
    stop(process, seconds=15)
    _, alive = psutil.wait_procs(descendants, timeout=_GRACE)
    for each in alive:
        with suppress(psutil.NoSuchProcess):
            for child in (*each.children(recursive=True), each):
                with suppress(psutil.NoSuchProcess):
                    child.kill()
    psutil.wait_procs(alive, timeout=_GRACE)


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(BaseException):
    """Somebody asked us to stop. No Exception: who catches those would swallow it."""


def listen() -> None:
    """Raise StopRequested, from now on, when somebody asks us to stop."""
    for signum in _SIGNALS:
        signal.signal(signum, _stop)


def _stop(_signum: int, _frame: object) -> None:
    raise StopRequested


@contextmanager
def deaf() -> Iterator[None]:
    """Finish the block whatever is asked: an impatient second Ctrl-C must not leave processes behind."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals come to the main thread only, and only it may choose what they do
        return
    before = {signum: signal.signal(signum, signal.SIG_IGN) for signum in _SIGNALS}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
