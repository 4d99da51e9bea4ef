[CmdletBinding()]
param([Parameter(Mandatory)] [string] $Request)
'Welcome to this host'
