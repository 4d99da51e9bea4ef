"""The edges: a second Ctrl-C, names that want to look like something else, what `--quiet` must not hide."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from hvbackup.cli.output import Output, clean

Invoke = Callable[..., Any]
Options = tuple[str, ...]
HOST = "127.0.0.1"

HANGS = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from hvbackup.cli.interrupt import interruptible
from hvbackup.cli.output import Output

with interruptible(Output(json=True)) as cancel, ThreadPoolExecutor(1) as pool:
    pool.submit(threading.Event().wait)  # a host that hangs
    print("ready", flush=True)
    cancel.wait(60)
    print("stopping", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGINT of another process is POSIX")
def test_a_second_interrupt_leaves_at_once_although_a_thread_still_waits() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HANGS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert "ready\n" == child.stdout.readline()
        child.send_signal(signal.SIGINT)
        assert "stopping\n" == child.stdout.readline()
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)

    assert 130 == child.returncode
    assert '{"type":"summary","exitCode":130}\n' == out
    assert "left at once" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("character", ["\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\u2028", "\r"])
def test_no_character_of_a_name_steers_the_terminal(character: str) -> None:
    assert "a\ufffdb" == clean(f"a{character}b")


def test_a_name_with_a_line_break_is_one_row(capsys: pytest.CaptureFixture[str]) -> None:
    Output(json=False).table(("VM", "status"), [("web01\ndb01  ok", "failed")])

    assert 3 == len(capsys.readouterr().out.splitlines())


def test_warnings_of_a_run_are_results_and_shown_even_when_quiet(
    invoke: Invoke, on_host: Options, in_repository: Options, tmp_path: Any
) -> None:
    (tmp_path / "state").mkdir(exist_ok=True)
    (tmp_path / "state" / "runs").write_bytes(b"a file where a folder should be")

    done = invoke("--quiet", "backup", HOST, "--include", "web01", *in_repository, *on_host)

    assert (0, True) == (done.code, "warning: the record of the run was not kept" in done.out)


def test_the_plan_for_programs_names_the_shadow_sets_and_the_warnings(
    invoke: Invoke, on_host: Options, in_repository: Options
) -> None:
    done = invoke("backup", HOST, "--dry-run", "--json", "--exclude", "ghost", *in_repository, *on_host)

    summary = done.records[-1]
    assert 0 == summary["exitCode"]
    assert 1 == len(summary["shadowSets"])
    assert summary["sizeBytes"] > 0
    assert any("ghost" in text for text in summary["warnings"])
