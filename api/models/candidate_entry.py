"""The YAML entry that a candidate becomes in its prefecture's file, for the operators' page and the command."""

import textwrap
from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

import yaml

from api.models.candidate import Candidate, CandidateSource
from configs.world.desk import Desk, Grade, Procedure, WatchLevel

# Of platforms whose desks have more than an address, or whose pages show a captcha before their slots
_WATCH = {"rdvpref": WatchLevel.PEOPLE, "orion": WatchLevel.NONE}
_FOUND = {
    CandidateSource.DISCOVERY: "linked by the prefecture's own site, {linked}",
    CandidateSource.PERSON: "named by a user",
    CandidateSource.LIST: "{note}",
}


def draft_entry(
    found: Candidate, label: str, neutral: str | None, procedures: Sequence[Procedure], taken: Collection[str]
) -> dict[str, Any]:
    """Return the entry of a candidate as plain JSON values; `taken`: slugs of the prefecture's other desks."""
    name = "-".join(filter(None, (procedures[0].value.lower().replace("_", "-"), found.number)))
    slugs = (f"{name}{number}" for number in ("", *(f"-{each}" for each in range(2, len(taken) + 3))))
    watch = _WATCH.get(found.platform or "", WatchLevel.FULL)
    because = f"an operator has to complete its parameters (docs/platforms/{found.platform}.md)"
    source = _FOUND[found.source].format(linked=found.linked_by, note=found.note)
    entry = {
        "slug": next(each for each in slugs if each not in taken),
        "label": label,
        "neutral_label": neutral,
        "procedures": [each.value for each in procedures],
        "platform": found.platform,
        "url": found.url,
        "watch": None if watch is WatchLevel.FULL else watch.value,
        "because": because if watch is WatchLevel.NONE else None,
        "grade": Grade.UNCONFIRMED.value,
        "source": f"{source}; accepted by an operator",
    }
    return {key: value for key, value in entry.items() if value}


def write_entry(entry: dict[str, Any], day: date) -> str:
    """Return an entry as text under `desks:` of a prefecture's file; `day`: of the decision."""
    whole = entry | {"date": day}
    ordered = {key: whole[key] for key in Desk.model_fields if key in whole}  # JSONB keeps no order
    text: str = yaml.safe_dump(
        [ordered], allow_unicode=True, sort_keys=False, default_flow_style=None, width=10_000
    )
    return textwrap.indent(text, "  ")
