"""The store, on a disk and on a server that speaks S3."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from configs.ground.object_store import Blobs, NoBlob, StoreAway, StoreTrouble, backup_blobs, proof_blobs
from configs.settings import SettingsRefused, settings
from tests.in_turn import in_turn
from tests.samples import try_first
from tests.small_disk import small_disk

KEY = "2026/11/20/0123456789abcdef0123456789abcdef"
S3 = {
    "PROOFS_ACCESS_KEY_ID": "tests",
    "PROOFS_SECRET_ACCESS_KEY": "tests-secret",
}


def at(endpoint: str) -> str:
    """Return the address of a store on a server."""
    return f"s3://proofs/kept?endpoint={endpoint}&region=eu-west-3"


@pytest.fixture(scope="module")
def _s3() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(_s3: str, settings_env: Callable[..., None]) -> str:
    """Give a server with an empty bucket, and point the settings there."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=_s3,
        region_name="eu-west-3",
        aws_access_key_id="tests",
        aws_secret_access_key="tests-secret",
    )
    if not client.list_buckets()["Buckets"]:
        client.create_bucket(Bucket="proofs", CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
    for each in client.list_objects_v2(Bucket="proofs").get("Contents", []):
        client.delete_object(Bucket="proofs", Key=each["Key"])
    client.close()
    settings_env(**S3, PROOFS_URL=at(_s3))
    return _s3


@pytest.fixture
def folder(tmp_path: Path, settings_env: Callable[..., None]) -> None:
    settings_env(PROOFS_URL=tmp_path / "kept")


@pytest.fixture(params=["folder", "s3"])
def blobs(request: pytest.FixtureRequest) -> Blobs:
    request.getfixturevalue(request.param)
    return proof_blobs()


def test_what_is_put_is_got_until_it_is_deleted(blobs: Blobs) -> None:
    blobs.put(f"{KEY}/body.gz", b"first")
    blobs.put(f"{KEY}/body.gz", bytes(range(256)))
    blobs.put(f"{KEY}/meta.json", b"{}")
    assert blobs.get(f"{KEY}/body.gz") == bytes(range(256))
    assert blobs.names(KEY) == ["body.gz", "meta.json"]
    assert blobs.names() == ["2026"]
    blobs.delete_each([f"{KEY}/gone", f"{KEY}/meta.json"])
    assert blobs.names(KEY) == ["body.gz"]
    blobs.delete("2026/11/20")
    with pytest.raises(NoBlob):
        blobs.get(f"{KEY}/body.gz")
    blobs.delete("2026/11/20")


@in_turn("key", ["../x", "/etc/passwd", "a//b", "a/../b", "", "a/", "a b", "s3://x"])
def test_a_key_is_no_path(folder: None, key: str) -> None:
    for act in (lambda: proof_blobs().get(key), lambda: proof_blobs().put(key, b"")):
        with pytest.raises(ValueError, match="is no key"):
            act()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, settings_env: Callable[..., None]) -> None:
    (tmp_path / "file").touch()
    settings_env(PROOFS_URL=tmp_path / "file" / "kept")
    with pytest.raises(StoreAway, match=r"PROOFS_URL.*file"):
        proof_blobs().put("a", b"")


@pytest.mark.parametrize("url", try_first(["s3://elsewhere", "s3://elsewhere/kept"], 1))
def test_a_bucket_that_is_not_there_is_named_and_is_no_missing_proof(
    s3: str, settings_env: Callable[..., None], url: str
) -> None:
    settings_env(PROOFS_URL=f"{url}?endpoint={s3}&region=eu-west-3")
    store = proof_blobs()
    for act in (
        lambda: store.put(KEY, b""),
        lambda: store.get(f"{KEY}/meta.json"),
        lambda: store.names(KEY),
        lambda: store.delete(KEY),
    ):
        with pytest.raises(StoreAway, match=r"PROOFS_URL.*bucket does not exist: create it, or name another"):
            act()


def test_a_server_that_is_away_is_trouble(
    s3: str, settings_env: Callable[..., None], closed_port: int
) -> None:
    settings_env(PROOFS_URL=at(f"http://127.0.0.1:{closed_port}"))
    for act in (lambda: proof_blobs().put(KEY, b""), lambda: proof_blobs().get(KEY), proof_blobs().names):
        with pytest.raises(StoreAway, match="PROOFS_URL"):
            act()


@pytest.mark.rule("4.9")
def test_a_server_that_hangs_is_given_up(
    settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("configs.ground.object_store._LONGEST", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        settings_env(**S3, PROOFS_URL=at(f"http://127.0.0.1:{silent.getsockname()[1]}"))
        ended: list[str] = []

        def ask() -> None:
            with pytest.raises(StoreAway) as caught:
                proof_blobs().put(KEY, b"")
            ended.append(str(caught.value))

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join(60)
        assert "imeout" in ended[0]


@in_turn("url", ["s3://bucket", "gs://bucket", "https://example.org/x"])
def test_outside_production_no_store_is_elsewhere(settings_env: Callable[..., None], url: str) -> None:
    settings_env(PROOFS_URL=url)
    with pytest.raises(SettingsRefused, match="PROOFS_URL leaves this machine"):
        settings()
    settings_env(PROOFS_URL=at("https://s3.example.org"))
    with pytest.raises(SettingsRefused, match="PROOFS_URL leaves this machine"):
        settings()


@in_turn("url", ["s3://", "s3:///folder", "s3:/bucket/folder", "s3:bucket", "memory://x", "://x"])
def test_what_names_no_store_is_refused_at_the_start(settings_env: Callable[..., None], url: str) -> None:
    settings_env(PROOFS_URL=url)
    with pytest.raises(
        SettingsRefused, match="PROOFS_URL: names no store: write a folder, or s3://bucket/folder"
    ):
        settings()


def test_a_disk_that_is_full_keeps_what_was_there_and_nothing_half(
    tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    with small_disk(tmp_path / "disk", 2) as disk:
        settings_env(BACKUP_URL=disk.path / "kept")
        store = backup_blobs()
        store.put("a/first", b"first")
        with pytest.raises(StoreAway, match="No space left on device: make room there") as caught:
            store.put("a/second", bytes(3 << 20))
        assert caught.value.trouble is StoreTrouble.FULL
        with pytest.raises(StoreAway):
            store.put("a/first", bytes(3 << 20))
        assert (store.names("a"), store.get("a/first")) == (["first"], b"first")
        store.put("a/second", bytes(1 << 20))  # the room that the half one took is free again


def test_a_backup_is_on_its_disk_before_it_counts(
    tmp_path: Path, settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    def fsync(_number: int) -> None:
        seen.append(sorted(path.name for path in (tmp_path / "a").iterdir()))

    monkeypatch.setattr("os.fsync", fsync)
    settings_env(BACKUP_URL=tmp_path)
    backup_blobs().put("a/x", b"log")
    assert seen == [["x.part"], ["x"]]
