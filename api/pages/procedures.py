"""Procedures in addresses and forms of pages: `titre-sejour`."""

from flask_babel import LazyString

from api.pages.procedure_names import PROCEDURE_NAMES
from configs.world.desk import Procedure


def write_slug(procedure: Procedure) -> str:
    """Return a procedure as it stands in addresses."""
    return procedure.value.lower().replace("_", "-")


def find_procedure(text: str) -> Procedure | None:
    """Return the procedure that an address names, by its slug or as the API writes it; None for an unknown one."""
    name = text.upper().replace("-", "_")
    return Procedure(name) if name in Procedure.__members__ else None


def list_procedures() -> list[tuple[str, LazyString]]:
    """Return slug and name of all procedures, for a form."""
    return [(write_slug(procedure), name) for procedure, name in PROCEDURE_NAMES.items()]
