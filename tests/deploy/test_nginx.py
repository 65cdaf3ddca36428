"""nginx.conf: its bounds agree with the API's; and, where nginx is installed, what it does with requests."""

import gzip
import http.client
import http.server
import ipaddress
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import gunicorn.config
import psutil
import pytest

from api.stream import __main__ as stream
from api.web.request_bodies import LARGEST_BODY, LARGEST_WEBHOOK
from deploy.local.processes import answers, free_port, stop
from tests.deploy.compose_files import DEPLOY, services
from tests.deploy.nginx_copy import SERVER, write_nginx_copy
from tests.waiting import until

CONF = (DEPLOY / "nginx" / "nginx.conf").read_text("utf-8")
NAME = "rdv.test"
BURST = 80
TEXT = b"body { color: black } " * 200
POLICY = "default-src 'self'"  # of the API's stand-in


def test_the_api_believes_one_proxy_which_writes_the_address_anew() -> None:
    assert services()["api-1"]["environment"]["PROXY_HOPS"] == "1"
    for header, value in (("For", "$remote_addr"), ("Host", "$host"), ("Proto", "$scheme")):
        assert re.findall(rf"proxy_set_header X-Forwarded-{header} (\S+);", CONF) == [value]
    assert "$proxy_add_x_forwarded_for" not in CONF


def test_all_zones_count_an_ipv6_subscriber_as_one() -> None:
    assert set(re.findall(r"limit_(?:req|conn)_zone (\S+) zone", CONF)) == {"$network"}
    (pattern,) = re.findall(r'map \$binary_remote_addr \$network \{\n\s+"~(.+)" \$subscriber;', CONF)
    find = re.compile(pattern.replace("(?<", "(?P<").replace("(?P<!", "(?<!").replace(r"\z", r"\Z").encode())

    def count_by(address: str) -> bytes:
        packed = ipaddress.ip_address(address).packed
        found = find.fullmatch(packed)
        return found["subscriber"] if found else packed

    assert (
        count_by("2001:db8:a0a:7::1") == count_by("2001:db8:a0a:7:a:b:c:d") != count_by("2001:db8:a0a:8::1")
    )
    assert count_by("192.0.2.1") != count_by("192.0.2.2")
    assert count_by("::ffff:192.0.2.1") != count_by("::ffff:192.0.2.2")


def test_nothing_is_kept_by_nginx() -> None:
    assert not re.search(r"proxy_(cache|store|ignore_headers)", CONF)


def test_all_live_streams_leave_room_for_everybody_else() -> None:
    """One worker may have all of them: a machine may have one core."""
    (connections,) = re.findall(r"worker_connections (\d+);", CONF)
    (files,) = re.findall(r"worker_rlimit_nofile (\d+);", CONF)
    assert int(files) > int(connections) >= 2 * stream._MOST_CONNECTIONS + 2048
    assert services()["stream"]["ulimits"]["nofile"] > 2 * stream._MOST_CONNECTIONS


def test_nginx_closes_an_idle_connection_before_gunicorn_does() -> None:
    """Otherwise a POST may meet one that is just being closed, and is not sent again."""
    blocks = re.findall(r"upstream (\w+) \{(.*?)\n    \}", CONF, re.DOTALL)
    kept = {
        name: re.findall(r"keepalive_timeout (\d+)s;", block)
        for name, block in blocks
        if "keepalive " in block
    }
    assert kept == {"api": ["1"]}
    assert gunicorn.config.Config().keepalive == 2


def upstream_of(*apis: str) -> str:
    return "".join(f"{SERVER.format(each)} " for each in apis).strip()


def start_container(folder: Path, apis: str, **programs: str) -> list[str]:
    """Run start.sh with stand-ins for its programs, and return nginx's upstream each time that nginx was called."""
    programs = {
        "nginx": f"cat {folder}/nginx.conf >> {folder}/called",
        "envsubst": 'cat > /dev/null; echo "$API_SERVERS"',
        "sleep": "exit 1",  # ends the loop that looks for other addresses
        "cksum": "exit 0",
        "getent": "exit 0",
    } | programs
    for name, does in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{does}\n")
        (folder / name).chmod(0o755)
    script = (DEPLOY / "nginx" / "start.sh").read_text("utf-8").replace("/tmp/", f"{folder}/")
    (folder / "start.sh").write_text(script.replace("/etc/rdvpriority/nginx.conf", "/dev/null"))
    environment = {
        "PATH": f"{folder}:/usr/bin:/bin",
        "SERVER_NAME": NAME,
        "API_ADDRESSES": apis,
        "LIVE_ADDRESS": "stream:4000",
    }
    # The pipe ends with the loop, which outlives the script.
    subprocess.run(["sh", folder / "start.sh"], env=environment, check=True, stdout=subprocess.PIPE)
    return [line.strip() for line in (folder / "called").read_text().splitlines()]


@pytest.mark.parametrize(
    "given", ["api:4000 10.0.0.2:4000", " api:4000\t10.0.0.2:4000\n", "api:4000, 10.0.0.2:4000,"]
)
def test_the_container_takes_the_addresses_of_several_apis_however_they_are_set_apart(
    tmp_path: Path, given: str
) -> None:
    assert set(start_container(tmp_path, given)) == {upstream_of("api:4000", "10.0.0.2:4000")}


def test_a_name_that_leads_nowhere_keeps_nginx_from_no_other_api(tmp_path: Path) -> None:
    back = tmp_path / "back"
    called = start_container(
        tmp_path,
        "api:4000 10.0.0.2:4000",
        getent=f'[ "$2" != api ] || [ -e {back} ] && echo "$2"',
        sleep=f"[ ! -e {back} ] && touch {back}",  # for the second look
    )
    assert (called[0], called[-1]) == (
        upstream_of("10.0.0.2:4000"),
        upstream_of("api:4000", "10.0.0.2:4000"),
    )


def test_streams_that_are_away_keep_nginx_from_no_page(tmp_path: Path) -> None:
    called = start_container(
        tmp_path,
        "api-1:4000 api-2:4000",
        getent='[ "$2" != stream ] && [ "$2" != api-1 ] && echo "$2"',
        envsubst='cat > /dev/null; echo "$LIVE_ADDRESS"',
    )
    assert set(called) == {"api-2:4000"}


def test_an_api_that_is_replaced_is_found_at_its_new_address(tmp_path: Path) -> None:
    turn = tmp_path / "turn"
    looks = f'[ "$2" != api-1 ] || wc -l < {turn}'  # another address each time
    called = start_container(
        tmp_path, "api-1:4000 api-2:4000", getent=looks, sleep=f"echo >> {turn}; [ $(wc -l < {turn}) -lt 3 ]"
    )
    assert len(called) == 4  # the configuration is tried, loaded again twice, and started


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with the headers that it got."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        is_file = self.path.startswith("/static/")
        body = TEXT if is_file else str(self.headers).encode() * 20
        self.send_response(200)
        self.send_header("Content-Type", "text/css" if is_file else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Strict-Transport-Security", "max-age=1")
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 -- http.server calls it so

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- as its base says
        pass


class Door:
    """A running nginx, and requests to it."""

    def __init__(self, folder: Path, http_port: int, https_port: int) -> None:
        self.folder, self.http_port, self.https_port = folder, http_port, https_port

    def ask(
        self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None, name: str = NAME
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        context = ssl.create_default_context(cafile=str(self.folder / "fullchain.pem"))
        connection = http.client.HTTPSConnection(name, self.https_port, timeout=10, context=context)
        connection.sock = context.wrap_socket(
            socket.create_connection(("127.0.0.1", self.https_port), 10), server_hostname=name
        )
        try:
            connection.request("POST" if body is not None else "GET", path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()


def open_slowly(door: Door, path: str) -> ssl.SSLSocket:
    """Begin a request whose body does not come."""
    context = ssl.create_default_context(cafile=str(door.folder / "fullchain.pem"))
    plain = socket.create_connection(("127.0.0.1", door.https_port), 10)
    made = context.wrap_socket(plain, server_hostname=NAME)
    made.sendall(f"POST {path} HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: 1000\r\n\r\n[".encode())
    return made


@pytest.fixture
def upstream() -> Iterator[http.server.ThreadingHTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def door(tmp_path: Path, upstream: http.server.ThreadingHTTPServer) -> Iterator[Door]:
    made = Door(tmp_path, free_port(), free_port())
    conf = write_nginx_copy(
        tmp_path, server_name=NAME, api=f"127.0.0.1:{upstream.server_port}", user="root",
        http_port=made.http_port, https_port=made.https_port,
    )  # fmt: skip
    # a busy machine asks no faster than the rate that is shipped
    slow = conf.read_text().replace("zone=visitors:10m rate=20r/s", "zone=visitors:10m rate=1r/m")
    conf.write_text(slow.replace("proxy_read_timeout 35s", "proxy_read_timeout 2s"))
    tried = subprocess.run(["nginx", "-t", "-q", "-c", str(conf)], capture_output=True, text=True)
    assert (tried.returncode, tried.stderr) == (0, "")
    process = subprocess.Popen(["nginx", "-c", str(conf), "-g", "daemon off;"])
    until(lambda: answers("127.0.0.1", made.https_port))
    yield made
    stop(process)


needs_nginx = [
    pytest.mark.journey,
    pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed"),
]


class TestRunning:
    """What nginx does, with the shipped configuration on loopback."""

    pytestmark = needs_nginx

    def test_the_address_is_the_visitor_s_whatever_was_sent(self, door: Door) -> None:
        sent = {
            "X-Forwarded-For": "203.0.113.9",
            "X-Forwarded-Host": "evil.example",
            "X-Forwarded-Proto": "http",
            "X-Real-IP": "203.0.113.9",
            "Forwarded": "for=203.0.113.9;host=evil.example",
            "X_Forwarded_For": "203.0.113.9",
            "SCRIPT_NAME": "/evil",
        }
        status, headers, body = door.ask("/", headers=sent | {"X-Request-ID": "visitors-own-id"})
        assert status == 200
        assert b"evil" not in body
        assert b"X-Forwarded-For: 127.0.0.1\n" in body
        assert b"X-Forwarded-Proto: https" in body
        assert f"X-Forwarded-Host: {NAME}\n".encode() in body
        assert b"203.0.113.9" not in body
        assert b"visitors-own-id" not in body
        assert headers.get_all("Strict-Transport-Security") == ["max-age=31536000; includeSubDomains"]

    def test_bodies_have_the_bounds_of_the_api(self, door: Door) -> None:
        for path, bound in {
            **dict.fromkeys(("/api/alerts", "/api/billing/webhook/more"), LARGEST_BODY),
            **dict.fromkeys(("/api/billing/webhook", "/api/telegram/webhook", "/api/hooks/sendgrid"), LARGEST_WEBHOOK),
        }.items():  # fmt: skip
            assert door.ask(path, b"x" * bound)[0] == 200
            assert door.ask(path, b"x" * (bound + 1))[0] == 413

    def test_slow_bodies_hold_no_place_of_the_api(
        self, door: Door, upstream: http.server.ThreadingHTTPServer
    ) -> None:
        slow = [open_slowly(door, "/api/hooks/sendgrid") for _ in range(50)]
        assert door.ask("/api/alerts", b"{}")[0] == 200
        here = psutil.Process().net_connections("tcp")
        busy = [each for each in here if each.laddr.port == upstream.server_port and each.raddr]
        assert len(busy) <= 1  # that of the request before
        for each in slow:
            each.close()

    def test_files_are_compressed_and_pages_are_not(self, door: Door) -> None:
        asked = {"Accept-Encoding": "gzip"}
        _, headers, body = door.ask("/static/1/page.css", headers=asked)
        assert headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(body) == TEXT
        assert door.ask("/dashboard", headers=asked)[1]["Content-Encoding"] is None

    def test_plain_requests_are_sent_to_tls_and_challenges_are_answered(self, door: Door) -> None:
        challenges = door.folder / "acme" / ".well-known" / "acme-challenge"
        challenges.mkdir(parents=True)
        (challenges / "token").write_text("proof")
        answers = []
        for path in ("/dashboard?a=1", "/.well-known/acme-challenge/token"):
            connection = http.client.HTTPConnection("127.0.0.1", door.http_port, timeout=10)
            connection.request("GET", path, headers={"Host": NAME})
            answer = connection.getresponse()
            answers.append((answer.status, answer.getheader("Location"), answer.read()))
            connection.close()
        assert answers[0][:2] == (301, f"https://{NAME}/dashboard?a=1")
        assert answers[1] == (200, None, b"proof")

    def test_a_program_that_asks_in_the_clear_is_refused(self, door: Door) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", door.http_port, timeout=10)
        connection.request("GET", "/api/auth/me", headers={"Host": NAME, "Authorization": "Bearer secret"})
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Location")) == (403, None)
        connection.close()

    def test_its_own_answers_are_guarded_too_and_the_api_s_once(self, door: Door) -> None:
        for path, body, policy in (("/", None, POLICY), ("/", b"x" * 65_537, "default-src 'none'; ")):
            _, headers, _ = door.ask(path, body)
            assert headers.get_all("X-Content-Type-Options") == ["nosniff"]
            (found,) = headers.get_all("Content-Security-Policy") or []
            assert found.startswith(policy)

    @pytest.mark.parametrize(
        "head",
        [
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity",
            "TRACE / HTTP/1.1",
            "GET / HTTP/1.1\r\nHost: evil.example",
        ],
    )
    def test_a_request_of_two_meanings_is_refused(self, door: Door, head: str) -> None:
        context = ssl.create_default_context(cafile=str(door.folder / "fullchain.pem"))
        with (
            socket.create_connection(("127.0.0.1", door.https_port), 10) as plain,
            context.wrap_socket(plain, server_hostname=NAME) as sock,
        ):
            sock.sendall(f"{head}\r\nHost: {NAME}\r\nConnection: close\r\n\r\n0\r\n\r\n".encode())
            answer = sock.makefile("rb").readline()
        assert answer.split()[1] in (b"400", b"405", b"501")

    def test_the_log_holds_no_address_of_a_person_and_no_token(self, door: Door) -> None:
        for _ in range(BURST + 2):  # the last ones are refused, which is an error
            door.ask("/l/verify.secret-token?email=someone")
        logs = [door.folder / "access.log", door.folder / "error.log"]
        until(lambda: " GET /l 429 " in logs[0].read_text())
        assert not re.search("secret-token|someone", "".join(each.read_text() for each in logs))

    def test_another_name_is_not_served(self, door: Door) -> None:
        with pytest.raises(ssl.SSLError):
            door.ask("/", name="another.test")

    def test_a_flood_is_stopped(self, door: Door) -> None:
        statuses = [door.ask("/")[0] for _ in range(BURST + 2)]
        assert statuses[:BURST] == [200] * BURST
        assert statuses[-1] == 429

    def test_an_api_that_is_away_is_said_and_when_to_come_back(
        self, door: Door, upstream: http.server.ThreadingHTTPServer
    ) -> None:
        upstream.socket.close()
        status, headers, body = door.ask("/")
        assert (status, headers["Retry-After"]) == (503, "10")
        assert "momentanément" in body.decode()
        assert headers["Strict-Transport-Security"]
        assert headers.get_all("X-Content-Type-Options") == ["nosniff"]
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")


def test_an_api_whose_name_is_found_once_in_each_look_is_kept(tmp_path: Path) -> None:
    turn = tmp_path / "turn"
    turn.touch()
    called = start_container(
        tmp_path,
        "api-1:4000 api-2:4000",
        getent=f'[ "$2" = api-2 ] || mkdir {tmp_path}/"$2".$(wc -l < {turn}) 2> /dev/null && echo "$2"',
        sleep=f"echo >> {turn}; [ $(wc -l < {turn}) -lt 3 ]",
    )
    assert set(called) == {upstream_of("api-1:4000", "api-2:4000")}
