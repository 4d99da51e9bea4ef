"""The lines that a PowerShell process and this program exchange, and the text of what runs there."""

from __future__ import annotations

import base64
import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvbackup.errors import ContractViolated, HvBackupError
from hvbackup.events import Progress
from hvbackup.remote.calls import GetHost
from hvbackup.remote.reception import Reception
from hvbackup.remote.scripts import bootstrap_text, prelude_text, script_text
from hvbackup.remote.stdio import COMMAND_LINE_LIMIT, ErrorReader, OutputReader, arguments
from hvbackup.remote.watch import Watch

ROOT = Path(__file__).resolve().parents[2]


def line(kind: str, content: bytes) -> bytes:
    return kind.encode() + base64.b64encode(content) + b"\r\n"


def new_reception(frames: list[bytes] | None = None, events: list[object] | None = None) -> Reception:
    return Reception(
        GetHost(),
        Watch(timeout=60),
        sink=None if frames is None else frames.append,
        events=None if events is None else events.append,
        host="hv01",
    )


def test_the_command_line_is_one_that_cmd_takes() -> None:
    assert len(" ".join(["powershell.exe", *arguments(script_text)])) < COMMAND_LINE_LIMIT - 200


def test_the_command_line_holds_the_bootstrap_whole() -> None:
    assert base64.b64decode(arguments(script_text)[-1]).decode("utf-16-le") == bootstrap_text()


def test_the_bootstrap_and_the_prelude_are_ascii() -> None:
    assert (bootstrap_text().isascii(), prelude_text().isascii()) == (True, True)


def test_a_script_that_is_not_there_is_an_error() -> None:
    with pytest.raises(HvBackupError, match=r"No-Such\.ps1"):
        script_text("No-Such")


def test_scripts_are_found_in_a_bare_checkout(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['hvbackup.ps_scripts'] = None\n"
        "from hvbackup.remote.scripts import prelude_text; print(len(prelude_text()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert int(done.stdout) == len(prelude_text())


@given(
    texts=st.lists(st.binary(max_size=200), max_size=8),
    cuts=st.lists(st.integers(0, 3000), max_size=20),
)
def test_frames_are_whole_however_the_stream_is_cut(texts: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(line("B:", text) for text in texts)
    frames: list[bytes] = []
    reader = OutputReader(new_reception(frames))
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    for start, end in itertools.pairwise(places):
        reader.feed(stream[start:end])
    reader.end()

    assert frames == texts


def test_a_last_line_needs_no_end() -> None:
    reception = new_reception()
    reader = OutputReader(reception)
    reader.feed(line("S:", "caf\u00e9".encode()).rstrip())
    reader.end()

    assert reception.texts == ["caf\u00e9"]


def test_progress_is_told() -> None:
    events: list[object] = []
    OutputReader(new_reception(events=events)).feed(line("P:", b'{"activity":"a","status":"s","percent":7}'))

    assert events == [Progress(host="hv01", activity="a", item="s", done=7, total=100, unit="percent")]


@pytest.mark.parametrize(
    "bad",
    [
        b"Welcome\r\n",
        b"S:not base64!\r\n",
        b"Q:AAAA\n",
        line("P:", b"{}"),
        line("P:", b"[]"),
        line("P:", b"\xff"),
        b"\xff\xfe\n",
    ],
)
def test_any_other_line_violates_the_contract(bad: bytes) -> None:
    with pytest.raises(ContractViolated):
        OutputReader(new_reception()).feed(bad)


def test_error_output_of_powershell_is_read_from_its_xml() -> None:
    reader = ErrorReader()
    reader.feed(b'#< CLIXML\r\n<Objs Version="1.1.0.1"><S S="Error">one &lt; two_x000D__x000A_</S>')
    reader.feed(b'<S S="Warning">not this</S><S S="Error">three</S></Objs>')

    assert reader.text() == "one < two\r\nthree"


def test_plain_error_output_is_taken_as_it_is_and_bounded() -> None:
    reader = ErrorReader()
    for _ in range(100):
        reader.feed(b"x" * 1000)

    assert reader.text() == "x" * 65536
