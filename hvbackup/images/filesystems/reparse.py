"""What the reparse tags of NTFS say of a file ([MS-FSCC] 2.1.2.1): a link, contents that lie elsewhere, or neither."""

from __future__ import annotations

from hvbackup.images.filesystems.contract import EntryKind

WOF = 0x80000017
SYMLINK = 0xA000000C
JUNCTION = 0xA0000003

_MOUNT = "attach a copy of the disk on a Windows host (Mount-VHD -ReadOnly)"

LINKS = {SYMLINK: EntryKind.SYMLINK, JUNCTION: EntryKind.JUNCTION}

#: Files of Linux in a folder of WSL; their contents are in the tag.
SPECIAL = {
    0xA000001D: "it is a link made by WSL, whose target is not read here",
    0x80000023: "it is a socket",
    0x80000024: "it is a pipe made by WSL",
    0x80000025: "it is a device made by WSL",
    0x80000026: "it is a device made by WSL",
    0x8000001B: "it stands for an app of the Microsoft Store, and has no contents",
}

_ELSEWHERE = {
    0x80000013: f"its contents lie in the store of Data Deduplication: {_MOUNT} that has this feature",
    0x80000007: "its contents lie in the store of Single Instance Storage: use a Windows that has the feature",
    0x80000006: "its contents lie in a store of remote or tiered storage, not in this volume",
    0xC0000004: "its contents lie in a store of remote storage, not in this volume",
    0x80000018: "its contents lie in another layer of a container image",
    0x80000009: "its contents lie in a store of ReFS or CSV, not in this volume",
    0x80000012: "its contents lie on an NFS server",
    0x8000000A: "it stands for a folder of a DFS namespace",
}
_CLOUD = 0x9000001A
_CLOUD_MASK = 0xFFFF0FFF

WIMBOOT = "its contents lie in a WIM file (WIMBoot): apply that file, or read it with 7-Zip"
ENCRYPTED = f"it is encrypted by EFS: {_MOUNT}, and read it there with the key of its user or of the recovery agent"
WOF_FAILED = f"it is compressed by Windows (compact.exe, CompactOS) in a way that is not decoded here: {_MOUNT}"


def is_elsewhere(tag: int) -> bool:
    """Whether files with this tag never have their contents in themselves."""
    return tag in _ELSEWHERE


def reason(tag: int) -> str:
    """Why the contents of a file cannot be read, where they are not in it."""
    if tag in _ELSEWHERE:
        return _ELSEWHERE[tag]
    if tag & _CLOUD_MASK == _CLOUD:
        return "its contents are kept online (OneDrive or another Files On-Demand provider), not in this volume"
    return f"its contents lie elsewhere, with a program that put the reparse tag 0x{tag:08x} on it"
