#Requires -Version 5.1
<#
.SYNOPSIS
    Detaches a VHD or VHDX, and removes the folders in which its volumes were mounted.
.DESCRIPTION
    A disk that is not attached is no error, and neither is a file that is gone. Only empty folders directly below
    accessRoot are removed, and accessRoot itself when it is empty then.
.OUTPUTS
    One JSON document: wasMounted.
.NOTES
    Errors: RequestRefused, PathRefused, HyperVMissing, DiskMountFailed.
#>
[CmdletBinding()]
[OutputType([string])]
param(
    # The request, as JSON: path, accessRoot.
    [Parameter(Mandatory)]
    [string] $Request
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

try {
    $asked = Read-HvbRequest -Text $Request -Required @{ path = 'string' } -Optional @{ accessRoot = @('string', $null) }
    $path = Resolve-HvbPath -Path $asked.path
    $root = $null
    if ($asked.accessRoot) {
        $root = Resolve-HvbPath -Path $asked.accessRoot
    }
    Assert-HvbHyperV
    $attached = $false
    try {
        if ([IO.File]::Exists($path)) {
            $image = Get-VHD -Path $path
            $attached = [bool] $image.Attached
        }
        if ($attached) {
            if ($root) {
                foreach ($partition in Get-Partition -DiskNumber $image.DiskNumber -ErrorAction SilentlyContinue) {
                    foreach ($accessPath in @($partition.AccessPaths)) {
                        if ($accessPath -and $accessPath.StartsWith($root + '\', [StringComparison]::OrdinalIgnoreCase)) {
                            Remove-PartitionAccessPath -InputObject $partition -AccessPath $accessPath
                        }
                    }
                }
            }
            Dismount-VHD -Path $path -Confirm:$false
        }
    }
    catch {
        throw (New-HvbError -Id DiskMountFailed -Message "'$path' cannot be dismounted: $($_.Exception.Message)")
    }
    if ($root -and [IO.Directory]::Exists($root) -and -not (Test-HvbLink -Path $root)) {
        foreach ($folder in [IO.Directory]::GetDirectories($root)) {
            if (-not (Test-HvbLink -Path $folder) -and [IO.Directory]::GetFileSystemEntries($folder).Count -eq 0) {
                [IO.Directory]::Delete($folder)
            }
        }
        if ([IO.Directory]::GetFileSystemEntries($root).Count -eq 0) {
            [IO.Directory]::Delete($root)
        }
    }
    Write-HvbAnswer -Data ([ordered]@{ wasMounted = $attached })
}
catch {
    Write-HvbFailure -ErrorRecord $_
}
