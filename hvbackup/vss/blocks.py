"""The bulleted blocks of a transcript: a writer with its components, a shadow copy. Each takes bullets, then builds."""

from __future__ import annotations

import re

from hvbackup.models import HYPERV_WRITER_ID, Component, FileSpec, Method, Writer
from hvbackup.vss import shapes
from hvbackup.vss.findings import ListedProvider, ListedShadowCopy
from hvbackup.vss.health import is_healthy
from hvbackup.vss.names import HYPERV_WRITER_NAME, read_caption

#: Files and folders kept of one component; VMs have some hundreds at most.
_MOST_FILES = 20_000
_MOST_FIELDS = 40
_TRUTH = {"true": True, "false": False}
_RECURSIVE = re.compile(r", (?:Recursive|Alternate Path = .*)$")


class ComponentBlock:
    r"""A component: `+ Component "Writer:\path\name"` and its bullets."""

    def __init__(self, writer: str, full_path: str) -> None:
        self.writer = writer
        self.full_path = full_path
        self._fields: list[tuple[str, str]] = []
        self._files: list[FileSpec] = []
        self._paths: list[str] = []
        self._volumes: list[str] = []
        self._listing = False
        self.dropped = 0

    def take(self, body: str) -> bool:
        """Take a bullet; return False when it does not belong here."""
        if not body:
            return True
        if shapes.PATH_ITEM.match(body):
            return self._take_path(body)
        spec = _file_spec(body)
        if spec is not None:
            self._listing = True
            self._keep(self._files, spec)
            return True
        field = shapes.FIELD.match(body)
        if field is None:
            return self._listing
        key, value = field[1].strip().casefold(), shapes.unquoted(field[2] or "")
        if key == "name" and any(known == "name" for known, _ in self._fields):
            return False
        if not self._listing and len(self._fields) < _MOST_FIELDS:
            self._fields.append((key, value))
        return True

    def _take_path(self, body: str) -> bool:
        self._listing = True
        volume = shapes.VOLUME_ITEM.match(body)
        if volume:
            self._keep(self._volumes, volume[1])
        else:
            self._keep(self._paths, body)
        return True

    def _keep(self, places: list[str] | list[FileSpec], item: str | FileSpec) -> None:
        if len(places) < _MOST_FILES:
            places.append(item)  # type: ignore[arg-type]
        else:
            self.dropped += 1

    def build(self, *, of_hyperv: bool) -> Component:
        """The component; a method is read from the caption for the Hyper-V writer only."""
        logical, _, name = self.full_path.lstrip("\\").rpartition("\\")
        type_at = next((i for i, (_, value) in enumerate(self._fields) if value.startswith("VSS_CT_")), None)
        caption = self._caption(type_at)
        method, label = read_caption(caption) if of_hyperv else (Method.UNKNOWN, "")
        truths = [
            _TRUTH[value.casefold()]
            for _, value in (self._fields[type_at:] if type_at is not None else [])
            if value.casefold() in _TRUTH
        ]
        return Component(
            name=self._value("name") or name,
            logical_path=self._value("logical path") or logical,
            caption=caption,
            method=method,
            label=label,
            selectable=truths[0] if truths else None,
            top_level=truths[1] if len(truths) > 1 else None,
            files=tuple(self._files),
            paths=tuple(self._paths),
            volumes=tuple(self._volumes),
        )

    def _value(self, key: str) -> str | None:
        return next((value for known, value in self._fields if known == key), None)

    def _caption(self, type_at: int | None) -> str:
        """By its key; in another language, the line between the full path and the type."""
        caption = self._value("caption")
        if caption is None and type_at is not None and type_at >= 2 and self._fields[type_at - 2][1] == self.full_path:
            caption = self._fields[type_at - 1][1]
        return caption or ""


def _file_spec(body: str) -> FileSpec | None:
    """`File List: Path = X, Filespec = Y`; a path may hold commas, so the last separator counts."""
    spec = _RECURSIVE.sub("", body)
    recursive = body.endswith(", Recursive")
    head, separator, filespec = spec.rpartition(", Filespec = ")
    if separator and "=" in head:
        return FileSpec(path=head.partition("=")[2].lstrip(), filespec=filespec.strip(), recursive=recursive)
    match = shapes.FILE_SPEC.match(spec)
    if match is None:
        return None
    return FileSpec(path=match[1], filespec=match[2].strip(), recursive=recursive)


class WriterBlock:
    """A writer: `* WRITER "name"`, its bullets and its components; of a metadata or of a status listing."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.guids: list[str] = []
        self.state: str | None = None
        self.state_code: int | None = None
        self.failure_code: int | None = None
        self.components: list[Component] = []
        self._component: ComponentBlock | None = None
        self._lost = False
        self.dropped = 0

    @property
    def is_hyperv(self) -> bool:
        """Whether it is the Hyper-V writer: by its id, by its name where an excerpt has no id."""
        if self.guids:
            return self.guids[0] == HYPERV_WRITER_ID
        return self.name == HYPERV_WRITER_NAME

    def open_component(self, writer: str, full_path: str) -> None:
        """Begin a component."""
        self.close_component()
        self._lost = False
        self._component = ComponentBlock(writer, full_path)

    def close_component(self) -> None:
        """End the component that is open."""
        if self._component is not None:
            self.components.append(self._component.build(of_hyperv=self.is_hyperv))
            self.dropped += self._component.dropped
            self._component = None

    def take(self, body: str) -> bool:
        """Take a bullet; return False when it does not belong here."""
        if self._component is not None:
            if self._component.take(body):
                return True
            self.close_component()
            self._lost = True
        if self._lost:
            return False
        return self._take_own(body)

    def _take_own(self, body: str) -> bool:
        state = shapes.STATE.search(body)
        if state:
            self.state_code, self.state = int(state[1]), state[2]
            return True
        found = shapes.GUID.search(body)
        if found and len(self.guids) < 2:
            self.guids.append(found[1].lower())
            return True
        code = shapes.FAILURE_CODE.search(body)
        if code:
            self.failure_code = int(code[1], 16)
            return True
        return not body or _is_writer_property(body)

    def build(self) -> Writer:
        """The writer."""
        self.close_component()
        guids = self.guids or ([HYPERV_WRITER_ID] if self.is_hyperv else [""])
        return Writer(
            id=guids[0],
            name=self.name,
            instance_id=guids[1] if len(guids) > 1 else None,
            state=self.state,
            state_code=self.state_code,
            failure_code=self.failure_code,
            healthy=is_healthy(self.state_code, self.failure_code),
            components=tuple(self.components),
        )


def _is_writer_property(body: str) -> bool:
    field = shapes.FIELD.match(body)
    value = (field[2] or "").strip() if field else ""
    return (
        shapes.FILE_SPEC.match(body) is not None
        or (field is not None and not value)
        or "VSS_" in value
        or shapes.unquoted(value).casefold() in _TRUTH
    )


class ShadowBlock:
    """A shadow copy: `* Shadow copy ID = {guid}  %alias%` and its bullets, in this order in every capture."""

    def __init__(self, head: str, shadow_id: str) -> None:
        self.id = shadow_id
        alias = re.search(r"%(\w{1,64})%", head)
        self.alias = alias[1] if alias else None
        self._found: dict[str, str] = {}
        self._attributes: tuple[str, ...] = ()

    def take(self, body: str) -> bool:
        """Take a bullet; return False when it does not belong here."""
        field = shapes.FIELD.match(body)
        key, value = (field[1].casefold(), (field[2] or "").strip()) if field else (body.casefold(), "")
        if value.startswith("\\\\"):
            return self._take_place(value)
        if value.startswith("[") and "volume" not in self._found:
            return True
        found = shapes.GUID.search(value)
        if found:
            known = "set_id" if "set_id" not in self._found and "provider" not in key else "provider_id"
            return self._set(known, found[1].lower())
        words = value.split()
        if words and ("attributes" in key or all(word.casefold() in shapes.ATTRIBUTES for word in words)):
            self._attributes = tuple(words)
            return True
        return self._take_rest(body, key, value)

    def _take_place(self, value: str) -> bool:
        if "volume" not in self._found and "device" not in self._found and "GLOBALROOT" not in value.upper():
            match = re.match(r"(.+?)\s*(?:\[([^\[\]]*)\])?$", value)
            if match and match[2] and shapes.PATH_ITEM.match(match[2]):
                self._set("letters", match[2])
            return self._set("volume", match[1] if match else value)
        return self._set("device", value)

    def _take_rest(self, body: str, key: str, value: str) -> bool:
        if re.search(r"=\s*\d{1,6}$", body):
            return self._set("count", body.rpartition("=")[2].strip())
        if "device" in self._found and re.match(r"[A-Za-z]:\\", value):
            return self._set("exposed_as", value)
        if "exposed" in key:
            return self._set("exposed_as", value) if value else True
        if value and "created_text" not in self._found and "device" not in self._found:
            return self._set("created_text", value)
        return bool(value) and "device" in self._found

    def _set(self, key: str, value: str) -> bool:
        if key in self._found:
            return False
        self._found[key] = value
        return True

    def build(self) -> ListedShadowCopy:
        """The shadow copy."""
        found = self._found
        return ListedShadowCopy(
            id=self.id,
            set_id=found.get("set_id"),
            alias=self.alias,
            volume=found.get("volume"),
            letters=found.get("letters", ""),
            device=found.get("device"),
            attributes=self._attributes,
            exposed_as=found.get("exposed_as"),
            created_text=found.get("created_text", ""),
            provider_id=found.get("provider_id"),
            original_count=int(found["count"]) if "count" in found else None,
        )


class ProviderBlock:
    """A provider: `* ProviderID: {guid}` and indented lines without bullets: type, name, version, class id."""

    def __init__(self, provider_id: str) -> None:
        self.id = provider_id
        self._values: list[str] = []

    def take(self, body: str) -> bool:
        """Take a line; return False when it does not belong here."""
        field = shapes.FIELD.match(body)
        if field is None or len(self._values) == 4 or (not self._values and "VSS_PROV_" not in body):
            return False
        self._values.append((field[2] or "").strip())
        return True

    def build(self) -> ListedProvider | None:
        """The provider; None when its type did not follow, so that it was something else."""
        if not self._values:
            return None
        kind, name, version = (*self._values, "", "")[:3]
        return ListedProvider(id=self.id, name=name, type=kind.split()[-1], version=version)
