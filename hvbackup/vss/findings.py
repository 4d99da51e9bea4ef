"""What a transcript of diskshadow shows, typed. Nothing here is a guess: what was not understood is in `unknown`."""

from __future__ import annotations

import msgspec

from hvbackup.models import Method, Model, Writer


class ListedShadowCopy(Model, frozen=True, kw_only=True):
    r"""A shadow copy as CREATE and LIST SHADOWS describe it.

    Attributes:
        volume: The original volume, `\\?\Volume{...}\` or a UNC path; None when it is not on that machine.
        letters: Where the original volume is mounted, as printed in brackets.
        created_text: The time as printed, in the host's language.
        original_count: How many shadow copies its set was created with.
    """

    id: str
    set_id: str | None = None
    alias: str | None = None
    volume: str | None = None
    letters: str = ""
    device: str | None = None
    attributes: tuple[str, ...] = ()
    exposed_as: str | None = None
    created_text: str = ""
    provider_id: str | None = None
    original_count: int | None = None


class ListedProvider(Model, frozen=True, kw_only=True):
    """A provider, as LIST PROVIDERS describes it; `type` is its constant, such as `VSS_PROV_SYSTEM`."""

    id: str
    name: str = ""
    type: str = ""
    version: str = ""


class Exclusion(Model, frozen=True, kw_only=True):
    """Something that was left out of a backup, as verbose mode reports it.

    Attributes:
        component: Full path of the component; None when the whole writer was left out.
        volume: The volume that it would have needed.
    """

    writer: str
    component: str | None = None
    volume: str | None = None
    text: str


class Deletion(Model, frozen=True, kw_only=True):
    """A shadow copy that was about to be deleted; only the count says that it was."""

    shadow_id: str
    volume: str
    text: str


class Exposure(Model, frozen=True, kw_only=True):
    """A shadow copy that can be read at `place`; `command` is the EXPOSE that did it."""

    place: str
    command: str
    text: str


class Failure(Model, frozen=True, kw_only=True):
    """Something that failed.

    Attributes:
        kind: `operation` (an HRESULT was printed), `com-call`, `usage` (a command was not understood) or `message` (an
            HRESULT or its name in some other text).
        hresult: As an unsigned number.
        name: The name that was printed.
        command: The last command before it.
    """

    kind: str
    text: str
    hresult: int | None = None
    name: str | None = None
    command: str | None = None


class ListedCaption(Model, frozen=True, kw_only=True):
    """A caption without its component, as `find "Caption: O"` leaves it."""

    caption: str
    method: Method
    label: str


class Transcript(Model, frozen=True, kw_only=True):
    """Everything that a transcript shows.

    Attributes:
        commands: As echoed, in order.
        writers: From LIST WRITERS METADATA or DETAILED.
        statuses: From LIST WRITERS STATUS.
        writers_listed: The counts at the end of the listings, in order.
        aliases: Alias -> GUID, lower case.
        listed_count: The last count of shadow copies listed.
        deleted_count: Sum of the counts of shadow copies deleted; None when no deletion was counted.
        end_backup_missing: diskshadow noted that the writers were not told the end of the backup.
        unknown: Lines that were not understood, shortened.
        dropped: How many facts and lines were not kept because there were too many.
    """

    commands: tuple[str, ...] = ()
    writers: tuple[Writer, ...] = ()
    statuses: tuple[Writer, ...] = ()
    writers_listed: tuple[int, ...] = ()
    captions: tuple[ListedCaption, ...] = ()
    shadow_copies: tuple[ListedShadowCopy, ...] = ()
    providers: tuple[ListedProvider, ...] = ()
    aliases: dict[str, str] = msgspec.field(default_factory=dict)
    exclusions: tuple[Exclusion, ...] = ()
    listed_count: int | None = None
    deletions: tuple[Deletion, ...] = ()
    deleted_count: int | None = None
    exposures: tuple[Exposure, ...] = ()
    failures: tuple[Failure, ...] = ()
    end_backup_missing: bool = False
    unknown: tuple[str, ...] = ()
    dropped: int = 0
