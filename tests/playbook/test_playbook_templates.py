"""Templates: only what the operator wrote is one; values keep their types; what fails says where."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvbackup.errors import PlaybookError
from hvbackup.playbook.nodes import Place, Text
from hvbackup.playbook.templates import OMIT, HostVariables, Templar
from hvbackup.playbook.yaml_reader import read_yaml_text

VARIABLES = """\
one: 1
name: "2024"
alias: "{{ one }}"
settings: {good: 1, bad: "{{ nowhere }}", deep: {alias: "{{ name }}"}}
list: [1, "{{ alias }}"]
loop_a: "{{ loop_b }}"
loop_b: "{{ loop_a }}"
broken: "{{ one + 'a' }}"
windows: 'C:\\VMs\\web'
"""


@pytest.fixture
def templar() -> Templar:
    return Templar()


@pytest.fixture
def variables() -> Any:
    return read_yaml_text(VARIABLES, "vars.yml")


def at(text: str) -> Text:
    return Text(text, Place("site.yml", 5, 9))


# ---------------------------------------------------------------- the trust rule

HOSTILE = [
    "{{ lookup('pipe', 'touch /tmp/owned') }}",
    "{% for i in range(9999999) %}x{% endfor %}",
    "{{ one }}",
    "{# comment #}",
    "{{",
    "#jinja2: variable_start_string:'[['",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_what_comes_from_a_host_is_never_a_template(name: str, templar: Templar, variables: Any) -> None:
    known = {**variables, "vm": name, "result": {"vms": [{"name": name}], name: name}}
    assert templar.render(name, known) == name
    assert templar.render(at("{{ vm }}"), known) == name
    assert templar.render(at("<{{ vm }}>"), known) == f"<{name}>"
    assert templar.render(at("{{ result.vms[0].name }}"), known) == name
    assert templar.render(at("{{ result.vms | map(attribute='name') | list }}"), known) == [name]
    assert templar.render(at("{{ result }}"), known)[name] == name
    assert templar.render(at("{{ result | to_json | from_json }}"), known) == known["result"]
    assert templar.render(at("{{ result | to_yaml | from_yaml }}"), known) == known["result"]
    assert templar.condition(at("vm == result.vms[0].name"), known)


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_template_gives_is_no_template_again(name: str, templar: Templar) -> None:
    fact = templar.render({"fact": at("{{ vm }}")}, {"vm": name})
    assert templar.render(at("{{ fact }}!"), fact) == f"{name}!"


@pytest.mark.parametrize(
    "text",
    [
        "{{ lookup('env', 'HOME') }}",
        "{{ query('file', '/etc/passwd') }}",
        "{{ q('pipe', 'id') }}",
        "{{ '/etc/passwd' | fileglob }}",
        "{{ '~' | expanduser }}",
        "{{ '$HOME' | expandvars }}",
        "{{ '/etc/passwd' is file }}",
        "{{ '/etc' is exists }}",
        "{% include '/etc/passwd' %}",
        "{% import '/etc/passwd' as x %}",
        "{% extends '/etc/passwd' %}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ one.__class__ }}",
        "{{ settings.__init__.__globals__ }}",
        "{{ settings._raw }}",
        "{{ list._scope.variables }}",
        "{{ self.__init__ }}",
        "{{ (settings.deep | attr('_scope')).other }}",
        "{{ [settings.deep] | map(attribute='_scope') | list }}",
        "{{ '{0.__class__}'.format(one) }}",
        "{{ '%s' | format(one.__class__) }}",
        "{{ range.__self__ }}",
        "{{ dict.fromkeys.__func__ }}",
        "{{ now.__globals__ }}",
        "{{ cycler.__init__ }}",
        "{{ joiner }}",
        "{{ lipsum }}",
        "{{ namespace() }}",
        "{{ hostvars._variables }}",
        "{{ hostvars.bind }}",
        "{{ omit.__class__ }}",
    ],
)
def test_files_environment_and_inner_parts_are_out_of_reach(text: str, templar: Templar, variables: Any) -> None:
    variables = {**variables, "hostvars": HostVariables(["a"], lambda _name: {"secret": 1})}
    with pytest.raises(PlaybookError) as caught:
        templar.render(at(text), variables)
    assert caught.value.place == "site.yml:5:9"


def test_a_template_does_not_change_the_variables(templar: Templar, variables: Any) -> None:
    before = repr(variables)
    for text in ("{{ list.append(1) }}", "{{ settings.update({'a': 1}) }}", "{{ settings.clear() }}"):
        with pytest.raises(PlaybookError):
            templar.render(at(text), variables)
    templar.render(at("{% set x = settings.deep %}{% set one = 5 %}{{ one }}"), variables)
    assert repr(variables) == before


# ---------------------------------------------------------------- values


def test_a_single_expression_keeps_its_type(templar: Templar, variables: Any) -> None:
    rendered = templar.render(
        {"a": at("{{ one }}"), "b": at("{{ name }}"), "c": at("{{ name }}{{ one }}"), "d": at("{{ none }}"), "e": 5},
        variables,
    )
    assert rendered == {"a": 1, "b": "2024", "c": "20241", "d": None, "e": 5}
    assert type(rendered["b"]) is str


def test_rendered_values_hold_no_nodes(templar: Templar, variables: Any) -> None:
    rendered = templar.render({"s": at("{{ settings.deep }}"), "l": at("{{ list }}"), "t": at("text")}, variables)
    assert rendered == {"s": {"alias": "2024"}, "l": [1, 1], "t": "text"}
    assert [type(value) for value in rendered.values()] == [dict, list, str]
    assert type(rendered["s"]["alias"]) is str


def test_only_what_is_looked_at_is_rendered(templar: Templar, variables: Any) -> None:
    assert templar.render(at("{{ settings.good }}"), variables) == 1
    assert templar.render(at("{{ settings.deep.alias }}"), variables) == "2024"
    with pytest.raises(PlaybookError) as caught:
        templar.render(at("{{ settings }}"), variables)
    assert caught.value.place == "vars.yml:4:26"


def test_omit_leaves_out(templar: Templar, variables: Any) -> None:
    value = {"a": at("{{ nowhere | default(omit) }}"), "b": [at("{{ omit }}"), 1], "c": {"d": at("{{ omit }}")}}
    assert templar.render(value, variables) == {"b": [1], "c": {}}
    assert templar.render(at("{{ omit }}"), variables) is OMIT


def test_backslashes_of_windows_paths_stay(templar: Templar, variables: Any) -> None:
    assert templar.render(at(r"{{ windows }}\new"), variables) == r"C:\VMs\web\new"
    assert templar.render(at(r"{{ 'C:\new' ~ '\t' }}"), variables) == r"C:\new\t"
    assert templar.render(at("{{ windows | win_dirname }}"), variables) == r"C:\VMs"


def test_hostvars_are_gathered_when_a_host_is_asked_for(templar: Templar, variables: Any) -> None:
    asked: list[str] = []

    def of(name: str) -> Mapping[str, Any]:
        asked.append(name)
        return {"name": name, "alias": Text("{{ name }}!"), "other": Text("{{ nowhere }}")}

    known = {**variables, "hostvars": HostVariables(["hv01", "hv02"], of)}
    assert templar.render(at("{{ hostvars.keys() }}"), known) == ["hv01", "hv02"]
    assert asked == []
    assert templar.render(at("{{ hostvars['hv02'].alias }}"), known) == "hv02!"
    assert asked == ["hv02"]
    assert templar.render(at("{{ ['hv01'] | map('extract', hostvars, 'alias') | list }}"), known) == ["hv01!"]
    assert templar.render(at("{{ hostvars.hv09.x | default('no') }}"), known) == "no"
    assert templar.condition(at("'hv01' in hostvars and 'hv09' not in hostvars"), known)


def test_variables_may_be_any_mapping_and_are_asked_for_single_names(templar: Templar) -> None:
    class Asked(Mapping[str, Any]):
        names: list[str]

        def __init__(self) -> None:
            self.names = []

        def __getitem__(self, name: str) -> Any:
            self.names.append(name)
            return {"a": Text("{{ b }}"), "b": 2}[name]

        def __iter__(self) -> Iterator[str]:
            raise AssertionError

        def __len__(self) -> int:
            raise AssertionError

    asked = Asked()
    assert templar.render(at("{{ a + a }}"), asked) == 4
    assert asked.names == ["a", "b"]


def test_one_templar_serves_many_threads(templar: Templar) -> None:
    found: list[Any] = []

    def work(number: int) -> None:
        known = {"n": number, "m": Text("{{ n }}")}
        found.append({templar.render(at("{{ m }}-{{ n }}"), known) for _ in range(50)} == {f"{number}-{number}"})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 8


def test_dates_are_values(templar: Templar) -> None:
    known = read_yaml_text("day: 2024-05-06", "x")
    assert templar.render(at("{{ day }}"), known) == dt.date(2024, 5, 6)
    assert templar.render(at("{{ now(utc=true).year > 2000 }}"), known) is True
    assert len(templar.render(at("{{ now(fmt='%Y-%m-%d') }}"), known)) == 10


# ---------------------------------------------------------------- what fails


@pytest.mark.parametrize(
    ("text", "place", "words", "hint"),
    [
        ("{{ nmae }}", "site.yml:5:9", "'nmae' is undefined", "Did you mean 'name'?"),
        ("{{ settings.bad }}", "vars.yml:4:26", "'nowhere' is undefined", "Define it"),
        ("{{ settings.godo }}", "site.yml:5:9", "a dict has no 'godo'", "Did you mean 'good'?"),
        ("{{ list[7] }}", "site.yml:5:9", "a list has no 7", "Define it"),
        ("{{ lookup('env', 'HOME') }}", "site.yml:5:9", "'lookup' is undefined", "There are no lookups here"),
        ("{{ name | a.b.ipaddr }}", "site.yml:5:9", "there is no filter 'a.b.ipaddr'", "docs/playbook-language.md"),
        ("{{ broken }}", "vars.yml:8:9", "unsupported operand", None),
        ("{{ loop_a }}", "vars.yml:7:9", "refers to itself (loop_a → loop_b → loop_a)", None),
        ("{{ one | defualt(2) }}", "site.yml:5:9", "there is no filter 'defualt'", "Did you mean 'default'?"),
        ("{{ one is defind }}", "site.yml:5:9", "there is no test 'defind'", "Did you mean 'defined'?"),
        ("{{ one ", "site.yml:5:9", "unexpected end of template", None),
        ("{% if %}", "site.yml:5:9", "Expected an expression", None),
        ("{{ 'x' | from_json }}", "site.yml:5:9", "the filter 'from_json' fails", None),
        ("{{ 1 / 0 }}", "site.yml:5:9", "division by zero", None),
        ("{{ range }}", "site.yml:5:9", "which no variable holds", None),
        ("{{ one | mandatory('no') and nowhere | mandatory('give it') }}", "site.yml:5:9", "give it", None),
    ],
)
def test_errors_name_the_place_and_what_to_do(
    text: str, place: str, words: str, hint: str | None, templar: Templar, variables: Any
) -> None:
    with pytest.raises(PlaybookError) as caught:
        templar.render(at(text), variables)
    assert caught.value.place == place
    assert words in caught.value.message
    if hint:
        assert hint in (caught.value.hint or "")


def test_long_chains_of_variables_end_in_an_error(templar: Templar) -> None:
    known: dict[str, Any] = {f"v{n}": Text(f"{{{{ v{n + 1} }}}}", Place("v", n, 1)) for n in range(200)}
    known["v200"] = 1
    with pytest.raises(PlaybookError, match="deep"):
        templar.render(at("{{ v0 }}"), known)
    assert templar.render(at("{{ v170 }}"), known) == 1


def test_a_list_that_refers_to_itself_ends_in_an_error(templar: Templar) -> None:
    known = read_yaml_text('a: {b: "{{ a.c }}", c: "{{ a.b }}"}', "x")
    with pytest.raises(PlaybookError, match="deep"):
        templar.render(at("{{ a.b }}"), known)
    assert templar.render(at("{{ a.d | default(1) }}"), known) == 1


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'x' * 999999999 }}",
        "{{ 999999999 * 'x' }}",
        "{{ [0] * 999999999 }}",
        "{{ 9 ** 999999 }}",
        "{{ 9 ** 99999999 }}",
        "{{ range(999999999) | list }}",
        "{{ range(3000) | product(range(3000)) | list | length }}",
        "{{ range(100) | permutations | first }}",
        "{{ ('x' * 16000000) ~ ('x' * 16000000) }}{{ 'x' }}",
        "{{ 'x' | center(999999999) }}",
        "{{ 'x' | indent(999999999) }}",
        "{{ '%999999999d' % 1 }}",
        "{{ '%999999999d' | format(1) }}",
        "{{ '{:999999999}'.format(1) }}",
        "{{ 'x'.ljust(999999999) }}",
        "{{ 'x'.zfill(999999999) }}",
        "{{ [1] | batch(999999999, 1) | list | length }}",
        "{{ '%*d' % (999999999, 1) }}",
    ],
)
@pytest.mark.timeout(20)
def test_templates_cannot_fill_the_memory_by_a_slip(text: str, templar: Templar) -> None:
    with pytest.raises(PlaybookError):
        templar.render(at(text), {})


# ---------------------------------------------------------------- conditions


def test_conditions_are_expressions_and_strictly_true_or_false(templar: Templar, variables: Any) -> None:
    assert templar.condition(at("one == 1 and name == '2024'"), variables) is True
    assert templar.condition(at(" nowhere is defined "), variables) is False
    assert templar.condition(True, variables) is True
    assert templar.condition([at("one == 1"), False], variables) is False
    assert templar.condition([], variables) is True


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        (at("one"), "the condition gives a number"),
        (at("name"), "the condition gives a text"),
        (at("list"), "the condition gives a list"),
        (at("none"), "the condition gives nothing"),
        (at("'{{ one }}' == 1"), "an expression already"),
        (at("{{ one == 1 }}"), "an expression already"),
        (at("{% if one %}true{% endif %}"), "an expression already"),
        (at(""), "is empty"),
        (at("   "), "is empty"),
        (at("nowhere"), "'nowhere' is undefined"),
        (at("one = 1"), "more than one expression"),
        (at("one =="), "unexpected"),
        (at("one ~~ 1"), "unexpected"),
        (at("one is"), "expected"),
        (5, "not int"),
        ("one == 1", "not str"),
        ([at("one == 1"), at("one")], "the condition gives a number"),
    ],
)
def test_what_is_no_condition_is_refused(expression: Any, words: str, templar: Templar, variables: Any) -> None:
    with pytest.raises(PlaybookError, match=words) as caught:
        templar.condition(expression, variables)
    assert caught.value.place in ("site.yml:5:9", None)


# ---------------------------------------------------------------- whatever is written

_PIECES = st.sampled_from(
    [
        *(
            "{{ ",
            " }}",
            "{% ",
            " %}",
            "{#",
            "#}",
            "one",
            "name",
            "settings",
            "list",
            "nowhere",
            ".",
            "[",
            "]",
            "(",
            ")",
        ),
        *(" | ", " is ", " in ", " not ", " and ", " or ", "default", "'a'", '"', "1", "0", "-1", " + ", " ~ ", " * "),
        *(" if ", " else ", "for x ", "set x = ", "endfor", "endif", "raw", "endraw", "map", "select", "to_json", ","),
        *("attribute=", "match", "defined", "list", "first", "int", "bool", "\\", "\n", "é", "omit", "range", "dict"),
        *("ternary", "regex_replace", "combine", "from_yaml", "flatten", "zip", "version", "loop", "self", "broken"),
    ]
)


_ANY = st.lists(_PIECES, max_size=14).map("".join)


@given(_ANY)
@settings(max_examples=300, deadline=None)
def test_whatever_the_template_it_gives_a_value_or_one_error(text: str) -> None:
    _try(text)


@pytest.mark.slow
@given(_ANY)
@settings(max_examples=20_000, deadline=None)
def test_whatever_the_template_it_gives_a_value_or_one_error_at_length(text: str) -> None:
    _try(text)


def _try(text: str) -> None:
    templar = Templar()
    variables = read_yaml_text(VARIABLES, "vars.yml")
    for attempt in (
        lambda: templar.render(at(text), variables),
        lambda: templar.render(at("{{ " + text + " }}"), variables),
        lambda: templar.condition(at(text), variables),
    ):
        try:
            attempt()
        except PlaybookError as error:
            _has_place(error)


def _has_place(error: PlaybookError) -> None:
    assert error.place is not None
