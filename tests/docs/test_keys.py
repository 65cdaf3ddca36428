"""docs/keys.md has every key: what it protects, how it is replaced, and what to do if it leaked."""

import re
from pathlib import Path

import pytest

from configs.settings.keys import KEYS, SEVERAL

PAGE = (Path(__file__).parents[2] / "docs" / "keys.md").read_text()
STORES = {"ANTS_TOKEN", "PROOFS_SECRET_ACCESS_KEY", "BACKUP_SECRET_ACCESS_KEY", "INVOICES_SECRET_ACCESS_KEY"}


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def keys_in(title: str) -> set[str]:
    """Return the keys that the first column of a section's table names."""
    lines = [line for line in section(title).splitlines() if line.startswith("| `")]
    return {name for line in lines for name in re.findall(r"`([A-Z_]+)`", line.split("|")[1])}


def test_every_key_is_in_the_table() -> None:
    assert keys_in("The keys") == {name.upper() for name in KEYS}


def test_every_key_has_what_to_do_if_it_leaked() -> None:
    assert keys_in("A key leaked") == {name.upper() for name in KEYS} - STORES


@pytest.mark.parametrize("name", [each for each in KEYS if each.upper() not in STORES])
def test_every_key_leads_to_its_steps(name: str) -> None:
    (row,) = [line for line in section("The keys").splitlines() if line.startswith(f"| `{name.upper()}`")]
    own = "#replace-one-of-our-own" in row
    assert own != (name.upper() in keys_in("Replace a provider's"))
    assert not own or name in SEVERAL
