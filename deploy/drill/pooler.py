"""The step `pgbouncer`: Debian's PgBouncer between programs and PostgreSQL, transaction pooling, TLS to the programs.

Each program has a login of its own, as docs/database-roles.md says.

The embedded PostgreSQL has no TLS: PgBouncer is the end of it, which clients verify in full.
"""

import pwd
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2

from deploy.drill.authority import found_authority
from deploy.drill.container_root import Rights
from deploy.drill.machine import find_program
from deploy.drill.production import do_main_job
from deploy.drill.production_files import read_secret
from deploy.drill.production_stack import ProductionStack, Variant, run_production
from deploy.drill.step import CannotRun, StepFailed, Workplace
from deploy.drill.visitor import Visitor
from deploy.local.processes import answers, start, stop, wait_until

_HOST, _PORT = "pgbouncer", 6432
_USER = "rdvpriority"
_DATABASE = "rdvpriority"
_BEHIND, _DIRECT = "@postgres:5432/", "database_url_backup"
_TRUSTED = "/etc/rdvpriority/authority.pem"
# https://www.pgbouncer.org/config.html
_CONF = """\
[databases]
{database} = host=postgres port=5432 dbname={database}

[pgbouncer]
listen_addr = 127.0.1.4
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = 30
max_client_conn = 300
client_tls_sslmode = require
client_tls_cert_file = {folder}/fullchain.pem
client_tls_key_file = {folder}/privkey.pem
"""


def check_pooler(work: Workplace) -> str:
    """Run production through PgBouncer, do the main job, and have wrong certificates refused.

    Raises:
        CannotRun: there is no PgBouncer.
        StepFailed: something of it does not work.
    """
    find_program("pgbouncer", "pgbouncer")
    find_other_user()
    begun = time.monotonic()
    images = {"node": "app", "planner": "app"}  # so that it runs without a browser once, too
    settings = {"DATABASE_PREPARES": "false"}
    variant = Variant(images, settings, _choose_addresses, before_programs=_start_pooler)
    with run_production(work, "pgbouncer", variant) as stack:
        stood = time.monotonic() - begun
        delay = do_main_job(Visitor(stack.authority.certificate), work)
        refused = _check_refusals(stack)
        stack.stop_in_order()
    return f"well after {stood:.0f} s; slot shown to mail {delay:.1f} s; refused: {', '.join(refused)}"


def _choose_addresses(folder: Path) -> Mapping[str, str]:
    """Return the addresses of the programs' databases, through PgBouncer.

    It passes on no log: the backups' own leads past it, and that of the migrations.
    """
    files = [file for file in folder.glob("database_url_*") if file.name != _DIRECT]
    return {file.name: lead_through(read_secret(folder, file.name)) for file in files}


def lead_through(address: str) -> str:
    """Return a database's address by way of PgBouncer, verified in full."""
    return f"{address.replace(_BEHIND, f'@{_HOST}:{_PORT}/')}?sslmode=verify-full&sslrootcert={_TRUSTED}"


def find_other_user() -> Rights:
    """Return the rights of PgBouncer's user: it refuses root.

    Raises:
        CannotRun: Debian's package has made none.
    """
    for name in ("pgbouncer", "postgres"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Rights(f"{found.pw_uid}:{found.pw_gid}")
    raise CannotRun("needs the user postgres, which Debian's pgbouncer makes")


def _start_pooler(stack: ProductionStack) -> None:
    folder = stack.folder / "pgbouncer"
    stack.authority.issue(folder, _HOST)
    rights = find_other_user()
    write_conf(folder, list_logins(stack.folder / "secrets"))
    _hand_over(folder, rights)
    log = stack.folder / "logs" / "pgbouncer.log"
    command = [*rights.command(), find_program("pgbouncer", "pgbouncer"), str(folder / "pgbouncer.ini")]
    process = start(command, log)
    stack.ends.callback(stop, process)
    wait_until(lambda: answers("127.0.1.4", _PORT), log, what="pgbouncer", process=process)


def list_logins(secrets: Path) -> dict[str, str]:
    """Return each login of the programs with its password."""
    found = [urlsplit(read_secret(secrets, file.name)) for file in secrets.glob("database_url*")]
    return {each.username or "": each.password or "" for each in found}


def write_conf(folder: Path, logins: Mapping[str, str]) -> None:
    """Write its configuration and its list of users."""
    text = _CONF.format(database=_DATABASE, port=_PORT, folder=folder)
    (folder / "pgbouncer.ini").write_text(text)
    (folder / "users.txt").write_text("".join(f'"{name}" "{word}"\n' for name, word in logins.items()))


def _check_refusals(stack: ProductionStack) -> list[str]:
    """Connect as the programs do, then with another name and another authority; return what was refused.

    Raises:
        StepFailed: the good connection is refused, or a bad one is not.
    """
    other = found_authority(stack.folder / "other", "another authority")
    ours = str(stack.authority.certificate)
    password = read_secret(stack.folder / "secrets", "db_password")
    if said := _connect(password, _HOST, ours):
        raise StepFailed(f"a good certificate is refused: {said}")
    cases = {
        "another name": (_connect(password, "127.0.1.4", ours), "does not match host name"),
        "an unknown authority": (_connect(password, _HOST, str(other.certificate)), "verify failed"),
        "no TLS": (_connect(password, "postgres", ours, 5432), "does not support SSL"),
    }
    for name, (said, words) in cases.items():
        if words not in said:
            raise StepFailed(f"{name} is not refused as it should be: {said or 'it connects'}")
    return list(cases)


def _connect(password: str, host: str, authority: str, port: int = _PORT) -> str:
    """Connect with full verification; return why that is refused, nothing where it works."""
    try:
        psycopg2.connect(
            host=host, port=port, user=_USER, password=password, dbname=_DATABASE, sslmode="verify-full",
            sslrootcert=authority, connect_timeout=5,
        ).close()  # fmt: skip
    except psycopg2.OperationalError as error:
        return str(error).strip()
    return ""


def _hand_over(folder: Path, rights: Rights) -> None:
    uid, gid = map(int, rights.user.split(":"))
    for file in (folder, *folder.iterdir()):
        shutil.chown(file, uid, gid)
