"""The collection `hvbackup.hyperv`: generated, built, installed and run by ansible-core, when that is there."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml

from hvbackup import Repository, Secret
from hvbackup.playbook.modules.documentation import argument_spec, plain_text
from hvbackup.playbook.modules.registry import FULL_NAMES, NAMES, load_module

if TYPE_CHECKING:
    from tests.playbook.modules.conftest import MakeSite, Site

PROJECT = Path(__file__).resolve().parents[3]
COLLECTION = PROJECT / "ansible_collection"
SCRIPT = PROJECT / "scripts/build-collection"
PASSWORD = "correct horse battery staple"
PASSPHRASE = "wal nuss kern"
VAULT_PASSWORD = "vault of this test"

pytestmark = pytest.mark.skipif(not COLLECTION.is_dir(), reason="the collection is a distribution of its own")


class Played(NamedTuple):
    """What ansible-playbook made of a play: its exit code, its output, and the result of each task."""

    code: int
    out: str
    results: list[dict[str, Any]]


Play = Callable[..., Played]


@pytest.fixture(scope="session")
def installed(ansible_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of collections with ours in it, built and installed as users do."""
    folder = tmp_path_factory.mktemp("collection")
    variables = {**os.environ, "TEST_ANSIBLE_BIN": str(ansible_folder), "HOME": str(folder)}
    subprocess.run(
        [sys.executable, SCRIPT, "--output", folder], check=True, capture_output=True, env=variables, timeout=120
    )
    (tarball,) = folder.glob("hvbackup-hyperv-*.tar.gz")
    command: list[Path | str] = [
        ansible_folder / "ansible-galaxy",
        "collection",
        "install",
        tarball,
        "-p",
        folder / "collections",
    ]
    subprocess.run(command, check=True, capture_output=True, env=variables, timeout=120)
    return folder / "collections"


def environment(installed: Path, folder: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(installed),
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCAL_TEMP": str(folder / "local-temp"),
        "HVBACKUP_STATE_DIR": str(folder / "state"),
    }


def inventory_of(site: Site, **variables: Any) -> dict[str, Any]:
    known = {
        "ansible_connection": "psrp", "ansible_host": "127.0.0.1", "ansible_port": site.server.port,
        "ansible_user": "Administrator", "ansible_password": PASSWORD, "ansible_psrp_ca_cert": site.ca_file,
    }  # fmt: skip
    return {"all": {"hosts": {"hv01": {**known, **variables}}}}


@pytest.fixture
def play(ansible_folder: Path, installed: Path, tmp_path: Path) -> Play:
    """Runs tasks under ansible-playbook against a simulated host; what fails does not end the play."""
    probe = subprocess.run([ansible_folder / "python", "-c", "import hvbackup"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("hvbackup is not installed in the environment of ansible-core")

    def run(site: Site, tasks: list[dict[str, Any]], *flags: str, **variables: Any) -> Played:
        (tmp_path / "inventory.yml").write_text(yaml.safe_dump(inventory_of(site, **variables)), encoding="utf-8")
        for number, task in enumerate(tasks):
            task |= {"register": f"result_{number}", "ignore_errors": True, "ignore_unreachable": True}
        results = "{{ hostvars.hv01 | dict2items | selectattr('key', 'match', 'result_') | items2dict | to_json }}"
        copy = {
            "ansible.builtin.copy": {"content": results, "dest": str(tmp_path / "results.json")},
            "check_mode": False,
        }
        document = [
            {"hosts": "all", "gather_facts": False, "tasks": tasks},
            {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [copy]},
        ]
        (tmp_path / "play.yml").write_text(yaml.safe_dump(document), encoding="utf-8")
        done = subprocess.run(
            [ansible_folder / "ansible-playbook", "-i", "inventory.yml", "play.yml", *flags],
            cwd=tmp_path, env=environment(installed, tmp_path), capture_output=True, text=True, timeout=180,
            check=False,
        )  # fmt: skip
        output = done.stdout + done.stderr
        assert (tmp_path / "results.json").is_file(), output
        found = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
        return Played(done.returncode, output, [found[f"result_{number}"] for number in range(len(tasks))])

    return run


def test_what_is_generated_is_up_to_date() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)

    assert "up to date\n" == done.stdout


def test_every_file_of_python_names_the_licence_and_the_licence_is_there() -> None:
    assert "GNU GENERAL PUBLIC LICENSE" in (COLLECTION / "LICENSE").read_text(encoding="utf-8")
    for file in COLLECTION.rglob("*.py"):
        assert "GNU General Public License v3.0+" in file.read_text(encoding="utf-8"), file


def test_the_library_never_imports_ansible() -> None:
    for file in (PROJECT / "hvbackup").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0].startswith("ansible")], file


@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_of_a_module_tells_every_argument_and_every_result(name: str) -> None:
    module = load_module(f"hvbackup.hyperv.{name}")
    texts: dict[str, str] = {}
    for node in ast.parse((COLLECTION / f"plugins/modules/{name}.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            texts[node.targets[0].id] = ast.literal_eval(node.value)
    documented = yaml.safe_load(texts["DOCUMENTATION"])
    spec = argument_spec(module)

    assert set(spec) == set(documented.get("options", {}))
    for option, told in documented.get("options", {}).items():
        expected = {key: value for key, value in spec[option].items() if key != "no_log"}
        assert expected == {key: value for key, value in told.items() if key != "description"}
    assert set(module.results.model_fields) | {"hint", "error_type"} == set(yaml.safe_load(texts["RETURN"]))
    assert yaml.safe_load(texts["EXAMPLES"])


def test_secrets_are_no_log_and_nothing_else_is() -> None:
    marked = {
        (name, option)
        for name in FULL_NAMES
        for option, told in argument_spec(load_module(name)).items()
        if told.get("no_log")
    }

    assert {"passphrase"} == {option for _, option in marked}


def test_markup_is_taken_out_for_editors() -> None:
    assert "Set `a=b` or `x` (`M`) for `other.module`." == plain_text("Set O(a=b) or V(x) (C(M)) for M(other.module).")


def test_ansible_doc_shows_every_module(ansible_folder: Path, installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [ansible_folder / "ansible-doc", "--json", "-t", "module", *FULL_NAMES],
        env=environment(installed, tmp_path), capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip

    assert 0 == done.returncode, done.stderr
    assert set(FULL_NAMES) == set(json.loads(done.stdout))


def test_a_vm_is_backed_up_and_the_secrets_are_nowhere(
    play: Play, site: Site, repository: dict[str, Any], tmp_path: Path
) -> None:
    sealed = tmp_path / "sealed"
    Repository.init(sealed, passphrase=Secret(PASSPHRASE), scrypt_log_n=10).close()
    arguments = {"repository": str(sealed), "passphrase": "{{ secret }}", "include": "web01"}
    tasks = [
        {"hvbackup.hyperv.host_info": None},
        {"hvbackup.hyperv.vm_backup": dict(arguments), "check_mode": True, "diff": True},
        {"hvbackup.hyperv.vm_backup": dict(arguments)},
        {"hvbackup.hyperv.vm_backup": {**arguments, "passphrase": "guess one"}},
        {"hvbackup.hyperv.vm_backup": {**arguments, "jobs": 99, "inlcude": "x"}},
        {"hvbackup.hyperv.backup_point_info": {"repository": str(sealed), "passphrase": "{{ secret }}"}},
    ]

    done = play(site, tasks, "-vvvvv", secret=PASSPHRASE)

    assert 0 == done.code, done.out
    facts, planned, made, refused, wrong, points = done.results
    assert ("HV01", False) == (facts["computer_name"], facts["changed"])
    assert (["planned"], True) == ([vm["status"] for vm in planned["vms"]], planned["changed"])
    assert "a new restore point" in planned["diff"]["after"]
    assert (["ok"], True) == ([vm["status"] for vm in made["vms"]], made["changed"])
    assert (True, "KeyRefused") == (refused["failed"], refused["error_type"])
    assert "jobs: less than or equal to 16; repository" not in wrong["msg"]
    assert "inlcude: no such argument (did you mean include?); jobs: less than or equal to 16" == wrong["msg"]
    assert [made["vms"][0]["point_id"]] == [point["point_id"] for point in points["points"]]
    left = b"".join(
        path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file()
        and path.name not in ("inventory.yml", "play.yml")
        and "host" != path.relative_to(tmp_path).parts[0]
    )
    for secret in (PASSWORD, PASSPHRASE):
        assert secret not in done.out
        assert secret.encode() not in left


@pytest.mark.parametrize("vaulted", [False, True])
def test_the_connection_is_taken_from_winrm_too_and_passwords_from_the_vault(
    play: Play, site: Site, ansible_folder: Path, tmp_path: Path, vaulted: bool
) -> None:
    variables: dict[str, Any] = {
        "ansible_connection": "winrm", "ansible_winrm_transport": "ntlm", "ansible_winrm_ca_trust_path": site.ca_file,
        "ansible_psrp_ca_cert": None,
    }  # fmt: skip
    flags: tuple[str, ...] = ()
    if vaulted:
        (tmp_path / "vault").write_text(VAULT_PASSWORD)
        command: list[Path | str] = [
            ansible_folder / "ansible-vault",
            "encrypt_string",
            "--vault-password-file",
            "vault",
            PASSWORD,
        ]
        text = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        folder = tmp_path / "host_vars"
        folder.mkdir()
        (folder / "hv01.yml").write_text("ansible_winrm_password: " + text)
        flags = ("--vault-password-file", "vault")

    done = play(site, [{"hvbackup.hyperv.vm_info": {"include": ["web*"]}}], *flags, **variables)

    assert [["web01"]] == [[vm["vm_name"] for vm in result["vms"]] for result in done.results], done.out


def test_what_is_not_to_be_is_refused_in_one_sentence(play: Play, site: Site, unused_port: int) -> None:
    tasks: list[dict[str, Any]] = [
        {"hvbackup.hyperv.vm_info": None, "vars": {"ansible_port": unused_port}},
        {"hvbackup.hyperv.vm_info": None, "vars": {"ansible_password": "not this one"}},
        {"hvbackup.hyperv.vm_info": None, "vars": {"ansible_connection": "ssh"}},
        {"hvbackup.hyperv.vm_info": None, "delegate_to": "localhost"},
        {"hvbackup.hyperv.vm_info": None, "async": 60},
        {"hvbackup.hyperv.vm_info": None, "vars": {"ansible_psrp_auht": "ntlm"}},
        {"hvbackup.hyperv.vm_info": None, "vars": {"ansible_psrp_cert_validation": "ignore"}},
    ]

    down, account, ssh, delegated, background, misspelt, ignored = play(site, tasks).results

    assert (True, True) == (down["unreachable"], account["unreachable"])
    assert "refuses the connection: nothing listens there" in down["msg"]
    assert "hv01: ansible_connection is 'ssh'" == ssh["msg"]
    assert "do not delegate it" in delegated["hint"]
    assert "does not support async" in background["msg"]
    assert "hv01: unknown connection variable ansible_psrp_auht" == misspelt["msg"]
    assert "is not checked" in ignored["warnings"][0]


def test_shared_arguments_come_from_the_action_group(play: Play, site: Site) -> None:
    defaults = {"group/hvbackup.hyperv.hyperv": {"include": "web01"}}

    (result,) = play(site, [{"hvbackup.hyperv.vm_info": None, "module_defaults": defaults}]).results

    assert ["web01"] == [vm["vm_name"] for vm in result["vms"]]


def test_a_vm_with_a_template_for_a_name_is_inert(play: Play, make_site: MakeSite, tmp_path: Path) -> None:
    from hvbackup.simulator.vm_specs import VmSpec

    name = "{{ lookup('pipe', 'touch " + str(tmp_path / "touched") + "') }}"
    site = make_site([VmSpec(key="odd", name=name, folder="odd")], name="other")
    tasks = [{"hvbackup.hyperv.vm_info": None}, {"ansible.builtin.debug": {"msg": "{{ result_0.vms[0].vm_name }}"}}]

    done = play(site, tasks)

    assert [name, name] == [done.results[0]["vms"][0]["vm_name"], done.results[1]["msg"]]
    assert not (tmp_path / "touched").exists()


def test_ctrl_c_ends_a_backup_in_order(
    ansible_folder: Path, play: Play, installed: Path, site: Site, repository: dict[str, Any], tmp_path: Path
) -> None:
    with site.host.change() as record:
        record.faults.stop_at["Get-HvbBlockHash:start"] = "hang"
    task = {"hvbackup.hyperv.vm_backup": {**repository, "include": "web01"}}
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump(inventory_of(site)), encoding="utf-8")
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
    with (tmp_path / "output").open("w") as output:
        process = subprocess.Popen(
            [ansible_folder / "ansible-playbook", "-i", "inventory.yml", "play.yml"],
            cwd=tmp_path, env=environment(installed, tmp_path), stdout=output, stderr=output,
        )  # fmt: skip
    deadline = time.monotonic() + 60
    while not site.host.read().shadow_copies and time.monotonic() < deadline:
        threading.Event().wait(0.1)
    process.send_signal(signal.SIGINT)

    assert 99 == process.wait(timeout=60)
    assert "User interrupted execution" in (tmp_path / "output").read_text(encoding="utf-8")
    assert [] == list(site.host.read().shadow_copies)
    with Repository.open(repository["repository"], passphrase=None) as opened:
        assert [] == opened.points()
        assert [] == opened.held_leases()
