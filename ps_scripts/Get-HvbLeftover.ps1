#Requires -Version 5.1
<#
.SYNOPSIS
    Finds the scratch folders of hvbackup on this host.
.DESCRIPTION
    Each with its marker, the logs of diskshadow in it, and what is mounted in it.
.OUTPUTS
    One JSON document: leftovers (scratch, createdAt, marker, logs, exposed).
.NOTES
    Errors: RequestRefused.
#>
[CmdletBinding()]
[OutputType([string])]
param(
    # The request, as JSON: no keys.
    [Parameter(Mandatory)]
    [string] $Request
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

try {
    [void] (Read-HvbRequest -Text $Request)
    $warnings = New-Object -TypeName System.Collections.Generic.List[string]
    $root = Get-HvbScratchRoot
    $folders = @()
    if ([IO.Directory]::Exists($root)) {
        $folders = @([IO.Directory]::GetDirectories($root) | Where-Object -FilterScript { -not (Test-HvbLink -Path $_) } | Sort-Object)
    }
    $leftovers = @(foreach ($folder in $folders) {
            $entries = @(Get-HvbTree -Path $folder)
            $marker = $null
            $file = "$folder\hvbackup.json"
            if ([IO.File]::Exists($file)) {
                try {
                    $marker = ConvertFrom-Json -InputObject ([IO.File]::ReadAllText($file))
                    if (-not (Test-HvbType -Value $marker -Type 'object')) {
                        throw 'not a JSON object'
                    }
                }
                catch {
                    $marker = $null
                    $warnings.Add("'$file' cannot be read: $($_.Exception.Message)")
                }
            }
            $logs = @(foreach ($log in [IO.Directory]::GetFiles($folder, '*.log') | Sort-Object) {
                    [ordered]@{
                        step    = [IO.Path]::GetFileNameWithoutExtension($log)
                        content = [Convert]::ToBase64String([IO.File]::ReadAllBytes($log))
                    }
                })
            [ordered]@{
                scratch   = $folder
                createdAt = ConvertTo-HvbTime -Time ([IO.Directory]::GetCreationTimeUtc($folder))
                marker    = $marker
                logs      = $logs
                exposed   = @(foreach ($entry in $entries) { if ($entry.IsLink) { $entry.Path } })
            }
        })
    Write-HvbAnswer -Warnings $warnings.ToArray() -Data ([ordered]@{ leftovers = $leftovers })
}
catch {
    Write-HvbFailure -ErrorRecord $_
}
