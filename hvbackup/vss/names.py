"""Names that VSS and its writers use, the same on every host."""

from __future__ import annotations

from hvbackup.models import Method

#: As LIST WRITERS prints it; not translated in any capture.
HYPERV_WRITER_NAME = "Microsoft Hyper-V VSS Writer"
#: The component with the host's own configuration.
HOST_COMPONENT = "Host Component"
#: Between a writer's name or id and the full path of its component.
COMPONENT_SEPARATOR = ":\\"

#: First part of a VM's caption -> method. From 2012 R2 on the short words; before that the long ones.
_METHODS = {
    "online": Method.ONLINE,
    "offline": Method.OFFLINE,
    "backup using child partition snapshot": Method.ONLINE,
    "backup using saved state": Method.OFFLINE,
}


def read_caption(caption: str) -> tuple[Method, str]:
    r"""Return method and VM name of a caption of the Hyper-V writer, `Online\NAME`.

    The first separator counts, since a name may hold any character; `/` is taken as well, as some documents print it.
    A first word that is not known is `UNKNOWN` and gives no name: nothing is guessed.
    """
    places = [caption.find(mark) for mark in "\\/" if mark in caption]
    if not places:
        return Method.UNKNOWN, ""
    method = _METHODS.get(caption[: min(places)].strip().casefold(), Method.UNKNOWN)
    return method, caption[min(places) + 1 :] if method is not Method.UNKNOWN else ""
