"""What tests of playbooks share: where ansible-core is, when it is there, and how it is asked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

PROJECT = Path(__file__).resolve().parents[2]

#: Runs a program of ansible-core with arguments in a folder, and gives what it wrote to standard output.
RunAnsible: TypeAlias = Callable[..., "subprocess.CompletedProcess[str]"]


def ansible_bin() -> Path | None:
    """The folder with `ansible-playbook`: named by TEST_ANSIBLE_BIN, `.venv-ansible/bin`, or on the PATH."""
    named = os.environ.get("TEST_ANSIBLE_BIN")
    candidates = [Path(named)] if named else []
    candidates.append(PROJECT / ".venv-ansible" / "bin")
    on_path = shutil.which("ansible-playbook")
    if on_path:
        candidates.append(Path(on_path).parent)
    return next((folder for folder in candidates if (folder / "ansible-playbook").is_file()), None)


@pytest.fixture(scope="session")
def ansible_folder() -> Path:
    """The folder with ansible-core's programs; skips where there is none."""
    folder = ansible_bin()
    if folder is None:
        pytest.skip("ansible-core is not installed: set TEST_ANSIBLE_BIN to compare with it")
    return folder


@pytest.fixture(scope="session")
def oldest_ansible_folder() -> Path:
    """The folder with the programs of the oldest ansible-core that the collection supports; skips without it."""
    named = os.environ.get("TEST_ANSIBLE_OLDEST_BIN")
    folder = Path(named) if named else PROJECT / ".venv-ansible-oldest" / "bin"
    if not (folder / "ansible-playbook").is_file():
        pytest.skip("ansible-core 2.17 is not installed: set TEST_ANSIBLE_OLDEST_BIN to compare with it")
    return folder


@pytest.fixture(scope="session")
def run_ansible(ansible_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> RunAnsible:
    """Runs ansible-core with a home and settings of its own."""
    home = tmp_path_factory.mktemp("ansible-home")
    (home / "ansible.cfg").write_text("[defaults]\n", encoding="utf-8")

    def run(program: str, *arguments: str, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{ansible_folder}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_CONFIG": str(home / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_DEPRECATION_WARNINGS": "0",
            "ANSIBLE_RETRY_FILES_ENABLED": "0",
        }
        done = subprocess.run(
            [str(ansible_folder / program), *arguments],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )
        if check and done.returncode:
            raise AssertionError(f"{program} failed: {done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        return done

    return run


@pytest.fixture(scope="session")
def ansible_values(run_ansible: RunAnsible, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Any]]:
    """Asks ansible-core for the values of templates, or of conditions, all in one run.

    Gives for each `["value", VALUE]`, `["omitted"]` or `["error"]`; `["value", False]` for a condition that does not
    hold.
    """

    def values(variables: str, sources: list[str], *, conditions: bool = False) -> list[Any]:
        folder = tmp_path_factory.mktemp("expressions")
        (folder / "variables.yml").write_text(variables, encoding="utf-8")
        tasks: list[dict[str, Any]] = []
        for number, source in enumerate(sources):
            task = {"set_fact": {f"value_{number}": {"v": True if conditions else source}}}
            tasks.append({**task, "register": f"outcome_{number}", "ignore_errors": True})
            if conditions:
                tasks[-1]["when"] = source
        rows = ", ".join(
            f"[outcome_{n}.failed | default(false), outcome_{n}.skipped | default(false), value_{n} | default({{}})]"
            for n in range(len(sources))
        )
        dump = {"content": "{{ [" + rows + "] | to_json }}", "dest": str(folder / "answer.json")}
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars_files": ["variables.yml"],
            "tasks": [*tasks, {"copy": dump}],
        }
        (folder / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
        run_ansible("ansible-playbook", "-i", "localhost,", "play.yml", cwd=folder)
        answer = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
        found: list[Any] = []
        for failed, skipped, value in answer:
            if failed:
                found.append(["error"])
            elif skipped:
                found.append(["value", False])
            else:
                found.append(["value", value["v"]] if "v" in value else ["omitted"])
        return found

    return values
