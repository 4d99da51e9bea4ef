"""What runs left on a host: shadow copies that their logs name, exposures, scratch folders. Found and removed.

Only what a log of ours names, or what is exposed in a folder of ours, is ever deleted; never "all", never by volume.
Every step may be done twice: what is gone already is no error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hvbackup.errors import InvalidRequest, ShadowSetFailed
from hvbackup.models import HostFacts, ShadowCopy
from hvbackup.remote.calls import GetHost, GetLeftover, Leftover, RemoveScratch
from hvbackup.remote.session import Transport
from hvbackup.vss.findings import Transcript
from hvbackup.vss.proof import quoted
from hvbackup.vss.running import read_logs, run_diskshadow
from hvbackup.vss.script import cleanup_script, delete_exposed_script, delete_shadow_script, unexpose_script

_SET_ALIAS = "VSS_SHADOW_SET"


def find_leftovers(transport: Transport) -> tuple[Leftover, ...]:
    """Return the scratch folders of hvbackup that are on the host, those of runs at work included."""
    return transport.call(GetLeftover()).data.leftovers


def shadow_set_ids(transcripts: Iterable[Transcript]) -> set[str]:
    """Return the shadow sets that these logs created."""
    ids: set[str] = set()
    for transcript in transcripts:
        if not _creates(transcript):
            continue
        ids.update(copy.set_id for copy in transcript.shadow_copies if copy.set_id)
        if _SET_ALIAS in transcript.aliases:
            ids.add(transcript.aliases[_SET_ALIAS])
    return ids


def shadow_copy_ids(transcripts: Iterable[Transcript]) -> set[str]:
    """Return the shadow copies that these logs created."""
    ids: set[str] = set()
    for transcript in transcripts:
        if _creates(transcript):
            ids.update(copy.id for copy in transcript.shadow_copies)
            ids.update(value for alias, value in transcript.aliases.items() if alias != _SET_ALIAS)
    return ids


def _creates(transcript: Transcript) -> bool:
    """Whether this is the log of a creation: one that only lists shadow copies names those of others."""
    return any(command.split(maxsplit=1)[0].casefold() == "create" for command in transcript.commands if command)


def remove_leftover(
    transport: Transport, host: HostFacts, scratch: str, *, keep_scratch: bool = False
) -> tuple[str, ...]:
    """Remove what a run left: exposures, shadow copies, then its scratch folder; return what was done.

    Args:
        scratch: The folder, as `find_leftovers` or `scratch_folder` gave it.
        keep_scratch: Leave the folder, for a run that goes on.

    Raises:
        InvalidRequest: `scratch` is not below the host's scratch root.
        ShadowSetFailed: A shadow copy is still there afterwards.
        RemoteError: The host cannot be asked, or the folder cannot be removed (`PathRefused`: something is mounted).
    """
    return remove_run(transport, host, scratch, keep_scratch=keep_scratch)


def remove_run(
    transport: Transport,
    host: HostFacts,
    scratch: str,
    *,
    set_ids: Iterable[str] = (),
    shadow_ids: Iterable[str] = (),
    keep_scratch: bool = False,
) -> tuple[str, ...]:
    """Remove what a run left, as `remove_leftover`, and these shadow sets and copies, whatever the logs say."""
    root = host.scratch_root.rstrip("\\").casefold() + "\\"
    if not scratch.casefold().startswith(root):
        raise InvalidRequest(f"{scratch} is not below {host.scratch_root}")
    # Only this one: others may be in the hands of runs that are at work.
    found = next(iter(transport.call(GetLeftover(scratch=scratch)).data.leftovers), None)
    logs = read_logs(found) if found else ()
    done = _delete(
        transport,
        found.scratch if found else scratch,
        set_ids=shadow_set_ids(logs).union(set_ids),
        shadow_ids=shadow_copy_ids(logs).union(shadow_ids),
        exposed=found.exposed if found else (),
    )
    if keep_scratch or (found is None and not done):
        return done
    removed = transport.call(RemoveScratch(scratch=scratch)).data.removed
    return (*done, f"removed {scratch}") if removed else done


def _delete(
    transport: Transport,
    scratch: str,
    *,
    set_ids: set[str],
    shadow_ids: set[str],
    exposed: Sequence[str],
) -> tuple[str, ...]:
    """Delete those of these shadow copies that are still there, and take the exposures back.

    Raises:
        ShadowSetFailed: One is still there afterwards.
    """
    present = _present(transport, set_ids, shadow_ids)
    if not present and not exposed:
        return ()
    removal = _Removal(transport, scratch)
    by_set: dict[str, list[ShadowCopy]] = {}
    for copy in present:
        by_set.setdefault(copy.set_id.strip("{}").lower(), []).append(copy)
    if len(by_set) == 1 and removal.run("remove", cleanup_script(next(iter(by_set)), exposed), deletes=len(present)):
        return tuple(f"deleted shadow copy {{{copy.id}}} of {copy.volume}" for copy in present)
    # One command ends the script when it fails, so now each on its own. A mount point that no log explains hides a
    # shadow copy that only it can name.
    for number, place in enumerate(exposed):
        if not present:
            removal.run(f"exposed{number}", delete_exposed_script(place))
        removal.run(f"unexpose{number}", unexpose_script(place))
    for number, copy in enumerate(present):
        removal.run(f"delete{number}", delete_shadow_script(copy.id))
    if left := _present(transport, set_ids, shadow_ids):
        raise ShadowSetFailed(
            f"the shadow copy {{{left[0].id}}} of {left[0].volume} is still on the host",
            transcript=removal.failures,
            hint=f"On the host, in diskshadow: delete shadows id {{{left[0].id}}}. {removal.failures}".strip(),
        )
    return tuple(f"deleted shadow copy {{{copy.id}}} of {copy.volume}" for copy in present)


class _Removal:
    """Runs steps of a removal; a step that fails is remembered, not raised: the next one may do."""

    def __init__(self, transport: Transport, scratch: str) -> None:
        self._transport = transport
        self._scratch = scratch
        self.failures = ""

    def run(self, step: str, lines: tuple[str, ...], *, deletes: int = 0) -> bool:
        """Run a step; return whether it went well by its own words: so many deletions were begun and counted."""
        ran = run_diskshadow(self._transport, lines, scratch=self._scratch, step=step)
        transcript = ran.transcript
        counted = (len(transcript.deletions), transcript.deleted_count or 0)
        well = not transcript.failures and ran.exit_code == 0 and counted == (deletes, deletes)
        if not well:
            self.failures = quoted(transcript)
        return well


def _present(transport: Transport, set_ids: set[str], shadow_ids: set[str]) -> list[ShadowCopy]:
    """Those of these shadow copies that the host lists now; the only word on what is there."""
    if not set_ids and not shadow_ids:
        return []
    return [
        copy
        for copy in transport.call(GetHost()).data.shadow_copies
        if copy.id.strip("{}").lower() in shadow_ids or copy.set_id.strip("{}").lower() in set_ids
    ]
