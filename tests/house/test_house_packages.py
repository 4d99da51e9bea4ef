"""The wheel, the source distribution and the editable install: everything is in them, and they work from elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.util import find_spec
from pathlib import Path
from sysconfig import get_path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
MADE_BY_TOOLS = shutil.ignore_patterns(
    ".*", "__pycache__", "*.pyc", "build", "dist", "htmlcov", "*.egg-info", "venv", "node_modules"
)
SCRIPTS = sorted(path.name for path in (PROJECT / "ps_scripts").glob("*.ps1"))
BUILD = "import sys, setuptools.build_meta as hooks; print(getattr(hooks, sys.argv[1])(sys.argv[2]))"


def run(*arguments: object, cwd: Path, **variables: object) -> str:
    """Run Python and return what it printed."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "COV_"))}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1", **{name: str(text) for name, text in variables.items()}},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def source_files(folder: Path) -> set[str]:
    """Every file of the package, as paths below the folder that holds it."""
    return {
        path.relative_to(folder.parent).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source tree: building must leave nothing in the tree itself."""
    for name in ("setuptools", "pip"):
        if find_spec(name) is None:
            pytest.skip(f"{name} is not installed in this environment")
    place = tmp_path_factory.mktemp("house") / "tree"
    shutil.copytree(PROJECT, place, ignore=MADE_BY_TOOLS)
    if not (place / "README.md").exists():
        (place / "README.md").write_text("# hvbackup\n")
    return place


@pytest.fixture(scope="module")
def unpacked(tree: Path) -> Path:
    """The wheel that pip builds without network, unpacked."""
    place = tree.parent / "wheels"
    run("-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "--no-index", "-q", "-w", place, cwd=tree)
    (wheel,) = place.glob("hvbackup-*-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tree.parent / "unpacked")  # noqa: S202 - our own wheel
    return tree.parent / "unpacked"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A working folder far from the source tree."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def test_the_wheel_holds_every_file_of_the_package(tree: Path, unpacked: Path) -> None:
    assert set() == source_files(tree / "hvbackup") - source_files(unpacked / "hvbackup")


def test_the_wheel_holds_the_scripts_and_nothing_else_besides(unpacked: Path) -> None:
    there = {path.name for path in (unpacked / "hvbackup/ps_scripts").iterdir() if path.suffix != ".md"}
    assert {"__init__.py", *SCRIPTS} == there
    assert {"hvbackup"} == {path.name for path in unpacked.iterdir() if not path.name.endswith(".dist-info")}
    for name in (
        "py.typed",
        "repository/RESTORE.txt",
        "simulator/small-ntfs.vhdx.xz",
        "simulator/windows/Modules/Hyper-V/Hyper-V.psm1",
    ):
        assert (unpacked / "hvbackup" / name).is_file(), name


def test_the_wheel_says_what_it_is(unpacked: Path) -> None:
    (information,) = unpacked.glob("*.dist-info")
    metadata = (information / "METADATA").read_text(encoding="utf-8")

    assert "hvbackup = hvbackup.cli.main:main" in (information / "entry_points.txt").read_text()
    assert "\nLicense-Expression: Apache-2.0\n" in metadata or "\nLicense: Apache-2.0\n" in metadata
    assert "\nRequires-Python: >=3.10\n" in metadata
    assert list(information.rglob("LICENSE"))


def test_from_the_wheel_alone_the_help_comes_and_every_script_is_found(unpacked: Path, elsewhere: Path) -> None:
    text = run("-m", "hvbackup", "--help", cwd=elsewhere, PYTHONPATH=unpacked)
    assert "Usage: hvbackup" in text

    code = (
        "import sys, hvbackup.ps_scripts\n"
        "from hvbackup.remote.scripts import script_text\n"
        "print(hvbackup.ps_scripts.__file__)\n"
        "print(sum(len(script_text(name.removesuffix('.ps1'))) > 0 for name in sys.argv[1:]))"
    )
    where, count = run("-c", code, *SCRIPTS, cwd=elsewhere, PYTHONPATH=unpacked).splitlines()
    assert unpacked / "hvbackup/ps_scripts/__init__.py" == Path(where)
    assert len(SCRIPTS) == int(count)


def test_from_the_wheel_alone_a_simulated_host_is_built(unpacked: Path, elsewhere: Path) -> None:
    code = (
        "import hvbackup\nfrom hvbackup.simulator.builder import build_host\n"
        "from hvbackup.simulator.vm_specs import VmSpec\n"
        "host = build_host('host', vms=[VmSpec(key='web01', name='web01')])\n"
        "print(hvbackup.__file__)\nprint(host.read().vms[0].vm.name)"
    )
    where, name = run("-c", code, cwd=elsewhere, PYTHONPATH=unpacked).splitlines()

    assert unpacked / "hvbackup/__init__.py" == Path(where)
    assert "web01" == name


def test_the_editable_install_finds_the_package_and_the_scripts(tree: Path, elsewhere: Path) -> None:
    place = tree.parent / "editable"
    place.mkdir()
    run("-c", BUILD, "build_editable", place, cwd=tree)
    (wheel,) = place.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place / "site")  # noqa: S202 - our own wheel
    code = (  # with -S, so that an editable install of this very environment is not the one that is found
        "import site, sys\n"
        "site.addsitedir(sys.argv[1])\n"
        "sys.path.append(sys.argv[2])\n"
        "import hvbackup, hvbackup.ps_scripts\n"
        "from hvbackup import connect\n"
        "from hvbackup.remote.scripts import script_text\n"
        "print(hvbackup.__file__)\nprint(hvbackup.ps_scripts.__file__)\nprint(len(script_text('Get-HvbVm')) > 0)"
    )
    package, scripts, found = run("-S", "-c", code, place / "site", get_path("purelib"), cwd=elsewhere).splitlines()

    assert tree / "hvbackup/__init__.py" == Path(package)
    assert tree / "ps_scripts/__init__.py" == Path(scripts)
    assert "True" == found


def test_the_source_distribution_holds_what_one_needs_to_work_on_it(tree: Path) -> None:
    place = tree.parent / "sdist"
    place.mkdir()
    run("-c", BUILD, "build_sdist", place, cwd=tree)
    (sdist,) = place.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    for folder in ("hvbackup", "ps_scripts", "tests", "examples", "docs", "scripts", "benchmarks"):
        files = {name for name in source_files(tree / folder) if not name.endswith(".log")}
        assert set() == files - names, folder
    assert {"LICENSE", "README.md", "setup.cfg", "pyproject.toml", "ruff.toml"} <= names
    # Of another licence, and a distribution of its own.
    assert not [name for name in names if name.startswith("ansible_collection/")]
    if (tree / "CHANGELOG.md").exists():
        assert "CHANGELOG.md" in names
