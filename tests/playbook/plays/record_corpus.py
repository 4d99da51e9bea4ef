"""Records what ansible-core does with the corpus: `python record_corpus.py FOLDER`, where `ansible-playbook` is.

Cases that are recorded already are left as they are; `--all` records them again.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from play_corpus import cases, record_ansible, recorded, write_recorded

if __name__ == "__main__":
    known = {} if "--all" in sys.argv else recorded()
    wanted = [case for case in cases() if known.get(case.id, (None,))[0] != case]
    with tempfile.TemporaryDirectory() as folder:
        new = dict(zip(wanted, record_ansible(Path(sys.argv[1]), wanted, Path(folder)), strict=True))
    write_recorded([(case, new[case] if case in new else known[case.id][1]) for case in cases()])
