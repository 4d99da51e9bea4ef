# Made by scripts/make_stub_cmdlets.py: do not edit.
@{
    RootModule        = 'Hyper-V.psm1'
    ModuleVersion     = '2.0.0.0'
    GUID              = 'f294f541-4a08-5aec-a430-b85a13d1b489'
    Description       = 'A stand-in for the module Hyper-V over the simulated host.'
    FunctionsToExport = @(
        'Add-VMDvdDrive',
        'Add-VMHardDiskDrive',
        'Add-VMNetworkAdapter',
        'Add-VMScsiController',
        'Compare-VM',
        'Connect-VMNetworkAdapter',
        'Disable-VMIntegrationService',
        'Disconnect-VMNetworkAdapter',
        'Dismount-VHD',
        'Enable-VMIntegrationService',
        'Enable-VMTPM',
        'Get-VHD',
        'Get-VM',
        'Get-VMBios',
        'Get-VMDvdDrive',
        'Get-VMFirmware',
        'Get-VMHardDiskDrive',
        'Get-VMHost',
        'Get-VMIntegrationService',
        'Get-VMMemory',
        'Get-VMNetworkAdapter',
        'Get-VMProcessor',
        'Get-VMScsiController',
        'Get-VMSecurity',
        'Get-VMSnapshot',
        'Get-VMSwitch',
        'Import-VM',
        'Mount-VHD',
        'New-VM',
        'Remove-VM',
        'Remove-VMDvdDrive',
        'Remove-VMNetworkAdapter',
        'Remove-VMSavedState',
        'Remove-VMScsiController',
        'Rename-VM',
        'Set-VM',
        'Set-VMBios',
        'Set-VMFirmware',
        'Set-VMHardDiskDrive',
        'Set-VMKeyProtector',
        'Set-VMMemory',
        'Set-VMNetworkAdapter',
        'Set-VMNetworkAdapterVlan',
        'Set-VMProcessor',
        'Set-VMSecurity',
        'Stop-VM'
    )
    CmdletsToExport   = @()
    AliasesToExport   = @()
}
