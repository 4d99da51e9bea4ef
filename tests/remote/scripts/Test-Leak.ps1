[CmdletBinding()]
param([Parameter(Mandatory)] [string] $Request)
$found = Get-Variable -Name asked -ErrorAction SilentlyContinue
Write-HvbAnswer -Data @{ text = $(if ($found) { 'leaked' } else { 'none' }) }
