#Requires -Version 5.1
<#
.SYNOPSIS
    Attaches a VHD or VHDX to the host, read-only.
.DESCRIPTION
    A disk that is attached already is not attached again, and only if it is attached read-only. With driveLetters Windows
    gives letters to the volumes it knows; with accessRoot each volume gets a folder there. A failure detaches the disk again.
.OUTPUTS
    One JSON document: path, diskNumber, alreadyMounted, partitions.
.NOTES
    Errors: RequestRefused, PathRefused, FileMissing, HyperVMissing, DiskMountFailed.
#>
[CmdletBinding()]
[OutputType([string])]
param(
    # The request, as JSON: path, driveLetters, accessRoot.
    [Parameter(Mandatory)]
    [string] $Request
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

$mounted = $false
$made = New-Object -TypeName System.Collections.Generic.List[string]
try {
    $asked = Read-HvbRequest -Text $Request -Required @{ path = 'string' } -Optional @{
        driveLetters = @('boolean', $true); accessRoot = @('string', $null)
    }
    $path = Resolve-HvbPath -Path $asked.path
    $root = $null
    if ($asked.accessRoot) {
        $root = Resolve-HvbPath -Path $asked.accessRoot
        if ([IO.File]::Exists($root) -or ([IO.Directory]::Exists($root) -and [IO.Directory]::GetFileSystemEntries($root).Count -gt 0)) {
            throw (New-HvbError -Id PathRefused -Message "'$root' is not an empty folder.")
        }
    }
    if (-not [IO.File]::Exists($path)) {
        throw (New-HvbError -Id FileMissing -Message "'$path' is not there.")
    }
    Assert-HvbHyperV

    $partitions = @()
    try {
        $image = Get-VHD -Path $path
        $already = [bool] $image.Attached
        if (-not $already) {
            $image = Mount-VHD -Path $path -ReadOnly -NoDriveLetter:(-not $asked.driveLetters) -Passthru
            $mounted = $true
        }
        $disk = Get-Disk -Number $image.DiskNumber
        if ($already -and -not $disk.IsReadOnly) {
            throw "'$path' is attached already, and not read-only."
        }
        $partitions = @(foreach ($partition in Get-Partition -Disk $disk) {
                # A partition whose volume Windows does not know has none here.
                $volume = $null
                foreach ($found in Get-Volume -Partition $partition -ErrorAction SilentlyContinue) {
                    $volume = $found
                }
                if ($root -and $volume) {
                    $folder = '{0}\{1}' -f $root, $partition.PartitionNumber
                    [void] [IO.Directory]::CreateDirectory($folder)
                    $made.Add($folder)
                    Add-PartitionAccessPath -InputObject $partition -AccessPath $folder
                    $partition = Get-Partition -DiskNumber $disk.Number -PartitionNumber $partition.PartitionNumber
                }
                $letter = $null
                if ($partition.DriveLetter -match '[A-Za-z]') {
                    $letter = [string] $partition.DriveLetter
                }
                $kind = ''
                if ($partition.PSObject.Properties['Type']) {
                    $kind = [string] $partition.Type
                }
                $entry = [ordered]@{
                    number      = [int] $partition.PartitionNumber
                    sizeBytes   = [long] $partition.Size
                    type        = $kind
                    driveLetter = $letter
                    accessPaths = @($partition.AccessPaths | Where-Object -FilterScript { $_ })
                    fileSystem  = ''
                    label       = ''
                }
                if ($volume) {
                    $entry.fileSystem = [string] $volume.FileSystem
                    $entry.label = [string] $volume.FileSystemLabel
                }
                $entry
            })
    }
    catch {
        throw (New-HvbError -Id DiskMountFailed -Message "'$path' cannot be mounted: $($_.Exception.Message)")
    }
    $answer = Write-HvbAnswer -Data ([ordered]@{
            path = $path; diskNumber = [int] $disk.Number; alreadyMounted = $already; partitions = $partitions
        })
    $mounted = $false
    $answer
}
catch {
    Write-HvbFailure -ErrorRecord $_
}
finally {
    # Still set: it failed half-way, or the call was stopped.
    if ($mounted) {
        Dismount-VHD -Path $path -Confirm:$false
        foreach ($folder in $made) {
            [IO.Directory]::Delete($folder)
        }
        if ($root -and [IO.Directory]::Exists($root)) {
            [IO.Directory]::Delete($root)
        }
    }
}
