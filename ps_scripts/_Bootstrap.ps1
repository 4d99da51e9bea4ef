#Requires -Version 5.1
<#
.SYNOPSIS
    Runs one script that comes on standard input, in a PowerShell process of its own.
.DESCRIPTION
    In: a line of JSON (prelude, script, request), then one line of base64 for each frame.
    Out: lines of S: text, B: frame, P: progress (JSON), E: what ended the script (id, line feed, text); each in base64.
    This text travels as -EncodedCommand: keep it below 2900 characters.
#>
Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
# powershell.exe has read standard input into $input; other hosts leave it on the console.
$hvbInput = $input
$hvbOutput = New-Object -TypeName System.IO.StreamWriter -ArgumentList ([Console]::OpenStandardOutput()), ([Text.Encoding]::ASCII)

function Read-HvbLine {
    if ($hvbInput.MoveNext()) {
        return [string] $hvbInput.Current
    }
    [Console]::In.ReadLine()
}

function Write-HvbLine([string] $Kind, [byte[]] $Data) {
    $hvbOutput.WriteLine($Kind + [Convert]::ToBase64String($Data))
    $hvbOutput.Flush()
}

function Write-HvbText([string] $Kind, [string] $Text) {
    Write-HvbLine $Kind ([Text.Encoding]::UTF8.GetBytes($Text))
}

function Write-Progress {
    # Stands before the cmdlet, whose records would not leave this process.
    param([string] $Activity, [string] $Status, [int] $Id, [int] $PercentComplete = -1, [int] $SecondsRemaining,
        [string] $CurrentOperation, [int] $ParentId, [switch] $Completed, [int] $SourceId)
    if (-not $Completed) {
        $record = @{ activity = $Activity; status = $Status; percent = $PercentComplete }
        Write-HvbText 'P:' (ConvertTo-Json -InputObject $record -Compress)
    }
}

function Read-HvbFrame {
    while ($null -ne ($line = Read-HvbLine)) {
        if ($line) {
            , [Convert]::FromBase64String($line)
        }
    }
}

try {
    $hvbCall = ConvertFrom-Json -InputObject (Read-HvbLine)
    . ([scriptblock]::Create($hvbCall.prelude))
    $hvbScript = [scriptblock]::Create($hvbCall.script)
    Read-HvbFrame | & $hvbScript -Request $hvbCall.request | ForEach-Object -Process {
        if ($_ -is [byte[]]) {
            Write-HvbLine 'B:' $_
        } else {
            Write-HvbText 'S:' $_
        }
    }
} catch {
    Write-HvbText 'E:' ($_.FullyQualifiedErrorId + "`n" + $_.Exception.Message)
    exit 1
}
