"""The JSON Schema of playbooks, as editors use it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hvbackup.playbook.grammar import BLOCK_WORDS, HANDLER_WORDS, PLAY_WORDS, TASK_WORDS
from hvbackup.playbook.modules.registry import FULL_NAMES, load_module
from hvbackup.playbook.modules.schema import _WORD_SCHEMAS, playbook_schema, schema_line

PLAYBOOKS = Path(__file__).resolve().parents[3] / "examples/playbooks"
EXAMPLES = sorted(file for file in PLAYBOOKS.glob("*.yml") if file.name != "inventory.yml")


@pytest.fixture(scope="module")
def validator() -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    schema = playbook_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def problems(validator: Any, text: str) -> list[str]:
    return [error.message for error in validator.iter_errors(yaml.safe_load(text))]


def play(tasks: str) -> str:
    return "- hosts: all\n  gather_facts: false\n  tasks:\n" + "".join(f"    {line}\n" for line in tasks.splitlines())


def test_every_word_of_the_language_is_described() -> None:
    assert PLAY_WORDS | BLOCK_WORDS | TASK_WORDS | HANDLER_WORDS == set(_WORD_SCHEMAS)


def test_the_schema_is_json(validator: Any) -> None:
    assert json.loads(json.dumps(playbook_schema())) == validator.schema
    assert "# yaml-language-server: $schema=x.json" == schema_line("x.json")


@pytest.mark.parametrize("name", FULL_NAMES)
def test_the_examples_of_the_documentation_fit(validator: Any, name: str) -> None:
    assert [] == problems(validator, play(load_module(name).examples))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_the_example_playbooks_fit_and_say_which_schema(validator: Any, file: Path) -> None:
    text = file.read_text(encoding="utf-8")

    assert [] == problems(validator, text)
    assert text.startswith("# yaml-language-server: $schema=")


@pytest.mark.parametrize(
    "task",
    [
        '- hvbackup.hyperv.vm_backup: {repository: /r, passphrase_from: none, jobs: "{{ jobs }}"}',
        "- hvbackup.hyperv.vm_backup: {repository: /r, allow_offline: yes, include: web01, exclude: [a, 7]}",
        '- hvbackup.hyperv.vm_backup: {repository: /r, allow_offline: "yes", jobs: "3", longest_wait: 1.5}',
        "- hvbackup.hyperv.vm_info:",
        "- debug: {msg: hello}\n  when: [a is defined, b]",
        "- name: x\n  block:\n    - fail: {msg: no}\n  rescue:\n    - meta: end_host\n  always:\n    - debug: {var: x}",
        '- debug: {msg: "{{ item }}"}\n  loop: "{{ all }}"\n  loop_control: {label: "{{ item.x }}"}',
        "- hvbackup.hyperv.vm_info:\n  args: {include: web01}\n  register: vms\n  until: vms is success\n  retries: 3",
    ],
)
def test_what_both_runners_take_fits(validator: Any, task: str) -> None:
    assert [] == problems(validator, play(task))


@pytest.mark.parametrize(
    "text",
    [
        "hosts: all",
        "- hosts: all",
        "- hosts: all\n  gather_facts: true",
        "- hosts: all\n  gather_facts: false\n  roles: [x]",
        play("- hvbackup.hyperv.vm_backup: {repositry: /r}"),
        play("- hvbackup.hyperv.vm_backup: {repository: /r, jobs: 17}"),
        play("- hvbackup.hyperv.vm_backup: {repository: /r, jobs: many}"),
        play("- hvbackup.hyperv.vm_backup: {repository: /r, allow_offline: maybe}"),
        play("- hvbackup.hyperv.vm_backup: {repository: /r, shadow_set: all}"),
        play("- hvbackup.hyperv.vm_backup: {repository: [/r]}"),
        play("- hvbackup.hyperv.vm_bakcup: {repository: /r}"),
        play("- name: nothing is done"),
        play("- debug: {msg: a}\n  fail: {msg: b}"),
        play("- debug: {message: a}"),
        play("- debug: {msg: a}\n  whne: b"),
        play("- debug: {msg: a}\n  when: '{{ b }}'"),
        play("- debug: {msg: a}\n  delegate_to: localhost"),
        play("- debug: {msg: a}\n  register: 'not a name'"),
        play("- block:\n    - debug: {mgs: a}"),
        play("- rescue:\n    - debug: {msg: a}"),
    ],
)
def test_what_is_wrong_does_not_fit(validator: Any, text: str) -> None:
    assert problems(validator, text)
