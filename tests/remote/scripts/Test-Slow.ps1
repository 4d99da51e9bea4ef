[CmdletBinding()]
param([Parameter(Mandatory)] [string] $Request)
Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'
$asked = ConvertFrom-Json -InputObject $Request
[IO.File]::WriteAllText($asked.sign, [string] $PID)
if ($asked.frames) { while ($true) { , (New-Object -TypeName byte[] -ArgumentList 65536) } }
Start-Sleep -Seconds 600
Write-HvbAnswer -Data @{ text = 'woke up' }
