# A stand-in for the module Storage over the simulated host: Cmdlets.ps1 has the real parameters, Behaviour.ps1 what they do.
Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'
Import-Module -Name "$PSScriptRoot/../SimulatedHost/SimulatedHost.psd1"
. "$PSScriptRoot/Behaviour.ps1"
. "$PSScriptRoot/Cmdlets.ps1"
