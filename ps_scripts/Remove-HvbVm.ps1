#Requires -Version 5.1
<#
.SYNOPSIS
    Unregisters a virtual machine; its disk files stay.
.DESCRIPTION
    With turnOff it is turned off first, as by pulling the plug; without, only a VM that is off or saved is removed. A
    VM that is not there is no error.
.OUTPUTS
    One JSON document: removed.
.NOTES
    Errors: RequestRefused, HyperVMissing, VmStateInvalid.
#>
[CmdletBinding()]
[OutputType([string])]
param(
    # The request, as JSON: id, turnOff.
    [Parameter(Mandatory)]
    [string] $Request
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

try {
    $asked = Read-HvbRequest -Text $Request -Required @{ id = 'string' } -Optional @{ turnOff = @('boolean', $false) }
    $id = ConvertTo-HvbGuid -Text $asked.id
    Assert-HvbHyperV
    $machines = @(Get-VM | Where-Object -FilterScript { $_.Id.ToString() -eq $id })
    foreach ($machine in $machines) {
        $state = $machine.State.ToString()
        if ($state -notin 'Off', 'OffCritical', 'Saved', 'SavedCritical') {
            if (-not $asked.turnOff) {
                throw (New-HvbError -Id VmStateInvalid -Message "The VM '$($machine.Name)' is $state; it must be off to be removed.")
            }
            Stop-VM -VM $machine -TurnOff -Force -Confirm:$false
        }
        Remove-VM -VM $machine -Force -Confirm:$false
    }
    Write-HvbAnswer -Data ([ordered]@{ removed = $machines.Count -gt 0 })
}
catch {
    Write-HvbFailure -ErrorRecord $_
}
