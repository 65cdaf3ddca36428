"""The tile map has a place of its own for each department that there is."""

from configs.world.prefecture import prefectures
from configs.world.tile_grid import load_tiles


def test_each_department_has_a_tile_of_its_own() -> None:
    tiles = load_tiles()
    assert tiles.keys() == {each.department for each in prefectures().values()}
    assert len(set(tiles.values())) == len(tiles) == 101
