"""The tile map has a place of its own for each department that there is."""

from configs.world.prefecture import prefectures
from configs.world.tile_grid import load_tiles


def test_each_department_has_a_tile_of_its_own() -> None:
    tiles = load_tiles()
    assert tiles.keys() == {each.department for each in prefectures().values()}
    assert len(set(tiles.values())) == len(tiles) == 101


def test_north_is_up_and_overseas_has_its_column() -> None:
    tiles = load_tiles()
    assert tiles["62"].row == 1
    assert tiles["29"].column == 1
    assert [tiles[code].column for code in ("971", "972", "973", "974", "976")] == [13] * 5
    assert (tiles["93"], tiles["2A"]) == ((5, 6), (15, 12))
