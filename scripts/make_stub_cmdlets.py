"""Write the parameter blocks of the simulator's stub cmdlets from the list of the real modules' parameters.

    python scripts/make_stub_cmdlets.py ../shared/data/cmdlets hvbackup/simulator/windows/Modules [--check]

What a stub does stands in `Behaviour.ps1` beside the file written here; a cmdlet is written when there is a
`Set-Behaviour NAME` for it. Parameters are those of Server 2022, the simulated host.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import uuid
from pathlib import Path
from typing import Any

VERSION = "2022"
#: Modules without versions of Windows: those of PowerShell itself.
POWERSHELL = "5.1"
HEAD = """# Made by scripts/make_stub_cmdlets.py from the parameters of the real module (Server 2022): do not edit.
# What each cmdlet does is in Behaviour.ps1.
"""
_SIMPLE = {
    "string", "switch", "bool", "int", "int16", "long", "uint16", "uint32", "uint64", "byte", "char", "guid", "version",
    "datetime", "timespan", "hashtable", "pscredential", "uri", "psobject",
}  # fmt: skip
_COMMON = {"WhatIf", "Confirm"}
#: The modules and the versions that they say they have.
MODULES = {"Hyper-V": "2.0.0.0", "Storage": "2.0.0.0", "CimCmdlets": "1.0.0.0"}
NAMESPACE = uuid.UUID("6c1ff9d5-3a75-4c0e-8f04-5f6c1a35f7c2")
MANIFEST = """# Made by scripts/make_stub_cmdlets.py: do not edit.
@{{
    RootModule        = '{module}.psm1'
    ModuleVersion     = '{version}'
    GUID              = '{guid}'
    Description       = 'A stand-in for the module {module} over the simulated host.'
    FunctionsToExport = @(
{exported}
    )
    CmdletsToExport   = @()
    AliasesToExport   = @()
}}
"""


def in_version(entry: dict[str, Any], owner: dict[str, Any]) -> bool:
    """Whether a cmdlet or parameter exists on the simulated host, as far as is known."""
    versions = entry.get("versions", owner["versions"])
    known = [*versions, *entry.get("likely", [])]
    return VERSION in known or POWERSHELL in known


def type_lines(type_name: str, values: list[str], enums: dict[str, list[str]]) -> list[str]:
    """The attributes and the type of a parameter: enums as sets of their names, objects by the name of their type."""
    nullable = re.fullmatch(r"Nullable\[(.*)\]", type_name)
    inner = nullable[1] if nullable else type_name
    array = "[]" if inner.endswith("[]") else ""
    inner = inner.removesuffix("[]")
    names = values or enums.get(inner.lower(), [])
    if names:
        listed = ", ".join(f"'{name}'" for name in names)
        return [f"[ValidateSet({listed})]", f"[string{array}]"]
    if inner.lower() in _SIMPLE:
        if nullable:
            return [f"[Nullable[{inner.lower()}]]"]
        return [f"[{inner.lower()}{array}]"]
    if inner.startswith("Microsoft."):
        return [f"[ValidateScript({{ Assert-TypeName $_ '{inner}' }})]", f"[psobject{array}]"]
    return [f"[psobject{array}]"]


def parameter_text(name: str, entry: dict[str, Any], places: list[str], enums: dict[str, list[str]]) -> str:
    """One parameter of a `param` block."""
    lines = list(places)
    if entry.get("aliases"):
        lines.append("[Alias({})]".format(", ".join(f"'{alias}'" for alias in entry["aliases"])))
    lines += type_lines(entry["type"] or "psobject", entry.get("values") or [], enums)
    return "        " + " ".join(lines) + f" ${name}"


def places_of(name: str, command: dict[str, Any]) -> list[str]:
    """The `[Parameter()]` attributes of a parameter, one for each of its sets."""
    places = []
    for parameter_set in command["parameter_sets"]:
        for parameter in parameter_set["parameters"]:
            if parameter["name"] != name:
                continue
            words = (
                []
                if parameter_set["name"] == "__AllParameterSets"
                else [f"ParameterSetName = '{parameter_set['name']}'"]
            )
            if parameter.get("mandatory"):
                words.append("Mandatory")
            if parameter.get("position") is not None:
                words.append(f"Position = {parameter['position']}")
            pipeline = parameter.get("pipeline") or ""
            if "ByValue" in pipeline:
                words.append("ValueFromPipeline")
            if "ByPropertyName" in pipeline:
                words.append("ValueFromPipelineByPropertyName")
            places.append("[Parameter({})]".format(", ".join(words)))
    return places or ["[Parameter()]"]


def command_text(name: str, command: dict[str, Any], enums: dict[str, list[str]]) -> str:
    """One stub cmdlet as a function."""
    binding = []
    default = next((item["name"] for item in command["parameter_sets"] if item.get("default")), None)
    if default and default != "__AllParameterSets":
        binding.append(f"DefaultParameterSetName = '{default}'")
    if command.get("should_process"):
        binding.append("SupportsShouldProcess")
    parameters = [
        parameter_text(key, entry, places_of(key, command), enums)
        for key, entry in command["parameters"].items()
        if key not in _COMMON and in_version(entry, command)
    ]
    return (
        f"function {name} {{\n"
        f"    [CmdletBinding({', '.join(binding)})]\n"
        "    param(\n" + ",\n".join(parameters) + "\n    )\n"
        "    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }\n"
        "}\n"
    )


def module_files(module: str, folder: Path, data: dict[str, Any]) -> dict[Path, str]:
    """The files of one module: its cmdlets, and the manifest that names them (so that they are found by name)."""
    behaviour = (folder / "Behaviour.ps1").read_text(encoding="utf-8")
    names = sorted(re.findall(r"^Set-Behaviour ([A-Z][a-z]+-[A-Za-z]+)", behaviour, re.MULTILINE))
    enums = {name.lower(): list(values) for name, values in data["_meta"]["enums"].items()}
    exported = ",\n".join(f"        '{name}'" for name in names)
    manifest = MANIFEST.format(
        module=module, version=MODULES[module], guid=uuid.uuid5(NAMESPACE, module), exported=exported
    )
    return {
        folder / "Cmdlets.ps1": "\n".join([HEAD, *(command_text(name, data[module][name], enums) for name in names)]),
        folder / f"{module}.psd1": manifest,
    }


def main() -> int:
    """Write or check the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of cmdlets.json")
    parser.add_argument("modules", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a file is not current")
    arguments = parser.parse_args()
    data = json.loads((arguments.data / "cmdlets.json").read_text(encoding="utf-8"))
    stale = []
    for module in MODULES:
        for target, text in module_files(module, arguments.modules / module, data).items():
            if not arguments.check:
                target.write_text(text, encoding="utf-8")
            elif target.read_text(encoding="utf-8") != text:
                stale.append(str(target))
    if stale:
        print("not current:", *stale)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
