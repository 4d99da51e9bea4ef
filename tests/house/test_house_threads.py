"""Whether answers and points can be decoded by several threads from the first moment on."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
MODULES = sorted((PROJECT / "hvbackup").rglob("*.py"))

FIRST_USE = """
import threading
from concurrent.futures import ThreadPoolExecutor
import msgspec
from hvbackup.models import Memory, Processor, Vm, decodable

memory, processor = Memory(startup_bytes=1), Processor(count=1)
vm = Vm(id="1", name="a", state="Off", generation=2, version="9.0", path="", configuration_location="",
        snapshot_file_location="", memory=memory, processor=processor)
data = msgspec.json.encode(vm)
together = threading.Barrier(8)

def read(_number):
    together.wait()
    return msgspec.json.decode(data, type=decodable(Vm)) == vm

with ThreadPoolExecutor(8) as threads:
    assert all(threads.map(read, range(8)))
"""


@pytest.mark.parametrize("attempt", range(4))
def test_eight_threads_may_be_the_first_to_decode(attempt: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FIRST_USE], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False
    )

    assert (0, "") == (done.returncode, done.stderr), attempt


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_class_is_made_decodable_where_it_is_decoded_into(path: Path) -> None:
    bare = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in ("msgspec.json.decode", "msgspec.convert"):
            kinds = [each.value for each in node.keywords if each.arg == "type"] or node.args[1:2]
            bare += [node.lineno for kind in kinds if not ast.unparse(kind).startswith("decodable(")]

    assert [] == bare
