"""A copy of nginx.conf with loopback names, to be tried on a machine that is no server."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

_CONF = Path(__file__).parents[2] / "deploy" / "nginx" / "nginx.conf"
SERVER = "server {} max_fails=3 fail_timeout=1s;"  # as start.sh writes it for each API
_TLS = "/etc/rdvpriority/tls"


def fill_in(text: str, names: Mapping[str, str]) -> str:
    """Replace `${NAME}` of nginx.conf, as envsubst does for the names that it is given."""
    for name, value in names.items():
        text = text.replace(f"${{{name}}}", value)
    return text


def write_nginx_copy(
    folder: Path,
    *,
    server_name: str,
    api: str,
    user: str,
    http_port: int,
    https_port: int,
) -> Path:
    """Write nginx.conf for loopback, with a certificate of its own, and return its path.

    `api` is an address, or several with blanks between them. The first of them takes streams. All that
    it writes to lies in the folder; nothing else of the configuration differs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _make_certificate(folder, server_name)
    text = fill_in(
        _CONF.read_text("utf-8"),
        {
            "SERVER_NAME": server_name,
            "API_SERVERS": " ".join(SERVER.format(each) for each in api.split()),
            "LIVE_ADDRESS": api.split(maxsplit=1)[0],
            "NGINX_USER": user,
        },
    )
    moved = {
        f"{_TLS}/": f"{folder}/",
        "/run/nginx.pid": f"{folder}/nginx.pid",
        "/var/log/nginx/": f"{folder}/",
        "/var/www/acme": f"{folder}/acme",
        "listen [::]:80": f"listen [::1]:{http_port}",
        "listen [::]:443": f"listen [::1]:{https_port}",
        "listen 80": f"listen 127.0.0.1:{http_port}",
        "listen 443": f"listen 127.0.0.1:{https_port}",
        "listen 127.0.0.1:8081": f"listen unix:{folder}/alive.sock",
    }
    for old, new in moved.items():
        if old not in text:
            raise ValueError(f"nginx.conf has no {old!r} any more: {__file__} must be changed with it")
        text = text.replace(old, new)
    conf = folder / "nginx.conf"
    conf.write_text(text, "utf-8")
    return conf


def _make_certificate(folder: Path, name: str) -> None:
    kind = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    files = ["-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")]
    command = ["openssl", "req", *kind.split(), *names, *files]
    subprocess.run(command, check=True, capture_output=True)
