"""A user takes the data along and deletes the account; nothing names them any more, and the old link still works."""

import json
from pathlib import Path
from zipfile import ZipFile

import redis

from deploy.local.stack import Stack
from tests.api.deletion.traces import find, find_after_the_hourly_job, read_redis
from tests.browser.journeys.conftest import MakePerson
from tests.browser.journeys.seats import ARABIC_NARROW, FRENCH_NARROW_BARE, MARKS, Seat, each
from tests.browser.navigators import declarations, personal_data, plan, sign_in
from tests.waiting import until
from tests.whole.visitor import LOOK

pytestmark = MARKS


@each(ARABIC_NARROW, FRENCH_NARROW_BARE)
def test_a_user_leaves_with_the_data_and_without_a_trace(
    stack: Stack, make_person: MakePerson, tmp_path: Path, seat: Seat
) -> None:
    person = make_person(seat)
    plan.become_customer(person)
    link = declarations.find_link(person, "withdraw")
    personal_data.open_data(person)
    archive = tmp_path / "archive.zip"
    personal_data.take_archive(person, archive)
    with ZipFile(archive) as opened:
        assert json.loads(opened.read("users.json"))[0]["email"] == person.visitor.email
        assert person.visitor.email in opened.read("index.html").decode()
    personal_data.delete_account(person)
    until(lambda: person.visitor.messages("email")[-1]["subject"].find("supprimé") >= 0, pause=LOOK)
    needles = {person.visitor.email.partition("@")[0]}
    until(lambda: find_after_the_hourly_job(needles) == [], seconds=60, pause=LOOK)
    assert find(needles, read_redis(redis.Redis.from_url(stack.environment["REDIS_URL"]))) == []
    sign_in.write_credentials(person)
    person.see("Aucun compte n’a cette adresse et ce mot de passe.")
    person.page.goto(link)
    person.arrive("Se rétracter de la commande")
