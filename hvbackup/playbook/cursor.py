"""Where one host is in a play: which task comes next, after a failure too.

The rules are those of ansible-core 2.19: a failure ends the section it happens in; `rescue` follows when that section
was `block`, then `always`; what was not rescued goes on to the block around it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from hvbackup.playbook.plays import Block, Node, Task

#: The order of all that may run: a task's number, and behind a flush the number of a handler.
Position: TypeAlias = "tuple[int, int]"


class _Section(Enum):
    BLOCK = "block"
    RESCUE = "rescue"
    ALWAYS = "always"


@dataclass
class _Frame:
    block: Block
    section: _Section = _Section.BLOCK
    index: int = 0
    failed: bool = False

    @property
    def nodes(self) -> tuple[Node, ...]:
        return {
            _Section.BLOCK: self.block.block,
            _Section.RESCUE: self.block.rescue,
            _Section.ALWAYS: self.block.always,
        }[self.section]

    @property
    def rescues(self) -> bool:
        """Whether a failure from now on would be rescued here."""
        return self.section is _Section.BLOCK and bool(self.block.rescue)

    def enter(self, section: _Section) -> None:
        self.section = section
        self.index = 0


@dataclass
class Cursor:
    """The place of one host in the tree of a play.

    Args:
        nodes: What the play runs.
        handlers: Those of the play, in order.
        is_notified: Whether this host has notified a handler.
        wants_flush: Whether the flush after a section has anything to do for this host.
    """

    nodes: tuple[Node, ...]
    handlers: tuple[Task, ...]
    is_notified: Callable[[Task], bool]
    wants_flush: Callable[[], bool]
    lost: bool = False
    _frames: list[_Frame] = field(default_factory=list)
    _handler: int | None = None
    _flush_number: int = 0

    def __post_init__(self) -> None:
        self._frames = [_Frame(Block(block=self.nodes))]

    # ------------------------------------------------------------ where

    def peek(self) -> Task | None:
        """The next task of this host, or None when it has none."""
        while self._frames:
            if self._handler is not None:
                handler = self._next_handler()
                if handler is not None:
                    return handler
                continue
            frame = self._frames[-1]
            if frame.index >= len(frame.nodes):
                self._leave_section(frame)
                continue
            node = frame.nodes[frame.index]
            if isinstance(node, Block):
                frame.index += 1
                self._frames.append(_Frame(node))
            elif node.implicit and not self.wants_flush():
                frame.index += 1
            else:
                return node
        return None

    def position(self, task: Task) -> Position:
        """Where `task`, just peeked at, is in the order of all."""
        return (task.number, 0) if self._handler is None else (self._flush_number, task.number)

    @property
    def in_handlers(self) -> bool:
        """Whether the host is running handlers."""
        return self._handler is not None

    @property
    def will_be_rescued(self) -> bool:
        """Whether a failure now would be rescued, here or in a block around."""
        return any(frame.rescues for frame in self._frames)

    @property
    def failed(self) -> bool:
        """Whether a failure was not rescued and will not be."""
        failing = self.lost
        for frame in reversed(self._frames):
            failing = failing or (frame.failed and frame.section is _Section.ALWAYS)
            failing = failing and not frame.rescues
        return failing

    # ------------------------------------------------------------ moves

    def take(self) -> None:
        """Step over the task that `peek` gave: it runs now."""
        if self._handler is not None:
            self._handler += 1
        else:
            self._frames[-1].index += 1

    def start_handlers(self, flush: Task) -> None:
        """Run the handlers that are notified, then go on behind the flush."""
        self._handler = 0
        self._flush_number = flush.number

    def fail(self) -> None:
        """The task just taken failed."""
        self._handler = None
        if not self._frames:
            self.lost = True
            return
        frame = self._frames[-1]
        frame.failed = True
        if frame.section is _Section.BLOCK and frame.block.rescue:
            frame.enter(_Section.RESCUE)
        elif frame.section is not _Section.ALWAYS and frame.block.always:
            frame.enter(_Section.ALWAYS)
        else:
            self._leave_block()

    def end(self) -> None:
        """Run nothing more in this play; a failure that is being rescued counts as rescued."""
        if self._frames and self._frames[-1].section is _Section.RESCUE:
            self._frames[-1].failed = False
        self.lost = self.failed
        self._frames.clear()
        self._handler = None

    def clear_errors(self) -> None:
        """Forget failures; a host that has left the play does not come back into it."""
        self.lost = False
        for frame in self._frames:
            frame.failed = False

    # ------------------------------------------------------------ inside

    def _next_handler(self) -> Task | None:
        while self._handler is not None and self._handler < len(self.handlers):
            handler = self.handlers[self._handler]
            if self.is_notified(handler):
                return handler
            self._handler += 1
        self._handler = None
        return None

    def _leave_section(self, frame: _Frame) -> None:
        if frame.section is _Section.ALWAYS:
            self._leave_block()
            return
        if frame.section is _Section.RESCUE:
            frame.failed = False
        frame.enter(_Section.ALWAYS)

    def _leave_block(self) -> None:
        """Go on in the block around; a failure that was not rescued is a failure there."""
        if self._frames.pop().failed:
            self.fail()
