[CmdletBinding()]
param([Parameter(Mandatory)] [string] $Request)
Write-Error -Message 'a quiet complaint' -ErrorAction Continue
