"""Where a repository may lie, and one clear error for each place that refuses."""

from __future__ import annotations

import errno
import importlib
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faulty_store import CountingStore
from repository_points import CHEAP, PASSPHRASE, cut, make_point, restore_file, store_files, write_blocks

from hvbackup.errors import (
    InvalidRequest,
    RepositoryExists,
    RepositoryNotFound,
    StoreUnavailable,
)
from hvbackup.repository import Repository
from hvbackup.repository import format as f
from hvbackup.repository.crypto import Keys
from hvbackup.repository.folder import FolderStore
from hvbackup.repository.seams import Grid
from hvbackup.repository.store import BucketStore, ObjectExists, ObjectMissing, Store, open_store

SMALL = Grid(block_size=4096)


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311


def no_links(*_arguments: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, Any]]:
    """An S3 server on loopback with an empty bucket."""
    for name in ("moto", "flask", "flask_cors", "boto3"):
        pytest.importorskip(name, reason=f"{name} is not installed; with it moto is an S3 server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                assert server.poll() is None
        options = {
            "endpoint": f"http://127.0.0.1:{port}",
            "access_key_id": "key",
            "secret_access_key": "secret00",
            "region": "us-east-1",
            "virtual_hosted_style_request": False,
            "client_options": {"allow_http": True},
            "retry_config": {"max_retries": 0},
        }
        yield options
    finally:
        server.kill()
        server.wait()


def make_bucket(options: dict[str, Any], name: str) -> None:
    boto3: Any = importlib.import_module("boto3")  # it has no type hints
    boto3.client(
        "s3",
        endpoint_url=options["endpoint"],
        aws_access_key_id="key",
        aws_secret_access_key="secret00",
        region_name="us-east-1",
    ).create_bucket(Bucket=name)


@pytest.fixture(params=["folder", "folder without links", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    if request.param == "memory":
        return open_store("memory:")
    if request.param == "s3":
        options = request.getfixturevalue("s3")
        make_bucket(options, "conformance")
        return open_store(f"s3://conformance/{tmp_path.name}", options)
    if request.param == "folder without links":
        monkeypatch.setattr(os, "link", no_links)
    return open_store(tmp_path / "store", create=True)


def test_every_store_keeps_the_same_promises(store: Store) -> None:
    store.put("a/one", b"0123456789", create=True)
    with pytest.raises(ObjectExists):
        store.put("a/one", b"other", create=True)
    store.put("a/two", b"", create=False)
    store.put("a/two", memoryview(b"2"))
    store.put("b/three", bytearray(b"3"))

    assert store.get("a/one") == b"0123456789"
    assert store.get_range("a/one", 3, 4) == b"3456"
    assert store.get_range("a/one", 8, 10) == b"89"
    assert store.get_range("a/one", 10, 5) == b""
    assert sorted(info[:2] for info in store.list("a/")) == [("a/one", 10), ("a/two", 1)]
    assert abs(store.head("b/three").modified - time.time()) < 60
    store.delete("a/one")
    store.delete("a/one")
    for missing in (store.get, store.head, lambda name: store.get_range(name, 0, 1)):
        with pytest.raises(ObjectMissing):
            missing("a/one")


def test_every_store_holds_a_repository(store: Store) -> None:
    data = noise(200_000)
    with (
        Repository.init(store, passphrase=PASSPHRASE, pack_size=65536, scrypt_log_n=CHEAP) as repository,
        repository.lease("vm/1", owner="test") as lease,
    ):
        first, _ = store_files(repository, {"disk": data}, SMALL)
        lease.check()
    with Repository.open(store, passphrase=PASSPHRASE) as repository:
        second, travelled = store_files(repository, {"disk": data}, SMALL)

        assert travelled == 0
        assert repository.points() == [first, second]
        assert restore_file(repository.read(second), "disk") == data
        assert repository.check(read_data=True).problems == ()


def test_a_missing_bucket_is_named(s3: dict[str, Any]) -> None:
    with pytest.raises(StoreUnavailable, match="the bucket does not exist"):
        Repository.init("s3://no-such-bucket/prefix", passphrase=None, options=s3)


def test_a_server_that_does_not_answer_is_an_error_not_a_traceback() -> None:
    options = {
        "endpoint": "http://127.0.0.1:9",
        "access_key_id": "key",
        "secret_access_key": "canary-secret",
        "region": "us-east-1",
        "client_options": {"allow_http": True},
        "retry_config": {"max_retries": 0},
    }
    with pytest.raises(StoreUnavailable) as caught:
        Repository.open("s3://bucket/prefix", passphrase=None, options=options)

    assert "canary-secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_locations_that_are_none() -> None:
    with pytest.raises(InvalidRequest, match="ftp is no kind of repository location"):
        Repository.open("ftp://host/folder", passphrase=None)


def test_places_where_no_repository_is_or_may_be(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    with pytest.raises(RepositoryNotFound, match="there is no repository"):
        Repository.open(foreign, passphrase=None)
    with pytest.raises(StoreUnavailable, match="no such folder"):
        Repository.open(tmp_path / "missing", passphrase=None)
    (foreign / "thesis.txt").write_text("irreplaceable")
    with pytest.raises(RepositoryExists, match=r"something else here: thesis\.txt"):
        Repository.init(foreign, passphrase=None)
    Repository.init(tmp_path / "new", passphrase=None).close()
    with pytest.raises(RepositoryExists, match="there is a repository already"):
        Repository.init(tmp_path / "new", passphrase=None)

    assert [path.name for path in foreign.iterdir()] == ["thesis.txt"]


def test_an_init_that_was_cut_off_can_be_repeated(tmp_path: Path) -> None:
    for step in range(0, 24, 3):
        counting = CountingStore(FolderStore(tmp_path / str(step), create=True))

        def fail(number: int, what: str, name: str, step: int = step) -> None:
            if number == step:
                raise StoreUnavailable("cut off")

        counting.fail = fail
        try:
            Repository.init(counting, passphrase=PASSPHRASE, scrypt_log_n=CHEAP).close()
        except StoreUnavailable:
            if not (tmp_path / str(step) / "hvbackup.repository").exists():
                Repository.init(tmp_path / str(step), passphrase=PASSPHRASE, scrypt_log_n=CHEAP).close()
        with Repository.open(tmp_path / str(step), passphrase=PASSPHRASE) as repository:
            assert repository.check().ok


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (errno.ENOSPC, "no space is left"),
        (errno.EACCES, "access is refused"),
        (errno.EROFS, "the store is read-only"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_a_disk_that_refuses_stops_the_point_with_its_cause(
    make: Callable[[], Repository], monkeypatch: pytest.MonkeyPatch, code: int, text: str
) -> None:
    with make() as repository:
        before, _ = store_files(repository, {"disk": noise(10_000)}, SMALL)
        with monkeypatch.context() as patch:

            def refuse(*_arguments: object) -> int:
                raise OSError(code, os.strerror(code))

            patch.setattr(os, "write", refuse)
            with pytest.raises(StoreUnavailable, match=text):
                store_files(repository, {"disk": noise(300_000, 2)}, SMALL)
        after, travelled = store_files(repository, {"disk": noise(300_000, 2)}, SMALL)

        assert 1 <= travelled <= 74
        assert repository.points() == [before, after]
        assert repository.check(read_data=True).ok


def test_a_pack_of_an_abandoned_point_that_fails_late_does_not_hurt_the_next_point(
    make: Callable[[], Repository], monkeypatch: pytest.MonkeyPatch
) -> None:
    with make() as repository:
        going, gate, write = threading.Event(), threading.Event(), os.write

        def refuse_late(descriptor: int, data: memoryview) -> int:
            if len(data) < 5000:
                return write(descriptor, data)
            going.set()
            gate.wait(30)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(os, "write", refuse_late)
        abandoned = repository.begin(host="HV01", vm_id="1", vm_name="a")
        disk = abandoned.file("disk", 80_000, source="disk", kind="disk", grid=SMALL)
        write_blocks(disk, cut(noise(80_000, 2), SMALL))
        assert going.wait(30)
        abandoned.abort()
        monkeypatch.undo()
        threading.Timer(0.2, gate.set).start()
        point, travelled = store_files(repository, {"disk": noise(80_000, 2)}, SMALL)

        assert travelled >= 1
        assert repository.points() == [point]
        assert repository.check(read_data=True).ok


def test_nothing_is_left_in_staging(folder: Path, repository: Repository) -> None:
    store_files(repository, {"disk": noise(100_000)}, SMALL)

    assert list((folder / "staging").iterdir()) == []


def test_a_store_that_overwrites_what_it_should_not_is_noticed(tmp_path: Path) -> None:
    class Overwriting(BucketStore):
        def put(self, name: str, data: bytes | bytearray | memoryview, *, create: bool = False) -> None:
            super().put(name, data)

    from obstore.store import MemoryStore

    store = Overwriting(MemoryStore(), "memory")
    with Repository.init(store, passphrase=PASSPHRASE, scrypt_log_n=CHEAP) as repository:
        point, _ = store_files(repository, {"f": b"1"})
        writer = repository.begin(host="HV01", vm_id=point.vm_id, vm_name="TestVM")

        assert not repository.config.conditional_create
        with pytest.raises(RepositoryExists):
            writer.commit(make_point(point.id))
        assert repository.points() == [point]


def test_blocks_in_condemned_packs_are_stored_anew(folder: Path, make: Callable[[], Repository]) -> None:
    data = noise(100_000)
    with make() as repository:
        store_files(repository, {"disk": data}, SMALL)
        writer = repository.begin(host="HV01", vm_id=make_point().vm_id, vm_name="TestVM")
        file = writer.file("disk", len(data), source="x", kind="disk", grid=SMALL)
        for block, start in enumerate(range(0, len(data), 4096)):
            file.add(block, data[start : start + 4096])
        file.finish()

        condemned = [path for path in (folder / "packs").rglob("*") if path.is_file()]
        condemn(repository, condemned)
        point = writer.commit(make_point())
        for path in condemned:
            path.unlink()
        assert restore_file(repository.read(point), "disk") == data
    with Repository.open(folder, passphrase=PASSPHRASE) as repository:
        assert restore_file(repository.read(point), "disk") == data
        _, travelled = store_files(repository, {"disk": data}, SMALL)
        assert travelled == 0


def condemn(repository: Repository, packs: list[Path]) -> None:
    """What the first phase of a collection will write."""
    name = f"{f.CONDEMNED}0123456789abcdef"
    keys: Keys = repository._keys
    payload = b"".join(bytes.fromhex(path.name) for path in packs)
    repository._store.put(name, keys.seal(f.SEALED_CONDEMNED, name, payload))
