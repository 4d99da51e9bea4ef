"""What a playbook must not say: one error, with its place and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest
from play_corpus import ProbeModules

from hvbackup.errors import PlaybookError
from hvbackup.playbook.play_reader import make_playbook, read_playbook
from hvbackup.playbook.plays import Block, Task
from hvbackup.playbook.yaml_reader import read_yaml_text

PLAY = "- hosts: all\n  gather_facts: false\n"
TASKS = PLAY + "  tasks:\n"


def refused(text: str) -> PlaybookError:
    with pytest.raises(PlaybookError) as caught:
        make_playbook(read_yaml_text(text, "site.yml"), "site.yml", ProbeModules())
    return caught.value


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ("", "1:1", "the playbook is empty", "list of plays"),
        ("hosts: all", "1:1", "a playbook is a list of plays", "Begin each play"),
        ("[]", "1:1", "the playbook has no plays", "Write one"),
        ("- all", "1:3", "a play is a mapping, not 'all'", "KEY: VALUE"),
        ("- gather_facts: false", "1:3", "a play needs `hosts`", "Name hosts"),
        ("- hosts: all\n  gather_facts: false\n  tasks: []\n  taks: []", "4:3", "'taks' is no word", "'tasks'"),
        ("- hosts: all", "1:3", "a play says `gather_facts: false`", "Add the line"),
        ("- hosts: all\n  gather_facts: true", "2:3", "gather_facts is false here", "host_info"),
        (PLAY + "  roles: [x]", "3:3", "'roles' is not part of what hvbackup plays", "anchor"),
        (PLAY + "  become: true", "3:3", "'become' is not part of what hvbackup plays", "ansible_user"),
        (PLAY + "  when: true", "3:3", "a play has no `when`", "block"),
        (PLAY + "  strategy: free", "3:3", "strategy cannot be 'free'", "Remove it"),
        (PLAY + "  order: shuffle", "3:3", "order cannot be 'shuffle'", "sorted"),
        (PLAY + "  serial: many", "3:11", "serial is a number of hosts or a percentage", "30%"),
        (PLAY + "  max_fail_percentage: much", "3:3", "max_fail_percentage is a number", "0 to 100"),
        (PLAY + "  any_errors_fatal: perhaps", "3:3", "any_errors_fatal is true or false, not 'perhaps'", "true or"),
        (PLAY + "  vars: [a]", "3:9", "vars is a mapping", "NAME: VALUE"),
        (PLAY + "  vars: {no-name: 1}", "3:10", "'no-name' cannot be the name of a variable", "letters"),
        (PLAY + "  vars: {class: 1}", "3:10", "'class' cannot be the name of a variable", "Python"),
        (PLAY + "  tasks: x", "3:10", "tasks is a list of tasks", "- "),
        (PLAY + "  tags: '{{ x }}'", "3:9", "tags are fixed names here", "itself"),
        ("- hosts:\n  gather_facts: false", "1:3", "hosts names nothing", "all"),
        ("- hosts: []\n  gather_facts: false", "1:3", "hosts names nothing", "all"),
        ("- import_playbook: other.yml", "1:3", "'import_playbook' is not part", "one after the other"),
        (PLAY + "- debug: {msg: x}\n  when: true", "3:3", "a play needs `hosts`; this looks like a task", "tasks:"),
        (TASKS + "    - x", "4:7", "a task is a mapping", "KEY"),
        (TASKS + "    - name: x", "4:7", "a task needs a module", "vm_info"),
        (TASKS + "    - debug: {msg: x}\n      whne: true", "5:7", "'whne' is no word of a task", "mean 'when'?"),
        (TASKS + "    - debgu: {msg: x}", "4:7", "there is no module or keyword 'debgu'", "'debug'"),
        (TASKS + "    - probe: {}", "4:7", "'probe' is not the full name of a module", "'hvbackup.tests.probe'"),
        (TASKS + "    - shell: dir", "4:7", "there is no module or keyword 'shell' here", "hvbackup.hyperv.*"),
        (TASKS + "    - ansible.builtin.include_tasks: x.yml", "4:7", "include_tasks' is not part", "anchor"),
        (TASKS + "    - debug: {}\n      fail: {}", "5:7", "a task has one module, not 'debug' and", "two tasks"),
        (TASKS + "    - debug: msg=x", "4:14", "the arguments of debug are a mapping, not text", "NAME: VALUE"),
        (TASKS + "    - debug: [x]", "4:14", "the arguments of debug is a mapping", "KEY"),
        (TASKS + "    - debug: {mgs: x}", "4:15", "ansible.builtin.debug has no argument 'mgs'", "'msg'"),
        (TASKS + "    - debug: {msg: x, var: y}", "4:23", "debug takes msg or var, not both", "Remove"),
        (TASKS + "    - assert: {fail_msg: x}", "4:7", "assert needs `that`", "conditions"),
        (TASKS + "    - set_fact: {}", "4:7", "set_fact needs at least one", "Write one"),
        (TASKS + "    - set_fact: {a-b: 1}", "4:18", "'a-b' cannot be the name", "letters"),
        (TASKS + "    - pause: {seconds: 1, minutes: 1}", "4:15", "pause takes minutes or seconds", "Remove"),
        (TASKS + "    - meta: end_pley", "4:13", "meta cannot be 'end_pley' here", "'end_play'"),
        (TASKS + "    - meta: refresh_inventory", "4:13", "meta cannot be 'refresh_inventory'", "noop"),
        (TASKS + "    - hvbackup.tests.probe: {chnged: 1}", "4:30", "has no argument 'chnged'", "'changed'"),
        (TASKS + "    - debug: {}\n      loop: 5", "5:7", "loop is a list, or a template", "items"),
        (TASKS + "    - debug: {}\n      with_items: [1]", "5:7", "'with_items' is not part", "loop"),
        (TASKS + "    - debug: {}\n      loop_control: {lable: x}", "5:22", "'lable' is no word", "'label'"),
        (TASKS + "    - debug: {}\n      register: a b", "5:17", "'a b' cannot be the name", "letters"),
        (TASKS + "    - debug: {}\n      retries: some", "5:7", "retries is a whole number", "number"),
        (TASKS + "    - debug: {}\n      throttle: -1", "5:7", "throttle is at least 0", "larger"),
        (TASKS + "    - debug: {}\n      when: 5", "5:7", "when is an expression, not 5", "expression"),
        (TASKS + "    - debug: {}\n      when: ''", "5:13", "when is empty", "remove the key"),
        (TASKS + "    - debug: {}\n      delegate_to: x", "5:7", "'delegate_to' is not part", "own host"),
        (TASKS + "    - debug: {}\n      async: 5", "5:7", "'async' is not part", "forks"),
        (TASKS + "    - debug: {}\n      listen: x", "5:7", "'listen' is no word of a task", "A task has"),
        (TASKS + "    - block: []\n      register: x", "5:7", "'register' is no word of a block", "A block has"),
        (TASKS + "    - block: []\n      loop: [1]", "5:7", "'loop' is no word of a block", "A block has"),
        (TASKS + "    - rescue: []", "4:7", "'rescue' is a part of a block", "block:"),
        (PLAY + "  module_defaults: {debgu: {}}", "3:21", "there is no module or keyword 'debgu'", "'debug'"),
        (PLAY + "  module_defaults: {group/x: {}}", "3:21", "there is no group 'group/x'", "hvbackup.tests.probes"),
        (PLAY + "  handlers: [{debug: {}}]", "3:14", "nothing can notify a handler without a name", "listen"),
        (PLAY + "  handlers: [{block: []}]", "3:14", "a block cannot be a handler", "each task"),
        (PLAY + "  handlers: [{name: x, meta: flush_handlers}]", "3:14", "flush_handlers cannot be a handler", "Flush"),
        (TASKS + "    - debug: {}\n      notify: nobody", "5:15", "no handler is called 'nobody'", "handlers:"),
        (
            TASKS + "    - debug: {}\n      notify: restrat\n  handlers: [{name: restart, debug: {}}]",
            "5:15",
            "no handler is called 'restrat'",
            "'restart'",
        ),
        (TASKS + "    - 5: x\n      debug: {}", "4:7", "a key of a task is a word, not 5", "Quote"),
        (TASKS + "    - debug: {}\n      name: [x]", "5:7", "name is a text", "text"),
        (PLAY + "  vars_files: [[a, b]]", "3:16", "vars_files names files", "one path"),
    ],
)
def test_what_is_not_understood_is_one_error_with_its_place_and_a_cure(
    text: str, place: str, message: str, hint: str
) -> None:
    error = refused(text)
    assert error.place == f"site.yml:{place}"
    assert message in error.message
    assert error.hint is not None
    assert hint in error.hint
    assert error.exit_code == 5


def test_a_file_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(PlaybookError, match=r"none\.yml: No such file"):
        read_playbook(tmp_path / "none.yml", ProbeModules())


def test_tasks_know_what_they_inherit() -> None:
    text = (
        TASKS.replace("  tasks:", "  tags: p\n  ignore_errors: true\n  tasks:")
        + "    - when: a\n      vars: {x: 1, y: 1}\n      tags: [b]\n      block:\n"
        + "        - {debug: {}, when: c, vars: {y: 2}, tags: t, ignore_errors: false}\n"
    )
    [play] = make_playbook(read_yaml_text(text, "site.yml"), "site.yml", ProbeModules()).plays
    block = play.nodes[1]  # behind the flush of the empty pre_tasks
    assert isinstance(block, Block)
    task = block.block[0]
    assert isinstance(task, Task)
    assert task.conditions == ("a", "c")
    assert task.variables == {"x": 1, "y": 2}
    assert task.tags == {"p", "b", "t"}
    assert task.settings == {"ignore_errors": False}
    assert str(task.place) == "site.yml:10:11"


def test_tasks_are_numbered_in_the_order_of_the_play() -> None:
    text = TASKS + "    - debug:\n    - block: [{debug: }]\n      rescue: [{fail: }]\n      always: [{debug: }]\n"
    [play] = make_playbook(read_yaml_text(text, "site.yml"), "site.yml", ProbeModules()).plays
    numbers = [task.number for task in play.tasks]
    assert numbers == sorted(numbers)
    assert [task.module for task in play.tasks if not task.implicit] == [
        "ansible.builtin.debug",
        "ansible.builtin.debug",
        "ansible.builtin.fail",
        "ansible.builtin.debug",
    ]
