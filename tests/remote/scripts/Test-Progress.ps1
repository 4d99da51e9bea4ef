[CmdletBinding()]
param([Parameter(Mandatory)] [string] $Request)
Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'
foreach ($percent in 10, 20, -1) {
    Write-Progress -Activity 'Counting' -Status "step $percent" -PercentComplete $percent
}
Write-Progress -Activity 'Counting' -Completed
Write-HvbAnswer -Data @{ text = 'counted' }
