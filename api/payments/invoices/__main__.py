"""`python -m api.payments.invoices`: after a restore of an earlier instant, before the programs start.

It reads the store of INVOICES_URL, and prints what is missing. Repeated, it changes nothing. docs/backup.md
"""

import sys

import api.models.all  # noqa: F401 -- a flush resolves foreign keys of tables that are not imported here
from api.models.base import session
from api.payments.invoices.lost_documents import list_gaps, note_lost_documents
from configs.ground.logs import set_up_logs
from configs.ground.object_store import StoreAway
from configs.programs.startup import exit_on_config_error


def main() -> int:
    """Read the store; print the gaps, and return the exit status."""
    set_up_logs("background")
    try:
        with session() as s:
            read, new = note_lost_documents(s)
            gaps = list_gaps(s)
    except StoreAway as error:
        sys.stderr.write(f"nothing was changed: {error}\n")
        return 1
    what = f"{read} documents are in the store, {new} of them new gaps; numbers go on behind the highest"
    sys.stdout.writelines([f"{what}\n", *(f"{number}: {reason}\n" for number, reason in gaps)])
    return 0


if __name__ == "__main__":
    with exit_on_config_error("api.payments.invoices"):
        sys.exit(main())
