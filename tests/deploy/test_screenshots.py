"""The filled world of `make screenshots`, and the page that shows its pictures."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import redis
import sqlalchemy as sa

from api.accounts.queries import read_account
from api.alerts.queries import read_own_alert
from api.detections.queries import list_alert_detections
from api.models.base import session
from api.outlook.queries import read_outlook
from configs.plan import PlanName
from configs.prefecture import Procedure, prefectures
from configs.settings import PREFECTURES
from deploy.screenshots.camera import VARIANTS
from deploy.screenshots.gallery import write_gallery
from deploy.screenshots.page_list import Shot
from deploy.screenshots.payment_rows import write_payments
from deploy.screenshots.people_rows import Who, write_people
from deploy.screenshots.watching_rows import write_watching


def test_the_world_has_openings_plans_alerts_and_slots(
    database: str, redis_server: redis.Redis, settings_env: Callable[..., None]
) -> None:
    settings_env(PREFECTURES_DIR=PREFECTURES)
    write_watching(Random(7))
    people = write_people()
    user_id = people.users[Who.CAMILLE]
    write_payments(user_id)
    with session() as s:
        outlook = read_outlook(s, prefectures()["bobigny_93"], Procedure.TITRE_SEJOUR)
        alert = read_own_alert(s, user_id, people.alerts["active"])
        found = list_alert_detections(s, user_id, alert.id, 9)
        account = read_account(s, user_id)
        asked = s.scalar(sa.text("SELECT count(*) FROM slots WHERE opened_at > now()"))
    assert sum(desk.history.openings for desk in outlook.desks) > 10
    assert [bool(each.slots_open) for each in found] == [True, False, False, False]
    assert (alert.is_active, account.plan, asked) == (True, PlanName.URGENCE_TOTAL, 0)


def test_the_gallery_names_each_picture(tmp_path: Path) -> None:
    html = write_gallery(tmp_path, [Shot("home", "/?a=1&b=2")], VARIANTS).read_text("utf-8")
    for variant in VARIANTS:
        assert f'<img src="home-{variant.name}.png"' in html
    assert "/?a=1&amp;b=2" in html
