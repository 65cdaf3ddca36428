"""PgBouncer between programs and PostgreSQL: which addresses lead through it, and whom it knows."""

from pathlib import Path

from deploy.drill.pooler import lead_through, list_logins, write_conf


def test_an_address_leads_through_and_is_verified_in_full() -> None:
    assert lead_through("postgresql://rdv_api:p%2Fw@postgres:5432/rdvpriority") == (
        "postgresql://rdv_api:p%2Fw@pgbouncer:6432/rdvpriority"
        "?sslmode=verify-full&sslrootcert=/etc/rdvpriority/authority.pem"
    )


def test_each_login_is_known_with_its_password(tmp_path: Path) -> None:
    for name in ("api", "crawler"):
        (tmp_path / f"database_url_{name}").write_text(
            f"postgresql://rdv_{name}:word-{name}@postgres:5432/x\n"
        )
    (tmp_path / "redis_url").write_text("redis://:another@redis:6379/0\n")
    assert list_logins(tmp_path) == {"rdv_api": "word-api", "rdv_crawler": "word-crawler"}


def test_transactions_are_pooled_behind_tls(tmp_path: Path) -> None:
    write_conf(tmp_path, {"rdv_api": "word"})
    lines = (tmp_path / "pgbouncer.ini").read_text().splitlines()
    assert {"pool_mode = transaction", "client_tls_sslmode = require", "auth_type = scram-sha-256"} <= set(
        lines
    )
    assert (tmp_path / "users.txt").read_text() == '"rdv_api" "word"\n'
