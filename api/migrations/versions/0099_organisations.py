"""Organisations, their members, people, keys and webhooks; users without an account; members in the audit."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision: str = "0099"
down_revision: str | None = "0098"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "the release before knows no beneficiaries: its users all have accounts, as the check says"

_TIME = sa.DateTime(timezone=True)
_NOW = sa.func.now()
_WORDS = {
    ("users", "role"): (("user", "support", "admin"), ("beneficiary",)),
    ("audit", "actor_kind"): (("support", "admin", "command"), ("member", "key")),
}


def _words(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=24)


def _text(column: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(column, sa.Text(), nullable=null)


def _time(column: str, *, made: bool = False) -> sa.Column[object]:
    return sa.Column(column, _TIME, nullable=not made, server_default=_NOW if made else None)


def _id() -> sa.Column[object]:
    return sa.Column("id", sa.Uuid(), primary_key=True)


def _key(column: str, to: str, ondelete: str | None = "CASCADE", **options: bool) -> sa.Column[object]:
    return sa.Column(column, sa.Uuid(), sa.ForeignKey(to, ondelete=ondelete), **options)  # type: ignore[arg-type]


def _partial(name: str, table: str, column: str, where: str) -> None:
    op.create_index(name, table, [column], postgresql_where=sa.text(where))


def _allow(table: str, column: str, words: Sequence[str]) -> None:
    op.drop_constraint(op.f(f"ck_{table}_{column}"), table)
    listed = ", ".join(f"'{word}'" for word in words)
    op.create_check_constraint(op.f(f"ck_{table}_{column}"), table, f"{column} IN ({listed})")


def upgrade() -> None:
    for (table, column), (old, new) in _WORDS.items():
        _allow(table, column, (*old, *new))
    op.create_check_constraint(
        op.f("ck_users_no_account"), "users",
        "(role = 'beneficiary') = (email LIKE '%@beneficiary.invalid')"
        " AND (role <> 'beneficiary' OR (password_hash IS NULL AND totp_secret IS NULL))",
    )  # fmt: skip
    _make_organisations()
    _make_people()
    _make_programs()


def _make_organisations() -> None:
    op.create_table(
        "organisations",
        _id(),
        _text("name"),
        sa.Column(
            "kind", _words("kind", "association", "lawyer", "employer", "public_body", "other"), nullable=False
        ),
        _text("siren", null=True), _text("vat_number", null=True), _text("address"), _text("purpose"),
        _time("created_at", made=True), _time("opened_at"), _time("granted_until"),
        sa.Column("needs_second_factor", sa.Boolean(), nullable=False, server_default=sa.false()),
        _text("contract_version", null=True), _time("contract_accepted_at"),
        sa.Column("contract_accepted_by", sa.Uuid()),
        sa.Column("next_reference", sa.Integer(), nullable=False, server_default="1"),
        _time("ends_at"),
        sa.Column("ends_because", _words("ends_because", "deleted", "closed", "unpaid", "abuse")),
        _text("end_reason", null=True), _time("ended_at"),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 200", name="name_length"),
        sa.CheckConstraint("siren ~ '^[0-9]{9}$'", name="siren"),
        sa.CheckConstraint("(opened_at IS NULL) = (granted_until IS NULL)", name="opened_with_grant"),
        sa.CheckConstraint(
            "(contract_version IS NULL) = (contract_accepted_at IS NULL)"
            " AND (contract_version IS NULL) = (contract_accepted_by IS NULL)",
            name="contract",
        ),
        sa.CheckConstraint(
            "(ends_at IS NULL) = (ends_because IS NULL) AND (ended_at IS NULL OR ends_at IS NOT NULL)",
            name="ends_with_reason",
        ),
    )  # fmt: skip
    going, asking = "ends_at IS NOT NULL AND ended_at IS NULL", "opened_at IS NULL AND ends_at IS NULL"
    _partial("ix_organisations_ends_at", "organisations", "ends_at", going)
    _partial("ix_organisations_not_opened", "organisations", "id", asking)


def _make_people() -> None:
    op.create_table(
        "organisation_members",
        _id(),
        _key("organisation_id", "organisations.id", nullable=False),
        _key("user_id", "users.id", unique=True),
        _text("email", null=True),
        sa.Column("role", _words("role", "owner", "caseworker", "viewer"), nullable=False),
        sa.Column("told_from", sa.Time()), sa.Column("told_until", sa.Time()),
        _time("created_at", made=True), _time("joined_at"),
        sa.UniqueConstraint("organisation_id", "email"),
        sa.CheckConstraint(
            "(user_id IS NULL) = (email IS NOT NULL) AND (user_id IS NULL) = (joined_at IS NULL)", name="invitation"
        ),
        sa.CheckConstraint("length(email) <= 254", name="email_length"),
        sa.CheckConstraint(
            "(told_from IS NULL) = (told_until IS NULL) AND told_from <> told_until", name="told_hours"
        ),
    )  # fmt: skip
    _partial("ix_organisation_members_invited", "organisation_members", "created_at", "user_id IS NULL")
    op.create_table(
        "beneficiaries",
        _key("user_id", "users.id", primary_key=True),
        _key("organisation_id", "organisations.id", None, nullable=False),
        sa.Column("reference", sa.Integer(), nullable=False),
        _text("label", null=True),
        _key("caseworker_id", "organisation_members.id", "SET NULL"),
        sa.Column(
            "told", _words("told", "caseworker", "person", "both"), nullable=False, server_default="caseworker"
        ),
        _time("created_at", made=True), _time("invited_at"), _time("consented_at"), _time("stopped_at"),
        _time("ends_at"),
        sa.UniqueConstraint("organisation_id", "reference"),
        sa.CheckConstraint("starts_with(label, 'gAAAAA')", name="label_encrypted"),
    )  # fmt: skip
    op.create_index("ix_beneficiaries_caseworker_id", "beneficiaries", ["caseworker_id"])
    _partial("ix_beneficiaries_ends_at", "beneficiaries", "ends_at", "ends_at IS NOT NULL")


def _make_programs() -> None:
    op.create_table(
        "organisation_keys",
        _id(),
        _key("organisation_id", "organisations.id", nullable=False),
        _text("name"),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("scopes", ARRAY(sa.Text()), nullable=False),
        _time("created_at", made=True), _time("last_used_at"), _time("ended_at"),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 100", name="name_length"),
        sa.CheckConstraint("cardinality(scopes) > 0", name="scopes"),
    )  # fmt: skip
    op.create_table(
        "webhooks",
        _id(),
        _key("organisation_id", "organisations.id", nullable=False),
        _text("url"), _text("secret"),
        sa.Column("events", ARRAY(sa.Text()), nullable=False),
        _time("created_at", made=True), _time("ended_at"),
        sa.Column("ended_because", _words("ended_because", "member", "gone", "failing")),
        sa.CheckConstraint("length(url) BETWEEN 1 AND 500", name="url_length"),
        sa.CheckConstraint("starts_with(secret, 'gAAAAA')", name="secret_encrypted"),
        sa.CheckConstraint("(ended_at IS NULL) = (ended_because IS NULL)", name="ended_with_reason"),
    )  # fmt: skip
    for table in ("organisation_keys", "webhooks"):
        op.create_index(f"ix_{table}_organisation_id", table, ["organisation_id"])
    op.create_table(
        "webhook_deliveries",
        _id(),
        _key("webhook_id", "webhooks.id", nullable=False),
        _text("dedupe_key"),
        sa.Column("body", JSONB(), nullable=False),
        _time("created_at", made=True),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        _time("next_attempt_at"), _time("delivered_at"),
        _text("answer", null=True),
        sa.UniqueConstraint("webhook_id", "dedupe_key"),
    )  # fmt: skip
    op.create_index("ix_webhook_deliveries_created_at", "webhook_deliveries", ["created_at"])
    _partial(
        "ix_webhook_deliveries_next_attempt_at",
        "webhook_deliveries",
        "next_attempt_at",
        "next_attempt_at IS NOT NULL",
    )


def downgrade() -> None:
    for table in (
        "webhook_deliveries", "webhooks", "organisation_keys", "beneficiaries", "organisation_members", "organisations",
    ):  # fmt: skip
        op.drop_table(table)
    op.drop_constraint(op.f("ck_users_no_account"), "users")
    for (table, column), (old, _) in _WORDS.items():
        _allow(table, column, old)
