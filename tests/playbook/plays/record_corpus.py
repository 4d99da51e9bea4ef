"""Records what ansible-core does with the corpus: `python record_corpus.py FOLDER`, where `ansible-playbook` is."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from play_corpus import cases, record_ansible, write_recorded

if __name__ == "__main__":
    wanted = cases()
    with tempfile.TemporaryDirectory() as folder:
        write_recorded(list(zip(wanted, record_ansible(Path(sys.argv[1]), wanted, Path(folder)), strict=True)))
