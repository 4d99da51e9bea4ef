[CmdletBinding()]
param([Parameter(Mandatory)] [string] $Request)
Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'
$asked = ConvertFrom-Json -InputObject $Request
try { throw (New-HvbError -Id $asked.id -Message $asked.message -Details @{ place = 'here' }) }
catch { Write-HvbFailure -ErrorRecord $_ }
