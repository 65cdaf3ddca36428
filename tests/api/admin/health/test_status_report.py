"""The status as JSON: what programs read of each part."""

import json
from datetime import UTC, datetime

from api.admin.health.findings import PartState
from api.admin.health.status_report import HealthFinding, to_plain
from configs.proof_spool_status import SpoolReport


def test_a_machine_s_report_of_its_proofs_is_json() -> None:
    report = SpoolReport(at=datetime(2026, 11, 22, 9, tzinfo=UTC), machine="node", store="s3", waiting=2)
    found = json.loads(json.dumps(to_plain({"proofs": [report]})))["proofs"][0]
    assert (found["at"], found["machine"], found["waiting"], found["oldest_at"]) == (
        "2026-11-22T09:00:00Z", "node", 2, None,
    )  # fmt: skip


def test_fields_are_renamed_in_dataclasses_and_models() -> None:
    report = SpoolReport(at=datetime(2026, 11, 22, 9, tzinfo=UTC), machine="node", store="s3")
    assert "GIVEN_UP" in to_plain(report, str.upper)
    finding = HealthFinding("proofs", PartState.OK, "0 proofs on the way")
    assert to_plain(finding, str.upper) == {"NAME": "proofs", "STATE": "ok", "REASON": "0 proofs on the way"}
