"""nginx before the API, with the shipped configuration, and how it is led from one API to the other."""

import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.processes import StartFailed, answers, free_port, start, stop, wait_until, with_parent
from deploy.server_files import write_nginx_copy

NAME = "rdv.test"
_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
_LEAD_TO = Path(__file__).parents[1] / "nginx" / "lead_to.sh"


class NginxMissing(RuntimeError):
    """nginx is not installed."""


@dataclass
class ReleaseFront:
    """A running nginx: `tls_port` as people reach it, and `plain_port` for those on this machine, without TLS."""

    folder: Path
    tls_port: int
    plain_port: int
    leads_to: int  # the API's port, at first
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def context(self) -> ssl.SSLContext:
        """Return what a client needs to trust the certificate."""
        return ssl.create_default_context(cafile=str(self.folder / "fullchain.pem"))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve while the block lasts.

        Raises:
            NginxMissing: it is not installed.
            deploy.local.processes.StartFailed: it did not come up.
        """
        nginx = shutil.which("nginx", path=_PATH)
        if nginx is None:
            raise NginxMissing(
                "nginx is not installed, and a release leads it from API to API: apt-get install nginx"
            )
        conf = write_nginx_copy(
            self.folder, server_name=NAME, api=f"127.0.0.1:{self.leads_to}", user="root",
            http_port=free_port(), https_port=self.tls_port,
        )  # fmt: skip
        self._open_plain_port(conf)
        log = self.folder / "said.log"
        self._process = start(with_parent([nginx, "-c", str(conf), "-g", "daemon off;"]), log)
        try:
            wait_until(
                lambda: answers("127.0.0.1", self.plain_port), log, what="nginx", process=self._process
            )
            yield
        finally:
            stop(self._process)

    def _open_plain_port(self, conf: Path) -> None:
        """Let the same server listen without TLS: the stand-ins of the providers do not trust its certificate."""
        tls = f"listen 127.0.0.1:{self.tls_port} ssl http2;"
        plain = f"{tls}\n        listen 127.0.0.1:{self.plain_port};"
        conf.write_text(conf.read_text("utf-8").replace(tls, plain), "utf-8")

    def lead_to(self, *ports: int) -> None:
        """Send all new requests to another API, or to several, as an operator does; return when the rest is answered.

        Raises:
            deploy.local.processes.StartFailed: the script failed; the text is what it said.
        """
        command = [
            "sh",
            str(_LEAD_TO),
            " ".join(f"127.0.0.1:{port}" for port in ports),
            str(self.folder / "nginx.conf"),
        ]
        environment = {**os.environ, "PATH": _PATH}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StartFailed(f"nginx cannot be led to {', '.join(map(str, ports))}: {done.stderr.strip()}")
