"""docs/library.md: every snippet runs, in order, and prints what the page says it prints."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.examples.conftest import Run

PAGE = Path(__file__).resolve().parents[2] / "docs/library.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
RUNNER = """
import contextlib, io, json, pathlib, sys
names, outputs = {"__name__": "__main__"}, []
try:
    for first_line, code in json.loads(pathlib.Path(sys.argv[1]).read_text()):
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(compile("\\n" * (first_line - 1) + code, "docs/library.md", "exec"), names)
        outputs.append(output.getvalue())
finally:
    names["stack"].close()  # else the threads of the simulated host keep a failed process alive
print(json.dumps(outputs))
"""


def snippets() -> list[tuple[int, str, str]]:
    """Line, code and expected output of each snippet; a `text` block belongs to the snippet before it."""
    text = PAGE.read_text(encoding="utf-8")
    found: list[tuple[int, str, str]] = []
    for match in BLOCK.finditer(text):
        language, content = match.groups()
        if language == "python":
            found.append((text.count("\n", 0, match.start()) + 2, content, ""))
        else:
            assert "text" == language
            line, code, nothing = found.pop()
            assert "" == nothing
            found.append((line, code, content))
    return found


def matches(expected: str, actual: str) -> bool:
    """Whether the output is as expected, where `...` stands for anything within a line."""
    return bool(re.fullmatch(".*".join(map(re.escape, expected.split("..."))), actual))


def test_every_snippet_runs_and_prints_what_the_page_says(run_python: Run, tmp_path: Path) -> None:
    found = snippets()
    (tmp_path / "snippets.json").write_text(json.dumps([(line, code) for line, code, _ in found]))

    done = run_python("-c", RUNNER, tmp_path / "snippets.json")

    assert (0, "") == (done.code, done.err)
    outputs = json.loads(done.out)
    assert len(found) == len(outputs) >= 12
    wrong = [
        f"docs/library.md:{line} prints\n{actual}instead of\n{expected}"
        for (line, _, expected), actual in zip(found, outputs, strict=True)
        if not matches(expected, actual)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("expected", "actual", "fits"),
    [("a ...\n", "a b\n", True), ("a ...\n", "a b\nc\n", False), ("a\n", "b\n", False), ("", "", True)],
)
def test_dots_stand_for_the_rest_of_a_line_only(expected: str, actual: str, fits: bool) -> None:
    assert fits is matches(expected, actual)
