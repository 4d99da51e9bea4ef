"""What verbose mode says was left out of a backup; a sentence may go over two lines."""

from __future__ import annotations

from hvbackup.vss import shapes
from hvbackup.vss.findings import Exclusion
from hvbackup.vss.kept import Kept, shortened


class ExclusionReader:
    """Takes the lines of such sentences."""

    def __init__(self) -> None:
        self.found: Kept[Exclusion] = Kept(20_000)
        self._unfinished: Exclusion | None = None

    def take(self, text: str) -> bool:
        r"""Take a line; return False when it is no such sentence.

        Two quoted names, one of which begins with `\`, are component and writer, whatever the language; one alone is
        a writer only where the word is there.
        """
        component = shapes.COMPONENT_EXCLUDED.match(text)
        writer = shapes.WRITER_EXCLUDED.match(text)
        if component:
            path, name = (component[1], component[2]) if component[1] else (component[4], component[3])
            found = Exclusion(writer=name, component=path, volume=_volume_in(text, path), text=shortened(text))
        elif writer:
            found = Exclusion(writer=writer[1], text=shortened(text))
        else:
            return False
        if text.endswith("."):
            self.found.add(found)
        else:
            self._unfinished = found
        return True

    def take_rest(self, text: str) -> bool:
        """Take a line if it ends the sentence that the line before began."""
        found, self._unfinished = self._unfinished, None
        if found is None:
            return False
        starts_anew = text.startswith(("*", "->", "-", "+")) or '"' in text
        volume = None if starts_anew else _volume_in(text)
        if volume is None:
            self.found.add(found)
            return False
        text = f"{found.text} {shortened(text)}"
        self.found.add(Exclusion(writer=found.writer, component=found.component, volume=volume, text=text))
        return True

    def finish(self) -> None:
        """Keep a sentence whose end never came."""
        if self._unfinished is not None:
            self.found.add(self._unfinished)
            self._unfinished = None


def _volume_in(text: str, after: str = "") -> str | None:
    found = shapes.NEEDED_VOLUME.search(text, text.find(after) + len(after) if after else 0)
    return found[1].rstrip(".") if found else None
