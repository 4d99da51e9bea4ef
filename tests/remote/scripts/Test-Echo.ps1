[CmdletBinding()]
param([Parameter(Mandatory)] [string] $Request)
Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'
$asked = ConvertFrom-Json -InputObject $Request
Write-HvbAnswer -Data @{ text = $asked.text } -Warnings @('echoed')
