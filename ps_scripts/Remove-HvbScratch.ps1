#Requires -Version 5.1
<#
.SYNOPSIS
    Removes one scratch folder of hvbackup.
.DESCRIPTION
    Refuses a folder that is not directly below the scratch root, and one in which a link or a mount point is; then nothing
    is removed. A folder that is not there is no error.
.OUTPUTS
    One JSON document: removed.
.NOTES
    Errors: RequestRefused, PathRefused, FileInUse.
#>
[CmdletBinding()]
[OutputType([string])]
param(
    # The request, as JSON: scratch.
    [Parameter(Mandatory)]
    [string] $Request
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

try {
    $asked = Read-HvbRequest -Text $Request -Required @{ scratch = 'string' }
    $scratch = Resolve-HvbScratch -Path $asked.scratch
    $there = [IO.Directory]::Exists($scratch)
    if ($there) {
        Remove-HvbTree -Path $scratch
    }
    Write-HvbAnswer -Data ([ordered]@{ removed = $there })
}
catch {
    Write-HvbFailure -ErrorRecord $_
}
