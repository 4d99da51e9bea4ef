"""PowerShell remoting by pypsrp: one lane is one thread, one `WSMan` and one runspace that is used again.

Why it is written out instead of using pypsrp's `invoke()`: that one keeps all output, knows no deadline, and cannot be
stopped. Every pipeline here is polled at most a second at a time, emptied while it runs, stopped when it must end, and
closed always (a host takes 1000 unclosed ones and no more).

The functions that scripts share are loaded once into each runspace, by a pipeline of their own: PowerShell gives the
input of a pipeline of several statements to the first statement, and the frames are for the script.
"""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from functools import partial

import requests
from pypsrp.complex_objects import ProgressRecordType, PSInvocationState
from pypsrp.messages import ProgressRecord
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import NAMESPACES, OptionSet, SelectorSet, WSMan, WSManAction

from hvbackup.errors import ConnectionLost, HvBackupError
from hvbackup.models import Model
from hvbackup.remote.bulk import begin_with_input, receive_frames, release, send_frames
from hvbackup.remote.contract import Answer
from hvbackup.remote.environment import leave_environment
from hvbackup.remote.failure_kinds import QUOTAS, SHELL_NOT_FOUND, wsman_fault_code
from hvbackup.remote.failures import translated
from hvbackup.remote.lane_transport import Exchange, LaneTransport
from hvbackup.remote.options import ConnectionOptions
from hvbackup.remote.quiet import pin_loggers
from hvbackup.remote.reception import CallerError, Reception, frames_of_caller
from hvbackup.remote.watch import LOOK_SECONDS, Watch

#: A host takes 1000 commands in a shell (MaxConcurrentCommandsPerShell); a new shell is taken well before.
_PIPELINES_PER_POOL = 800
#: After so many seconds without use a session is asked whether it still lives; sealed ones die in one to two minutes.
_IDLE_SECONDS = 30.0
_ALIVE_SECONDS = 10
#: So many polls in a row without any answer, three seconds each, and the connection is lost.
_SILENT_POLLS = 8
#: Time-out of a request that cleans up behind a broken connection, in seconds.
_FAREWELL_SECONDS = 5
_OPERATION_SECONDS, _READ_SECONDS = 20, 30

pin_loggers()


class _Wsman(WSMan):
    """`WSMan` whose Receive comes back after one time-out: who polls looks at the watch and asks again.

    Asking again is safe: the host keeps what was not taken (pypsrp does the same inside, for minutes and deaf).
    """

    def receive(
        self,
        resource_uri: str,
        resource: ET.Element,
        option_set: OptionSet | None = None,
        selector_set: SelectorSet | None = None,
        timeout: int | None = None,
    ) -> ET.Element:
        response = self.invoke(WSManAction.RECEIVE, resource_uri, resource, option_set, selector_set, timeout)
        body = response.find("s:Body", namespaces=NAMESPACES)
        return body if body is not None else response


class PsrpSession:
    """A `WSMan` with an open runspace pool in which the shared functions are loaded. For one thread."""

    def __init__(self, options: ConnectionOptions, prelude: str, watch: Watch) -> None:
        """Connect; a failure leaves nothing behind."""
        self._options = options
        self.wsman = _new_wsman(options)
        self.pool = RunspacePool(self.wsman, no_profile=True)
        self.pipelines = 0
        self._used_at = time.monotonic()
        self._dead = False
        try:
            self.pool.open()
            leave_environment(self.wsman.transport.session)
            watch.check()
            self._load(prelude, watch)
        except BaseException:
            self.abandon()
            raise

    def _load(self, prelude: str, watch: Watch) -> None:
        powershell = self.new_pipeline()
        powershell.add_script(prelude, use_local_scope=False)
        powershell.begin_invoke()
        while powershell.state == PSInvocationState.RUNNING:
            watch.check()
            self.poll(powershell)
        powershell.close()

    def new_pipeline(self) -> PowerShell:
        """Return a new, empty pipeline; the caller closes it."""
        self.pipelines += 1
        self._used_at = time.monotonic()
        return PowerShell(self.pool)

    def is_usable(self) -> bool:
        """Whether another pipeline may run here; asks the host when the session was idle."""
        if self.pipelines >= _PIPELINES_PER_POOL:
            return False
        if time.monotonic() - self._used_at < _IDLE_SECONDS:
            return True
        try:
            self._dead = not self.pool.is_alive(timeout=_ALIVE_SECONDS)
        except Exception:  # noqa: BLE001 - whatever it says, this session is no longer to be relied on
            self._dead = True
        return not self._dead

    def poll(self, powershell: PowerShell) -> bool:
        """Take what a pipeline has for us, waiting a second at most; return whether the host answered."""
        try:
            powershell.poll_invoke(timeout=LOOK_SECONDS)
        except (requests.exceptions.ReadTimeout, requests.exceptions.ConnectTimeout):
            # The next request takes a new connection, on which sealing begins anew.
            self.wsman.transport.encryption = None
            return False
        finally:
            self._used_at = time.monotonic()
        return True

    def close(self) -> None:
        """Close the pool and the connections; raises nothing."""
        if self._dead:
            self.abandon()
            return
        release(self.wsman)
        try:
            self.pool.close()
            self.wsman.close()
        except Exception:  # noqa: BLE001 - it is tried once more, over a new connection
            self.abandon()

    def abandon(self) -> None:
        """Give up a session whose connection cannot be relied on.

        Tries over a new connection to remove the shell, which ends whatever runs in it; raises nothing.
        """
        transport = self.wsman.transport
        release(self.wsman)
        try:
            transport.close()
            if self.pool.shell.opened:
                transport.session = None
                transport.encryption = None
                transport.connection_timeout = transport.read_timeout = _FAREWELL_SECONDS
                self.pool.shell.close()
                transport.close()
        except Exception:  # noqa: BLE001 - the host removes idle shells by itself; the first error is what matters
            return


class PsrpTransport(LaneTransport):
    """`Transport` by PowerShell remoting. The connection is made by the first call."""

    _session: PsrpSession | None = None

    def _once(self, exchange: Exchange) -> Answer[Model]:
        return translated(lambda: self._run(exchange), self._options)

    def _dispose(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _ready(self, watch: Watch) -> PsrpSession:
        if self._session is not None and not self._session.is_usable():
            self._dispose()
        if self._session is None:
            self._session = PsrpSession(self._options, self._scripts("_Prelude"), watch)
        watch.check()
        return self._session

    def _run(self, exchange: Exchange) -> Answer[Model]:
        session = self._ready(exchange.watch)
        powershell = session.new_pipeline()
        powershell.add_script(self._scripts(exchange.call.script), use_local_scope=True)
        powershell.add_parameter("Request", exchange.call.encode())
        exchange.watch.begun = True
        try:
            _converse(session, powershell, exchange)
            powershell.close()
        except BaseException as error:
            self._give_up(session, powershell, error)
            raise
        return exchange.reception.answer()

    def _give_up(self, session: PsrpSession, powershell: PowerShell, error: BaseException) -> None:
        """Stop and close a pipeline that is not wanted any more; where that fails, the whole session."""
        broken = isinstance(error, ConnectionLost) or not isinstance(error, HvBackupError | CallerError)
        if not broken:
            try:
                _stop(powershell)
            except Exception:  # noqa: BLE001 - then the session goes, and with it the pipeline
                broken = True
        if broken:
            self._session = None
            session.abandon()


def _new_wsman(options: ConnectionOptions) -> WSMan:
    password = options.password.reveal() if options.password is not None else None
    key_password = options.client_key_password.reveal() if options.client_key_password is not None else None
    verification: bool | str = options.ca_file or options.verify
    return _Wsman(
        options.host.strip("[]"),
        port=options.port,
        username=options.username,
        password=password,
        ssl=options.tls,
        auth=options.auth,
        cert_validation=verification,  # type: ignore[arg-type]  # a path is allowed, says its documentation
        connection_timeout=int(max(1, options.connect_timeout)),
        operation_timeout=_OPERATION_SECONDS,
        read_timeout=_READ_SECONDS,
        proxy=options.proxy,
        no_proxy=options.proxy is None,
        certificate_pem=options.client_certificate,
        certificate_key_pem=options.client_key,
        certificate_key_password=key_password,
    )


def _converse(session: PsrpSession, powershell: PowerShell, exchange: Exchange) -> None:
    """Begin a pipeline, send what goes in, take what comes out until it ends."""
    frames, reception, watch = exchange.frames, exchange.reception, exchange.watch
    _begin(powershell, exchange)
    if frames is None and not exchange.wants_frames:
        _drain(session, powershell, reception, watch)
        return
    progress = partial(_progress, reception)
    if frames is None:
        texts = receive_frames(powershell, reception.frame, watch=watch, on_progress=progress, poll=session.poll)
    else:
        given = frames_of_caller(frames, watch)
        texts = send_frames(powershell, given, watch=watch, on_progress=progress, poll=session.poll)
    for text in texts:
        reception.text(text)
    _deliver(powershell, reception)


def _begin(powershell: PowerShell, exchange: Exchange) -> None:
    try:
        if exchange.frames is None:
            powershell.begin_invoke()
        else:
            begin_with_input(powershell)
    except Exception as error:
        exchange.refused = powershell.state == PSInvocationState.NOT_STARTED and wsman_fault_code(error) in {
            SHELL_NOT_FOUND,
            *QUOTAS,
        }
        raise


def _drain(session: PsrpSession, powershell: PowerShell, reception: Reception, watch: Watch) -> None:
    silent = 0
    while powershell.state == PSInvocationState.RUNNING:
        watch.check()
        silent = 0 if session.poll(powershell) else silent + 1
        if silent >= _SILENT_POLLS:
            raise requests.exceptions.ReadTimeout
        _deliver(powershell, reception)
    _deliver(powershell, reception)


def _deliver(powershell: PowerShell, reception: Reception) -> None:
    """Hand on what has come, and forget it."""
    output, streams = powershell.output, powershell.streams
    items, output[:] = list(output), []
    for item in items:
        reception.output(item)
    for record in streams.progress:
        _progress(reception, record)
    errors = list(streams.error)
    for stream in (
        streams.progress, streams.error, streams.warning, streams.verbose, streams.debug, streams.information,
    ):  # fmt: skip
        stream.clear()
    if errors and powershell.state in (PSInvocationState.FAILED, PSInvocationState.STOPPED):
        last = errors.pop()
        reception.failed(str(last.fq_error or ""), str(last))
    for error in errors:
        reception.error(str(error))


def _progress(reception: Reception, record: ProgressRecord) -> None:
    """Hand a progress record on; the one that only takes the bar away is left out."""
    if record.progress_type is None or record.progress_type.value != ProgressRecordType.COMPLETED:
        reception.progress(record.activity or "", record.description or "", record.percent_complete)


def _stop(powershell: PowerShell) -> None:
    if powershell.state == PSInvocationState.RUNNING:
        powershell.stop()
    powershell.close()
