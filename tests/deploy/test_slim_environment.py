from importlib import import_module
from pathlib import Path

import pytest

from configs.languages import MESSAGE_LANGUAGES
from deploy import slim_environment
from deploy.slim_environment import find_unread


def test_what_our_languages_and_the_store_need_is_kept(tmp_path: Path) -> None:
    kept = ["babel/locale-data/root.dat", "babel/locale-data/fr.dat", "babel/locale-data/ar_EG.dat",
            "babel/locale-data/zh_Hans.dat",
            "babel/locale-data/LICENSE.unicode", "botocore/data/s3/2006-03-01/service-2.json.gz",
            "botocore/data/endpoints.json"]  # fmt: skip
    gone = ["babel/locale-data/frr.dat", "babel/locale-data/nl_BE.dat", "botocore/data/ec2/2016-11-15/x.json"]
    for name in [*kept, *gone]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = {path.relative_to(tmp_path).as_posix() for path in find_unread(tmp_path)}
    assert found == {"babel/locale-data/frr.dat", "babel/locale-data/nl_BE.dat", "botocore/data/ec2"}


@pytest.mark.parametrize("library", ["babel", "botocore"])
def test_the_libraries_keep_their_data_where_it_is_looked_for(library: str) -> None:
    folder = Path(str(import_module(library).__file__)).parent
    assert sum(path.is_relative_to(folder) for path in find_unread(folder.parent)) > 300


def test_our_languages_are_kept() -> None:
    assert set(MESSAGE_LANGUAGES) == slim_environment.LANGUAGES


def test_an_environment_of_developers_is_left_alone() -> None:
    with pytest.raises(SystemExit, match="only an image's environment"):
        slim_environment.main()
