"""What can be wrong with a host, seen from the command line: one clear error each, and nothing left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hvbackup.simulator.builder import build_host
from hvbackup.simulator.faults import CertificateKind, Denial
from hvbackup.simulator.simulated_host import serve_host
from hvbackup.simulator.vm_specs import VmSpec
from hvbackup.simulator.volumes import local_path

Invoke = Callable[..., Any]
Options = tuple[str, ...]
HOST = "127.0.0.1"
CANARY = "Canary-4711-Passw0rd"


def told_once(done: Any, code: int, *words: str) -> None:
    """There is one error with its cure, the documented code, and no traceback."""
    said = done.out + done.err
    assert code == done.code, said
    assert 1 == done.err.count("error: "), said
    assert "Traceback" not in said
    assert "This is a bug" not in said
    for word in words:
        assert word.lower() in said.lower()


def left_on(served: Any) -> tuple[int, int, int]:
    record = served.host.read()
    runs = local_path(served.host.folder, record.machine.scratch_root)
    scratch = len(list(runs.iterdir())) if runs.exists() else 0
    return scratch, len(record.shadow_copies), len(record.mounted)


@contextmanager
def other_host(folder: Path, monkeypatch: pytest.MonkeyPatch, profile: str) -> Iterator[tuple[Any, Options]]:
    build_host(folder, profile=profile, vms=[VmSpec(key="web01", name="web01")])
    monkeypatch.setenv("HOST_PASSWORD", "")
    with serve_host(folder) as served:
        monkeypatch.setenv("HOST_PASSWORD", served.ready.password)
        yield served, (
            "--port", str(served.server.port), "--user", "Administrator", "--password-from", "env:HOST_PASSWORD",
            "--ca-file", str(served.ready.ca_file), "--auth", "basic",
        )  # fmt: skip


@pytest.mark.parametrize("how", list(Denial))
def test_an_account_that_is_no_administrator_is_told_so(
    invoke: Invoke, on_host: Options, in_repository: Options, served: Any, how: Denial
) -> None:
    served.server.faults.not_administrator = how

    done = invoke("backup", HOST, *in_repository, *on_host)

    told_once(done, 7, "hint: ")
    assert (0, 0, 0) == left_on(served)


def test_an_account_with_a_filtered_token_is_told_so(
    invoke: Invoke, on_host: Options, in_repository: Options, served: Any
) -> None:
    with served.host.change() as record:
        record.machine.elevated = False

    backup = invoke("backup", HOST, *in_repository, *on_host)
    check = invoke("host", "check", HOST, *on_host)

    told_once(backup, 7, "administrator", "LocalAccountTokenFilterPolicy")
    assert (7, True) == (check.code, "LocalAccountTokenFilterPolicy" in check.out)
    assert (0, 0, 0) == left_on(served)


@pytest.mark.parametrize(
    ("profile", "words"),
    [("no-role", ("Hyper-V role", "Install-WindowsFeature")), ("client", ("client Windows", "Windows Server"))],
)
def test_a_host_that_is_not_fit_is_told_with_the_cure(
    invoke: Invoke,
    in_repository: Options,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    profile: str,
    words: tuple[str, ...],
) -> None:
    with other_host(tmp_path / profile, monkeypatch, profile) as (served, options):
        backup = invoke("backup", HOST, *in_repository, *options)
        plan = invoke("backup", HOST, "--dry-run", *in_repository, *options)
        check = invoke("host", "check", HOST, *options)
        left = left_on(served)

    told_once(backup, 1, *words)
    told_once(plan, 1, *words)
    assert (1, True) == (check.code, "not fit" in check.out)
    assert (0, 0, 0) == left


@pytest.mark.parametrize(("kind", "word"), [(CertificateKind.EXPIRED, "expired"), (CertificateKind.WRONG_NAME, "name")])
def test_a_certificate_that_is_no_good_is_told_with_its_reason(
    invoke: Invoke, on_host: Options, served: Any, kind: CertificateKind, word: str
) -> None:
    served.server.faults.certificate = kind

    told_once(invoke("writers", HOST, *on_host), 4, "certificate", word, "hint: ")


def test_a_disk_of_the_host_that_becomes_full_during_a_restore_leaves_nothing_there(
    invoke: Invoke, on_host: Options, in_repository: Options, served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = invoke("backup", HOST, "--include", "web01", "--json", *in_repository, *on_host)
    point = done.of_type("job")[0]["pointId"]
    with served.host.change() as record:
        for volume in record.volumes:
            volume.free_bytes = 100_000
    before = {path for path in served.host.folder.rglob("*") if path.is_file()}
    restore = ("restore", point, "--to", r"E:\Back", "--host", HOST, *in_repository, *on_host)

    refused = invoke(*restore)
    # There was room when it was looked at; somebody else has taken it meanwhile.
    monkeypatch.setattr("hvbackup.jobs.restore_host.require_room", lambda *_: None)
    full = invoke(*restore)

    told_once(refused, 1, "MiB free", "hint: ")
    told_once(full, 1, "not enough space")
    assert before == {path for path in served.host.folder.rglob("*") if path.is_file()}


def test_the_password_is_in_no_output_log_or_file_however_it_fails(
    invoke: Invoke,
    on_host: Options,
    in_repository: Options,
    served: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(0)
    password = served.ready.password
    faults = served.server.faults
    said = ""

    def run(*arguments: str) -> None:
        nonlocal said
        for flags in (("-vv",), ("-vv", "--json")):
            done = invoke(*flags, *arguments)
            said += done.out + done.err

    run("backup", HOST, "--include", "web01", *in_repository, *on_host)
    for auth in ("basic", "ntlm", "negotiate"):
        run("vms", HOST, *on_host, "--auth", auth)
    faults.not_administrator = Denial.FAULT
    run("writers", HOST, *on_host)
    faults.clear()
    faults.certificate = CertificateKind.EXPIRED
    run("writers", HOST, *on_host)
    faults.clear()
    for status in (400, 500):
        faults.answer_http(status)
        run("writers", HOST, *on_host)
    faults.drop_connection()
    run("writers", HOST, *on_host)
    monkeypatch.setenv("HOST_PASSWORD", CANARY)
    for transport in ("psrp", "winrs"):
        run("writers", HOST, *on_host, "--transport", transport)
    run("writers", HOST, *on_host, "--password-from", CANARY)
    run("writers", HOST, *on_host, "--proxy", f"http://me:{CANARY}@proxy:1")
    monkeypatch.setenv("HOST_PASSWORD", password)
    monkeypatch.setattr("hvbackup.vss.session.list_writers", None)  # a bug, with a traceback
    run("writers", HOST, *on_host)

    kept = "".join(
        path.read_text(errors="replace")
        for place in ("state", "config")
        for path in (tmp_path / place).rglob("*")
        if path.is_file()
    )
    # The host is in this process too, and it must see the password; what it logs is its own.
    of_the_host = ("psrpcore", "hvbackup.simulator")
    logged = "\n".join(each.getMessage() for each in caplog.records if not each.name.startswith(of_the_host))
    places = {"output": said, "log": logged, "file": kept}
    shown = [place for place, text in places.items() if CANARY in text or password in text]
    assert [] == shown
    assert said.count("Traceback") > 0
