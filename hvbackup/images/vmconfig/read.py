"""Reading a configuration file, whichever form it has."""

from __future__ import annotations

from typing import NamedTuple

from hvbackup.errors import ImageUnsupported
from hvbackup.images.source import Source
from hvbackup.images.vmconfig.configuration import VmConfiguration
from hvbackup.images.vmconfig.container import SIGNATURE, read_container
from hvbackup.images.vmconfig.normalise import normalise
from hvbackup.images.vmconfig.section import Section, as_guid
from hvbackup.images.vmconfig.tree import Tree
from hvbackup.images.vmconfig.xml_configuration import read_xml
from hvbackup.models import Model

_WHERE = r"A VM's configuration is <GUID>.vmcx or <GUID>.xml in its folder `Virtual Machines`."


class ListedVm(Model, frozen=True, kw_only=True):
    """A VM that a host had: its id, and where its configuration file was."""

    id: str
    path: str


class _File(NamedTuple):
    tree: Tree
    form: str
    replayed: int


def read_configuration(source: Source) -> VmConfiguration:
    """Read the configuration of a VM: a VMCX container, or the XML of Server 2012 R2 and earlier.

    Raises:
        ImageDamaged: The file is damaged; the message names the place.
        ImageUnsupported: It is something else; the message says what.
    """
    file = _read(source)
    configuration = Section(file.tree).section("configuration")
    if not configuration:
        raise ImageUnsupported(f"this is {_what(file)}, not the configuration of a VM", hint=_WHERE)
    if not configuration.section("settings") and not configuration.section("manifest"):
        raise ImageUnsupported(
            "this is the runtime state of a VM (.VMRS, .VSV), which does not hold its settings", hint=_WHERE
        )
    return normalise(file.tree, file.form, file.replayed)


def list_configurations(source: Source) -> tuple[ListedVm, ...]:
    r"""Return which VMs a host had: from its `%ProgramData%\Microsoft\Windows\Hyper-V\data.vmcx`.

    Raises:
        ImageDamaged: The file is damaged; the message names the place.
        ImageUnsupported: It is something else; the message says what.
    """
    file = _read(source)
    vms = Section(file.tree).section("Configurations/VirtualMachines")
    if "Configurations" not in file.tree:
        raise ImageUnsupported(
            f"this is {_what(file)}, not a host's list of VMs",
            hint=r"The list is %ProgramData%\Microsoft\Windows\Hyper-V\data.vmcx (Server 2016 and later).",
        )
    found = []
    for name in vms.names():
        guid, path = as_guid(name.strip("_")), vms.text(name)
        if guid and isinstance(path, str):
            found.append(ListedVm(id=guid, path=path))
    return tuple(found)


def _read(source: Source) -> _File:
    begin = source.read_at(0, 4096)
    if begin.startswith(SIGNATURE) or source.read_at(4096, 4) == SIGNATURE:
        container = read_container(source)
        return _File(container.tree, "vmcx", container.replayed)
    if begin.replace(b"\0", b"").lstrip(b"\xff\xfe\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return _File(read_xml(source), "xml", 0)
    raise ImageUnsupported("this is neither a VMCX container nor XML", hint=_WHERE)


def _what(file: _File) -> str:
    if "Configurations" in file.tree:
        return "a host's list of VMs (data.vmcx)"
    if "configuration" in file.tree:
        return "the configuration of a VM"
    names = ", ".join(repr(name) for name in list(file.tree)[:5])
    return f"a file that holds {names or 'nothing'}"
