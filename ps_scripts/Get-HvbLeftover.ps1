#Requires -Version 5.1
<#
.SYNOPSIS
    Finds the scratch folders of hvbackup on this host.
.DESCRIPTION
    Each with its marker, the logs of diskshadow in it, and what is mounted in it. Other runs work meanwhile: a folder that
    is removed while it is looked at is not listed.
.OUTPUTS
    One JSON document: leftovers (scratch, createdAt, marker, logs, exposed).
.NOTES
    Errors: RequestRefused, PathRefused.
#>
[CmdletBinding()]
[OutputType([string])]
param(
    # The request, as JSON: scratch, when only this folder is asked for.
    [Parameter(Mandatory)]
    [string] $Request
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

function Read-Marker {
    # The marker of a scratch folder, or nothing and a warning.
    [CmdletBinding()]
    param([Parameter(Mandatory)] [string] $Path, [Parameter(Mandatory)] [AllowEmptyCollection()] $Warnings)
    $content = Get-HvbContent -Path $Path
    try {
        $marker = ConvertFrom-Json -InputObject ([Text.Encoding]::UTF8.GetString($content))
        if (-not (Test-HvbType -Value $marker -Type 'object')) {
            throw 'not a JSON object'
        }
        $marker
    }
    catch {
        $Warnings.Add("'$Path' cannot be read: $($_.Exception.Message)")
        return $null
    }
}

function Read-Leftover {
    # What is in a scratch folder.
    [CmdletBinding()]
    param([Parameter(Mandatory)] [string] $Path, [Parameter(Mandatory)] [AllowEmptyCollection()] $Warnings)
    $entries = @(Get-HvbTree -Path $Path)
    $marker = $null
    if ([IO.File]::Exists("$Path\hvbackup.json")) {
        $marker = Read-Marker -Path "$Path\hvbackup.json" -Warnings $Warnings
    }
    $logs = @(foreach ($log in [IO.Directory]::GetFiles($Path, '*.log') | Sort-Object) {
            [ordered]@{
                step    = [IO.Path]::GetFileNameWithoutExtension($log)
                content = [Convert]::ToBase64String((Get-HvbContent -Path $log))
            }
        })
    [ordered]@{
        scratch   = $Path
        createdAt = ConvertTo-HvbTime -Time ([IO.Directory]::GetCreationTimeUtc($Path))
        marker    = $marker
        logs      = $logs
        exposed   = @(foreach ($entry in $entries) { if ($entry.IsLink) { $entry.Path } })
    }
}

try {
    $asked = Read-HvbRequest -Text $Request -Optional @{ scratch = @('string', $null) }
    $warnings = New-Object -TypeName System.Collections.Generic.List[string]
    $root = Get-HvbScratchRoot
    $folders = @()
    if ($asked.scratch) {
        $folders = @(Resolve-HvbScratch -Path $asked.scratch)
    }
    elseif ([IO.Directory]::Exists($root)) {
        $folders = @([IO.Directory]::GetDirectories($root) | Where-Object -FilterScript { -not (Test-HvbLink -Path $_) } | Sort-Object)
    }
    $leftovers = @(foreach ($folder in $folders) {
            $tries = 0
            while ([IO.Directory]::Exists($folder)) {
                try {
                    Read-Leftover -Path $folder -Warnings $warnings
                    break
                }
                catch [IO.FileNotFoundException], [IO.DirectoryNotFoundException] {
                    # Another run removes it just now.
                    $tries += 1
                    if ($tries -eq 5) {
                        throw
                    }
                    Start-Sleep -Milliseconds 200
                }
            }
        })
    Write-HvbAnswer -Warnings $warnings.ToArray() -Data ([ordered]@{ leftovers = $leftovers })
}
catch {
    Write-HvbFailure -ErrorRecord $_
}
