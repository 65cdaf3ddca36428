"""Each query of slots and detections names the sources it wants: those that take what people report are listed here."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
_READS = re.compile(
    r"\bSlotRow\.\w|\bDetection\.\w|\((?:SlotRow|Detection)[,)]|(?:FROM|JOIN|UPDATE|INTO) (?:slots|detections)\b"
)
_OF_CHECKS = re.compile(r"is_from_check\(|source = 'check'|Source\.CHECK")
# By file, and there by the name of a function, a class or a constant.
TAKE_REPORTS: dict[str, str] = {
    # Matching and its messages
    "api/organisations/person_queries.py": "_read_announced",
    "notifier/content/slot_alert_content.py": "read_announcements read_slots",
    "notifier/matching/match_service.py": "_follow_opening _list_newest _select_open _take_unmatched match_detection open_desks",
    "notifier/matching/message_edits.py": "_CLOSE _STILL_OPEN _TELLINGS _TOUCHED _edit_notices",
    "notifier/matching/queries.py": "_gone_ids _select_matched select_alike",
    "notifier/message_kinds/slots.py": "_heirs",
    "notifier/message_kinds/telegram.py": "_read_matches",
    "notifier/sweep.py": "_ask_to_match",
    # An alert's page, a person's own account, the answers of both
    "api/alerts/open_slots.py": "_find_last_end find_linked_slots read_open_desks",
    "api/alerts/notifications/own_looks.py": "list_seen_openings",
    "api/bot/service.py": "_group",
    "api/prefectures/detections.py": (
        "_SEATS _SHOWN _is_within _select_one _select_own _summarize find_proof list_public_detections"
    ),
    # Reports themselves, and the writer that is given the source
    "api/reports/service.py": "_find_opening take_answers",
    "crawler/recording/slot_writer.py": "_AGAIN _DETECTED _GONE _OPENED",
    "crawler/reports/trust.py": "_TAKE read_told_alone",
    "notifier/matching/tellings.py": "_ADD_DAYS read_lookers read_told",
    "crawler/reports/opening_writer.py": "OpeningWriter _update_open lapse_reported_slots read_opening",
    # Whether all were matched, what is old, what an operator names, what a local stack shows
    "api/admin/detections.py": "_get_detection list_slots",
    "api/admin/health/status_report.py": "read_messages",
    "api/alerts/health_consent.py": "erase_health_texts",
    "api/jobs/self_checks.py": "QUERIES",
    "api/prefectures/delivery_figures.py": "_WAS_OPEN",  # of messages about what checks saw
    "api/outlook/queries.py": "_select_lives read_opening_histories",  # a condition of queries that name checks
    "api/privacy/retention_batches.py": "_DROP_SLOTS",
    "deploy/local/terminal_ui.py": "_EVENTS _TOLD",
}


def _list_readers() -> Iterator[tuple[str, str]]:
    """Yield file and name of each piece of code that reads or writes them without naming checks as its source."""
    for package in ("api", "crawler", "notifier", "deploy"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" in path.parts:
                continue
            text = path.read_text()
            lines = text.splitlines()
            for node in ast.parse(text).body:
                source = "\n".join(lines[node.lineno - 1 : node.end_lineno])
                if _READS.search(source) and not _OF_CHECKS.search(source):
                    yield str(path.relative_to(ROOT)), _name(node)


def _name(node: ast.stmt) -> str:
    targets = node.targets if isinstance(node, ast.Assign) else [node]
    return str(getattr(targets[0], "id", None) or getattr(targets[0], "name", ""))


def test_only_what_is_listed_takes_what_people_report() -> None:
    found: dict[str, set[str]] = {}
    for file, name in _list_readers():
        found.setdefault(file, set()).add(name)
    assert {file: sorted(names) for file, names in found.items()} == {
        file: sorted(names.split()) for file, names in TAKE_REPORTS.items()
    }
