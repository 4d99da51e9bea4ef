"""Arguments: Ansible's loose types, and all mistakes at once."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvbackup import Secret
from hvbackup.errors import ConfigurationError, InvalidRequest, PlaybookError
from hvbackup.playbook.modules.arguments import read_arguments
from hvbackup.playbook.modules.coercion import NotOfType, coerced
from hvbackup.playbook.modules.connections import IGNORED, TAKEN, connection_from_variables
from hvbackup.playbook.modules.registry import FULL_NAMES, WITHOUT_HOST, load_module
from hvbackup.playbook.modules.vm_backup import VmBackupArguments
from hvbackup.playbook.nodes import Text

CONNECTION_VARIABLES = sorted({*IGNORED, *(name for names in TAKEN.values() for name in names), "ansible_psrp_x"})
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.binary(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)
KINDS: dict[str, Any] = {"str": str, "int": int, "float": float, "bool": bool, "list": list[str]}
VALUES: list[Any] = [
    2024, 3.5, True, False, "2024", "0x10", " 7 ", "7.0", "7.5", "1e3", "", "a,b", "a, b", "yes", "No", "ON", "off",
    "t", "F", "y", "n", "1", "0", 1, 0, 1.0, 0.0, 2, "maybe", "nan", "-3", [], ["a"], ["a,b", 3, True], "[1]",
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("str", 2024, "2024"),
        ("str", True, "True"),
        ("list", "web01", ["web01"]),
        ("list", "web01,db01", ["web01", "db01"]),
        ("list", 2024, ["2024"]),
        ("list", [2024, "x"], ["2024", "x"]),
        ("int", "3", 3),
        ("int", "3.0", 3),
        ("float", "1.5", 1.5),
        ("bool", "yes", True),
        ("bool", "Off", False),
        ("bool", 1, True),
    ],
)
def test_values_are_read_as_loosely_as_ansible_does(kind: str, value: Any, expected: Any) -> None:
    assert expected == coerced(KINDS[kind], value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("int", "x"), ("int", 1.5), ("bool", "maybe"), ("bool", 2), ("float", "x"), ("list", {}), ("str", [])],
)
def test_what_cannot_be_read_so_is_refused(kind: str, value: Any) -> None:
    with pytest.raises(NotOfType):
        coerced(KINDS[kind], value)


def test_every_value_comes_out_as_from_ansible_core_itself(
    ansible_folder: Path,
) -> None:
    code = (
        "import json, sys\n"
        "from ansible.module_utils.common.arg_spec import ArgumentSpecValidator\n"
        "answers = []\n"
        "values = json.load(sys.stdin)\n"
        "for kind in ('str', 'int', 'float', 'bool', 'list'):\n"
        "    spec = {'x': {'type': kind, **({'elements': 'str'} if kind == 'list' else {})}}\n"
        "    for value in values:\n"
        "        found = ArgumentSpecValidator(spec).validate({'x': value})\n"
        "        answers.append(None if found.error_messages else [found.validated_parameters['x']])\n"
        "from ansible.release import __version__\n"
        "print(json.dumps([int(__version__.split('.')[1]), answers]))\n"
    )
    asked = subprocess.run(
        [ansible_folder / "python", "-c", code], input=json.dumps(VALUES), capture_output=True, text=True, check=True
    )
    minor, expected = json.loads(asked.stdout)

    ours: list[Any] = []
    for kind in ("str", "int", "float", "bool", "list"):
        for value in VALUES:
            try:
                ours.append([coerced(KINDS[kind], value)])
            except NotOfType:
                ours.append(None)

    pairs = [(kind, value) for kind in ("str", "int", "float", "bool", "list") for value in VALUES]
    different = [
        (pair, theirs, own)
        for pair, theirs, own in zip(pairs, expected, ours, strict=True)
        if json.dumps(theirs) != json.dumps(own)
        # The one meant difference: a list is no text.
        and not (pair[0] == "str" and isinstance(pair[1], list) and own is None)
        and not (pair[0] == "int" and isinstance(pair[1], bool) and theirs == own)
        # Before 2.19, "7.0" was no whole number.
        and not (minor < 19 and pair[0] == "int" and theirs is None and own is not None)
    ]
    assert [] == different


def test_all_mistakes_are_told_at_once_by_the_names_of_the_arguments() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_arguments(
            VmBackupArguments,
            {"incldue": ["x"], "jobs": 99, "lanes": "few", "shadow_set": "all", "allow_offline": "maybe"},
        )

    told = dict(part.split(": ", 1) for part in str(caught.value).split("; "))
    assert "no such argument" in told["incldue"]
    assert "less than or equal to 16" in told["jobs"]
    assert "not a whole number" == told["lanes"]
    assert "each or shared" in told["shadow_set"]
    assert told["allow_offline"].startswith("neither true nor false")
    assert "is required" == told["repository"]
    assert 6 == len(told)


def test_an_argument_that_is_nearly_right_has_a_suggestion() -> None:
    with pytest.raises(ConfigurationError, match=r"did you mean include\?"):
        read_arguments(VmBackupArguments, {"repository": "/r", "incldue": "x"})


@given(
    name=st.sampled_from(FULL_NAMES),
    extra=st.dictionaries(st.one_of(st.text(), st.integers(), st.none()), ANYTHING, max_size=3),
    data=st.data(),
)
def test_whatever_is_given_is_read_or_refused_in_one_sentence(name: str, extra: dict[Any, Any], data: Any) -> None:
    model = load_module(name).arguments
    known = dict.fromkeys(model.model_fields, ANYTHING)
    given_values = {**extra, **data.draw(st.fixed_dictionaries({}, optional=known))}

    with contextlib.suppress(ConfigurationError):
        read_arguments(model, given_values)


@given(variables=st.dictionaries(st.sampled_from(CONNECTION_VARIABLES), ANYTHING, max_size=6))
def test_whatever_is_in_connection_variables_is_read_or_refused(variables: dict[str, Any]) -> None:
    for kind in ("psrp", "winrm"):
        with contextlib.suppress(InvalidRequest):
            connection_from_variables({**variables, "ansible_connection": kind}, "hv01")


def test_none_is_the_default() -> None:
    assert 1 == read_arguments(VmBackupArguments, {"repository": "/r", "jobs": None}).jobs


def test_secrets_show_themselves_nowhere() -> None:
    read = read_arguments(VmBackupArguments, {"repository": "/r", "passphrase": Secret("hunter2")})

    assert "hunter2" == read.passphrase.get_secret_value() if read.passphrase else False
    assert "hunter2" not in f"{read!r} {read} {read.model_dump_json()}"
    for wrong in ({"passphrase": ["hunter2"]}, {"passphrase": "hunter2", "jobs": "x"}, {"tags": [Secret("hunter2")]}):
        with pytest.raises(ConfigurationError) as caught:
            read_arguments(VmBackupArguments, {"repository": "/r", **wrong})
        assert "hunter2" not in str(caught.value)


def test_what_the_operator_wrote_becomes_plain_text() -> None:
    read = read_arguments(VmBackupArguments, {Text("repository"): Text("/r"), "include": [Text("web01")]})

    assert (str, [str]) == (type(read.repository), [type(each) for each in read.include])


def test_a_module_that_is_not_there_has_a_suggestion() -> None:
    with pytest.raises(PlaybookError) as caught:
        load_module("hvbackup.hyperv.vm_bakcup")

    assert "Did you mean hvbackup.hyperv.vm_backup?" == caught.value.hint


@pytest.mark.parametrize("name", FULL_NAMES)
def test_every_module_describes_itself(name: str) -> None:
    module = load_module(name)

    assert name == f"hvbackup.hyperv.{module.name}"
    assert (name not in WITHOUT_HOST) is module.needs_host
    assert module.writes is not name.endswith("_info")
    for model in (module.arguments, module.results):
        assert all(field.description for field in model.model_fields.values())


def test_a_bug_ends_in_a_result_without_its_text(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_module("hvbackup.hyperv.vm_info")

    def broken(_arguments: Any, _context: Any) -> Any:
        raise RuntimeError("secret inside")

    monkeypatch.setattr("hvbackup.playbook.modules.vm_info.MODULE", module._replace(run=broken))

    reply = run.reply("vm_info")

    assert (True, 1) == (reply.result["failed"], reply.exit_code)
    assert reply.result["msg"].startswith("RuntimeError (broken, line ")
    assert "secret inside" not in json.dumps(reply.result)


def test_pydantic_is_not_imported_before_a_module_is_needed() -> None:
    code = (
        "import sys, hvbackup, hvbackup.playbook.modules.registry, hvbackup.playbook.modules.contract\n"
        "import hvbackup.playbook.modules.connections\n"
        "print([name for name in ('pydantic', 'pypsrp', 'jinja2') if name in sys.modules])"
    )
    assert "[]\n" == subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
