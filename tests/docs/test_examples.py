"""Examples of the docs: each YAML block loads and fits its platform."""

import re
import textwrap
from collections.abc import Callable
from pathlib import Path

from configs.world.host_rule import load_hosts
from crawler.catalogue import check_catalogue
from tests.in_turn import in_turn

DOCS = Path(__file__).parents[2] / "docs"
YAML = {
    f"{paper.name}:{number}": block
    for paper in sorted(DOCS.rglob("*.md"))
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", paper.read_text(), re.DOTALL))
}
ENTRIES = {
    name: block
    for name, block in YAML.items()
    if block[0] == " " and re.search(r"^ +platform:", block, re.MULTILINE)
}
RULES = {name: block for name, block in YAML.items() if re.match(r"\S+:\d+:\n", block)}
_PREFECTURE = """\
name: Rhône
department: "69"
region: Auvergne-Rhône-Alpes
chef_lieu: Lyon
latitude: 45.749
longitude: 4.848
site: https://www.rhone.gouv.fr
time_zone: Europe/Paris
tier: 2
desks:
"""
_WHOSE = """\
- slug: guichet
  label: Guichet
  procedures: [AUTRE]
  grade: unconfirmed
  source: a page of docs
  date: 2026-11-20
"""


@in_turn("name", ENTRIES)
def test_an_entry_fits_its_platform(name: str, tmp_path: Path, settings_env: Callable[..., None]) -> None:
    entry = textwrap.dedent(ENTRIES[name])
    whole = entry if entry.startswith("- slug") else _WHOSE + textwrap.indent(entry, "  ")
    (tmp_path / "lyon_69.yaml").write_text(_PREFECTURE + textwrap.indent(whole, "  "), encoding="utf-8")
    settings_env(PREFECTURES_DIR=tmp_path)
    check_catalogue()


@in_turn("name", RULES)
def test_a_host_rule_loads(name: str, tmp_path: Path) -> None:
    (tmp_path / "hosts.yaml").write_text(RULES[name], encoding="utf-8")
    assert load_hosts(tmp_path / "hosts.yaml")
