"""Nodes: what an operator wrote, with its place."""

from __future__ import annotations

import copy
import pickle

from hvbackup.playbook.nodes import Map, Place, Seq, Text, place_of, place_text


def test_a_place_is_shown_as_file_line_and_column() -> None:
    assert str(Place("site.yml", 3, 7)) == "site.yml:3:7"
    assert place_text(None) is None


def test_a_text_is_a_string_that_knows_its_place() -> None:
    text = Text("abc", Place("a", 1, 2))
    assert text == "abc"
    assert text in {"abc"}
    assert type(str(text)) is str
    assert place_of(text) == Place("a", 1, 2)
    assert place_of("abc") is None


def test_what_is_computed_from_a_text_is_no_template_any_more() -> None:
    text = Text("{{ x }}", Place("a", 1, 2))
    assert type(text + "y") is str
    assert type(text.upper()) is str
    assert type(text[:]) is str


def test_texts_survive_copying_and_pickling() -> None:
    text = Text("abc", Place("a", 1, 2), secret=True)
    for copied in (copy.deepcopy(text), pickle.loads(pickle.dumps(text))):  # noqa: S301 - our own bytes
        assert (copied, copied.place, copied.secret) == ("abc", Place("a", 1, 2), True)


def test_a_mapping_knows_the_places_of_its_keys_or_its_own() -> None:
    mapping = Map({"a": 1, "b": 2}, Place("f", 1, 1))
    mapping.key_places["a"] = Place("f", 2, 3)
    assert mapping.place_of("a") == Place("f", 2, 3)
    assert mapping.place_of("b") == Place("f", 1, 1)
    assert Seq([1], Place("f", 4, 1)).place == Place("f", 4, 1)
