"""The status as JSON: what programs read of each part."""

import json
from datetime import UTC, datetime

from api.admin.health.findings import PartState
from api.admin.health.status_report import HealthFinding, to_plain
from configs.ground.proof_queue import ProofStatus


def test_the_status_of_the_proofs_is_json() -> None:
    report = ProofStatus(at=datetime(2026, 11, 22, 9, tzinfo=UTC), store="s3", waiting=2)
    found = json.loads(json.dumps(to_plain({"proofs": [report]})))["proofs"][0]
    assert (found["at"], found["store"], found["waiting"], found["oldest_at"]) == (
        "2026-11-22T09:00:00Z", "s3", 2, None,
    )  # fmt: skip


def test_fields_are_renamed_in_dataclasses_and_models() -> None:
    report = ProofStatus(at=datetime(2026, 11, 22, 9, tzinfo=UTC), store="s3")
    assert "GIVEN_UP" in to_plain(report, str.upper)
    finding = HealthFinding("proofs", PartState.OK, "0 proofs on the way")
    assert to_plain(finding, str.upper) == {"NAME": "proofs", "STATE": "ok", "REASON": "0 proofs on the way"}
