"""Tile map of the 101 departments: a row and a column for each, by department code."""

from functools import cache
from typing import Final, NamedTuple

# Row 1 is the north, column 1 the west; Corsica in rows 14 and 15, overseas in column 13.
# From `fr_departements_grid1` of geofacet (github.com/hafen/geofacet, by tvroylandt; MIT).
_GRID: Final = """
  .   .   .   .   .  62   .   .   .   .   .   .   .
  .   .   .   .   .  80  59   .   .   .   .   .   .
  .   .   .   .  76  60  02  08   .   .   .   .   .
  .   .  50  14  27  95  51  55  54  57  67   .   .
 29  22  61  28  78  93  77  10  52  88  68   . 971
 56  35  53  72  92  75  94  89  21  70  90   . 972
  .   .  44  49  37  91  45  58  39  25   .   . 973
  .   .  85  79  86  41  18  03  71   .   .   . 974
  .   .  17  16  87  36  23  42  69  01  74   . 976
  .   .   .  33  24  19  63  43  07  38  73   .   .
  .   .  40  47  46  15  48  26  84  05   .   .   .
  .   .  64  32  82  12  81  34  30  04  06   .   .
  .   .  65  31  09  11  66   .  13  83   .   .   .
  .   .   .   .   .   .   .   .   .   .   .  2B   .
  .   .   .   .   .   .   .   .   .   .   .  2A   .
"""


class Tile(NamedTuple):
    """Place in the grid, from 1 on."""

    row: int
    column: int


@cache
def load_tiles() -> dict[str, Tile]:
    """Return the tile of each department, by its code, in the order of the codes."""
    rows = enumerate(_GRID.strip().splitlines(), 1)
    found = {
        code: Tile(row, column)
        for row, line in rows
        for column, code in enumerate(line.split(), 1)
        if code != "."
    }
    return dict(sorted(found.items()))
