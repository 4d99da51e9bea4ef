# Copyright: The hvbackup contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all action plugins of the collection do: hand a task to the Python package hvbackup, in this very process.

The connection plugin of the host (psrp or winrm) is never connected: its resolved options are what hvbackup connects
with. So no secret is ever in a file, on a command line, or on the host.
"""

from __future__ import annotations

import contextlib
import signal
import threading

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.text.converters import to_text
from ansible.plugins.action import ActionBase


class HypervAction(ActionBase):
    """Runs the module of the same name out of hvbackup."""

    #: Full name of the module.
    MODULE = None
    TRANSFERS_FILES = False
    _requires_connection = True  # its options are needed; nothing connects it
    _supports_check_mode = True
    _supports_diff = True
    _supports_async = False

    def run(self, tmp=None, task_vars=None):
        """Run the module for one host, and return its result."""
        result = super().run(tmp, task_vars)
        try:
            from hvbackup.errors import HvBackupError
            from hvbackup.events import Cancellation
            from hvbackup.playbook.modules.contract import ModuleContext
            from hvbackup.playbook.modules.registry import run_module
        except ImportError as error:
            raise AnsibleActionFail(
                f"{self.MODULE} needs the Python package hvbackup where ansible-playbook runs "
                f"(pip install hvbackup, into the same environment): {error}"
            ) from error
        try:
            connection = self._options_of_connection(task_vars or {})
        except HvBackupError as error:
            return {**result, "failed": True, "changed": False, "msg": str(error), "hint": error.hint}
        cancel = Cancellation()
        context = ModuleContext(
            connection=connection,
            inventory_hostname=to_text((task_vars or {}).get("inventory_hostname", connection.host)),
            check=bool(self._task.check_mode),
            diff=bool(self._task.diff),
            events=self._show,
            cancel=cancel,
        )
        with _stopping(cancel):
            reply = run_module(self.MODULE, plain(self._task.args), context)
        result.update(reply.result)
        return result

    def _options_of_connection(self, task_vars):
        from hvbackup.playbook.modules.connections import connection_from_options
        from hvbackup.playbook.modules.registry import needs_host
        from hvbackup.remote.options import ConnectionOptions

        if not needs_host(self.MODULE):
            return ConnectionOptions(transport="local")
        kind = to_text(self._connection.transport)
        variables = {
            to_text(name): plain(self._templar.template(value))
            for name, value in task_vars.items()
            if name.startswith(f"ansible_{kind}_")
        }
        options = plain(self._connection.get_options())
        name = to_text(task_vars.get("inventory_hostname", self._play_context.remote_addr))
        return connection_from_options(kind, options, variables, name)

    def _show(self, event):
        """Tell with -vv what is going on."""
        from hvbackup.events import JobFinished, Note, StepStarted

        if isinstance(event, (StepStarted, Note, JobFinished)):
            about = event.vm or event.host
            self._display.vv(f"{about}: {event.text or getattr(event, 'status', '')}", host=event.host or None)


def plain(value):
    """Return builtins only: no tagged types of ansible-core 2.19, no vaulted texts of earlier ones."""
    if isinstance(value, dict):
        return {plain(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(each) for each in value]
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float):
        if isinstance(value, kind):
            return kind(value)
    return str.__str__(value) if isinstance(value, str) else to_text(value)


@contextlib.contextmanager
def _stopping(cancel):
    """While the block runs, the signals that Ansible ends its workers with stop the work in order.

    A backup that is stopped so leaves the host as it was found; Ansible waits for its workers at its end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: cancel.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
