# What the stub modules share: the record of the simulated host (state.json in HVPWSH_ROOT) and the manners of cmdlets.
# It is read here and changed by hvbsim.exe only.
Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

$stateFile = "$env:HVPWSH_ROOT/state.json"
$behaviours = @{}
$cached = $null
$cachedStamp = $null

function Get-HostRecord {
    # The state of the host as it is now (hvbackup/simulator/state.py).
    $file = [IO.FileInfo]::new($stateFile)
    $stamp = '{0}/{1}' -f $file.LastWriteTimeUtc.Ticks, $file.Length
    if ($stamp -ne $script:cachedStamp) {
        $script:cached = ConvertFrom-Json -InputObject ([IO.File]::ReadAllText($stateFile))
        $script:cachedStamp = $stamp
    }
    $script:cached
}

function Invoke-HostCommand {
    # Asks hvbsim.exe (hvbackup/simulator/host_command.py) to see or change the host; its errors are errors here.
    param([Parameter(Mandatory)] [string] $Verb, [Collections.IDictionary] $Request = @{})
    $process = New-Object -TypeName System.Diagnostics.Process
    $process.StartInfo.FileName = "$env:HVPWSH_ROOT/C/Windows/System32/hvbsim.exe"
    $process.StartInfo.Arguments = $Verb
    $process.StartInfo.UseShellExecute = $false
    $process.StartInfo.RedirectStandardInput = $true
    $process.StartInfo.RedirectStandardOutput = $true
    [void] $process.Start()
    $bytes = [Text.Encoding]::UTF8.GetBytes((ConvertTo-Json -InputObject $Request -Depth 40 -Compress))
    $process.StandardInput.BaseStream.Write($bytes, 0, $bytes.Length)
    $process.StandardInput.Close()
    $text = $process.StandardOutput.ReadToEnd()
    $process.WaitForExit()
    $process.Dispose()
    $answer = ConvertFrom-Json -InputObject $text
    if (-not $answer.ok) {
        throw $answer.error.message
    }
    $answer.data
}

function New-TypedObject {
    # An object that says it is of these types (the first one is its own).
    param([string[]] $TypeName, [Collections.IDictionary] $Property)
    $object = [pscustomobject] $Property
    $names = $object.PSObject.TypeNames
    for ($i = $TypeName.Count - 1; $i -ge 0; $i--) {
        $names.Insert(0, $TypeName[$i])
    }
    $object
}

# What a type is besides itself, as far as parameters of cmdlets ask for it.
$bases = @{
    'Microsoft.HyperV.PowerShell.VirtualMachineBase'   = 'VirtualMachine', 'VMSnapshot'
    'Microsoft.HyperV.PowerShell.VMNetworkAdapterBase' = , 'VMNetworkAdapter'
    'Microsoft.HyperV.PowerShell.VMDriveController'    = , 'VMScsiController'
    'Microsoft.HyperV.PowerShell.VMComponentObject'    = 'HardDiskDrive', 'DvdDrive', 'VMNetworkAdapter', 'VMBootSource'
}

function Assert-TypeName {
    # For ValidateScript: an object of another type is refused, as the real cmdlet's binder does.
    param($Value, [string] $Name)
    $wanted = @($Name)
    if ($bases.ContainsKey($Name)) {
        $wanted += @(foreach ($item in $bases[$Name]) { "Microsoft.HyperV.PowerShell.$item" })
    }
    # Not only the first name: Select-Object puts one of its own before it, since these are PSCustomObjects.
    if ($Value -and -not ($Value.PSObject.TypeNames | Where-Object -FilterScript { $_ -in $wanted })) {
        throw "Cannot convert a value of type '$($Value.PSObject.TypeNames[0])' to type '$Name'."
    }
    $true
}

function Set-Behaviour {
    # What a stub cmdlet does; parameters that are not among -Takes are refused, never ignored.
    param([Parameter(Mandatory)] [string] $Name, [string[]] $Takes = @(), [Parameter(Mandatory)] [scriptblock] $Do)
    $behaviours[$Name] = @{ Takes = $Takes; Do = $Do }
}

function Invoke-Behaviour {
    # The body of every stub cmdlet.
    param([Management.Automation.PSCmdlet] $Cmdlet, [Collections.IDictionary] $Bound)
    $name = $Cmdlet.MyInvocation.MyCommand.Name
    $behaviour = $behaviours[$name]
    $common = [Management.Automation.PSCmdlet]::CommonParameters + [Management.Automation.PSCmdlet]::OptionalCommonParameters
    foreach ($key in $Bound.Keys) {
        if ($key -notin $behaviour.Takes -and $key -notin $common) {
            throw [NotImplementedException]::new("The simulated host does not do '$name -$key'.")
        }
    }
    if ($Bound.ContainsKey('WhatIf') -and $Bound['WhatIf']) {
        return
    }
    try {
        & $behaviour.Do $Bound
    }
    catch {
        # An error of a cmdlet does not end it unless the caller says so.
        $Cmdlet.WriteError([Management.Automation.ErrorRecord]::new($_.Exception, "$name,Simulated", 'NotSpecified', $null))
    }
}

Export-ModuleMember -Function Assert-TypeName, Get-HostRecord, Invoke-Behaviour, Invoke-HostCommand, New-TypedObject, Set-Behaviour
