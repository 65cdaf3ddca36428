"""The step `faults`: what only real servers show. An expired certificate; Redis and PostgreSQL restarted."""

import json
import shutil
import socket
import ssl
import time
from pathlib import Path

from deploy.drill.production import do_main_job
from deploy.drill.production_files import NAME
from deploy.drill.production_servers import stop_postgres
from deploy.drill.production_stack import ProductionStack, Variant, run_production
from deploy.drill.step import StepFailed, Workplace
from deploy.drill.visitor import Visitor, open_slot, wait_for

_RELOAD = 30.0  # seconds: deploy/nginx/start.sh looks each ten
_NOTICED = 60.0
_DOWN = 3.0


def check_faults(work: Workplace) -> str:
    """Let the certificate expire, then restart both servers.

    Raises:
        StepFailed: a fault is not named, or production does not recover.
    """
    with run_production(work, "faults", Variant()) as stack:
        visitor = Visitor(stack.authority.certificate)
        do_main_job(visitor, work)
        figures = [
            _expire_certificate(stack, work),
            _restart_server("redis", stack, visitor, work),
            _restart_server("postgres", stack, visitor, work),
        ]
        stack.stop_in_order()
    return "; ".join(figures)


def _expire_certificate(stack: ProductionStack, work: Workplace) -> str:
    """Give nginx a certificate that has expired, then a good one; return the seconds of both."""
    if (found := _read_finding(stack))["state"] != "ok":
        raise StepFailed(f"the status finds a fault where there is none: {found['reason']}")
    _install(stack, days=-1)
    begun = time.monotonic()
    wait_for(
        lambda: "expired" in find_certificate_fault(stack.authority.certificate), "nginx's reload", _RELOAD
    )
    served = time.monotonic() - begun
    found = _read_finding(stack)
    if found["state"] == "ok" or NAME not in found["reason"] or "expired" not in found["reason"]:
        raise StepFailed(f"the status does not name the expired certificate: {found['reason']}")
    work.say(f"status: {found['reason']}")
    _install(stack, days=30)
    begun = time.monotonic()
    wait_for(lambda: not find_certificate_fault(stack.authority.certificate), "nginx's reload", _RELOAD)
    reloaded = time.monotonic() - begun
    if (found := _read_finding(stack))["state"] != "ok":
        raise StepFailed(f"the status names a certificate that is gone: {found['reason']}")
    return f"expired certificate served and named after {served:.0f} s, a new one after {reloaded:.0f} s"


def _install(stack: ProductionStack, days: int) -> None:
    """Put a new certificate where nginx finds it, as deploy/nginx/certificates.sh does."""
    made = stack.folder / "new-tls"
    stack.authority.issue(made, NAME, days=days)
    for name in ("privkey.pem", "fullchain.pem"):
        shutil.copy(made / name, stack.tls / f"{name}.new")
        (stack.tls / f"{name}.new").rename(stack.tls / name)


def find_certificate_fault(authority: Path) -> str:
    """Return why a visitor's browser refuses the server's certificate; nothing where it is good."""
    context = ssl.create_default_context(cafile=str(authority))
    try:
        with (
            socket.create_connection((NAME, 443), 5) as plain,
            context.wrap_socket(plain, server_hostname=NAME),
        ):
            return ""
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except OSError as error:
        return f"no connection: {error}"


def _read_finding(stack: ProductionStack) -> dict[str, str]:
    """Return the finding of `python -m deploy.status` on the certificate; /api/health keeps its own for ten minutes."""
    _, said = stack.services["api-1"].run(["python", "-m", "deploy.status", "--json"])
    line = next((line for line in said.splitlines() if line.startswith("{")), "")
    findings = json.loads(line)["health"] if line else []
    found: dict[str, str] | None = next((each for each in findings if each["name"] == "certificate"), None)
    if found is None:
        raise StepFailed(f"the status says nothing of the certificate: {said[-500:]}")
    return found


def _restart_server(name: str, stack: ProductionStack, visitor: Visitor, work: Workplace) -> str:
    """Stop a server for a moment beneath all programs; a slot opens meanwhile. Return the seconds of recovery.

    The service's own name is not health's: PostgreSQL is `database` there.
    """
    part = {"postgres": "database"}.get(name, name)
    before = visitor.count_alerts()
    server = stack.services[name]
    stop_postgres(server) if name == "postgres" else server.stop()
    wait_for(lambda: is_named(part, stack), f"health naming {part}", _NOTICED)
    open_slot()
    time.sleep(_DOWN)
    server.start()
    server.wait_healthy(60)
    begun = time.monotonic()
    stack.wait_well()
    well = time.monotonic() - begun
    visitor.wait_alert(before)
    work.say(f"{name} restarted: well after {well:.1f} s, and the alert of the meantime arrived")
    return f"{name} restarted, well after {well:.1f} s"


def is_named(part: str, stack: ProductionStack) -> bool:
    """Whether health says that a part does not work."""
    found = stack.health().get("parts", {})
    return bool(found) and found.get(part, {}).get("status") not in (None, "ok")
