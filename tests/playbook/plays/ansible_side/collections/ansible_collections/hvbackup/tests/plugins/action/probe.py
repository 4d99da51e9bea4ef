"""A module without a host, for comparing runners: it ends as its arguments say."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):  # type: ignore[misc]
    """Ends as its arguments say."""

    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Return what was asked for."""
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        host = task_vars["inventory_hostname"]
        result = {"changed": bool(arguments.get("changed", False)), **(arguments.get("values") or {})}
        if host in (arguments.get("changed_on") or []):
            result["changed"] = True
        if arguments.get("failed") or host in (arguments.get("failed_on") or []):
            result |= {"failed": True, "msg": arguments.get("msg", "probe failed")}
        if arguments.get("unreachable") or host in (arguments.get("unreachable_on") or []):
            result |= {"unreachable": True, "msg": "probe unreachable"}
        if arguments.get("report"):
            result |= {"check": bool(self._task.check_mode), "diff_mode": bool(self._task.diff)}
        if "echo" in arguments:
            result["echo"] = arguments["echo"]
        return result
