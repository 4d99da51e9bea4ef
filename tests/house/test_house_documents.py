"""Documents and tracked files: links that lead somewhere, versions that agree, nothing of one machine."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hvbackup._version import __version__

PROJECT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path
    for path in (PROJECT / "README.md", PROJECT / "ps_scripts/README.md", *(PROJECT / "docs").rglob("*.md"))
    if path.exists()
)
#: Beginnings of paths that are of one machine only. Put together here, so that this file is not a finding itself.
OF_A_MACHINE = ["/" + name + "/" for name in ("work", "opt", "root")]


def tracked_files() -> list[Path]:
    """The files that git knows; the test is skipped where this is no checkout."""
    git = shutil.which("git")
    if git is None or not (PROJECT / ".git").exists():
        pytest.skip("not a git checkout, or no git")
    done = subprocess.run([git, "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"git does not list the files: {done.stderr.strip()}")
    return [PROJECT / name for name in done.stdout.split("\0") if name and (PROJECT / name).is_file()]


def anchors(text: str) -> set[str]:
    """The anchors that headings of a Markdown document get, in GitHub's manner."""
    headings = re.findall(r"^#+ +(.+?) *#*$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_relative_link_leads_to_a_file_and_to_a_heading_in_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    prose = re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    targets = re.findall(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)", prose) + re.findall(r"^\[[^\]]+\]:\s+(\S+)", prose, re.M)
    targets += re.findall(r"<(?:img|a)\b[^>]*?\b(?:src|href)=[\"']([^\"']+)", prose)
    broken = []
    for target in targets:
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (path.parent / name) if name else path
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there.read_text())):
            broken.append(target)

    assert [] == broken


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_script_that_a_document_names_exists(path: Path) -> None:
    named = set(re.findall(r"\b_?[A-Z]\w*(?:-[A-Z]\w*)?\.ps1\b", path.read_text(encoding="utf-8")))
    there = {script.name for script in PROJECT.rglob("*.ps1")}

    assert set() == named - there


def test_the_readme_is_there_and_names_the_two_commands() -> None:
    readme = PROJECT / "README.md"
    if not readme.exists():
        pytest.skip("README.md is not written yet")
    text = readme.read_text(encoding="utf-8")

    assert "scripts/demo" in text
    assert "scripts/test" in text


def test_the_changelog_begins_with_this_version_or_with_what_is_unreleased() -> None:
    changelog = PROJECT / "CHANGELOG.md"
    if not changelog.exists():
        pytest.skip("CHANGELOG.md is not written yet")
    top = re.search(r"^## +\[?([^\]\s]+)\]?", changelog.read_text(encoding="utf-8"), flags=re.M)

    assert top is not None
    assert top[1] in ("Unreleased", __version__)


def test_no_tracked_file_names_a_path_of_one_machine() -> None:
    of_a_machine = re.compile(r"(?<![\w./~-])(?:" + "|".join(map(re.escape, OF_A_MACHINE)) + ")")
    found = [
        f"{path.relative_to(PROJECT)}:{number}: {line.strip()[:100]}"
        for path in tracked_files()
        for number, line in enumerate(path.read_bytes().decode("utf-8", errors="replace").splitlines(), 1)
        if of_a_machine.search(line)
    ]

    assert [] == found


def test_nothing_that_is_made_by_tools_is_tracked() -> None:
    made = re.compile(r"(^|/)(__pycache__|build|dist|\.venv|[^/]+\.egg-info|htmlcov)/|\.py[co]$|(^|/)\.coverage")
    found = [str(path.relative_to(PROJECT)) for path in tracked_files()]

    assert [] == [name for name in found if made.search(name)]
