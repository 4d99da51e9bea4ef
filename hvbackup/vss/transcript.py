"""The parser of diskshadow's output: any listing, log or whole session, with prompts and shell noise around it (pure).

It goes line by line, keeps a bounded number of facts, and never raises: what it does not understand is quoted in
`Transcript.unknown`. It reads GUIDs, constants and structure before words (`shapes`), and it never completes a fact
from what usually is: a sentence that it cannot read is unknown, not a success.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from hvbackup.models import Writer
from hvbackup.vss import shapes
from hvbackup.vss.blocks import ProviderBlock, ShadowBlock, WriterBlock
from hvbackup.vss.exclusions import ExclusionReader
from hvbackup.vss.failures import FailureReader
from hvbackup.vss.findings import (
    Deletion,
    Exposure,
    ListedCaption,
    ListedProvider,
    ListedShadowCopy,
    Transcript,
)
from hvbackup.vss.kept import Kept, shortened
from hvbackup.vss.names import read_caption

_LONGEST_LINE = 8192
_LINE = re.compile(r"[^\r\n]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufeff]")


def parse_transcript(text: str | Iterable[str]) -> Transcript:
    """Return what a transcript shows; `text` may also be an iterable of lines."""
    parser = TranscriptParser()
    for line in _lines(text) if isinstance(text, str) else text:
        parser.feed(line)
    return parser.finish()


def _lines(text: str) -> Iterator[str]:
    for match in _LINE.finditer(text):
        yield match[0]


class TranscriptParser:
    """Takes the lines of one transcript one after the other, then tells what they show."""

    def __init__(self) -> None:
        self._commands: Kept[str] = Kept(5_000)
        self._writers: Kept[Writer] = Kept(2_000)
        self._statuses: Kept[Writer] = Kept(2_000)
        self._counts: Kept[int] = Kept(100)
        self._captions: Kept[ListedCaption] = Kept(10_000)
        self._copies: Kept[ListedShadowCopy] = Kept(5_000)
        self._exclusions = ExclusionReader()
        self._providers: Kept[ListedProvider] = Kept(200)
        self._deletions: Kept[Deletion] = Kept(5_000)
        self._exposures: Kept[Exposure] = Kept(500)
        self._failures = FailureReader()
        self._unknown: Kept[str] = Kept(500)
        self._aliases: dict[str, str] = {}
        self._listed: int | None = None
        self._deleted: int | None = None
        self._not_ended = False
        self._block: WriterBlock | ShadowBlock | ProviderBlock | None = None
        self._block_dropped = 0
        self._copies_since_count = 0
        self._deletions_since_count = 0
        self._maybe_exposed: Exposure | None = None

    # ------------------------------------------------------------ lines

    def feed(self, line: str) -> None:
        """Take the next line, with or without its end."""
        line = _CONTROL.sub("", line[:_LONGEST_LINE].rstrip())
        text = shapes.without_markdown(line.strip())
        if not text:
            return
        if self._exclusions.take_rest(text) or self._take_echo(text) or self._take_head(text):
            return
        bullet = shapes.BULLET.match(text)
        if bullet is not None:
            self._take_bullet(text, (bullet[1] or "").strip())
            return
        if isinstance(self._block, ProviderBlock) and line[:1] in " \t" and self._block.take(text):
            return
        self._close_block()
        if self._failures.in_usage and line[:1] in " \t":
            self._failures.take_usage(text)
            return
        self._failures.in_usage = False
        if not any(take(text) for take in (self._take_result, self._take_failure, self._exclusions.take)):
            self._take_other(text)

    def finish(self) -> Transcript:
        """Return what the lines show."""
        self._close_block()
        self._exclusions.finish()
        self._exposure_is_unclear()
        kept: tuple[Kept[Any], ...] = (
            self._commands, self._writers, self._statuses, self._counts, self._captions, self._copies, self._providers,
            self._deletions, self._exposures, self._unknown, self._exclusions.found, self._failures.found,
        )  # fmt: skip
        return Transcript(
            commands=self._commands.all,
            writers=self._writers.all,
            statuses=self._statuses.all,
            writers_listed=self._counts.all,
            captions=self._captions.all,
            shadow_copies=self._copies.all,
            providers=self._providers.all,
            aliases=dict(self._aliases),
            exclusions=self._exclusions.found.all,
            listed_count=self._listed,
            deletions=self._deletions.all,
            deleted_count=self._deleted,
            exposures=self._exposures.all,
            failures=self._failures.found.all,
            end_backup_missing=self._not_ended,
            unknown=self._unknown.all,
            dropped=sum(each.dropped for each in kept) + self._block_dropped,
        )

    # ------------------------------------------------------------ commands, heads of blocks, bullets

    def _take_echo(self, text: str) -> bool:
        echo = shapes.ECHO.match(text)
        if echo is None:
            if not shapes.SHELL_PROMPT.match(text):
                return False
            self._close_block()
            self._exposure_is_unclear()
            return True
        self._close_block()
        self._failures.in_usage = False
        command = echo[1].strip()
        alias = shapes.ALIAS_ECHO.fullmatch(command)
        if alias:
            self._alias(alias[1], alias[2])
            return True
        if self._maybe_exposed is not None:
            # diskshadow stops at the first error, so whatever came before the next command went well
            self._exposures.add(self._maybe_exposed)
            self._maybe_exposed = None
        if command:
            self._commands.add(shortened(command))
        return True

    def _take_head(self, text: str) -> bool:
        component = shapes.COMPONENT.match(text)
        if component is not None:
            if not isinstance(self._block, WriterBlock):
                self._close_block()
                self._block = WriterBlock(component[1].strip())
            self._block.open_component(component[1].strip(), component[2])
            return True
        star = shapes.STAR.match(text)
        if star is None:
            return False
        self._close_block()
        found = shapes.GUID.search(star[1])
        if found is None:
            name = shapes.NAME_AND_STATE_WORD.match(star[1])
            self._block = WriterBlock(((name[1] or name[2]) if name else star[1]).strip())
        elif "=" in star[1][: found.start()]:
            self._block = ShadowBlock(star[1], found[1].lower())
        else:
            self._block = ProviderBlock(found[1].lower())
        return True

    def _take_bullet(self, text: str, body: str) -> None:
        if self._block is not None and self._block.take(body):
            return
        if self._failures.take_hresult(text, body, self._last_command() or None):
            return
        caption = shapes.CAPTION.match(text)
        if caption:
            self._caption(caption[1])
            return
        self._unknown.add(shortened(text))

    def _close_block(self) -> None:
        block, self._block = self._block, None
        if isinstance(block, WriterBlock):
            writer = block.build()
            self._block_dropped += block.dropped
            if writer.id or writer.components:
                (self._writers if writer.state is None else self._statuses).add(writer)
            else:
                self._unknown.add(f'* "{shortened(writer.name)}"')
        elif isinstance(block, ShadowBlock):
            copy = block.build()
            self._copies.add(copy)
            self._copies_since_count += 1
            if copy.alias:
                self._alias(copy.alias, copy.id)
        elif isinstance(block, ProviderBlock):
            provider = block.build()
            if provider is None:
                self._unknown.add(f"* {{{block.id}}}")
            else:
                self._providers.add(provider)

    # ------------------------------------------------------------ sentences

    def _take_result(self, text: str) -> bool:
        """Counts, aliases, deletions, exposures: what went well."""
        if self._take_count(text):
            return True
        alias = shapes.ALIAS.match(text)
        if alias:
            self._alias(alias[1], alias[2])
            return True
        exposed = shapes.EXPOSED.match(text)
        if exposed:
            self._exposures.add(Exposure(place=exposed[1], command=self._last_command(), text=shortened(text)))
            return True
        deletion = shapes.DELETION.match(text)
        if deletion and (text.lower().startswith("deleting") or shapes.DELETION_END.search(text)):
            self._deletions.add(
                Deletion(shadow_id=deletion[1].lower(), volume=deletion[2], text=shortened(text)),
            )
            self._deletions_since_count += 1
            return True
        # The rest of such a line, when a console has wrapped it.
        return self._deletions_since_count > 0 and shapes.DELETION_END.search(text) is not None

    def _take_count(self, text: str) -> bool:
        listed, deleted = shapes.LISTED.match(text), shapes.DELETED.match(text)
        writers = shapes.WRITERS_LISTED.match(text)
        if writers:
            self._counts.add(int(writers[1]))
            return True
        count = shapes.COUNT_OF_ANY_LANGUAGE.match(text)
        if not (listed or deleted or count):
            return False
        number = int(text.rpartition(":")[2])
        # In a language that is not known, a count is one only where it fits what was just counted.
        if listed or (not deleted and 0 < self._copies_since_count == number and not self._deletions_since_count):
            self._listed, self._copies_since_count = number, 0
            return True
        if deleted or 0 < self._deletions_since_count == number:
            self._deleted, self._deletions_since_count = (self._deleted or 0) + number, 0
            return True
        return False

    def _take_failure(self, text: str) -> bool:
        if shapes.NOT_ENDED.search(text):
            self._not_ended = True
            return True
        failed = self._failures.take(text, self._last_command() or None)
        if failed:
            self._exposure_is_unclear()
        return failed

    def _take_other(self, text: str) -> None:
        if shapes.KNOWN.match(text):
            return
        caption = shapes.CAPTION.match(text) or shapes.OLD_CAPTION.search(text)
        if caption:
            self._caption(caption[1])
            return
        words = self._last_command().split()
        target = words[-1].strip('"').rstrip("\\") if len(words) >= 3 and words[0].casefold() == "expose" else ""
        if target and self._maybe_exposed is None and target.casefold() in text.casefold():
            self._maybe_exposed = Exposure(place=target, command=self._last_command(), text=shortened(text))
            return
        self._unknown.add(shortened(text))

    # ------------------------------------------------------------ small steps

    def _exposure_is_unclear(self) -> None:
        if self._maybe_exposed is not None:
            self._unknown.add(self._maybe_exposed.text)
            self._maybe_exposed = None

    def _last_command(self) -> str:
        return self._commands.last or ""

    def _caption(self, caption: str) -> None:
        method, label = read_caption(caption)
        self._captions.add(ListedCaption(caption=shortened(caption), method=method, label=shortened(label)))

    def _alias(self, name: str, value: str) -> None:
        if len(self._aliases) < 1_000:
            self._aliases[name] = value.strip("{}").lower()
