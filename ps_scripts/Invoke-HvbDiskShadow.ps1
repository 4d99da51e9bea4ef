#Requires -Version 5.1
<#
.SYNOPSIS
    Runs diskshadow.exe with a script in a scratch folder of its own.
.DESCRIPTION
    Makes the scratch folder and writes the marker hvbackup.json before diskshadow starts, so that a later run finds what
    was left behind. Writes <step>.dsh (ASCII, CRLF), runs diskshadow with the scratch folder as working directory and
    <step>.log as its log, and returns the bytes of both outputs. When time is up the process is killed. Without keep
    the scratch folder is removed again.
.OUTPUTS
    One JSON document: exitCode, output, log, codePage, seconds, scratch.
.NOTES
    Errors: RequestRefused, PathRefused, DiskShadowMissing, DiskShadowTimeout, StorageFull, FileInUse.
#>
[CmdletBinding()]
[OutputType([string])]
param(
    # The request, as JSON: scratch, step, lines, folders, marker, timeoutSeconds, keep.
    [Parameter(Mandatory)]
    [string] $Request
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

$scratch = $null
try {
    $asked = Read-HvbRequest -Text $Request -Required @{ scratch = 'string'; step = 'string'; lines = 'array' } -Optional @{
        folders = @('array', @()); marker = @('object', $null); timeoutSeconds = @('integer', 900); keep = @('boolean', $true)
    }
    if ($asked.step -notmatch '\A[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\z') {
        throw (New-HvbError -Id RequestRefused -Message "'$($asked.step)' is not the name of a step.")
    }
    if ($asked.timeoutSeconds -lt 1) {
        throw (New-HvbError -Id RequestRefused -Message 'timeoutSeconds must be at least 1.')
    }
    foreach ($line in $asked.lines) {
        if ($line -isnot [string] -or $line -match '[^\x20-\x7e]') {
            throw (New-HvbError -Id RequestRefused -Message 'lines must be text in printable ASCII, one line each.')
        }
    }
    $target = Resolve-HvbScratch -Path $asked.scratch
    $folders = @(foreach ($folder in $asked.folders) {
            $full = Resolve-HvbPath -Path ([string] $folder)
            if (-not $full.StartsWith($target + '\', [StringComparison]::OrdinalIgnoreCase)) {
                throw (New-HvbError -Id PathRefused -Message "'$folder' is not below the scratch folder.")
            }
            $full
        })
    $program = [Environment]::SystemDirectory + '\diskshadow.exe'
    if (-not [IO.File]::Exists($program)) {
        throw (New-HvbError -Id DiskShadowMissing -Message "This host has no '$program'; it comes with Windows Server only.")
    }

    [void] [IO.Directory]::CreateDirectory($target)
    $scratch = $target
    if ($asked.marker) {
        [IO.File]::WriteAllText("$scratch\hvbackup.json", (ConvertTo-HvbJson -Data $asked.marker))
    }
    foreach ($folder in $folders) {
        [void] [IO.Directory]::CreateDirectory($folder)
    }
    $script = "$scratch\$($asked.step).dsh"
    $log = "$scratch\$($asked.step).log"
    [IO.File]::WriteAllText($script, ($asked.lines -join "`r`n") + "`r`n", [Text.Encoding]::ASCII)
    [IO.File]::Delete($log)

    $arguments = '/s "{0}" /l "{1}"' -f $script, $log
    $run = Invoke-HvbProgram -Path $program -Arguments $arguments -Folder $scratch -TimeoutSeconds $asked.timeoutSeconds
    if ($run.timedOut) {
        throw (New-HvbError -Id DiskShadowTimeout -Message "diskshadow did not end within $($asked.timeoutSeconds) seconds and was killed." -Details @{
                scratch = $scratch; output = [Convert]::ToBase64String($run.output)
            })
    }
    $logBytes = New-Object -TypeName byte[] -ArgumentList 0
    if ([IO.File]::Exists($log)) {
        $logBytes = Get-HvbContent -Path $log
    }
    Write-HvbAnswer -Data ([ordered]@{
            exitCode = $run.exitCode
            output   = [Convert]::ToBase64String($run.output)
            log      = [Convert]::ToBase64String($logBytes)
            codePage = Get-HvbOemCodePage
            seconds  = [math]::Round($run.seconds, 3)
            scratch  = $scratch
        })
}
catch {
    Write-HvbFailure -ErrorRecord $_
}
finally {
    # Only what this call may remove: a mount point in the folder stops it, and clean-up deals with it later.
    if ($scratch -and -not $asked.keep) {
        try {
            Remove-HvbTree -Path $scratch
        }
        catch {
            Write-Warning -Message "The scratch folder '$scratch' was not removed: $($_.Exception.Message)"
        }
    }
}
