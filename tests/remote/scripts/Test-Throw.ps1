[CmdletBinding()]
param([Parameter(Mandatory)] [string] $Request)
throw (New-HvbError -Id Unforeseen -Message 'the script broke')
