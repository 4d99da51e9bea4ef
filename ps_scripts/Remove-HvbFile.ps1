#Requires -Version 5.1
<#
.SYNOPSIS
    Removes exactly the files named, then the folders named that are empty.
.DESCRIPTION
    Never recurses and never follows a link: a name that is one is refused. Every name is looked at before anything is
    removed. What is not there is no error.
.OUTPUTS
    One JSON document: removed.
.NOTES
    Errors: RequestRefused, PathRefused, FileInUse.
#>
[CmdletBinding()]
[OutputType([string])]
param(
    # The request, as JSON: files, folders.
    [Parameter(Mandatory)]
    [string] $Request
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

try {
    $asked = Read-HvbRequest -Text $Request -Optional @{ files = @('array', @()); folders = @('array', @()) }
    $files = @(foreach ($file in $asked.files) { Resolve-HvbPath -Path ([string] $file) })
    $folders = @(foreach ($folder in $asked.folders) { Resolve-HvbPath -Path ([string] $folder) })
    foreach ($file in $files) {
        if ([IO.Directory]::Exists($file)) {
            throw (New-HvbError -Id PathRefused -Message "'$file' is a folder.")
        }
        # Files of deduplicated volumes are reparse points too, but no links.
        if ((Test-HvbLink -Path $file) -and (Get-Item -LiteralPath $file -Force).LinkType -eq 'SymbolicLink') {
            throw (New-HvbError -Id PathRefused -Message "'$file' is a link.")
        }
    }
    foreach ($folder in $folders) {
        if ([IO.File]::Exists($folder)) {
            throw (New-HvbError -Id PathRefused -Message "'$folder' is a file.")
        }
        if (Test-HvbLink -Path $folder) {
            throw (New-HvbError -Id PathRefused -Message "'$folder' is a link or a mount point.")
        }
    }
    $removed = @(foreach ($file in $files) {
            if ([IO.File]::Exists($file)) {
                [IO.File]::SetAttributes($file, 'Normal')
                [IO.File]::Delete($file)
                $file
            }
        })
    $removed += @(foreach ($folder in $folders) {
            if ([IO.Directory]::Exists($folder) -and [IO.Directory]::GetFileSystemEntries($folder).Count -eq 0) {
                [IO.Directory]::Delete($folder)
                $folder
            }
        })
    Write-HvbAnswer -Data ([ordered]@{ removed = $removed })
}
catch {
    Write-HvbFailure -ErrorRecord $_
}
