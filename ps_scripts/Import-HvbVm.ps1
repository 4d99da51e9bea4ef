#Requires -Version 5.1
<#
.SYNOPSIS
    Imports a virtual machine from its configuration file.
.DESCRIPTION
    Compare-VM, mend what its report says, Import-VM. Disks are pointed at where they are now; adapters are disconnected
    unless the network is asked for; a switch that the host does not have (33012) disconnects its adapter. What is left
    in the report after that refuses the import. With planOnly nothing is imported. Files are never removed.
.OUTPUTS
    One JSON document: id, name, state, steps, incompatibilities.
.NOTES
    Errors: RequestRefused, PathRefused, FileMissing, HyperVMissing, VmExists, VmImportRefused.
#>
[CmdletBinding()]
[OutputType([string])]
param(
    # The request, as JSON: configurationPath, name, copyFiles, generateNewId, virtualMachinePath, snapshotFilePath,
    # smartPagingFilePath, disks (recordedPath, path), connectNetwork, switchName, dropSavedState, planOnly.
    [Parameter(Mandatory)]
    [string] $Request
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

# Compare-VM: "Could not find Ethernet switch".
$switchMissing = 33012

try {
    $asked = Read-HvbRequest -Text $Request -Required @{ configurationPath = 'string' } -Optional @{
        name = @('string', $null); copyFiles = @('boolean', $false); generateNewId = @('boolean', $false)
        virtualMachinePath = @('string', $null); snapshotFilePath = @('string', $null)
        smartPagingFilePath = @('string', $null); disks = @('array', @()); connectNetwork = @('boolean', $false)
        switchName = @('string', $null); dropSavedState = @('boolean', $false); planOnly = @('boolean', $false)
    }
    if ($asked.generateNewId -and -not $asked.copyFiles) {
        throw (New-HvbError -Id RequestRefused -Message 'generateNewId needs copyFiles: a VM that is registered in place keeps its id.')
    }
    $configuration = Resolve-HvbPath -Path $asked.configurationPath
    $compare = @{ Path = $configuration; Copy = $true }
    if ($asked.copyFiles) {
        if ($asked.generateNewId) {
            $compare.GenerateNewId = $true
        }
        if ($asked.virtualMachinePath) {
            $compare.VirtualMachinePath = Resolve-HvbPath -Path $asked.virtualMachinePath
            $compare.VhdDestinationPath = $compare.VirtualMachinePath + '\Virtual Hard Disks'
        }
        if ($asked.snapshotFilePath) {
            $compare.SnapshotFilePath = Resolve-HvbPath -Path $asked.snapshotFilePath
        }
        if ($asked.smartPagingFilePath) {
            $compare.SmartPagingFilePath = Resolve-HvbPath -Path $asked.smartPagingFilePath
        }
    }
    if (-not [IO.File]::Exists($configuration)) {
        throw (New-HvbError -Id FileMissing -Message "'$configuration' is not there.")
    }
    $places = Read-HvbPlacement -Value $asked.disks
    Assert-HvbHyperV
    $recordedId = [guid]::Empty
    if ([guid]::TryParse([IO.Path]::GetFileNameWithoutExtension($configuration), [ref] $recordedId) -and -not $asked.generateNewId) {
        foreach ($machine in Get-VM) {
            if ($machine.Id -eq $recordedId) {
                throw (New-HvbError -Id VmExists -Message "The VM '$($machine.Name)' has the id $recordedId already.")
            }
        }
    }
    if ($asked.name) {
        Assert-HvbVmName -Name $asked.name
    }
    if ($asked.switchName) {
        Assert-HvbSwitch -Name $asked.switchName
    }

    $warnings = New-Object -TypeName System.Collections.Generic.List[string]
    $steps = New-Object -TypeName System.Collections.Generic.List[string]
    $found = New-Object -TypeName System.Collections.ArrayList
    try {
        if ($asked.copyFiles) {
            $steps.Add("Read '$configuration', to be copied.")
            $report = Compare-VM @compare
        }
        else {
            $steps.Add("Read '$configuration', to be registered where it is.")
            $report = Compare-VM -Path $configuration -Register
        }
        $before = @($report.Incompatibilities | Where-Object -FilterScript { $_ })
        $planned = $report.VM

        foreach ($drive in @(Get-VMHardDiskDrive -VM $planned)) {
            if ($drive.Path -and $places.ContainsKey($drive.Path) -and $places[$drive.Path] -ne $drive.Path) {
                $steps.Add("Point the disk '$($drive.Path)' at '$($places[$drive.Path])'.")
                Set-VMHardDiskDrive -VMHardDiskDrive $drive -Path $places[$drive.Path]
            }
        }
        $lost = @($before | Where-Object -FilterScript { $_.MessageId -eq $switchMissing } | ForEach-Object -Process { $_.Source.Id })
        foreach ($adapter in @(Get-VMNetworkAdapter -VM $planned)) {
            if ($asked.switchName) {
                $steps.Add("Connect the adapter '$($adapter.Name)' to the switch '$($asked.switchName)'.")
                Connect-VMNetworkAdapter -VMNetworkAdapter $adapter -SwitchName $asked.switchName
            }
            elseif (-not $asked.connectNetwork -or $adapter.Id -in $lost) {
                $steps.Add("Disconnect the adapter '$($adapter.Name)'.")
                Disconnect-VMNetworkAdapter -VMNetworkAdapter $adapter
            }
        }
        if ($asked.name -and $asked.name -ne $planned.Name) {
            $steps.Add("Name the VM '$($asked.name)'.")
            Rename-VM -VM $planned -NewName $asked.name
        }
        if ($asked.dropSavedState -and $planned.State.ToString() -like '*Saved*') {
            $steps.Add('Remove the saved state.')
            Remove-VMSavedState -VM $planned
        }

        $report = Compare-VM -CompatibilityReport $report
        $after = @($report.Incompatibilities | Where-Object -FilterScript { $_ })
        $open = @($after | ForEach-Object -Process { '{0}|{1}' -f $_.MessageId, $_.Message })
        $known = @{}
        foreach ($item in $before + $after) {
            $key = '{0}|{1}' -f $item.MessageId, $item.Message
            if (-not $known.ContainsKey($key)) {
                $known[$key] = $true
                $resolved = $null
                if ($key -notin $open -and $item.MessageId -eq $switchMissing) {
                    $resolved = 'the adapter was disconnected or given another switch'
                }
                elseif ($key -notin $open) {
                    $resolved = 'gone after the steps'
                }
                [void] $found.Add([ordered]@{ messageId = [int] $item.MessageId; message = [string] $item.Message; resolved = $resolved })
            }
        }
        if ($after.Count -gt 0) {
            throw ('{0} ({1})' -f $after[0].Message, $after[0].MessageId)
        }
        $steps.Add('Import the VM.')
        if (-not $asked.planOnly) {
            $planned = Import-VM -CompatibilityReport $report -Confirm:$false
        }
    }
    catch {
        throw (New-HvbError -Id VmImportRefused -Message "'$configuration' cannot be imported: $($_.Exception.Message)" -Details @{
                incompatibilities = $found.ToArray(); steps = $steps.ToArray()
            })
    }
    Write-HvbAnswer -Warnings $warnings.ToArray() -Data ([ordered]@{
            id                = $planned.Id.ToString()
            name              = $planned.Name
            state             = $planned.State.ToString()
            steps             = $steps.ToArray()
            incompatibilities = $found.ToArray()
        })
}
catch {
    Write-HvbFailure -ErrorRecord $_
}
