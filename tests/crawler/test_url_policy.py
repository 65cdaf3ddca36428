import pytest

from configs.settings import load
from crawler.url_policy import AddressRefused, ensure_allowed, same_site
from tests.in_turn import in_turn

HERE = "http://www.essonne.gouv.fr/booking/create/1"


ONE_SITE = ("http://www.essonne.gouv.fr/", "http://WWW.Essonne.gouv.fr:80/x", "https://www.essonne.gouv.fr/",
            "http://essonne.gouv.fr/", "https://essonne.gouv.fr:443/")  # fmt: skip
OTHERS = ("http://other.essonne.gouv.fr/", "http://www.essonne.gouv.fr.evil.com/", "http://www.essonne.gouv.fr:8080/",
          "ftp://www.essonne.gouv.fr/", "javascript:alert(1)", "")  # fmt: skip


def test_one_site_is_told_from_others() -> None:
    assert [each for each in (*ONE_SITE, *OTHERS) if same_site(HERE, each)] == list(ONE_SITE)


@in_turn("env", ["test", "sandbox", "development"])
@in_turn(
    "url", [HERE, "http://127.0.0.1.evil.com/", "http://10.0.0.1/", "http://[2001:db8::1]/", "http:///x"]
)
def test_outside_production_only_this_machine_is_asked(env: str, url: str) -> None:
    with pytest.raises(AddressRefused, match="is not on this machine"):
        ensure_allowed(url, load(app_env=env, test_periods={}))


@pytest.mark.rule("3.11")
def test_nothing_allows_live_sites_to_a_test() -> None:
    with pytest.raises(AddressRefused):
        ensure_allowed(HERE, load(app_env="test", allow_live_sites=True))
    ensure_allowed(HERE, load(app_env="development", allow_live_sites=True, test_periods={}))
