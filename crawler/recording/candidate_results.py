"""Results of visits to candidates: what their pages say, for the operator who decides."""

import re
from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.candidate import Candidate, CandidateState
from configs.world.desk import Procedure
from crawler.items import CheckItem
from crawler.parsing.normal_form import normalize
from crawler.recording.probe_results import proves_life
from crawler.scheduling.candidates import find_candidate

# Words of a title that name a procedure; texts are folded.
_WORDS = {
    Procedure.TITRE_SEJOUR: r"sejour|recepisse|etranger",
    Procedure.NATURALISATION: r"naturalis|nationalite",
    Procedure.VISA: r"\bvisas?\b",
    Procedure.CARTE_IDENTITE: r"carte nationale|carte d.identite|\bcni\b",
    Procedure.PASSEPORT: r"passeport",
    Procedure.PERMIS_CONDUIRE: r"permis de conduire|visite medicale",
    Procedure.CARTE_GRISE: r"carte grise|immatricul",
}


def write_visits(rows: Session, visits: Iterable[CheckItem]) -> None:
    """Write what visits to candidates showed; nothing of one that was decided meanwhile."""
    for each in visits:
        if not (desk := find_candidate(each.desk_id)):
            continue
        values = {
            "asked_at": each.started_at,
            "outcome": each.outcome,
            "reading": each.reason,
            "visits": Candidate.visits + 1,
            "proofs": Candidate.proofs + int(proves_life(desk, each)),
        }
        if each.title:
            values |= {"title": each.title, "procedures": name_procedures(each.title)}
        here = (Candidate.url == desk.url, Candidate.state == CandidateState.OPEN)
        rows.execute(sa.update(Candidate).where(*here).values(values))


def name_procedures(title: str) -> list[str]:
    """Return the procedures that a page's title names."""
    folded = normalize(title)
    return [each.value for each, words in _WORDS.items() if re.search(words, folded)]
