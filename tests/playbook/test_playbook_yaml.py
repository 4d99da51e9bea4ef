"""YAML as ansible-core reads it, with places, within bounds; whatever is wrong is one error with its place."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hvbackup.errors import PlaybookError
from hvbackup.playbook.nodes import EncryptedText, Map, Place, Seq, Text, place_of
from hvbackup.playbook.yaml_reader import read_yaml, read_yaml_text


def read(text: str) -> Any:
    return read_yaml_text(text, "site.yml")


def refused(text: str) -> PlaybookError:
    with pytest.raises(PlaybookError) as caught:
        read(text)
    return caught.value


def test_values_are_those_of_yaml_1_1() -> None:
    text = "[yes, No, on, ~, 0x10, 010, 1:30, 1e3, 1.5e+3, 0o17, '2024', 2024, 2024-05-06, .inf, 1_000]"
    assert read(text) == [
        *(True, False, True, None, 16, 8, 90, "1e3", 1500.0, "0o17", "2024", 2024),
        *(dt.date(2024, 5, 6), float("inf"), 1000),
    ]


def test_every_text_mapping_and_list_knows_its_place() -> None:
    content = read("- name: first\n  when:\n    - one\n    - two\n")
    assert place_of(content) == Place("site.yml", 1, 1)
    assert place_of(content[0]) == Place("site.yml", 1, 3)
    assert place_of(content[0]["name"]) == Place("site.yml", 1, 9)
    assert content[0].place_of("when") == Place("site.yml", 2, 3)
    assert [str(place_of(each)) for each in content[0]["when"]] == ["site.yml:3:7", "site.yml:4:7"]


def test_what_is_unsafe_is_plain_text_and_what_is_vaulted_is_not_opened() -> None:
    content = read("a: !unsafe '{{ x }}'\nb: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3030\nc: '{{ x }}'\n")
    assert type(content["a"]) is str
    assert isinstance(content["b"], EncryptedText)
    assert isinstance(content["c"], Text)


def test_keys_are_plain_text_except_those_that_look_like_templates() -> None:
    assert [type(key) for key in read("a: 1\n2: 3\n'{{ x }}': 4\n")] == [str, int, Text]


def test_a_merge_adds_what_is_not_there() -> None:
    content = read("a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc:\n  y: 5\n  <<: [*a, *b]\n")
    assert content["c"] == {"x": 1, "y": 5, "z": 4}
    assert content["c"].place_of("x") == Place("site.yml", 1, 8)


def test_an_alias_is_the_same_value() -> None:
    content = read("a: &a [1, {b: 2}]\nc: *a\n")
    assert content["c"] == [1, {"b": 2}]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", "site.yml:3:1", "the key 'a' is there twice"),
        ("a: {b: 1, b: 2}\n", "site.yml:1:11", "the key 'b' is there twice"),
        ("a: 1\n\tb: 2\n", "site.yml:2:1", "tab"),
        ("a:\n  b: 1\n c: 2\n", "site.yml:3:2", "no valid YAML"),
        ("a: b: c\n", "site.yml:1:5", "mapping values are not allowed"),
        ("a: {{ b }}\n", "site.yml:1:5", "a key is a text or a number"),
        ("a: 'x\n", "site.yml:2:1", "no valid YAML"),
        ("a: [1, 2\n", "site.yml:2:1", "no valid YAML"),
        ("a: !custom x\n", "site.yml:1:4", "unknown tag !custom"),
        ("a: !!python/name:os.system\n", "site.yml:1:4", "unknown tag"),
        ("a: !!set {x, y}\n", "site.yml:1:4", "unknown tag !!set"),
        ("a: !!binary aGk=\n", "site.yml:1:4", "unknown tag !!binary"),
        ("a: *nowhere\n", "site.yml:1:4", "no anchor"),
        ("a: &a [*a]\n", "site.yml:1:8", "no anchor"),
        ("a: 1\n---\nb: 2\n", "site.yml:2:1", "a second document"),
        ("a: 2024-99-99\n", "site.yml:1:4", "what stands here is no timestamp"),
        ("a: !!int x\n", "site.yml:1:4", "is no int"),
        ("? [a, b]\n: 1\n", "site.yml:1:3", "a key is a text or a number"),
        ("a: \x00\n", "site.yml", "no valid YAML"),
        ("<<: 5\n", "site.yml:1:5", "takes a mapping"),
        ("=: 1\n", "site.yml:1:1", "unknown tag"),
        ("a: \ud800\n", "site.yml", "no valid YAML"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_place(text: str, place: str, words: str) -> None:
    error = refused(text)
    assert error.place == place
    assert words in error.message


def test_tabs_get_a_hint() -> None:
    assert refused("a:\n\t- b\n").hint == "Indent with spaces, never with tabs."


def test_nesting_is_bounded() -> None:
    assert "nest" in refused("[" * 5000).message
    assert "deeper than 100" in refused("[" * 150 + "]" * 150).message


def test_aliases_cannot_stand_for_more_than_a_bounded_number_of_values() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "2000000 values" in refused("\n".join(lines)).message


def test_merges_are_counted_as_well() -> None:
    lines = ["a0: &a0 {k0: 1}"]
    lines += [f"a{n}: &a{n} {{k{n}: 1, <<: [{', '.join([f'*a{n - 1}'] * 12)}]}}" for n in range(1, 12)]
    assert "2000000 values" in refused("\n".join(lines)).message


def test_an_empty_file_holds_nothing() -> None:
    assert read("") is None
    assert read("# only a comment\n") is None
    assert read("---\n...\n") is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_files_may_have_a_byte_order_mark(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_bytes("name: Straße\n".encode(encoding))
    assert read_yaml(path) == {"name": "Straße"}


def test_bytes_that_are_no_text_are_refused_at_their_place(tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_bytes(b"a: 1\nb: Stra\xdfe\n")
    with pytest.raises(PlaybookError, match="UTF-8") as caught:
        read_yaml(path)
    assert caught.value.place == f"{path}:2:8"


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.yml", tmp_path, "a\0b"):
        with pytest.raises(PlaybookError):
            read_yaml(path)


def test_a_huge_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "huge.yml"
    with path.open("wb") as file:
        file.truncate(33 * 1024 * 1024)
    with pytest.raises(PlaybookError, match="larger than 32 MiB"):
        read_yaml(path)


def test_the_reader_without_libyaml_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: [1, yes, {b: 'c'}]\nd: &x {e: 1}\nf: {<<: *x}\n"
    expected = read(text)
    monkeypatch.delattr(yaml, "CSafeLoader")
    content = read(text)
    assert content == expected
    assert content.key_places == expected.key_places
    assert refused("a: 1\n\tb: 2\n").place == "site.yml:2:1"


_FRAGMENTS = st.sampled_from(
    [
        *(
            "a",
            ": ",
            "- ",
            "\n",
            "  ",
            "{",
            "}",
            "[",
            "]",
            "'",
            '"',
            "&a ",
            "*a",
            "<<",
            "!vault ",
            "!unsafe ",
            "|\n",
            "\t",
        ),
        *(
            "#",
            "---\n",
            "...\n",
            "? ",
            "{{ x }}",
            "2024-01-01",
            "0x",
            "!!int ",
            "!!timestamp ",
            ",",
            "%YAML 1.1\n",
            "\\",
        ),
        *("1:30", "=", "é", "\x85", "\u2028", "\ufeff", "!<", ">", "@", "`", "$ANSIBLE_VAULT;1.1;AES256\n"),
    ]
)


_ANY = st.lists(_FRAGMENTS, max_size=30).map("".join) | st.text(max_size=60)


@given(_ANY)
@settings(max_examples=300, deadline=None)
def test_whatever_the_text_it_is_read_or_refused(text: str) -> None:
    _try(text)


@pytest.mark.slow
@given(_ANY)
@settings(max_examples=30_000, deadline=None)
def test_whatever_the_text_it_is_read_or_refused_at_length(text: str) -> None:
    _try(text)


def _try(text: str) -> None:
    try:
        content = read(text)
    except PlaybookError:
        return
    _check(content)


def _check(content: Any) -> None:
    if isinstance(content, Map):
        for key, value in content.items():
            assert isinstance(content.place_of(key), Place)
            _check(value)
    elif isinstance(content, Seq):
        for value in content:
            _check(value)
    else:
        assert content is None or isinstance(content, (str, bool, int, float, dt.date, EncryptedText))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=15,
)


@given(_JSON)
@settings(max_examples=150, deadline=None)
def test_what_pyyaml_writes_is_read_as_pyyaml_reads_it(value: Any) -> None:
    text = yaml.safe_dump(value)
    assert read(text) == yaml.safe_load(text)
