# Made by scripts/make_stub_cmdlets.py: do not edit.
@{
    RootModule        = 'Storage.psm1'
    ModuleVersion     = '2.0.0.0'
    GUID              = 'a9384d55-f385-5ed9-8f7b-156207d4e7b0'
    Description       = 'A stand-in for the module Storage over the simulated host.'
    FunctionsToExport = @(
        'Add-PartitionAccessPath',
        'Get-Disk',
        'Get-Partition',
        'Get-Volume',
        'Remove-PartitionAccessPath'
    )
    CmdletsToExport   = @()
    AliasesToExport   = @()
}
