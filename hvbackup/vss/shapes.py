"""The shapes of the lines of diskshadow: GUIDs, constants and structure before words.

Whether diskshadow's sentences are translated is not known (no capture in another language exists); the constants
(VSS_CT_FILEGROUP, VSS_WS_STABLE, VSS_E_...) are not. So where English words are looked at here, structure decides too.
"""

from __future__ import annotations

import re

GUID = re.compile(r"\{([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\}")
PLAIN_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
ECHO = re.compile(r"(?:->|DISKSHADOW>)\s*(.*)", re.IGNORECASE)
ALIAS_ECHO = re.compile(r"%(\w{1,64})%\s*=\s*(\{[^{}]{36}\})")
SHELL_PROMPT = re.compile(r"(?:\*?[\w-]{1,20}\*? |\[[\w.:-]{1,80}\]: )?(?:\[?PS\]? )?[A-Za-z]:\\[^<>|\"]{0,200}>")
STAR = re.compile(r"\*\s+(\S.*)")
BULLET = re.compile(r"[-+]\s+(.*)|-$")
FIELD = re.compile(r"([^:=\"]{1,80}?)\s*[:=](?:\s+(.*))?$")
COMPONENT = re.compile(
    r'(?:.*[+]\s+\w+\s+|[->]\s+Component\s+|>\s+)"([^":]{1,300}):(\\[^"]{0,600})"\s*$', re.IGNORECASE
)
PATH_ITEM = re.compile(r"[A-Za-z]:[\\/]|\\\\|%\w{1,40}%\\")
VOLUME_ITEM = re.compile(r"(\\\\\?\\Volume\{[0-9A-Fa-f-]{36}\}\\)(?:\s*\[(.*)\])?\s*$", re.IGNORECASE)
FILE_SPEC = re.compile(r"[^=]{1,80}=\s*(.+), [^,=]{1,40} = (.*)$")
STATE = re.compile(r"\b(\d{1,4})\s*\(VSS_WS_(\w{1,64})\)")
FAILURE_CODE = re.compile(r"\b0x([0-9A-Fa-f]{8})\b")
NAME_AND_STATE_WORD = re.compile(r'(?:\w+\s+)?"(.*)"\s*$|(?:WRITER\s+)?(\S.*)$', re.IGNORECASE)

#: What VSS_VOLUME_SNAPSHOT_ATTRIBUTES are printed as, as far as seen (vss.h has the bits).
ATTRIBUTES = frozenset(
    (
        "no_auto_release", "auto_release", "persistent", "client_accessible", "no_writers", "plex", "differential",
        "hardware_assisted", "imported", "exposed_locally", "exposed_remotely", "transportable", "no_auto_recovery",
        "rollback_recovery", "txf_recovery", "fileshare", "delayed_postsnapshot", "not_surfaced", "not_transacted",
    )
)  # fmt: skip

LISTED = re.compile(r"Number of shadow copies listed:\s*(\d{1,9})\s*$", re.IGNORECASE)
DELETED = re.compile(r"Number of shadow copies deleted:\s*(\d{1,9})\s*$", re.IGNORECASE)
COUNT_OF_ANY_LANGUAGE = re.compile(r"[^:{}\\\d]{5,100}:\s*(\d{1,9})\s*$")
WRITERS_LISTED = re.compile(r"(\d{1,9}) writers? listed\.?\s*$", re.IGNORECASE)
ALIAS = re.compile(r"Alias (\w{1,64}) for shadow (?:set )?ID (\{[^{}]{36}\})", re.IGNORECASE)
DELETION = re.compile(
    r"(?:Deleting shadow copy\s+|[^-*\s][^{}]*)\{([0-9A-Fa-f-]{36})\}\s.*?(\\\\\S+)(.*)$", re.IGNORECASE
)
DELETION_END = re.compile(r"\[[^\]]*0x[0-9A-Fa-f]{8}\]\.{3}\s*$")
EXPOSED = re.compile(r"The shadow copy was successfully exposed as (.+?)\.?\s*$", re.IGNORECASE)
NOT_ENDED = re.compile(r"END BACKUP\b.*\bBackupComplete\b")
COM_CALL = re.compile(r'"\(\*\w{1,60}\)->(\w{1,80})"')
OPERATION_FAILED = re.compile(r"The last operation failed", re.IGNORECASE)
HRESULT_FIELD = re.compile(r"(?:-\s+)?[^:=]{1,80}[:=]\s*(?:0x)?([89A-Fa-f][0-9A-Fa-f]{7})\s*$")
ANY_HRESULT = re.compile(r"(?<![0-9A-Za-z/-])0x([8CD][0-9A-F]{7})(?![0-9A-Za-z/-])", re.IGNORECASE)
ERROR_NAME = re.compile(r"\b((?:VSS_E|E)_[A-Z][A-Z_]{2,60})\b")
COMPONENT_EXCLUDED = re.compile(r'[^"]*"(\\[^"]*)"[^"]*"([^"]+)"|[^"]*"([^"\\]+)"[^"]*"(\\[^"]*)"')
WRITER_EXCLUDED = re.compile(r'[^"]*exclud[^"]*"([^"]+)"', re.IGNORECASE)
NEEDED_VOLUME = re.compile(r"(\\\\\?\\Volume\{[^{}]{36}\}\\?|\\\\[^\s\"]+|\b[A-Za-z]:\\[^\s\"]*)")
USAGE = re.compile(r"[A-Z]{2,}(?: [A-Z]{2,}){0,3}\s+[{\[<]")
CAPTION = re.compile(r"\W{0,4}Caption:\s*(\S.*)", re.IGNORECASE)
OLD_CAPTION = re.compile(r"(Backup Using (?:Saved State|Child Partition Snapshot)[\\/].+)", re.IGNORECASE)

#: Lines that tell nothing that is needed.
KNOWN = re.compile(
    r"Microsoft DiskShadow version |Copyright \(C\) |\(C\) Copyright |On computer:|Querying all shadow copies|"
    r".*\b(?:Manifest\.xml|Dis\w+\.tmp)\b.*\.cab\b|The existing file will be overwritten|Listing writer |"
    r"\d+ providers? registered|DiskShadow is exiting|No shadow copies found in system|"
    r"The shadow copy was successfully unexposed",
    re.IGNORECASE,
)


def unquoted(value: str) -> str:
    """A value without the quotes that vshadow's relatives put around it."""
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value


def without_markdown(line: str) -> str:
    r"""A line of a page that shows a listing with its markdown still escaped: `\- Caption: Offline\\name`."""
    bare = line[1:].lstrip() if line.startswith("> ") else line
    if not bare.startswith(("\\-", "\\ ")):
        return line
    bare = bare[1:].lstrip().replace("\\\\", "\\")
    return bare if bare.startswith("-") else f"- {bare}"
