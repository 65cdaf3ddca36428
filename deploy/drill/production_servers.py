"""The servers of production: PostgreSQL of the embedded wheel, Debian's redis-server, TLS before the stand-ins.

Each runs as Compose says: its command, user, volumes and secrets. What the entry point of PostgreSQL's image does
before the first start is done here.
"""

import signal
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg2

from deploy.drill.compose_file import ComposeService
from deploy.drill.machine import find_program
from deploy.drill.production_files import PROVIDERS, PROVIDERS_PORT
from deploy.drill.running_service import RunningService
from deploy.drill.step import StepFailed
from deploy.postgres_tools import find_in_wheel
from deploy.sandbox.addresses import PROVIDERS_PORT as STAND_INS_PORT
from deploy.sandbox.addresses import SENDGRID, STRIPE, TELEGRAM, TWILIO

_DATA = "/var/lib/postgresql/18/docker"
_WHEEL = "/opt/wheel"
_POSTGRES = "999:999"
# What PostgreSQL's image writes for connections from elsewhere
_REACHED = "host all all all scram-sha-256"
_STAND_INS = dict(zip(PROVIDERS, (SENDGRID, TWILIO, TELEGRAM, STRIPE), strict=True))
_DOOR = """\
    server {{
        listen {address}:{port} ssl;
        server_name {name};
        location / {{
            proxy_pass http://{stand_in}:{behind};
            proxy_set_header Host $http_host;
        }}
    }}
"""
_CONF = """\
pid {folder}/providers.pid;
error_log {folder}/providers.log warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/answers;
    fastcgi_temp_path {folder}/unused;
    uwsgi_temp_path {folder}/unused;
    scgi_temp_path {folder}/unused;
    ssl_certificate {folder}/fullchain.pem;
    ssl_certificate_key {folder}/privkey.pem;
{doors}}}
"""


def mount_postgres() -> dict[str, Path]:
    """Return the folders of the embedded PostgreSQL by where they are mounted: its package, and its libraries."""
    package = _find_programs().parents[1]
    folders = (package, package.with_name(f"{package.name}.libs"))
    return {f"{_WHEEL}/{each.name}": each for each in folders if each.exists()}


def locate_postgres() -> str:
    """Return where a container root has the programs of the embedded PostgreSQL, used instead of its image."""
    programs = _find_programs()
    return f"{_WHEEL}/{'/'.join(programs.parts[-3:])}"


def _find_programs() -> Path:
    found = find_in_wheel("postgres")
    if found is None:
        raise StepFailed("the embedded PostgreSQL is not installed: make setup")
    return found.parent


def adapt_postgres(service: ComposeService) -> ComposeService:
    """Return the service for the wheel's server: its paths, and the user that the image's entry point becomes."""
    command = [f"{locate_postgres()}/postgres", "-D", _DATA, "-c", "listen_addresses=*", *service.command[1:]]
    health = [f"{locate_postgres()}/{service.health[0]}", *service.health[1:]]
    return replace(service, command=command, user=_POSTGRES, health=health, capabilities=[])


def adapt_redis(service: ComposeService) -> ComposeService:
    """Return the service for Debian's server, which has other names for the same programs.

    Raises:
        CannotRun: it is not installed.
    """
    find_program("redis-server", "redis-server")

    def rename(text: str) -> str:
        return text.replace("valkey-server", "redis-server").replace("valkey-cli", "redis-cli")

    return replace(
        service,
        command=[rename(part) for part in service.command],
        health=[rename(part) for part in service.health],
    )


def make_cluster(postgres: RunningService) -> None:
    """Make the cluster and what its image's entry point makes: access by password, replication.

    Raises:
        StepFailed: it cannot be made.
    """
    variables = postgres.environment
    arguments = variables["POSTGRES_INITDB_ARGS"].split()
    owner = [f"--username={variables['POSTGRES_USER']}", f"--pwfile={variables['POSTGRES_PASSWORD_FILE']}"]
    steps = [
        [f"{locate_postgres()}/initdb", "-D", _DATA, *owner, *arguments],
        ["sh", "-c", f"echo '{_REACHED}' >> {_DATA}/pg_hba.conf"],
        ["env", f"PGDATA={_DATA}", "sh", "/docker-entrypoint-initdb.d/replication.sh"],
    ]
    for step in steps:
        code, said = postgres.run(step)
        if code:
            raise StepFailed(f"{step[0]} ended with {code}: {said[-800:]}")


def create_database(postgres: RunningService, password: str) -> None:
    """Create the database, as the image's entry point does."""
    user, name = postgres.environment["POSTGRES_USER"], postgres.environment["POSTGRES_DB"]
    made = psycopg2.connect(host="postgres", user=user, password=password, dbname="postgres")
    with closing(made):
        made.autocommit = True
        with made.cursor() as asked:
            asked.execute(f'CREATE DATABASE "{name}"')


def read_rows(postgres: RunningService, password: str, query: str) -> list[tuple[object, ...]]:
    """Return what a query finds in the database."""
    user, name = postgres.environment["POSTGRES_USER"], postgres.environment["POSTGRES_DB"]
    made = psycopg2.connect(host="postgres", user=user, password=password, dbname=name)
    with closing(made), made.cursor() as asked:
        asked.execute(query)
        return asked.fetchall()


def stop_postgres(postgres: RunningService) -> float:
    """Stop it by the signal that Compose sends; return the seconds that it took."""
    return postgres.stop(signal.SIGINT)


def write_door(folder: Path) -> Path:
    """Write the configuration of TLS before the stand-ins of all providers; return its path."""
    doors = "".join(
        _DOOR.format(address=address, port=PROVIDERS_PORT, name=name, stand_in=_STAND_INS[name],
                     behind=STAND_INS_PORT)
        for name, address in PROVIDERS.items()
    )  # fmt: skip
    conf = folder / "providers.conf"
    conf.write_text(_CONF.format(folder=folder, doors=doors))
    return conf
