"""A page that reaches out of a check, in a network namespace where all that it tries would answer.

`python -m tests.crawler.browser.test_attack BROWSER` prints what was reached besides the page's own site.
"""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.crawler.browser.browser_page import NONE, spider_at

SITE, OTHER, METADATA = "93.184.215.14", "93.184.215.99", "169.254.169.254"  # on this namespace's loopback
_STUN = 3478
_TRIES = f"""
const tries = [fetch("http://{METADATA}/fetch"), fetch("/moved"), fetch("http://127.0.0.1:8081/fetch")];
const worker = new Worker("/worker.js");
tries.push(new Promise(done => {{ worker.onmessage = done }}));
for (const place of ["{METADATA}", "{OTHER}", "127.0.0.1"]) {{
  const call = new RTCPeerConnection({{iceServers: [{{urls: `stun:${{place}}:{_STUN}`}}]}});
  call.createDataChannel("x"); call.createOffer().then(offer => call.setLocalDescription(offer));
}}
tries.push(new Promise(done => setTimeout(done, 3000)));
Promise.allSettled(tries).then(() => {{ document.body.insertAdjacentHTML("beforeend", "{NONE}"); window.done = true }});
"""
_WORKER = f"""
const told = () => postMessage("done");
const other = new WebSocket("ws://{METADATA}/socket"); other.onerror = other.onopen = other.onclose = told;
fetch("http://{METADATA}/worker").catch(() => 0);
fetch("/moved-worker").catch(() => 0);
"""
_PAGE = f"""<!doctype html><html><head><link rel=dns-prefetch href=//{METADATA}>
<link rel=preconnect href=http://{METADATA}:82></head><body>
<iframe src=http://{METADATA}/frame></iframe><img src=http://{METADATA}/image><script src=http://{METADATA}/script></script>
<script>{_TRIES}</script></body></html>"""
_MOVED = f"HTTP/1.1 302 Found\r\nLocation: http://{METADATA}/redirect\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_AWAY = _MOVED.replace(METADATA, OTHER)


def _answer(path: str) -> bytes:
    if path.startswith("/moved"):
        return _MOVED.encode()
    if path == "/away":
        return _AWAY.encode()
    kind, body = ("text/javascript", _WORKER) if path == "/worker.js" else ("text/html", _PAGE)
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


def _listen(place: str, port: int, reached: set[str]) -> None:
    server = socket.create_server((place, port), backlog=50)

    def serve() -> None:
        while True:
            connection, _ = server.accept()
            with connection:
                line = connection.recv(4096).split(b"\r\n")[0].decode("latin-1")
                path = line.split(" ")[1] if " " in line else ""
                if place != SITE:
                    reached.add(f"{place}:{port}{path}")
                connection.sendall(_answer(path))

    threading.Thread(target=serve, daemon=True).start()


def _listen_udp(place: str, reached: set[str]) -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((place, _STUN))

    def serve() -> None:
        while server.recv(2048):
            reached.add(f"{place}:{_STUN} by UDP")

    threading.Thread(target=serve, daemon=True).start()


def _crawl(browser: str, path: str) -> str:
    with TemporaryDirectory() as folder:
        spider = spider_at(
            f"http://{SITE}{path}",
            Path(browser),
            Path(folder),
            APP_ENV="development",
            ALLOW_LIVE_SITES="true",
            AGENT_CONTACT="contact@example.org",
            TEST_PERIODS="",
        )
        return "".join(spider.communicate(timeout=120))


def main() -> None:
    """Open both pages, and print what was reached and what the program said."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for place in (SITE, OTHER, METADATA):
        subprocess.run(["ip", "address", "add", f"{place}/32", "dev", "lo"], check=True)
    for command in (
        "link add out type veth peer name far",
        "address add 10.9.9.9/24 dev out",
        "link set far up",
        "link set out up",
        "route add default dev out",
    ):
        subprocess.run(["ip", *command.split()], check=True)  # WebRTC takes no loopback
    reached: set[str] = set()
    for place, port in ((SITE, 80), (OTHER, 80), (METADATA, 80), (METADATA, 82), ("127.0.0.1", 8081)):
        _listen(place, port, reached)
    for place in (OTHER, METADATA, "127.0.0.1"):
        _listen_udp(place, reached)
    said = [_crawl(sys.argv[1], path) for path in ("/", "/away")]
    sys.stdout.write(json.dumps({"reached": sorted(reached), "said": said}))
    sys.stdout.flush()
    os._exit(0)  # the listeners wait for ever


pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("browser")]
_NAMESPACE = ("unshare", "--net", "--map-root-user")


def test_a_page_that_reaches_out_of_its_check_reaches_nothing(browser: Path) -> None:
    if subprocess.run([*_NAMESPACE, "ip", "link"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespace can be made here")
    command = [*_NAMESPACE, sys.executable, "-m", "tests.crawler.browser.test_attack", str(browser)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
    found = json.loads(done.stdout)
    assert found["reached"] == []
    page, away = found["said"]
    assert "NO_SLOTS" in page, "it was read after all that it tried"
    assert f"redirected to another site: http://{OTHER}/" in away


if __name__ == "__main__":
    main()
