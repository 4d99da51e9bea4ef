"""Where one host is in a play: which task comes next, after a failure too.

The rules are those of ansible-core 2.19. A failure ends the section it happens in; `rescue` follows when that section
was `block`, then `always`; what was not rescued goes on to the block around it, but only when the next task is looked
for. So a second failure before that (a task that runs once fails, and that is fatal for all) changes nothing in a block
that is over already, and ends a `rescue` that has not begun.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple, TypeAlias

from hvbackup.playbook.plays import Block, Node, Task

#: The order of all that may run: a task's number, and behind a flush the number of a handler.
Position: TypeAlias = "tuple[int, int]"


class Next(NamedTuple):
    """The next task of a host, and where it is in the order of all."""

    task: Task
    position: Position


class _Section(Enum):
    BLOCK = "block"
    RESCUE = "rescue"
    ALWAYS = "always"


@dataclass
class _Frame:
    """A block that a host is in.

    Attributes:
        index: Of the next node in the section.
        failed: Something in it failed, and was not rescued so far.
        failed_late: A failure in `rescue` or `always`: nothing in this block takes it up.
        rescued: Its `rescue` ran to the end.
        over: Nothing in it runs any more.
    """

    block: Block
    section: _Section = _Section.BLOCK
    index: int = 0
    failed: bool = False
    failed_late: frozenset[_Section] = frozenset()
    rescued: bool = False
    over: bool = False

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes of the section."""
        return {
            _Section.BLOCK: self.block.block,
            _Section.RESCUE: self.block.rescue,
            _Section.ALWAYS: self.block.always,
        }[self.section]

    @property
    def rescues(self) -> bool:
        """Whether a failure from now on would be rescued here."""
        return self.section is _Section.BLOCK and not self.over and bool(self.block.rescue)

    def has_failed(self, inner: bool) -> bool:
        """Whether there is a failure that nothing in here takes up; `inner`: whether the block inside has one."""
        working = not self.over and self.section is not _Section.BLOCK
        if working and inner:
            return True
        if self.failed:
            waiting = working and self.section not in self.failed_late
            return not waiting and not (self.rescued and _Section.ALWAYS not in self.failed_late)
        return inner and self.section is _Section.BLOCK and not self.over and not self.block.rescue

    def enter(self, section: _Section) -> None:
        """Begin a section."""
        self.section = section
        self.index = 0

    def fail(self) -> None:
        """A node of the section failed."""
        if self.over:
            return
        self.failed = True
        if self.section is not _Section.BLOCK:
            self.failed_late |= {self.section}
        if self.rescues:
            self.enter(_Section.RESCUE)
        elif self.section is not _Section.ALWAYS and self.block.always:
            self.enter(_Section.ALWAYS)
        else:
            self.over = True

    def leave_section(self) -> None:
        """The last node of the section is done."""
        if self.section is _Section.ALWAYS:
            self.over = True
            return
        if self.section is _Section.RESCUE:
            self.rescued = True
            self.forget()
        self.enter(_Section.ALWAYS)

    def forget(self) -> None:
        """Forget failures."""
        self.failed, self.failed_late = False, frozenset()


@dataclass
class Cursor:
    """The place of one host in the tree of a play.

    Args:
        nodes: What the play runs.
        handlers: Those of the play, in order.
        is_notified: Whether this host has notified a handler.
        wants_flush: Whether the flush after a section has anything to do for this host.

    Attributes:
        lost: It failed in an earlier play.
    """

    nodes: tuple[Node, ...]
    handlers: tuple[Task, ...]
    is_notified: Callable[[Task], bool]
    wants_flush: Callable[[], bool]
    lost: bool = False
    _frames: list[_Frame] = field(default_factory=list)
    _handler: int | None = None
    _first_handler: int = 0
    _flush_number: int = 0

    def __post_init__(self) -> None:
        self._frames = self._frames or [_Frame(Block(block=self.nodes))]

    # ------------------------------------------------------------ where

    def peek(self) -> Next | None:
        """The next task of this host, or None when it has none. The host stays where it is."""
        return replace(self, _frames=[replace(frame) for frame in self._frames]).advance()

    @property
    def in_handlers(self) -> bool:
        """Whether the host is running handlers."""
        return self._handler is not None

    @property
    def will_be_rescued(self) -> bool:
        """Whether a failure now counts as rescued: some block around has a `rescue` that has not begun."""
        if self.in_handlers and self._outermost.block.rescue:
            return True
        return any(frame.rescues for frame in self._frames)

    @property
    def failed(self) -> bool:
        """Whether a failure was not rescued and will not be."""
        failed = False
        for frame in reversed(self._frames):
            failed = frame.has_failed(failed)
        return failed or self.lost

    # ------------------------------------------------------------ moves

    def advance(self) -> Next | None:
        """Go to the next task, and say which it is; it is not stepped over."""
        while not (len(self._frames) <= 2 and self._frames[-1].over):
            if self._handler is not None:
                handler = self._next_handler()
                if handler is not None:
                    return Next(handler, (self._flush_number, handler.number))
                continue
            frame = self._frames[-1]
            if frame.over:
                self._leave_block()
            elif frame.index >= len(frame.nodes):
                self._leave_section(frame)
            else:
                node = frame.nodes[frame.index]
                if not isinstance(node, Block) and not (node.implicit and not self.wants_flush()):
                    return Next(node, (node.number, 0))
                frame.index += 1
                if isinstance(node, Block):
                    self._frames.append(_Frame(node))
        return None

    def take(self) -> None:
        """Step over the next task: it runs now."""
        self.advance()
        if self._handler is not None:
            self._handler += 1
        else:
            self._frames[-1].index += 1

    def start_handlers(self, flush: Task) -> None:
        """Run the handlers that are notified, then go on behind the flush.

        After a handler failed, the next flush begins behind it, as in ansible-core 2.19.
        """
        self._handler = self._first_handler
        self._flush_number = flush.number

    def fail(self) -> None:
        """The task just taken failed."""
        if self._handler is not None:
            self._first_handler, self._handler = self._handler, None
        self._frames[-1].fail()

    def end(self) -> None:
        """Run nothing more in this play; a failure that is being rescued counts as rescued.

        Failures in blocks inside of the outermost one are forgotten, as in ansible-core 2.19.
        """
        if not self.in_handlers and self._frames[-1].section is _Section.RESCUE and not self._frames[-1].over:
            self._outermost.forget()
        self._handler = None
        del self._frames[2:]
        self._frames[-1].over = True

    def clear_errors(self) -> None:
        """Forget failures; a host that has left the play does not come back into it."""
        self.lost = False
        for frame in self._frames:
            frame.forget()

    # ------------------------------------------------------------ inside

    @property
    def _outermost(self) -> _Frame:
        """The outermost block that was written, or the play where there is none."""
        return self._frames[:2][-1]

    def _next_handler(self) -> Task | None:
        while self._handler is not None and self._handler < len(self.handlers):
            handler = self.handlers[self._handler]
            if self.is_notified(handler):
                return handler
            self._handler += 1
        self._handler, self._first_handler = None, 0
        return None

    def _leave_section(self, frame: _Frame) -> None:
        ended_well = frame.section is _Section.ALWAYS and not frame.failed
        if ended_well and len(self._frames) == 2:
            self._frames.pop()  # the play goes on behind the outermost block
        else:
            frame.leave_section()

    def _leave_block(self) -> None:
        """Go on in the block around; a failure that was not rescued is a failure there."""
        if self._frames.pop().has_failed(inner=False):
            self._frames[-1].fail()
