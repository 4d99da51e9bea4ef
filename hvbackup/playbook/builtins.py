"""The few modules of Ansible that are built in: their names and their arguments."""

from __future__ import annotations

COLLECTION = "ansible.builtin"
#: Arguments of each; None: names of variables, any number of them.
ARGUMENTS: dict[str, frozenset[str] | None] = {
    f"{COLLECTION}.assert": frozenset({"that", "fail_msg", "msg", "success_msg", "quiet"}),
    f"{COLLECTION}.debug": frozenset({"msg", "var", "verbosity"}),
    f"{COLLECTION}.fail": frozenset({"msg"}),
    f"{COLLECTION}.meta": frozenset(),
    f"{COLLECTION}.pause": frozenset({"minutes", "seconds", "prompt", "echo"}),
    f"{COLLECTION}.set_fact": None,
}
FULL_NAMES = frozenset(ARGUMENTS)
SHORT_NAMES = frozenset(name.rpartition(".")[2] for name in ARGUMENTS)
#: What a `meta` task may ask for.
META_ACTIONS = ("noop", "flush_handlers", "end_play", "end_batch", "end_host", "clear_host_errors")


def full_name(word: str) -> str:
    """`debug` with the name of its collection; any other word as it is."""
    return f"{COLLECTION}.{word}" if word in SHORT_NAMES else word
