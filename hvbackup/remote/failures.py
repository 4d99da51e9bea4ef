"""One place where errors of libraries become ours; what they mean is in `failure_kinds`.

No error of theirs stays attached to ours, so that neither its text nor its frames can show a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from hvbackup.errors import HvBackupError, RemoteError
from hvbackup.remote.failure_kinds import RECOGNISERS, remote_error
from hvbackup.remote.options import ConnectionOptions
from hvbackup.remote.reception import CallerError

ResultT = TypeVar("ResultT")


def translated(task: Callable[[], ResultT], options: ConnectionOptions) -> ResultT:
    """Run `task`; what a library raises comes out as our error, a `CallerError` as it is.

    Our error is raised outside the handler, so that the library's error, its text and its frames do not come along.
    """
    try:
        return task()
    except (CallerError, HvBackupError):
        raise
    except Exception as error:  # noqa: BLE001 - this is the place where they are all translated
        failure = translate(error, options)
    raise failure


def translate(error: BaseException, options: ConnectionOptions) -> HvBackupError:
    """Return our error for one of a library; an error of ours comes back as it is."""
    if isinstance(error, HvBackupError):
        return error
    chain = list(_chain(error))
    for recognise in RECOGNISERS:
        for link in chain:
            found = recognise(link, options)
            if found is not None:
                return found
    return remote_error(
        RemoteError, options, f"failed in an unforeseen way ({type(error).__name__})", "Please report this."
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and everything that it wraps or came from, outermost first."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        link = waiting.pop(0)
        if not isinstance(link, BaseException) or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        waiting += [getattr(link, "reason", None), link.__cause__, link.__context__, *link.args]
