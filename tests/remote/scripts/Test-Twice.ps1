[CmdletBinding()]
param([Parameter(Mandatory)] [string] $Request)
Write-HvbAnswer -Data @{ text = 'one' }
Write-HvbAnswer -Data @{ text = 'two' }
