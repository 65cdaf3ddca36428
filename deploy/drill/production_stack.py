"""Production on this machine: each service of the compose file in a container root, started and stopped in order."""

import json
import os
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from deploy.drill.authority import Authority
from deploy.drill.compose_file import ComposeService, read_service
from deploy.drill.images import ImageEnvironment, build_environments
from deploy.drill.machine import find_program
from deploy.drill.namespace import write_hosts
from deploy.drill.production_files import (
    MAIL_ADDRESS,
    MAIL_PORT,
    MAIL_SERVER,
    NAME,
    PROVIDERS,
    RECEIPT_SECRET,
    make_certificates,
    read_secret,
    write_desks,
    write_secret,
    write_secrets,
    write_settings,
)
from deploy.drill.production_servers import (
    adapt_postgres,
    adapt_redis,
    create_database,
    locate_postgres,
    make_cluster,
    mount_postgres,
    stop_postgres,
    write_door,
)
from deploy.drill.running_service import Host, RunningService, prepare_service
from deploy.drill.step import StepFailed, Workplace
from deploy.local.processes import answers, start, stop, wait_until, with_parent
from deploy.sandbox.addresses import PROVIDERS_PORT, STRIPE

PROGRAMS = ("api-1", "api-2", "stream", "metrics", "background", "notifier", "planner", "node", "backup")
_ADDRESSES = {
    "postgres": "127.0.1.1",
    "redis": "127.0.1.2",
    "api": "127.0.1.3",  # an alias of both in the compose file
    "api-1": "127.0.1.3",
    "pgbouncer": "127.0.1.4",
    "api-2": "127.0.1.5",
    "stream": "127.0.1.6",
    "node": "127.0.1.7",
}
_SECOND_PORT, _LIVE_PORT = 4002, 4003  # containers have a network each, where all can have 4000
_PATIENCE = 180.0  # seconds, on a machine with much else to do
_POSTGRES_USERS = ("postgres", "backup")  # services that have PostgreSQL's programs


@dataclass
class Variant:
    """What differs from the compose file: images, settings, secrets, services, what starts before the programs."""

    images: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: Callable[[Path], Mapping[str, str]] = lambda _: {}  # from those that were drawn
    adapt: Callable[[ComposeService], ComposeService] = lambda service: service
    before_programs: Callable[["ProductionStack"], None] = lambda _: None


@dataclass
class ProductionStack:
    """A running production. Its `folder` holds volumes, secrets, certificates and logs."""

    folder: Path
    authority: Authority
    ends: ExitStack
    services: dict[str, RunningService] = field(default_factory=dict)

    @property
    def tls(self) -> Path:
        """Return the folder of the server's certificate."""
        return self.folder / "volumes" / "tls"

    def health(self) -> dict[str, Any]:
        """Ask /api/health through nginx, as a visitor; an empty answer where there is none.

        Its certificate must be good.
        """
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        try:
            with urllib.request.urlopen(f"https://{NAME}/api/health", timeout=10, context=context) as answer:
                found: dict[str, Any] = json.loads(answer.read())
        except urllib.error.HTTPError as refusal:
            text = refusal.read()
            return dict(json.loads(text)) if text.startswith(b"{") else {}
        except OSError:
            return {}
        return found

    def wait_well(self, seconds: float = _PATIENCE) -> float:
        """Wait until all parts are ok; return the seconds that it took.

        Raises:
            StepFailed: they are not in time; the text names them.
        """
        begun = time.monotonic()
        while self.health().get("status") != "ok":
            if time.monotonic() - begun > seconds:
                raise StepFailed(f"not well after {seconds:g} s: {json.dumps(self.health())[:1500]}")
            time.sleep(0.5)
        return time.monotonic() - begun

    def stop_in_order(self) -> str:
        """Stop as `docker compose down` does: what depends on others first; return a line of figures.

        Raises:
            StepFailed: a service has to be killed, fails, or leaves something behind.
        """
        order = ("nginx", *PROGRAMS, "redis")
        took = {name: self.services[name].stop() for name in order if name in self.services}
        took["postgres"] = stop_postgres(self.services["postgres"])
        return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in took.items())


@contextmanager
def run_production(work: Workplace, name: str, variant: Variant) -> Iterator[ProductionStack]:
    """Start everything in the order of the compose file; it ends with the block, whatever happens.

    Raises:
        StepFailed: a service does not become healthy.
    """
    folder = work.folder / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    environments = build_environments(work)
    with ExitStack() as ends:
        stack = ProductionStack(folder, make_certificates(folder), ends)
        build = _Preparation(stack, environments, variant).provide
        _start_servers(stack, build)
        variant.before_programs(stack)
        _start_stand_ins(stack)
        begun = time.monotonic()
        build("migrate").run_once()
        work.say(f"migrated in {time.monotonic() - begun:.1f} s")
        started = [build(program) for program in PROGRAMS]
        for service in started:
            service.start()
        for service in started:
            service.wait_healthy(_PATIENCE)
            work.say(f"{service.name} healthy after {time.monotonic() - begun:.1f} s")
        nginx = build("nginx")
        nginx.start()
        nginx.wait_healthy(30)
        stack.wait_well()
        work.say(f"health is good after {time.monotonic() - begun:.1f} s")
        yield stack


class _Preparation:
    """Files that services share, and the making of their roots."""

    def __init__(
        self, stack: ProductionStack, environments: Mapping[str, ImageEnvironment], variant: Variant
    ) -> None:
        folder = stack.folder
        write_secrets(folder / "secrets")
        for name, value in variant.secrets(folder / "secrets").items():
            write_secret(folder / "secrets" / name, value)
        write_desks(folder / "prefectures")
        (folder / "volumes" / "acme").mkdir(parents=True)
        shutil.copytree(folder / "tls", stack.tls)
        names = _ADDRESSES | {NAME: "127.0.0.1", MAIL_SERVER: MAIL_ADDRESS} | PROVIDERS
        hosts = write_hosts(folder / "hosts", names)
        files = {"/etc/rdvpriority/prefectures": folder / "prefectures"}
        self._host = Host(folder / "volumes", folder / "secrets", stack.authority.certificate, hosts, files)
        self._stack, self._environments, self._variant = stack, environments, variant
        self._settings = write_settings() | dict(variant.settings)

    def provide(self, name: str) -> RunningService:
        """Return a service with its root; both end with the stack."""
        service = self._read_adapted(name)
        extra = dict(self._host.extra)
        if name in _POSTGRES_USERS:
            extra |= mount_postgres()
        if name == "nginx":
            extra = {}
        environment = self._environments[service.image] if service.image else None
        made = prepare_service(service, replace(self._host, extra=extra), self._stack.folder, environment)
        if name in _POSTGRES_USERS:  # before those of the machine, which may be of another version
            made.environment["PATH"] = f"{locate_postgres()}:{made.environment['PATH']}"
        self._stack.ends.callback(made.root.unmount)
        self._stack.ends.callback(made.kill)
        self._stack.services[name] = made
        return made

    def _read_adapted(self, name: str) -> ComposeService:
        service = read_service(name, self._settings, self._settings)
        adapted = {
            "postgres": adapt_postgres,
            "redis": adapt_redis,
            "nginx": _adapt_nginx,
            "api-2": _adapt_second_api,
            "stream": _adapt_stream,
        }
        service = adapted.get(name, lambda each: each)(service)
        service = self._variant.adapt(service)
        return replace(service, image=self._variant.images.get(name, service.image))


def _adapt_nginx(service: ComposeService) -> ComposeService:
    """Return the service for Debian's nginx, which was compiled with other folders than the image's."""
    find_program("nginx", "nginx-light")
    find_program("envsubst", "gettext-base")
    environment = service.environment | {
        "API_ADDRESSES": f"api-1:4000 api-2:{_SECOND_PORT}",
        "LIVE_ADDRESS": f"stream:{_LIVE_PORT}",
    }
    return replace(
        service, environment=environment, tmpfs=[*service.tmpfs, "/var/lib/nginx", "/var/log/nginx"]
    )


def _adapt_second_api(service: ComposeService) -> ComposeService:
    command = [part.replace(":4000", f":{_SECOND_PORT}") for part in service.command]
    return replace(service, command=command, environment=service.environment | {"PORT": str(_SECOND_PORT)})


def _adapt_stream(service: ComposeService) -> ComposeService:
    return replace(service, environment=service.environment | {"PORT": str(_LIVE_PORT)})


def _start_servers(stack: ProductionStack, build: Callable[[str], RunningService]) -> None:
    postgres, redis = build("postgres"), build("redis")
    make_cluster(postgres)
    redis.start()
    postgres.start()
    postgres.wait_healthy(60)
    redis.wait_healthy(60)
    create_database(postgres, read_secret(stack.folder / "secrets", "db_password"))


def _start_stand_ins(stack: ProductionStack) -> None:
    """Start the stand-ins of sites and providers, and TLS before those of the providers."""
    folder = stack.folder / "providers"
    secrets = stack.folder / "secrets"
    environment = os.environ | {
        "SSL_CERT_FILE": str(stack.authority.certificate),
        "STRIPE_WEBHOOK_SECRET": read_secret(secrets, "stripe_webhook_secret"),
        "SENDGRID_RECEIPT_SECRET": RECEIPT_SECRET,
    }
    webhook = ["--no-world", "--stripe-webhook", f"https://{NAME}/api/billing/webhook"]
    receipts = ["--receipts", f"https://{NAME}/api/hooks"]
    mail = [sys.executable, "-m", "deploy.drill.mail_door", str(folder), MAIL_ADDRESS, str(MAIL_PORT)]
    commands = {
        "sandbox": [sys.executable, "-m", "deploy.sandbox", *webhook, *receipts],
        "door": [find_program("nginx", "nginx-light"), "-c", str(write_door(folder)), "-g", "daemon off;"],
        "mail_door": mail,
    }
    for name, command in commands.items():
        log = stack.folder / "logs" / f"{name}.log"
        process = start(with_parent(command), log, env=environment)
        stack.ends.callback(stop, process)
        _wait_for(process, log, name)


def _wait_for(process: subprocess.Popen[bytes], log: Path, name: str) -> None:
    doors = {
        "sandbox": (STRIPE, PROVIDERS_PORT),
        "door": (PROVIDERS["api.stripe.com"], 8443),
        "mail_door": (MAIL_ADDRESS, MAIL_PORT),
    }
    wait_until(partial(answers, *doors[name]), log, what=name, process=process, seconds=60)
