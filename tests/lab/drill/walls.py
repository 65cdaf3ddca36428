"""Walls between services: secrets, stores and networks, tried from inside each program."""

import json
from collections.abc import Mapping

from tests.lab.drill.engine import Engine, StepFailed
from tests.lab.drill.steps import Drill

_APIS = {"api-1", "api-2"}
# Each store: who writes to it, and who else reads it.
STORES = {
    "/var/lib/proofs": ("proofs", _APIS | {"backup"}),
    "/var/lib/exports": ("background", _APIS),
    "/var/lib/invoices": ("background", _APIS),
    "/srv/backups": ("backup", set[str]()),
}
_DOORS = {
    "postgres": 5432,
    "redis": 6379,
    "api-1": 4000,
    "stream": 4000,
    "background": 9464,
    "scrapyd": 6800,
    "nginx": 80,
}
# Run in each program: its secrets, those that its environment shows, what it reads and writes, whom it reaches.
_LOOK = """
import json, pathlib, socket, sys
from concurrent.futures import ThreadPoolExecutor
stores, doors = json.loads(sys.argv[1])
def works(act, *given):
    try:
        return act(*given) or True
    except OSError:
        return False
def connect(name):
    socket.create_connection((name, doors[name]), 3).close()
folder = pathlib.Path("/run/secrets")
held = {str(each.relative_to(folder)): each.read_text().strip() for each in folder.rglob("*") if each.is_file()}
shown = pathlib.Path("/proc/1/environ").read_text()
print(json.dumps([
    sorted(held), [name for name, value in held.items() if value in shown],
    [each for each in stores if works(pathlib.Path(each, "drill").read_text)],
    [each for each in stores if works(pathlib.Path(each, "new").touch)],
    [name for name, open in zip(doors, ThreadPoolExecutor().map(lambda each: works(connect, each), doors)) if open],
]))
"""
# A page that has another asked ahead. Prints what was asked of it.
_ASK_AHEAD = """
import http.server, subprocess, threading
asked, rules = [], '{"prefetch": [{"urls": ["/ahead"], "eagerness": "immediate"}]}'
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(f"<p>seen<script type=speculationrules>{rules}</script>".encode())
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
threading.Thread(target=server.serve_forever, daemon=True).start()
where = f"http://127.0.0.1:{server.server_port}/"
subprocess.run(["chromium", "--headless", "--timeout=3000", "--dump-dom", where], timeout=60)
print(asked)
"""
_WHAT = ("secrets", "secrets in the environment", "stores to read", "stores to write", "doors")


def check_walls(drill: Drill) -> str:
    """Look from inside each program: it has what it needs, and nothing else.

    Raises:
        StepFailed: one has more or less; the text names each.
    """
    engine = drill.engine
    stores = {place: who for place, who in STORES.items() if place in engine.stores}
    for store, (owner, _) in stores.items():
        engine.execute(owner, "touch", f"{store}/drill")
    ours = [name for name, each in engine.services.items() if "env_file" in each and name != "migrate"]
    wrong = []
    for name in ours:
        told = engine.execute(name, "python", "-c", _LOOK, json.dumps([list(STORES), _DOORS]))
        if told.returncode:
            raise StepFailed(f"{name}: {told.stderr[-500:]}")
        for what, found, due in zip(
            _WHAT, json.loads(told.stdout), _expect(engine, name, stores), strict=True
        ):
            wrong += [f"{name}, {what}: {found}, not {due}"] if found != due else []
    for name in engine.browsers:
        page = engine.execute(name, "python", "-c", _ASK_AHEAD)
        if "<p>seen" not in page.stdout:
            wrong.append(f"{name}: Chromium does not start in a sandbox of its own: {page.stderr[-500:]}")
        if "'/ahead'" in page.stdout:
            wrong.append(f"{name}: Chromium asks ahead: its policy is not in force")
    if wrong:
        raise StepFailed("; ".join(wrong))
    sandbox = f"; Chromium has its sandbox in {' and '.join(engine.browsers)}" if engine.browsers else ""
    return f"{len(ours)} programs have their own secrets, stores and doors, no others{sandbox}"


def _expect(engine: Engine, name: str, stores: Mapping[str, tuple[str, set[str]]]) -> tuple[list[str], ...]:
    """Return what a program must find, in the order of _WHAT."""
    networks = {each: set(service["networks"]) for each, service in engine.services.items()}
    return (
        sorted(map(_name_secret, engine.list_secrets(name))),
        [],
        [store for store, (owner, others) in stores.items() if name in {owner, *others}],
        [store for store, (owner, _) in stores.items() if name == owner],
        [door for door in _DOORS if networks[name] & networks[door]],
    )


def _name_secret(listed: str | dict[str, str]) -> str:
    """Return the name of a secret as its program sees it."""
    return listed if isinstance(listed, str) else listed["target"]
