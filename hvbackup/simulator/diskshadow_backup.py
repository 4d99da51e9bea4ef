"""What diskshadow does between BEGIN BACKUP and END BACKUP: choose writers and components, create the shadow set."""

from __future__ import annotations

import ntpath
import uuid
from typing import NamedTuple

from hvbackup.simulator.diskshadow_session import Failed, Session
from hvbackup.simulator.diskshadow_text import shadow_block
from hvbackup.simulator.inventory import with_described_vms
from hvbackup.simulator.shadow_copies import PROVIDER, VssFailure, complete, create_set
from hvbackup.simulator.state import HostRecord, ShadowRecord, VolumeRecord, WriterRecord, plain_guid
from hvbackup.simulator.vss import WriterComponent, components

_MAX_VOLUMES = 64


class _Chosen(NamedTuple):
    writer: WriterRecord
    component: WriterComponent


class Backup:
    """The volumes, writers and components of one shadow set."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.reset()

    def reset(self) -> None:
        """Forget everything, as RESET does."""
        self.volumes: list[tuple[str, str | None]] = []
        self.verified: list[str] = []
        self.excluded: list[str] = []
        self.begun = False
        self.open = False
        self.vm_ids: list[str] = []

    def verify(self, words: list[str]) -> None:
        """WRITER VERIFY: CREATE fails when it is not fully included."""
        self.verified.append(self._writer_words(words))

    def exclude(self, words: list[str]) -> None:
        """WRITER EXCLUDE; a name that nobody has is no error."""
        self.excluded.append(self._writer_words(words))

    @staticmethod
    def _writer_words(words: list[str]) -> str:
        if len(words) != 1:
            raise Failed(["", "WRITER { VERIFY | EXCLUDE } [ <writer> | <component> ]"])
        return words[0]

    def begin(self, _words: list[str]) -> None:
        """BEGIN BACKUP: a full backup instead of a copy."""
        if self.begun:
            raise VssFailure(0x80042301)
        self.begun = True

    def end(self, _words: list[str]) -> None:
        """END BACKUP: prints nothing."""
        if not self.open:
            raise VssFailure(0x80042301)
        complete(self.session.host, self.vm_ids)
        self.open = False

    def add_volume(self, words: list[str]) -> None:
        """ADD VOLUME <volume> [ALIAS <name>] [PROVIDER <id>]."""
        self.session.need_administrator()
        options = {words[i].lower(): words[i + 1] for i in range(1, len(words) - 1, 2)}
        if not words or len(words) % 2 == 0 or not set(options) <= {"alias", "provider"}:
            raise Failed(["", "ADD VOLUME <volume> [ALIAS <alias>] [PROVIDER <providerId>]"])
        record = self.session.host.read()
        volume = _volume(record, words[0])
        if volume is None or plain_guid(options.get("provider", PROVIDER)) != PROVIDER:
            raise VssFailure(0x80042308)
        if any(volume.guid == guid for guid, _ in self.volumes):
            raise VssFailure(0x8004230D)
        if len(self.volumes) == _MAX_VOLUMES:
            raise VssFailure(0x80042312)
        if volume.file_system not in ("NTFS", "ReFS"):
            raise VssFailure(0x8004230C)
        self.volumes.append((volume.guid, options.get("alias")))

    def create(self, words: list[str]) -> None:
        """CREATE."""
        if words or not self.volumes:
            raise VssFailure(0x80042301)
        session = self.session
        chosen: list[_Chosen] = []
        if session.writers:
            record = with_described_vms(session.host.folder, session.host.read())
            chosen = self._choose(record)
            self._check_verified(record, chosen)
        cab = session.metadata_file()
        if not cab.parent.is_dir():
            raise VssFailure(0x80070003)
        self.vm_ids = [item.component.vm_id for item in chosen if item.component.vm_id]
        made = create_set(
            session.host, [guid for guid, _ in self.volumes], attributes=session.attributes, vm_ids=self.vm_ids
        )
        self.open = self.begun
        cab.write_bytes(b"MSCF" + bytes(4) + made[0].set_id.encode())
        self._report(made, cab.name)

    def _choose(self, record: HostRecord) -> list[_Chosen]:
        """Everything whose files lie on the volumes that were added, less what was excluded."""
        say = self.session.lines.append if self.session.verbose else _silent
        added = {guid for guid, _ in self.volumes}
        chosen: list[_Chosen] = []
        late: list[str] = []
        for writer in record.writers:
            if writer.missing:
                continue
            offered = [c for c in components(record, writer) if not self._is_excluded(writer, c)]
            if not offered:
                say(_without_writer(writer))
                continue
            kept = [c for c in offered if {volume.guid for volume in c.volumes(record)} <= added]
            for component in offered:
                if component not in kept:
                    lacking = next(v for v in component.volumes(record) if v.guid not in added)
                    late.append(
                        f'Component "{component.full_path}" from writer "{writer.name}" is excluded from backup,'
                    )
                    late.append(f"because it requires volume {lacking.root} which is not in the shadow copy set.")
            if not kept:
                late.append(_without_writer(writer))
            chosen += [_Chosen(writer, component) for component in kept]
        for line in late:
            say(line)
        return chosen

    def _is_excluded(self, writer: WriterRecord, component: WriterComponent) -> bool:
        return any(_names(text, writer, component) for text in self.excluded)

    def _check_verified(self, record: HostRecord, chosen: list[_Chosen]) -> None:
        """Each verified component must be chosen; of a verified writer, each component that it offers."""
        for text in self.verified:
            offered = [
                _Chosen(writer, component)
                for writer in record.writers
                if not writer.missing
                for component in components(record, writer)
                if _names(text, writer, component)
            ]
            names = {(item.writer.id, item.component.full_path) for item in chosen}
            if not offered or any((item.writer.id, item.component.full_path) not in names for item in offered):
                lines = ["", f'The writer or component "{text}" was not fully included in the backup.']  # invented
                raise Failed([*lines, "The last operation failed.", "\t- Returned HRESULT: 80042308"])

    def _report(self, made: list[ShadowRecord], cab_name: str) -> None:
        session = self.session
        aliases = [alias or f"VSS_SHADOW_{number}" for number, (_, alias) in enumerate(self.volumes, 1)]
        lines = [""] if session.verbose else []
        for alias, shadow in zip(aliases, made, strict=True):
            session.set_alias(alias, f"{{{shadow.id}}}")
            lines.append(f"Alias {alias} for shadow ID {{{shadow.id}}} set as environment variable.")
        set_id = made[0].set_id
        session.set_alias("VSS_SHADOW_SET", f"{{{set_id}}}")
        lines.append(f"Alias VSS_SHADOW_SET for shadow set ID {{{set_id}}} set as environment variable.")
        if session.verbose:
            lines.append(f"Inserted file Manifest.xml into .cab file {cab_name}")
            lines.append(f"Inserted file Dis{uuid.uuid4().hex[:4].upper()}.tmp into .cab file {cab_name}")
        lines += ["", f"Querying all shadow copies with the shadow copy set ID {{{set_id}}}", ""]
        record = session.host.read()
        for alias, shadow in zip(aliases, made, strict=True):
            lines += shadow_block(record, shadow, alias, "VSS_SHADOW_SET")
        session.lines += [*lines, f"Number of shadow copies listed: {len(made)}"]


def _silent(_line: str) -> None:
    """Say nothing."""


def _without_writer(writer: WriterRecord) -> str:
    return f'Excluding writer "{writer.name}", because all of its components have been excluded.'


def _names(text: str, writer: WriterRecord, component: WriterComponent) -> bool:
    r"""Whether `Writer`, `{id}` or `Writer:\path\component` means this component; without case."""
    head, colon, path = text.partition(":\\")
    known = (writer.name.lower(), writer.id, writer.instance_id)
    if head.lower() not in known and plain_guid(head) not in known:
        return False
    return not colon or ("\\" + path).lower() == component.full_path.lower()


def _volume(record: HostRecord, text: str) -> VolumeRecord | None:
    r"""The volume that `D:`, `D:\`, `\\?\Volume{..}\` names."""
    wanted = ntpath.normcase(text).rstrip("\\")
    for volume in record.volumes:
        if wanted in (f"{volume.letter.lower()}:", volume.id.lower().rstrip("\\")):
            return volume
    return None
