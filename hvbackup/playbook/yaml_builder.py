"""From the events of PyYAML's parser to nodes with places, within bounds."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from hvbackup.errors import PlaybookError
from hvbackup.playbook.nodes import EncryptedText, Map, Place, Seq, Text
from hvbackup.playbook.redaction import SecretText
from hvbackup.secrets import Secret

if TYPE_CHECKING:
    from hvbackup.playbook.vault import Vault

#: Deepest nesting. Real playbooks have 15.
MAX_DEPTH = 100
#: Most values in a file, each alias counted as all that it stands for.
MAX_VALUES = 2_000_000

_STANDARD = "tag:yaml.org,2002:"
_MERGE = _STANDARD + "merge"
_VAULT = ("!vault", "!vault-encrypted")


class Builder:
    """Builds one document. `loader` is one of PyYAML's safe loaders; it resolves and converts scalars only."""

    def __init__(self, loader: Any, name: str, vault: Vault | None, *, secret: bool) -> None:
        self._loader = loader
        self._name = name
        self._vault = vault
        self._secret = secret
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._values = 0

    def document(self) -> Any:
        """Return the only document of the stream; None when there is none."""
        self._loader.get_event()
        if self._loader.check_event(yaml.StreamEndEvent):
            return None
        self._loader.get_event()
        content = self._node(self._loader.get_event(), 1)
        self._loader.get_event()
        if not self._loader.check_event(yaml.StreamEndEvent):
            self._refuse(self._loader.get_event(), "a second document begins; a file holds one", "Remove the '---'.")
        return content

    def _place(self, event: yaml.Event) -> Place:
        mark: Any = event.start_mark
        return Place(self._name, mark.line + 1, mark.column + 1)

    def _refuse(self, event: yaml.Event, message: str, hint: str | None = None) -> NoReturn:
        raise PlaybookError(message, place=str(self._place(event)), hint=hint)

    def _node(self, event: Any, depth: int) -> Any:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        before = self._values
        self._count(event, 1)
        if depth > MAX_DEPTH:
            self._refuse(event, f"nested deeper than {MAX_DEPTH} levels")
        if event.anchor in self._anchors:
            # YAML allows it, but PyYAML, and so Ansible, does not.
            self._refuse(event, f"the anchor &{event.anchor} is defined twice")
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(event, depth)
        else:
            value = self._mapping(event, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._values - before)
        return value

    def _count(self, event: yaml.Event, values: int) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            self._refuse(event, f"the file stands for more than {MAX_VALUES} values", "Use fewer aliases.")

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            self._refuse(event, f"no anchor &{event.anchor} ends before this alias")
        value, values = self._anchors[event.anchor]
        self._count(event, values)
        return value

    def _sequence(self, event: Any, depth: int) -> Seq:
        self._check_tag(event, "seq")
        items = Seq(place=self._place(event))
        while True:
            following = self._loader.get_event()
            if isinstance(following, yaml.SequenceEndEvent):
                return items
            items.append(self._node(following, depth + 1))

    def _mapping(self, event: Any, depth: int) -> Map:
        self._check_tag(event, "map")
        own: dict[Any, Any] = {}
        places: dict[Any, Place] = {}
        merged: list[Map] = []
        while True:
            following = self._loader.get_event()
            if isinstance(following, yaml.MappingEndEvent):
                break
            if self._is_merge(following):
                merged = self._merged(self._loader.get_event(), depth) + merged
                continue
            key = self._key(following, depth)
            if key in own:
                self._refuse(following, f"the key {key!r} is there twice", f"The first is at {places[key]}.")
            own[key] = self._node(self._loader.get_event(), depth + 1)
            places[key] = self._place(following)
        return _joined(self._place(event), merged, own, places)

    def _key(self, event: Any, depth: int) -> Any:
        key = self._node(event, depth + 1)
        if isinstance(key, str):
            return key if isinstance(key, Text) and "{{" in key else str(key)
        if key is None or isinstance(key, (bool, int, float, dt.date)):
            return key
        return self._refuse(event, "a key is a text or a number", 'Quote it: a value that is a template is "{{ … }}".')

    def _is_merge(self, event: Any) -> bool:
        if not isinstance(event, yaml.ScalarEvent):
            return False
        return event.tag == _MERGE or (event.tag is None and event.implicit[0] and event.value == "<<")

    def _merged(self, event: Any, depth: int) -> list[Map]:
        """The mappings behind `<<`, the one that wins first."""
        value = self._node(event, depth + 1)
        maps = value if isinstance(value, Seq) else [value]
        if not all(isinstance(each, Map) for each in maps):
            self._refuse(event, "<< takes a mapping, or a list of mappings")
        for each in maps:
            self._count(event, len(each))
        return list(maps)

    def _check_tag(self, event: Any, kind: str) -> None:
        if event.tag not in (None, "!", _STANDARD + kind):
            self._refuse(event, f"unknown tag {_shown(event.tag)}", "Tags are !vault and !unsafe, for texts.")

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        place = self._place(event)
        if event.tag in _VAULT:
            return EncryptedText(text, place, self._open)
        if self._secret and self._vault is not None:
            self._vault.redactor.add(text)
        if event.tag == "!unsafe":
            return SecretText(text) if self._secret else text
        tag = event.tag
        if tag is None or tag == "!":
            tag = self._loader.resolve(yaml.ScalarNode, text, event.implicit)
        if tag == _STANDARD + "str":
            return Text(text, place, secret=self._secret)
        if tag not in _CONVERTED:
            self._refuse(event, f"unknown tag {_shown(tag)}", "Tags are !vault and !unsafe.")
        try:
            return self._loader.construct_object(yaml.ScalarNode(tag, text, event.start_mark, event.end_mark))
        except (ValueError, OverflowError, KeyError, AttributeError, IndexError):
            # The text is not repeated: it may come from a vault.
            kind = tag.removeprefix(_STANDARD)
            return self._refuse(event, f"what stands here is no {kind}", "Quote it to make it text.")

    def _open(self, ciphertext: str, place: Place | None) -> Secret:
        if self._vault is None:
            raise PlaybookError(
                "this value is vaulted, and there is no vault password",
                place=str(place),
                hint="Give --vault-password-file or --ask-vault-pass.",
            )
        return self._vault.decrypt_value(ciphertext, place)


_CONVERTED = frozenset(_STANDARD + name for name in ("int", "float", "bool", "null", "timestamp"))


def _joined(place: Place, merged: list[Map], own: dict[Any, Any], places: dict[Any, Place]) -> Map:
    """Merged keys come first, of several mappings the first wins, and what is written in the mapping itself."""
    joined = Map(place=place)
    for each in merged:
        for key, value in each.items():
            if key not in joined:
                joined[key] = value
                joined.key_places[key] = each.key_places[key]
    joined.update(own)
    joined.key_places.update(places)
    return joined


def _shown(tag: str) -> str:
    return tag.replace(_STANDARD, "!!")
