# Made by scripts/make_stub_cmdlets.py: do not edit.
@{
    RootModule        = 'CimCmdlets.psm1'
    ModuleVersion     = '1.0.0.0'
    GUID              = 'f9ca8333-dcba-5246-a432-9ac2f4b480cf'
    Description       = 'A stand-in for the module CimCmdlets over the simulated host.'
    FunctionsToExport = @(
        'Get-CimInstance'
    )
    CmdletsToExport   = @()
    AliasesToExport   = @()
}
