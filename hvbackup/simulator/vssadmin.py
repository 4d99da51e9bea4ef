"""The simulated host's vssadmin.exe: its listings in English and German.

English: captures of Server 2012 and later. German: the words are those of a public test's fixture; the order of lines
is that of the English listing, and words marked "not seen" are translations that no capture shows.
"""

from __future__ import annotations

from hvbackup.simulator.shadow_copies import PROVIDER
from hvbackup.simulator.state import HostRecord, WriterRecord

_ENGLISH = {
    "banner": "vssadmin 1.1 - Volume Shadow Copy Service administrative command-line tool",
    "name": "Writer name: '{}'",
    "id": "Writer Id",
    "instance": "Writer Instance Id",
    "state": "State",
    "error": "Last error",
    "provider": "Provider name: '{}'",
    "type": "Provider type: System",
    "provider_id": "Provider Id",
    "version": "Version",
}
_GERMAN = {
    "banner": "vssadmin 1.1 - Verwaltungsbefehlszeilenprogramm des Volumeschattenkopie-Dienstes",
    "name": 'Verfassername: "{}"',
    "id": "Verfasserkennung",  # not seen
    "instance": "Verfasserinstanzkennung",  # not seen
    "state": "Status",  # not seen
    "error": "Letzter Fehler",
    "provider": 'Anbietername: "{}"',  # not seen
    "type": "Anbietertyp: System",  # not seen
    "provider_id": "Anbieterkennung",  # not seen
    "version": "Version",
}
#: vssadmin's own collapse of the states: number -> number and words it prints.
_STATES = {
    "en": {1: "[1] Stable", 5: "[5] Waiting for completion"},
    "de": {1: "[1] Stabil", 5: "[5] Auf Abschluss wird gewartet"},
}
_FAILED = {"en": "[{}] Failed", "de": "[{}] Fehlgeschlagen"}
_ERRORS = {
    "en": {
        0: "No error",
        0x800423F2: "Timed out",
        0x800423F3: "Retryable error",
        0x800423F4: "Non-retryable error",
    },
    "de": {
        0: "Kein Fehler",
        0x800423F2: "Zeitüberschreitung",
        0x800423F3: "Wiederholbarer Fehler",
        0x800423F4: "Nicht wiederholbarer Fehler",
    },
}
_OTHER_ERROR = {"en": "Unexpected error", "de": "Unerwarteter Fehler"}


def _head(record: HostRecord) -> tuple[dict[str, str], list[str]]:
    words = _GERMAN if record.machine.language == "de" else _ENGLISH
    return words, [words["banner"], "(C) Copyright 2001-2013 Microsoft Corp.", ""]


def list_writers(record: HostRecord) -> str:
    """What `vssadmin list writers` prints."""
    words, lines = _head(record)
    for writer in record.writers:
        if writer.missing:
            continue
        lines += [
            words["name"].format(writer.name),
            f"   {words['id']}: {{{writer.id}}}",
            f"   {words['instance']}: {{{writer.instance_id}}}",
            f"   {words['state']}: {_state(record.machine.language, writer)}",
            f"   {words['error']}: {_error(record.machine.language, writer)}",
            "",
        ]
    return "\r\n".join(lines) + "\r\n"


def _state(language: str, writer: WriterRecord) -> str:
    known = _STATES[language].get(writer.state)
    return known or _FAILED[language].format(8 if writer.state >= 6 else writer.state)


def _error(language: str, writer: WriterRecord) -> str:
    return _ERRORS[language].get(writer.failure_code, _OTHER_ERROR[language])


def list_providers(record: HostRecord) -> str:
    """What `vssadmin list providers` prints."""
    words, lines = _head(record)
    lines += [
        words["provider"].format("Microsoft Software Shadow Copy provider 1.0"),
        f"   {words['type']}",
        f"   {words['provider_id']}: {{{PROVIDER}}}",
        f"   {words['version']}: 1.0.0.7",
        "",
    ]
    return "\r\n".join(lines) + "\r\n"
