"""`hvbackup play` as people see it: what is shown, what is hidden, what is asked, how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hvbackup.simulator.builder import build_host
from hvbackup.simulator.simulated_host import ServedHost, serve_host
from hvbackup.simulator.vm_specs import VmSpec

if TYPE_CHECKING:
    from tests.cli.conftest import Done, Invoke

PASSPHRASE = "wal nuss kern"
VSS_E_OBJECT_NOT_FOUND = 0x80042308
TWO_TASKS = """\
- name: Greet
  hosts: all
  gather_facts: false
  tasks:
    - name: Say hello
      ansible.builtin.debug:
        msg: "hello {{ inventory_hostname }}"
      tags: [greeting]
    - name: Say more
      ansible.builtin.debug:
        msg: more
      tags: [never, chatty]
    - name: Say goodbye
      ansible.builtin.debug:
        msg: goodbye
"""

PlayText = Callable[..., "Done"]
InventoryOf = Callable[[dict[str, ServedHost]], str]


@pytest.fixture
def play_text(invoke: Invoke, tmp_path: Path) -> PlayText:
    """Play a text on two names that no module connects to."""

    def play(text: str, *flags: str, inventory: str = "hv01,hv02,") -> Done:
        (tmp_path / "site.yml").write_text(text, encoding="utf-8")
        return invoke("play", "site.yml", "-i", inventory, *flags)

    return play


# ---------------------------------------------------------------- what is shown


def test_a_run_is_shown_as_ansible_shows_it(play_text: PlayText) -> None:
    done = play_text(TWO_TASKS)

    assert 0 == done.code
    lines = done.out.splitlines()
    assert "PLAY [Greet] " + "*" * 67 in lines
    assert "TASK [Say hello] " + "*" * 63 in lines
    assert 'ok: [hv01] => {\n    "msg": "hello hv01"\n}' in done.out
    assert 'ok: [hv02] => {\n    "msg": "goodbye"\n}' in done.out
    assert "hv01 : ok=2  changed=0  unreachable=0  failed=0  skipped=0  rescued=0  ignored=0" in lines
    assert "Say more" not in done.out


def test_json_is_one_document_for_each_result_and_a_summary_at_the_end(play_text: PlayText) -> None:
    done = play_text(TWO_TASKS, "--json")

    assert 0 == done.code
    assert ["play_start"] + 4 * ["task_result"] + ["summary"] == [record["type"] for record in done.records]
    results = [(each["task"], each["host"], each["status"]) for each in done.of_type("task_result")]
    assert [("Say goodbye", "hv01", "ok"), ("Say goodbye", "hv02", "ok")] == sorted(results)[:2]
    assert {"msg": "hello hv01"}.items() <= done.of_type("task_result")[0]["result"].items()
    summary = done.records[-1]
    assert (0, 0, False) == (summary["exitCode"], summary["ansibleExitCode"], summary["interrupted"])
    assert 2 == summary["hosts"]["hv02"]["ok"]


def test_items_attempts_and_ignored_failures_have_lines_of_their_own(play_text: PlayText) -> None:
    done = play_text(
        """\
- hosts: hv01
  gather_facts: false
  tasks:
    - ansible.builtin.debug: {msg: "{{ item.n }}"}
      loop: [{n: 1}, {n: 2}]
      loop_control: {label: "number {{ item.n }}"}
    - name: Try
      ansible.builtin.assert: {that: false}
      retries: 1
      delay: 0
      ignore_errors: true
    - ansible.builtin.debug: {msg: quiet, verbosity: 3}
"""
    )

    assert 0 == done.code
    assert 'ok: [hv01] => (item=number 2) => {\n    "msg": 2,' in done.out
    assert "FAILED - RETRYING: [hv01]: Try (1 retries left)." in done.out
    assert "fatal: [hv01]: FAILED! => " in done.out
    assert "\n...ignoring\n" in done.out
    assert "\nskipping: [hv01]\n" in done.out
    assert "ok=2  changed=0  unreachable=0  failed=0  skipped=1  rescued=0  ignored=1" in done.out


def test_lists_show_what_would_run_and_run_nothing(play_text: PlayText) -> None:
    tasks = play_text(TWO_TASKS, "--list-tasks", "--tags", "greeting")
    hosts = play_text(TWO_TASKS, "--list-hosts", "--limit", "hv02")
    tags = play_text(TWO_TASKS, "--list-tags")
    syntax = play_text(TWO_TASKS, "--syntax-check")

    assert [0, 0, 0, 0] == [done.code for done in (tasks, hosts, tags, syntax)]
    assert "Say hello" in tasks.out
    assert "goodbye" not in tasks.out
    assert "hv02" in hosts.out
    assert "hv01" not in hosts.out
    assert "task tags: [chatty, greeting, never]" in tags.out
    for done in (tasks, hosts, tags, syntax):
        assert '"msg"' not in done.out


def test_lists_are_documents_with_json(play_text: PlayText) -> None:
    done = play_text(TWO_TASKS, "--list-tasks", "--list-hosts", "--json")

    assert 0 == done.code
    assert "summary" == done.records[-1]["type"]
    assert "hv02" in done.out
    assert "Say hello" in done.out


def test_a_run_begins_with_the_task_that_is_named(play_text: PlayText) -> None:
    done = play_text(TWO_TASKS, "--start-at-task", "*goodbye")

    assert 0 == done.code
    assert "hello" not in done.out
    assert "goodbye" in done.out


# ---------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("flags", "code", "told"),
    [
        (("--start-at-task", "Say nothing"), 5, "no task is called 'Say nothing'"),
        (("--step",), 2, "--step asks before each task, but there is no terminal"),
        (("--tags", "greeting", "--limit", "hv99"), 5, "hv99"),
        (("-e", "@missing.yml"), 5, "missing.yml"),
        (("--vault-password-file", "missing"), 5, "missing"),
        (("--forks", "0"), 2, "--forks"),
    ],
)
def test_a_flag_that_cannot_be_meant_is_one_error(
    play_text: PlayText, flags: tuple[str, ...], code: int, told: str
) -> None:
    done = play_text(TWO_TASKS, *flags)

    assert code == done.code, done.err
    assert told in done.err
    assert "Traceback" not in done.out + done.err


def test_no_inventory_is_one_error_with_the_cure(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "site.yml").write_text(TWO_TASKS, encoding="utf-8")

    done = invoke("play", "site.yml")

    assert 2 == done.code
    assert "no inventory is named" in done.err
    assert "-i FILE" in done.err


def test_a_playbook_that_is_not_there_is_one_error(invoke: Invoke) -> None:
    done = invoke("play", "nowhere.yml", "-i", "hv01,")

    assert 5 == done.code
    assert "nowhere.yml" in done.err


def test_a_mistake_in_a_playbook_has_its_line_and_a_suggestion(play_text: PlayText) -> None:
    done = play_text("- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.debgu: {msg: x}\n")

    assert 5 == done.code
    assert "site.yml:4:7" in done.err
    assert "debug" in done.err


# ---------------------------------------------------------------- what is hidden


def test_no_log_hides_results_and_items_at_every_verbosity(play_text: PlayText) -> None:
    text = """\
- hosts: hv01
  gather_facts: false
  tasks:
    - ansible.builtin.debug: {msg: "it is {{ item }}"}
      loop: [tulip-1, tulip-2]
      no_log: true
    - ansible.builtin.assert: {that: false, fail_msg: tulip-3}
      no_log: true
      retries: 1
      delay: 0
      ignore_errors: true
"""

    for flags in ((), ("-vvvvv",), ("--json",)):
        done = play_text(text, *flags)

        assert 0 == done.code
        assert "tulip" not in done.out + done.err
        assert "no_log: true" in done.out
    assert "(item=(censored due to no_log))" in play_text(text).out


def test_a_password_is_masked_also_where_it_was_never_vaulted(
    play_text: PlayText, served: ServedHost, inventory_of: InventoryOf
) -> None:
    text = f"""\
- hosts: hv01
  gather_facts: false
  tasks:
    - hvbackup.hyperv.host_info:
    - hvbackup.hyperv.backup_point_info: {{repository: nowhere, passphrase: {PASSPHRASE}}}
      ignore_errors: true
    - ansible.builtin.debug: {{var: ansible_password}}
    - ansible.builtin.debug: {{msg: "{PASSPHRASE} is the passphrase"}}
"""

    for flags in (("-vvvvv",), ("--json",)):
        done = play_text(text, *flags, inventory=inventory_of({"hv01": served}))

        assert 0 == done.code, done.out
        assert served.ready.password not in done.out + done.err
        assert PASSPHRASE not in done.out + done.err
        assert "******** is the passphrase" in done.out


def test_what_a_host_says_is_never_a_template(play_text: PlayText, inventory_of: InventoryOf, tmp_path: Path) -> None:
    name = "{{ lookup('env', 'HOME') }}{% for x in range(9) %}"
    build_host(tmp_path / "hostile", vms=[VmSpec(key="a", name=name)])
    text = """\
- hosts: hv01
  gather_facts: false
  tasks:
    - hvbackup.hyperv.vm_info:
      register: found
    - ansible.builtin.set_fact: {first: "{{ found.vms[0].vm_name }}"}
    - ansible.builtin.debug: {msg: "{{ first }}"}
    - ansible.builtin.debug: {msg: "{{ item.vm_name }}"}
      loop: "{{ found.vms }}"
      loop_control: {label: "{{ item.vm_name }}"}
"""
    with serve_host(tmp_path / "hostile") as host:
        done = play_text(text, "--json", inventory=inventory_of({"hv01": host}))

    assert 0 == done.code, done.out
    shown = [record["result"] for record in done.of_type("task_result")]
    assert name == shown[2]["msg"]
    assert name == shown[3]["results"][0]["msg"]


# ---------------------------------------------------------------- what it came to


def test_a_rescue_never_turns_a_failed_backup_into_success(
    play_text: PlayText, served: ServedHost, inventory_of: InventoryOf, in_repository: tuple[str, ...]
) -> None:
    with served.host.change() as record:
        record.faults.create_hresult = VSS_E_OBJECT_NOT_FOUND
    text = f"""\
- hosts: hv01
  gather_facts: false
  tasks:
    - block:
        - hvbackup.hyperv.vm_backup: {{include: [web01], repository: {in_repository[1]}, passphrase_from: none}}
      rescue:
        - ansible.builtin.debug: {{msg: never mind}}
"""

    done = play_text(text, "--json", inventory=inventory_of({"hv01": served}))

    summary = done.records[-1]
    assert 1 == done.code == summary["exitCode"]
    assert 0 == summary["ansibleExitCode"]
    assert 1 == summary["vms"]["failed"]
    assert 1 == summary["hosts"]["hv01"]["rescued"]
    (failed,) = [vm for each in done.of_type("task_result") for vm in each["vms"]]
    assert ("web01", "failed") == (failed["vmName"], failed["status"])


def test_each_vm_has_its_line_in_the_end(
    play_text: PlayText, served: ServedHost, inventory_of: InventoryOf, in_repository: tuple[str, ...]
) -> None:
    text = f"""\
- hosts: hv01
  gather_facts: false
  tasks:
    - hvbackup.hyperv.vm_backup: {{repository: {in_repository[1]}, passphrase_from: none}}
"""

    done = play_text(text, inventory=inventory_of({"hv01": served}))

    assert 0 == done.code, done.out
    assert "    web01: ok" in done.out
    assert "    legacy: skipped: " in done.out
    assert "VMs: 1 ok, 0 warning, 0 failed, 1 skipped" in done.out


def test_hosts_that_do_not_answer_are_exit_code_4(play_text: PlayText, tmp_path: Path) -> None:
    entry: dict[str, Any] = {
        "ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_user": "a", "ansible_password": "bbbb",
        "ansible_connection": "psrp",
    }  # fmt: skip
    path = tmp_path / "inventory.yml"
    path.write_text(json.dumps({"all": {"hosts": {"hv01": entry}}}), encoding="utf-8")
    text = "- hosts: all\n  gather_facts: false\n  tasks:\n    - hvbackup.hyperv.host_info:\n"

    done = play_text(text, inventory=str(path))

    assert 4 == done.code
    assert "fatal: [hv01]: UNREACHABLE! => " in done.out
    assert "unreachable=1" in done.out
