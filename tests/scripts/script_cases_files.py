"""Files: listed, hashed, read, written, removed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from script_cases import BYTES, ODD, Case, both, change, folder, frame, link, put

LISTING = [
    Case(
        "specifications, recursion, a file found twice",
        "Get-HvbFile",
        {
            "roots": [
                {"path": "D:\\x [1] 'q'", "filespec": "*.BIN"},
                {"path": "D:\\", "filespec": "*", "recurse": True},
                {"path": "d:\\X [1] 'q'\\", "filespec": "ä ?.bin"},
                {"path": "D:\\none"},
                {"path": "D:\\x [1] 'q'", "filespec": "*.*"},
            ]
        },
        prepare=both(put(ODD), put("D:\\x [1] 'q'\\sub\\plain"), put("D:\\x [1] 'q'\\other.txt", b"")),
    ),
    Case(
        "links are not followed below a root",
        "Get-HvbFile",
        {"roots": [{"path": "D:\\tree", "recurse": True}, {"path": "D:\\mount", "recurse": True}]},
        prepare=both(
            put("D:\\tree\\a", b"1"),
            put("D:\\else\\b", b"2"),
            link("D:\\tree\\away", "D:\\else"),
            link("D:\\tree\\file", "D:\\else\\b"),
            link("D:\\mount", "D:\\else"),
        ),
    ),
    Case(
        "a wrong specification", "Get-HvbFile", {"roots": [{"path": "D:\\", "filespec": "a\\b"}]}, error="PathRefused"
    ),
    Case(
        "a root that is a file", "Get-HvbFile", {"roots": [{"path": ODD}]}, prepare=put(ODD), data={"missingRoots": [0]}
    ),
    Case(
        "a volume by its GUID",
        "Get-HvbFile",
        lambda host: {"roots": [{"path": host.read().volumes[1].id + "x [1] 'q'"}]},
        prepare=put(ODD),
    ),
]

HASHING = [
    Case(
        "whole file",
        "Get-HvbBlockHash",
        {"path": ODD, "blockSize": 4096},
        prepare=put(ODD),
        data={"sizeBytes": len(BYTES), "blocks": 20},
    ),
    Case(
        "cuts",
        "Get-HvbBlockHash",
        {"path": ODD, "blockSize": 65536, "cuts": [1000, 76800, 999999]},
        prepare=put(ODD),
        data={"blocks": 4},
    ),
    Case(
        "zero blocks",
        "Get-HvbBlockHash",
        {"path": ODD, "blockSize": 4096, "cuts": [76800]},
        prepare=put(ODD),
        data={"zeroBlocks": 1},
    ),
    Case(
        "a part of the blocks",
        "Get-HvbBlockHash",
        {"path": ODD, "blockSize": 4096, "cuts": [1000], "firstBlock": 1, "blockCount": 3},
        prepare=put(ODD),
        data={"blocks": 3},
    ),
    Case(
        "from beyond the end", "Get-HvbBlockHash", {"path": ODD, "firstBlock": 99}, prepare=put(ODD), data={"blocks": 0}
    ),
    Case("no blocks", "Get-HvbBlockHash", {"path": ODD, "blockCount": 0}, prepare=put(ODD), data={"blocks": 0}),
    Case("an empty file", "Get-HvbBlockHash", {"path": ODD}, prepare=put(ODD, b""), data={"sizeBytes": 0, "blocks": 0}),
    Case(
        "more blocks than a frame holds",
        "Get-HvbBlockHash",
        {"path": ODD, "blockSize": 512},
        prepare=put(ODD, b"\x07" * 700000),
        data={"blocks": 1368},
    ),
    Case("a missing file", "Get-HvbBlockHash", {"path": ODD}, error="FileMissing"),
    Case("a folder", "Get-HvbBlockHash", {"path": "D:\\Hyper-V"}, error="PathRefused"),
    Case(
        "cuts out of order", "Get-HvbBlockHash", {"path": ODD, "cuts": [5, 5]}, prepare=put(ODD), error="RequestRefused"
    ),
    Case(
        "a cut that is text", "Get-HvbBlockHash", {"path": ODD, "cuts": ["5"]}, prepare=put(ODD), error="RequestRefused"
    ),
    Case(
        "blocks too small", "Get-HvbBlockHash", {"path": ODD, "blockSize": 16}, prepare=put(ODD), error="RequestRefused"
    ),
]

READING = [
    Case(
        "blocks in any order",
        "Read-HvbBlock",
        {"path": ODD, "blocks": [[76800, 4096], [0, 10], [1, 70000]]},
        prepare=put(ODD),
        data={"blocks": 3, "bytes": 74106},
    ),
    Case(
        "uncompressed",
        "Read-HvbBlock",
        {"path": ODD, "blocks": [[0, 5000]], "compress": False},
        prepare=put(ODD),
        data={"sentBytes": 5001},
    ),
    Case(
        "what does not compress is sent as it is",
        "Read-HvbBlock",
        {"path": ODD, "blocks": [[0, 32]]},
        prepare=put(ODD, hashlib.sha256(b"x").digest()),
        data={"sentBytes": 33},
    ),
    Case("nothing", "Read-HvbBlock", {"path": ODD, "blocks": []}, prepare=put(ODD), data={"blocks": 0}),
    Case(
        "a block beyond the end",
        "Read-HvbBlock",
        {"path": ODD, "blocks": [[80000, 4096]]},
        prepare=put(ODD),
        error="RequestRefused",
    ),
    Case(
        "a block that is none",
        "Read-HvbBlock",
        {"path": ODD, "blocks": [[1]]},
        prepare=put(ODD),
        error="RequestRefused",
    ),
    Case("a missing file", "Read-HvbBlock", {"path": ODD, "blocks": []}, error="FileMissing"),
    Case("a folder", "Read-HvbBlock", {"path": "D:\\Hyper-V", "blocks": []}, error="PathRefused"),
]

_NEW = "D:\\new [x]\\sub\\ö.vhdx"
_SEE_NEW: Sequence[tuple[str, Mapping[str, Any]]] = (
    ("Get-HvbFile", {"roots": [{"path": "D:\\new [x]", "recurse": True}]}),
)
_READ_NEW: Sequence[tuple[str, Mapping[str, Any]]] = (
    ("Read-HvbBlock", {"path": _NEW, "blocks": [[0, 1000]]}),
    *_SEE_NEW,
)
_WRITE = {"path": _NEW, "sizeBytes": 1000, "modifiedAt": "2025-06-15T15:06:40.0000000Z"}

WRITING = [
    Case(
        "one call",
        "Write-HvbFile",
        _WRITE,
        frames=(frame(0, b"abc"), frame(500, b"z" * 400, packed=True)),
        data={"blocks": 2, "bytes": 403, "finished": True},
        then=_READ_NEW,
    ),
    Case("a sparse file without blocks", "Write-HvbFile", _WRITE, data={"blocks": 0, "finished": True}, then=_READ_NEW),
    Case(
        "a first call", "Write-HvbFile", {**_WRITE, "last": False}, frames=(frame(0, b"abc"),), data={"finished": False}
    ),
    Case(
        "a call in between",
        "Write-HvbFile",
        {**_WRITE, "first": False, "last": False},
        frames=(frame(9, b"abc"),),
        prepare=put(_NEW + ".hvbpart", bytes(1000)),
        data={"finished": False},
    ),
    Case(
        "a last call",
        "Write-HvbFile",
        {**_WRITE, "first": False},
        frames=(frame(9, b"abc"),),
        prepare=put(_NEW + ".hvbpart", bytes(1000)),
        data={"finished": True},
        then=_READ_NEW,
    ),
    Case("a last call without a first", "Write-HvbFile", {**_WRITE, "first": False}, error="FileMissing"),
    Case(
        "a part file of another length",
        "Write-HvbFile",
        {**_WRITE, "first": False},
        prepare=put(_NEW + ".hvbpart", bytes(999)),
        error="RequestRefused",
        then=_SEE_NEW,
    ),
    Case("a file in the way", "Write-HvbFile", _WRITE, prepare=put(_NEW), error="FileExists", then=_SEE_NEW),
    Case(
        "a file to replace",
        "Write-HvbFile",
        {**_WRITE, "replace": True},
        frames=(frame(0, b"abc"),),
        prepare=put(_NEW),
        then=_READ_NEW,
    ),
    Case(
        "a folder in the way", "Write-HvbFile", {**_WRITE, "replace": True}, prepare=folder(_NEW), error="PathRefused"
    ),
    Case(
        "a wrong hash",
        "Write-HvbFile",
        _WRITE,
        frames=(frame(0, b"abc", digest=bytes(32)),),
        error="BlockMismatch",
        then=_SEE_NEW,
    ),
    Case(
        "a wrong hash leaves the file that was there",
        "Write-HvbFile",
        {**_WRITE, "replace": True},
        frames=(frame(0, b"abc", digest=bytes(32)),),
        prepare=put(_NEW),
        error="BlockMismatch",
        then=_SEE_NEW,
    ),
    Case(
        "damaged DEFLATE",
        "Write-HvbFile",
        _WRITE,
        frames=(frame(0, b"abc")[:12] + b"\1" + frame(0, b"abc")[13:],),
        error="BlockMismatch",
    ),
    Case(
        "DEFLATE of another length",
        "Write-HvbFile",
        _WRITE,
        frames=(frame(0, b"abcabc", packed=True, length=5),),
        error="BlockMismatch",
    ),
    Case(
        "an unknown codec",
        "Write-HvbFile",
        _WRITE,
        frames=(frame(0, b"abc")[:12] + b"\7" + frame(0, b"abc")[13:],),
        error="RequestRefused",
    ),
    Case(
        "a block beyond the end",
        "Write-HvbFile",
        _WRITE,
        frames=(frame(999, b"abc"),),
        error="RequestRefused",
        then=_SEE_NEW,
    ),
    Case("a short frame", "Write-HvbFile", _WRITE, frames=(b"abc",), error="RequestRefused"),
    Case("a time that is none", "Write-HvbFile", {**_WRITE, "modifiedAt": "yesterday"}, error="RequestRefused"),
    Case("a negative size", "Write-HvbFile", {**_WRITE, "sizeBytes": -1}, error="RequestRefused"),
    Case(
        "a full disk",
        "Write-HvbFile",
        {**_WRITE, "sizeBytes": 5000},
        frames=(frame(0, bytes(range(250)) * 20),),
        prepare=change(lambda record: setattr(record.volumes[1], "free_bytes", 100)),
        error="StorageFull",
        then=_SEE_NEW,
        only_python="PowerShell writes into a folder of this machine, which is not full",
    ),
]

_SEE_GONE: Sequence[tuple[str, Mapping[str, Any]]] = (("Get-HvbFile", {"roots": [{"path": "D:\\", "recurse": True}]}),)
REMOVING = [
    Case(
        "files and an empty folder",
        "Remove-HvbFile",
        {"files": [ODD, "D:\\none"], "folders": ["D:\\x [1] 'q'", "D:\\none"]},
        prepare=put(ODD),
        data={"removed": [ODD, "D:\\x [1] 'q'"]},
        then=_SEE_GONE,
    ),
    Case(
        "a folder that is not empty stays",
        "Remove-HvbFile",
        {"folders": ["D:\\x [1] 'q'"]},
        prepare=put(ODD),
        data={"removed": []},
        then=_SEE_GONE,
    ),
    Case(
        "a folder given as a file",
        "Remove-HvbFile",
        {"files": [ODD, "D:\\Hyper-V"]},
        prepare=put(ODD),
        error="PathRefused",
        then=_SEE_GONE,
    ),
    Case("a file given as a folder", "Remove-HvbFile", {"folders": [ODD]}, prepare=put(ODD), error="PathRefused"),
    Case(
        "a link to a file",
        "Remove-HvbFile",
        {"files": ["D:\\l"]},
        prepare=both(put(ODD), link("D:\\l", ODD)),
        error="PathRefused",
        then=_SEE_GONE,
    ),
    Case(
        "a link to a folder",
        "Remove-HvbFile",
        {"folders": ["D:\\l"]},
        prepare=link("D:\\l", "D:\\Hyper-V"),
        error="PathRefused",
    ),
    Case("nothing", "Remove-HvbFile", {}, data={"removed": []}),
]
