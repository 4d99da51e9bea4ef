@{
    RootModule        = 'SimulatedHost.psm1'
    ModuleVersion     = '1.0.0.0'
    GUID              = '5d7fd1a8-7a11-4a52-9a68-0f0b6b0f7f01'
    Description       = 'What the stub modules share: the record of the simulated host and the manners of cmdlets.'
    FunctionsToExport = @('Assert-TypeName', 'Get-HostRecord', 'Invoke-Behaviour', 'Invoke-HostCommand', 'New-TypedObject', 'Set-Behaviour')
    CmdletsToExport   = @()
    AliasesToExport   = @()
}
