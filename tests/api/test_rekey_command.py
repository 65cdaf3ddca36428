"""`flask rekey`: every row under the newest keys, while others write, and no address ever has two owners."""

from collections.abc import Callable
from importlib.metadata import entry_points
from uuid import UUID

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from api.models.base import session
from api.models.contact_lookup import claim_address, find_contact
from api.models.user import Channel, Contact, User
from api.rekey_command import rekey_command
from configs.ground.clock import clock
from tests.factories import change, rows

Put = Callable[..., None]
OLD = "old-key-old-key-old-key-old-key-old-key"
NEW = "new-key-new-key-new-key-new-key-new-key"

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def _old_keys(database: str, settings_env: Put) -> None:
    use_keys(settings_env, OLD)


def use_keys(settings_env: Put, keys: str) -> None:
    settings_env(DATA_KEYS=keys, LOOKUP_KEY=keys)


def rekey(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(rekey_command, arguments)
    assert done.exit_code == code, (done.output, done.exception)
    return str(done.output)


def add(number: int, channel: Channel = Channel.SMS, address: str | None = None) -> UUID | None:
    """Write a user with a verified contact; return its id, or None where another has the address."""
    with session() as s:
        user = User(email=f"p{number}-{channel}@example.org")
        s.add(user)
        s.flush()
        contact = Contact(
            user_id=user.id, channel=channel, address=address or f"+336398{number:05}", verified_at=clock()
        )
        s.add(contact)
        if channel is not Channel.EMAIL and not claim_address(s, contact):
            s.rollback()
            return None
        return contact.id


def stored() -> dict[UUID, str]:
    """Return the addresses as the table has them."""
    with session() as s:
        found = s.execute(sa.select(Contact.id, sa.type_coerce(Contact.address, sa.Text).label("address")))
        return {row.id: row.address for row in found}


def addresses() -> set[str]:
    with session() as s:
        return set(s.scalars(sa.select(Contact.address)))


def hashes() -> int:
    with session() as s:
        return sum(len(each) for each in s.scalars(sa.select(Contact.lookup_hashes)))


def test_flask_knows_the_command() -> None:
    (known,) = entry_points(group="flask.commands", name="rekey")
    assert known.load() is rekey_command


def test_a_key_is_replaced_step_by_step(settings_env: Put) -> None:
    keys = [add(1), add(2, Channel.TELEGRAM, "987654"), add(3, Channel.EMAIL, "camille@example.org")]
    before = stored()
    assert rekey("--check").startswith("0 rows need `flask rekey`")
    use_keys(settings_env, f"{NEW},{OLD}")
    assert addresses() == {"+33639800001", "987654", "camille@example.org"}
    assert "4 rows need `flask rekey`: 2 encrypted, 2 hashed" in rekey("--check", code=1)
    assert rekey() == "2 rows encrypted anew\n"
    assert rekey("--check").startswith("0 rows need `flask rekey`")
    after = stored()
    changed = {key for key in before if before[key] != after[key]}
    assert changed == set(keys[:2])
    assert rekey() == "0 rows encrypted anew\n"
    assert hashes() == 4
    use_keys(settings_env, NEW)
    assert rekey() == "0 rows encrypted anew\n"
    assert hashes() == 2
    assert addresses() == {"+33639800001", "987654", "camille@example.org"}
    with session() as s:
        found = find_contact(s, Channel.SMS, "+33639800001")
        assert found
        assert found.id == keys[0]
        assert find_contact(s, Channel.TELEGRAM, "+33639800001") is None


def test_a_lost_key_is_said_and_stops_no_other_row(settings_env: Put) -> None:
    add(1)
    use_keys(settings_env, NEW)
    add(2)
    assert "1 rows need `flask rekey`: 1 encrypted" in rekey("--check", code=1)
    said = rekey(code=1)
    assert "1 rows need a key that DATA_KEYS does not have" in said
    use_keys(settings_env, f"{NEW},{OLD}")
    assert rekey() == "1 rows encrypted anew\n"
    assert addresses() == {"+33639800001", "+33639800002"}


def test_a_number_has_one_owner_whichever_keys_the_programs_know(settings_env: Put) -> None:
    assert add(1, address="+33639800001")
    for keys in (f"{NEW},{OLD}", f"{OLD},{NEW}", OLD):
        use_keys(settings_env, keys)
        assert add(2, address="+33639800001") is None
    use_keys(settings_env, f"{NEW},{OLD}")
    rekey()
    for keys in (NEW, OLD, f"{NEW},{OLD}"):
        use_keys(settings_env, keys)
        assert add(2, address="+33639800001") is None


def test_a_new_number_gives_the_old_one_back() -> None:
    key = add(1)
    with session() as s:
        contact = s.get_one(Contact, key)
        contact.address = "+33639899999"
        assert claim_address(s, contact)
    assert add(2, address="+33639899999") is None
    assert add(1_000, address="+33639800001")


def test_an_address_that_two_accounts_got_is_switched_off_and_said(settings_env: Put) -> None:
    add(1, address="+33639800001")
    use_keys(settings_env, NEW)  # a program that does not know the old key
    add(2, address="+33639800001")
    use_keys(settings_env, f"{NEW},{OLD}")
    assert "1 contacts have an address that another account has" in rekey(code=1)
    verified = rows(Contact, Contact.verified_at.is_not(None))
    assert len(verified) == 1
    assert rekey() == "0 rows encrypted anew\n"


def test_a_row_that_another_keeps_for_too_long_is_said_and_may_be_tried_again(
    settings_env: Put, database: str
) -> None:
    key = add(1)
    use_keys(settings_env, f"{NEW},{OLD}")
    settings_env(DATABASE_SECONDS="1")
    other = sa.create_engine(database, poolclass=sa.NullPool)
    with other.begin() as holder:
        holder.execute(sa.text("SELECT FROM contacts WHERE id = :id FOR UPDATE"), {"id": key})
        assert "run it again to go on" in rekey(code=1)
    assert rekey() == "1 rows encrypted anew\n"


def test_what_is_missing_is_said(settings_env: Put) -> None:
    settings_env(DATABASE_URL="")
    assert "DATABASE_URL is not set" in rekey(code=1)


def dump(engine_url: str) -> str:
    """Return every row of every table as text, as a dump of the database shows it."""
    engine = sa.create_engine(engine_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        tables = sa.inspect(connection).get_table_names()
        texts = [
            connection.execute(sa.text(f'SELECT "{table}"::text FROM "{table}"')).scalars()  # noqa: S608 -- our own
            for table in tables
        ]
        return "\n".join(line for lines in texts for line in lines)


def test_no_number_is_in_a_dump(database: str) -> None:
    add(1)
    add(2, Channel.TELEGRAM, "9876543210")
    add(3, Channel.EMAIL, "camille@example.org")
    change(Contact, Contact.channel == Channel.SMS, new_address="+33639801111")
    text = dump(database)
    assert "camille@example.org" in text
    for number in ("39800001", "9876543210", "39801111"):
        assert number not in text
