# Made by scripts/make_stub_cmdlets.py from the parameters of the real module (Server 2022): do not edit.
# What each cmdlet does is in Behaviour.ps1.

function Add-VMDvdDrive {
    [CmdletBinding(DefaultParameterSetName = 'VMName', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'VMDriveController', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMDriveController' })] [psobject[]] $VMDriveController,
        [Parameter(ParameterSetName = 'VMName', Position = 2)] [Parameter(ParameterSetName = 'VMObject', Position = 2)] [Nullable[int]] $ControllerNumber,
        [Parameter(ParameterSetName = 'VMName', Position = 3)] [Parameter(ParameterSetName = 'VMObject', Position = 3)] [Parameter(ParameterSetName = 'VMDriveController', Position = 3)] [Nullable[int]] $ControllerLocation,
        [Parameter(ParameterSetName = 'VMName', Position = 4)] [Parameter(ParameterSetName = 'VMObject', Position = 4)] [Parameter(ParameterSetName = 'VMDriveController', Position = 4)] [string] $Path,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMDriveController')] [string] $ResourcePoolName,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMDriveController')] [switch] $AllowUnverifiedPaths,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMDriveController')] [switch] $Passthru
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Add-VMHardDiskDrive {
    [CmdletBinding(DefaultParameterSetName = 'VMName', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject', ValueFromPipelineByPropertyName)] [Parameter(ParameterSetName = 'VMDriveController', ValueFromPipelineByPropertyName)] [Alias('PSComputerName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'VMDriveController', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMDriveController' })] [psobject] $VMDriveController,
        [Parameter(ParameterSetName = 'VMName', Position = 1)] [Parameter(ParameterSetName = 'VMObject', Position = 1)] [ValidateSet('IDE', 'SCSI')] [string] $ControllerType,
        [Parameter(ParameterSetName = 'VMName', Position = 2)] [Parameter(ParameterSetName = 'VMObject', Position = 2)] [Nullable[int]] $ControllerNumber,
        [Parameter(ParameterSetName = 'VMName', Position = 3)] [Parameter(ParameterSetName = 'VMObject', Position = 3)] [Parameter(ParameterSetName = 'VMDriveController', Position = 3)] [Nullable[int]] $ControllerLocation,
        [Parameter(ParameterSetName = 'VMName', Position = 4)] [Parameter(ParameterSetName = 'VMObject', Position = 4)] [Parameter(ParameterSetName = 'VMDriveController', Position = 4)] [string] $Path,
        [Parameter(ParameterSetName = 'VMName', ValueFromPipelineByPropertyName)] [Parameter(ParameterSetName = 'VMObject', ValueFromPipelineByPropertyName)] [Parameter(ParameterSetName = 'VMDriveController', ValueFromPipelineByPropertyName)] [Alias('Number')] [uint32] $DiskNumber,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMDriveController')] [string] $ResourcePoolName,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMDriveController')] [Alias('ShareVirtualDisk')] [switch] $SupportPersistentReservations,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMDriveController')] [switch] $AllowUnverifiedPaths,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMDriveController')] [Nullable[uint64]] $MaximumIOPS,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMDriveController')] [Nullable[uint64]] $MinimumIOPS,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMDriveController')] [string] $QoSPolicyID,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMDriveController')] [psobject] $QoSPolicy,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMDriveController')] [switch] $Passthru,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMDriveController')] [ValidateSet('Default', 'WriteCacheEnabled', 'WriteCacheAndFUAEnabled', 'WriteCacheDisabled')] [string] $OverrideCacheAttributes
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Add-VMNetworkAdapter {
    [CmdletBinding(DefaultParameterSetName = 'VMName', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'ManagementOS')] [switch] $ManagementOS,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [string] $SwitchName,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [bool] $IsLegacy,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Alias('VMNetworkAdapterName')] [string] $Name,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [switch] $DynamicMacAddress,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [bool] $NumaAwarePlacement,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [string] $StaticMacAddress,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [switch] $Passthru,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [string] $ResourcePoolName,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [ValidateSet('On', 'Off')] [string] $DeviceNaming
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Add-VMScsiController {
    [CmdletBinding(DefaultParameterSetName = 'VMName', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [switch] $Passthru
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Compare-VM {
    [CmdletBinding(DefaultParameterSetName = 'NameSingleDestination', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'NameMultipleDestinationsAndCimSession')] [Parameter(ParameterSetName = 'NameSingleDestinationAndCimSession')] [Parameter(ParameterSetName = 'Register')] [Parameter(ParameterSetName = 'Copy')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'Register')] [Parameter(ParameterSetName = 'Copy')] [Parameter(ParameterSetName = 'NameSingleDestination')] [Parameter(ParameterSetName = 'NameMultipleDestinations')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'Register')] [Parameter(ParameterSetName = 'Copy')] [Parameter(ParameterSetName = 'NameSingleDestination')] [Parameter(ParameterSetName = 'NameMultipleDestinations')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'NameMultipleDestinationsAndCimSession', Mandatory)] [Parameter(ParameterSetName = 'Copy')] [Parameter(ParameterSetName = 'NameMultipleDestinations')] [Parameter(ParameterSetName = 'VMMultipleDestinations')] [Parameter(ParameterSetName = 'VMMultipleDestinationsAndCimSession', Mandatory)] [string] $VirtualMachinePath,
        [Parameter(ParameterSetName = 'NameMultipleDestinationsAndCimSession')] [Parameter(ParameterSetName = 'Copy')] [Parameter(ParameterSetName = 'NameMultipleDestinations')] [Parameter(ParameterSetName = 'VMMultipleDestinations')] [Parameter(ParameterSetName = 'VMMultipleDestinationsAndCimSession')] [Alias('CheckpointFileLocation', 'SnapshotFileLocation')] [string] $SnapshotFilePath,
        [Parameter(ParameterSetName = 'NameMultipleDestinationsAndCimSession')] [Parameter(ParameterSetName = 'Copy')] [Parameter(ParameterSetName = 'NameMultipleDestinations')] [Parameter(ParameterSetName = 'VMMultipleDestinations')] [Parameter(ParameterSetName = 'VMMultipleDestinationsAndCimSession')] [string] $SmartPagingFilePath,
        [Parameter(ParameterSetName = 'CompatibilityReport', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMCompatibilityReport' })] [psobject] $CompatibilityReport,
        [Parameter(ParameterSetName = 'NameMultipleDestinationsAndCimSession')] [Parameter(ParameterSetName = 'NameSingleDestinationAndCimSession')] [Parameter(ParameterSetName = 'Register')] [Parameter(ParameterSetName = 'Copy')] [Parameter(ParameterSetName = 'NameSingleDestination')] [Parameter(ParameterSetName = 'NameMultipleDestinations')] [Parameter(ParameterSetName = 'VMMultipleDestinations')] [Parameter(ParameterSetName = 'VMMultipleDestinationsAndCimSession')] [Parameter(ParameterSetName = 'CompatibilityReport')] [Parameter(ParameterSetName = 'VMSingleDestination')] [Parameter(ParameterSetName = 'VMSingleDestinationAndCimSession')] [switch] $AsJob,
        [Parameter(ParameterSetName = 'NameMultipleDestinationsAndCimSession', Mandatory, Position = 0, ValueFromPipeline)] [Parameter(ParameterSetName = 'NameSingleDestinationAndCimSession', Mandatory, Position = 0, ValueFromPipeline)] [Parameter(ParameterSetName = 'NameSingleDestination', Mandatory, Position = 0, ValueFromPipeline)] [Parameter(ParameterSetName = 'NameMultipleDestinations', Mandatory, Position = 0, ValueFromPipeline)] [string] $Name,
        [Parameter(ParameterSetName = 'VMMultipleDestinations', Mandatory, Position = 0, ValueFromPipeline)] [Parameter(ParameterSetName = 'VMMultipleDestinationsAndCimSession', Mandatory, Position = 0, ValueFromPipeline)] [Parameter(ParameterSetName = 'VMSingleDestination', Mandatory, Position = 0, ValueFromPipeline)] [Parameter(ParameterSetName = 'VMSingleDestinationAndCimSession', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject] $VM,
        [Parameter(ParameterSetName = 'NameMultipleDestinationsAndCimSession', Mandatory, Position = 1)] [Parameter(ParameterSetName = 'NameSingleDestinationAndCimSession', Mandatory, Position = 1)] [Parameter(ParameterSetName = 'VMMultipleDestinationsAndCimSession', Mandatory, Position = 1)] [Parameter(ParameterSetName = 'VMSingleDestinationAndCimSession', Mandatory, Position = 1)] [psobject] $DestinationCimSession,
        [Parameter(ParameterSetName = 'NameSingleDestination', Mandatory, Position = 1)] [Parameter(ParameterSetName = 'NameMultipleDestinations', Mandatory, Position = 1)] [Parameter(ParameterSetName = 'VMMultipleDestinations', Mandatory, Position = 1)] [Parameter(ParameterSetName = 'VMSingleDestination', Mandatory, Position = 1)] [string] $DestinationHost,
        [Parameter(ParameterSetName = 'NameSingleDestination')] [Parameter(ParameterSetName = 'NameMultipleDestinations')] [Parameter(ParameterSetName = 'VMMultipleDestinations')] [Parameter(ParameterSetName = 'VMSingleDestination')] [pscredential] $DestinationCredential,
        [Parameter(ParameterSetName = 'NameSingleDestinationAndCimSession')] [Parameter(ParameterSetName = 'NameSingleDestination')] [Parameter(ParameterSetName = 'VMSingleDestination')] [Parameter(ParameterSetName = 'VMSingleDestinationAndCimSession')] [switch] $IncludeStorage,
        [Parameter(ParameterSetName = 'NameSingleDestinationAndCimSession')] [Parameter(ParameterSetName = 'NameSingleDestination')] [Parameter(ParameterSetName = 'VMSingleDestination')] [Parameter(ParameterSetName = 'VMSingleDestinationAndCimSession')] [string] $DestinationStoragePath,
        [Parameter(ParameterSetName = 'NameMultipleDestinationsAndCimSession')] [Parameter(ParameterSetName = 'NameMultipleDestinations')] [Parameter(ParameterSetName = 'VMMultipleDestinations')] [Parameter(ParameterSetName = 'VMMultipleDestinationsAndCimSession')] [hashtable[]] $Vhds,
        [Parameter(ParameterSetName = 'NameMultipleDestinationsAndCimSession')] [Parameter(ParameterSetName = 'NameSingleDestinationAndCimSession')] [Parameter(ParameterSetName = 'NameSingleDestination')] [Parameter(ParameterSetName = 'NameMultipleDestinations')] [Parameter(ParameterSetName = 'VMMultipleDestinations')] [Parameter(ParameterSetName = 'VMMultipleDestinationsAndCimSession')] [Parameter(ParameterSetName = 'VMSingleDestination')] [Parameter(ParameterSetName = 'VMSingleDestinationAndCimSession')] [string] $ResourcePoolName,
        [Parameter(ParameterSetName = 'NameMultipleDestinationsAndCimSession')] [Parameter(ParameterSetName = 'NameSingleDestinationAndCimSession')] [Parameter(ParameterSetName = 'NameSingleDestination')] [Parameter(ParameterSetName = 'NameMultipleDestinations')] [Parameter(ParameterSetName = 'VMMultipleDestinations')] [Parameter(ParameterSetName = 'VMMultipleDestinationsAndCimSession')] [Parameter(ParameterSetName = 'VMSingleDestination')] [Parameter(ParameterSetName = 'VMSingleDestinationAndCimSession')] [switch] $RetainVhdCopiesOnSource,
        [Parameter(ParameterSetName = 'Register', Mandatory, Position = 0, ValueFromPipeline)] [Parameter(ParameterSetName = 'Copy', Mandatory, Position = 0, ValueFromPipeline)] [string] $Path,
        [Parameter(ParameterSetName = 'Copy', Position = 1)] [string] $VhdDestinationPath,
        [Parameter(ParameterSetName = 'Register')] [switch] $Register,
        [Parameter(ParameterSetName = 'Copy', Mandatory)] [switch] $Copy,
        [Parameter(ParameterSetName = 'Copy')] [string] $VhdSourcePath,
        [Parameter(ParameterSetName = 'Copy')] [switch] $GenerateNewId
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Connect-VMNetworkAdapter {
    [CmdletBinding(DefaultParameterSetName = 'Name_SwitchName', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'Object_SwitchName', Mandatory, Position = 0, ValueFromPipeline)] [Parameter(ParameterSetName = 'Object_SwitchObject', Mandatory, Position = 0, ValueFromPipeline)] [Parameter(ParameterSetName = 'Object_UseAutomaticConnection', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMNetworkAdapter' })] [psobject[]] $VMNetworkAdapter,
        [Parameter(ParameterSetName = 'Name_SwitchObject', Position = 1)] [Parameter(ParameterSetName = 'Name_SwitchName', Position = 1)] [Parameter(ParameterSetName = 'Name_UseAutomaticConnection', Position = 1)] [Alias('VMNetworkAdapterName')] [string[]] $Name,
        [Parameter(ParameterSetName = 'Object_SwitchName', Mandatory, Position = 1)] [Parameter(ParameterSetName = 'Name_SwitchName', Mandatory, Position = 2)] [string] $SwitchName,
        [Parameter(ParameterSetName = 'Object_SwitchObject', Mandatory, Position = 1, ValueFromPipeline)] [Parameter(ParameterSetName = 'Name_SwitchObject', Mandatory, Position = 2, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMSwitch' })] [psobject] $VMSwitch,
        [Parameter(ParameterSetName = 'Object_UseAutomaticConnection', Mandatory)] [Parameter(ParameterSetName = 'Name_UseAutomaticConnection', Mandatory)] [switch] $UseAutomaticConnection,
        [Parameter(ParameterSetName = 'Object_SwitchName')] [Parameter(ParameterSetName = 'Object_SwitchObject')] [Parameter(ParameterSetName = 'Object_UseAutomaticConnection')] [Parameter(ParameterSetName = 'Name_SwitchObject')] [Parameter(ParameterSetName = 'Name_SwitchName')] [Parameter(ParameterSetName = 'Name_UseAutomaticConnection')] [switch] $Passthru,
        [Parameter(ParameterSetName = 'Name_SwitchName')] [Parameter(ParameterSetName = 'Name_UseAutomaticConnection')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'Name_SwitchName')] [Parameter(ParameterSetName = 'Name_UseAutomaticConnection')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'Name_SwitchName')] [Parameter(ParameterSetName = 'Name_UseAutomaticConnection')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'Name_SwitchObject', Mandatory, Position = 0)] [Parameter(ParameterSetName = 'Name_SwitchName', Mandatory, Position = 0)] [Parameter(ParameterSetName = 'Name_UseAutomaticConnection', Mandatory, Position = 0)] [string[]] $VMName
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Disable-VMIntegrationService {
    [CmdletBinding(DefaultParameterSetName = 'VMName', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'VMIntegrationService', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMIntegrationComponent' })] [psobject[]] $VMIntegrationService,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0)] [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0)] [string[]] $Name,
        [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 1, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 1, ValueFromPipeline)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'VMIntegrationService')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMName')] [switch] $Passthru
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Disconnect-VMNetworkAdapter {
    [CmdletBinding(DefaultParameterSetName = 'Name', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'Obj', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMNetworkAdapter' })] [psobject[]] $VMNetworkAdapter,
        [Parameter(ParameterSetName = 'Name', Mandatory, Position = 0)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'Name', Position = 1)] [Alias('VMNetworkAdapterName')] [string[]] $Name,
        [Parameter(ParameterSetName = 'Name')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'Name')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'Name')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'Obj')] [Parameter(ParameterSetName = 'Name')] [switch] $Passthru
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Dismount-VHD {
    [CmdletBinding(DefaultParameterSetName = 'Path', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'Disk', Mandatory, Position = 0, ValueFromPipelineByPropertyName)] [Alias('Number')] [uint32] $DiskNumber,
        [Parameter(ParameterSetName = 'Path', Mandatory, Position = 0, ValueFromPipeline, ValueFromPipelineByPropertyName)] [Alias('FullName')] [string[]] $Path,
        [Parameter(ParameterSetName = 'Path', ValueFromPipelineByPropertyName)] [Nullable[guid]] $SnapshotId,
        [Parameter(ParameterSetName = 'Disk')] [Parameter(ParameterSetName = 'Path')] [switch] $Passthru,
        [Parameter(ParameterSetName = 'Disk')] [Parameter(ParameterSetName = 'Path')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'Disk')] [Parameter(ParameterSetName = 'Path')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'Disk')] [Parameter(ParameterSetName = 'Path')] [pscredential[]] $Credential
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Enable-VMIntegrationService {
    [CmdletBinding(DefaultParameterSetName = 'VMName', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMIntegrationService', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMIntegrationComponent' })] [psobject[]] $VMIntegrationService,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0)] [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0)] [string[]] $Name,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 1, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 1, ValueFromPipeline)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMIntegrationService')] [Parameter(ParameterSetName = 'VMObject')] [switch] $Passthru
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Enable-VMTPM {
    [CmdletBinding(DefaultParameterSetName = 'VMName', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [switch] $Passthru
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Get-VHD {
    [CmdletBinding(DefaultParameterSetName = 'Path')]
    param(
        [Parameter(ParameterSetName = 'Disk', Mandatory, Position = 0, ValueFromPipelineByPropertyName)] [Alias('Number')] [uint32] $DiskNumber,
        [Parameter(ParameterSetName = 'Path', Mandatory, Position = 0, ValueFromPipeline, ValueFromPipelineByPropertyName)] [Alias('FullName')] [string[]] $Path,
        [Parameter(ParameterSetName = 'VMId', Mandatory, Position = 0, ValueFromPipeline, ValueFromPipelineByPropertyName)] [Alias('Id')] [guid[]] $VMId,
        [Parameter(ParameterSetName = 'Disk')] [Parameter(ParameterSetName = 'Path')] [Parameter(ParameterSetName = 'VMId')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'Disk')] [Parameter(ParameterSetName = 'Path')] [Parameter(ParameterSetName = 'VMId')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'Disk')] [Parameter(ParameterSetName = 'Path')] [Parameter(ParameterSetName = 'VMId')] [pscredential[]] $Credential
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Get-VM {
    [CmdletBinding(DefaultParameterSetName = 'Name')]
    param(
        [Parameter(ParameterSetName = 'Name', Position = 0, ValueFromPipeline)] [Alias('VMName')] [string[]] $Name,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'Id')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'Id')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'Id')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'Id', Position = 0, ValueFromPipeline, ValueFromPipelineByPropertyName)] [Nullable[guid]] $Id,
        [Parameter(ParameterSetName = 'ClusterObject', Mandatory, Position = 0, ValueFromPipeline)] [psobject] $ClusterObject
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Get-VMBios {
    [CmdletBinding(DefaultParameterSetName = 'VMName')]
    param(
        [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'VMSnapshot', Mandatory, Position = 0, ValueFromPipeline)] [Alias('VMCheckpoint')] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMSnapshot' })] [psobject] $VMSnapshot,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string[]] $VMName
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Get-VMDvdDrive {
    [CmdletBinding(DefaultParameterSetName = 'VMName')]
    param(
        [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMSnapshot')] [Parameter(ParameterSetName = 'VMDriveController')] [Nullable[int]] $ControllerLocation,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMSnapshot')] [Nullable[int]] $ControllerNumber,
        [Parameter(ParameterSetName = 'VMDriveController', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMDriveController' })] [psobject[]] $VMDriveController,
        [Parameter(ParameterSetName = 'VMSnapshot', Mandatory, Position = 0, ValueFromPipeline)] [Alias('VMCheckpoint')] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMSnapshot' })] [psobject] $VMSnapshot
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Get-VMFirmware {
    [CmdletBinding(DefaultParameterSetName = 'VMName')]
    param(
        [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'VMSnapshot', Mandatory, Position = 0, ValueFromPipeline)] [Alias('VMCheckpoint')] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMSnapshot' })] [psobject] $VMSnapshot,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string[]] $VMName
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Get-VMHardDiskDrive {
    [CmdletBinding(DefaultParameterSetName = 'VMName')]
    param(
        [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'VMSnapshot', Mandatory, Position = 0, ValueFromPipeline)] [Alias('VMCheckpoint')] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMSnapshot' })] [psobject] $VMSnapshot,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMSnapshot')] [Parameter(ParameterSetName = 'VMDriveController')] [Nullable[int]] $ControllerLocation,
        [Parameter(ParameterSetName = 'VMDriveController', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMDriveController' })] [psobject[]] $VMDriveController,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMSnapshot')] [Nullable[int]] $ControllerNumber,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMSnapshot')] [ValidateSet('IDE', 'SCSI')] [string] $ControllerType
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Get-VMHost {
    [CmdletBinding(DefaultParameterSetName = 'ComputerName')]
    param(
        [Parameter(ParameterSetName = 'CimSession', Mandatory, Position = 0, ValueFromPipelineByPropertyName)] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'ComputerName', Position = 0, ValueFromPipeline)] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'ComputerName', Position = 1, ValueFromPipeline)] [pscredential[]] $Credential
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Get-VMIntegrationService {
    [CmdletBinding(DefaultParameterSetName = 'VMName')]
    param(
        [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'VMSnapshot', Mandatory, Position = 0, ValueFromPipeline)] [Alias('VMCheckpoint')] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMSnapshot' })] [psobject] $VMSnapshot,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'VMName', Position = 1)] [Parameter(ParameterSetName = 'VMObject', Position = 1)] [Parameter(ParameterSetName = 'VMSnapshot', Position = 1)] [string[]] $Name
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Get-VMMemory {
    [CmdletBinding(DefaultParameterSetName = 'VMName')]
    param(
        [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'VMSnapshot', Mandatory, Position = 0, ValueFromPipeline)] [Alias('VMCheckpoint')] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMSnapshot' })] [psobject] $VMSnapshot,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string[]] $VMName
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Get-VMNetworkAdapter {
    [CmdletBinding(DefaultParameterSetName = 'VMName')]
    param(
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [bool] $IsLegacy,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'All')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'All')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'All')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'VMName', Position = 1)] [Parameter(ParameterSetName = 'VMObject', Position = 1)] [Parameter(ParameterSetName = 'ManagementOS', Position = 1)] [Parameter(ParameterSetName = 'All', Position = 1)] [Parameter(ParameterSetName = 'VMSnapshot', Position = 1)] [Alias('VMNetworkAdapterName')] [string] $Name,
        [Parameter(ParameterSetName = 'All', Mandatory)] [switch] $All,
        [Parameter(ParameterSetName = 'ManagementOS', Mandatory)] [switch] $ManagementOS,
        [Parameter(ParameterSetName = 'VMSnapshot', Mandatory, Position = 0, ValueFromPipeline)] [Alias('VMCheckpoint')] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMSnapshot' })] [psobject] $VMSnapshot,
        [Parameter(ParameterSetName = 'ManagementOS')] [string] $SwitchName
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Get-VMProcessor {
    [CmdletBinding(DefaultParameterSetName = 'VMName')]
    param(
        [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMSnapshot', Mandatory, Position = 0, ValueFromPipeline)] [Alias('VMCheckpoint')] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMSnapshot' })] [psobject] $VMSnapshot,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Get-VMScsiController {
    [CmdletBinding(DefaultParameterSetName = 'VMName')]
    param(
        [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMSnapshot', Mandatory, Position = 0, ValueFromPipeline)] [Alias('VMCheckpoint')] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMSnapshot' })] [psobject] $VMSnapshot,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'VMName', Position = 1)] [Parameter(ParameterSetName = 'VMSnapshot', Position = 1)] [Parameter(ParameterSetName = 'VMObject', Position = 1)] [Nullable[int]] $ControllerNumber,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Get-VMSecurity {
    [CmdletBinding(DefaultParameterSetName = 'VMName')]
    param(
        [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Get-VMSnapshot {
    [CmdletBinding(DefaultParameterSetName = 'VMName')]
    param(
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'Id')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'Id')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'Id')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'Id', Mandatory, Position = 0, ValueFromPipeline, ValueFromPipelineByPropertyName)] [Nullable[guid]] $Id,
        [Parameter(ParameterSetName = 'VMName', Position = 1)] [Parameter(ParameterSetName = 'VMObject', Position = 1)] [Parameter(ParameterSetName = 'Parent', Position = 0)] [Parameter(ParameterSetName = 'Child', Position = 0)] [string] $Name,
        [Parameter(ParameterSetName = 'Child', Mandatory)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMSnapshot' })] [psobject] $ChildOf,
        [Parameter(ParameterSetName = 'Parent', Mandatory)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachineBase' })] [psobject] $ParentOf,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'Parent')] [Parameter(ParameterSetName = 'Child')] [Alias('VMRecoveryCheckpoint')] [ValidateSet('Standard', 'Recovery', 'Planned', 'Missing', 'Replica', 'AppConsistentReplica', 'SyncedReplica')] [string] $SnapshotType
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Get-VMSwitch {
    [CmdletBinding(DefaultParameterSetName = 'Name')]
    param(
        [Parameter(ParameterSetName = 'Id', Position = 0, ValueFromPipeline, ValueFromPipelineByPropertyName)] [Alias('SwitchId')] [guid[]] $Id,
        [Parameter(ParameterSetName = 'Name', Position = 0)] [Alias('SwitchName')] [string] $Name,
        [Parameter(ParameterSetName = 'Id', Position = 1)] [Parameter(ParameterSetName = 'Name', Position = 1)] [string[]] $ResourcePoolName,
        [Parameter(ParameterSetName = 'Id')] [Parameter(ParameterSetName = 'Name')] [ValidateSet('Private', 'Internal', 'External')] [string[]] $SwitchType,
        [Parameter(ParameterSetName = 'Id')] [Parameter(ParameterSetName = 'Name')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'Id')] [Parameter(ParameterSetName = 'Name')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'Id')] [Parameter(ParameterSetName = 'Name')] [pscredential[]] $Credential
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Import-VM {
    [CmdletBinding(DefaultParameterSetName = 'Register', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'Register')] [Parameter(ParameterSetName = 'Copy')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'Register')] [Parameter(ParameterSetName = 'Copy')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'Register')] [Parameter(ParameterSetName = 'Copy')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'CompatibilityReport', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMCompatibilityReport' })] [psobject] $CompatibilityReport,
        [Parameter(ParameterSetName = 'Register', Mandatory, Position = 0, ValueFromPipeline)] [Parameter(ParameterSetName = 'Copy', Mandatory, Position = 0, ValueFromPipeline)] [string] $Path,
        [Parameter(ParameterSetName = 'Copy', Position = 1)] [string] $VhdDestinationPath,
        [Parameter(ParameterSetName = 'Register')] [switch] $Register,
        [Parameter(ParameterSetName = 'Copy', Mandatory)] [switch] $Copy,
        [Parameter(ParameterSetName = 'Copy')] [string] $VirtualMachinePath,
        [Parameter(ParameterSetName = 'Copy')] [Alias('CheckpointFileLocation', 'SnapshotFileLocation')] [string] $SnapshotFilePath,
        [Parameter(ParameterSetName = 'Copy')] [string] $SmartPagingFilePath,
        [Parameter(ParameterSetName = 'Copy')] [string] $VhdSourcePath,
        [Parameter(ParameterSetName = 'Copy')] [switch] $GenerateNewId,
        [Parameter(ParameterSetName = 'Register')] [Parameter(ParameterSetName = 'Copy')] [Parameter(ParameterSetName = 'CompatibilityReport')] [switch] $AsJob
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Mount-VHD {
    [CmdletBinding(SupportsShouldProcess)]
    param(
        [Parameter(Mandatory, Position = 0, ValueFromPipeline, ValueFromPipelineByPropertyName)] [Alias('FullName')] [string[]] $Path,
        [Parameter()] [switch] $NoDriveLetter,
        [Parameter()] [switch] $ReadOnly,
        [Parameter(ValueFromPipelineByPropertyName)] [Nullable[guid]] $SnapshotId,
        [Parameter()] [switch] $Passthru,
        [Parameter()] [psobject[]] $CimSession,
        [Parameter()] [string[]] $ComputerName,
        [Parameter()] [pscredential[]] $Credential
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function New-VM {
    [CmdletBinding(DefaultParameterSetName = 'No VHD', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'No VHD', Position = 0, ValueFromPipeline, ValueFromPipelineByPropertyName)] [Parameter(ParameterSetName = 'New VHD', Position = 0, ValueFromPipeline, ValueFromPipelineByPropertyName)] [Parameter(ParameterSetName = 'Existing VHD', Position = 0, ValueFromPipeline, ValueFromPipelineByPropertyName)] [Alias('VMName')] [string] $Name,
        [Parameter(ParameterSetName = 'No VHD', Position = 1)] [Parameter(ParameterSetName = 'New VHD', Position = 1)] [Parameter(ParameterSetName = 'Existing VHD', Position = 1)] [Nullable[long]] $MemoryStartupBytes,
        [Parameter(ParameterSetName = 'No VHD')] [Parameter(ParameterSetName = 'New VHD')] [Parameter(ParameterSetName = 'Existing VHD')] [ValidateSet('Floppy', 'CD', 'IDE', 'LegacyNetworkAdapter', 'NetworkAdapter', 'VHD')] [string] $BootDevice,
        [Parameter(ParameterSetName = 'No VHD')] [switch] $NoVHD,
        [Parameter(ParameterSetName = 'No VHD')] [Parameter(ParameterSetName = 'New VHD')] [Parameter(ParameterSetName = 'Existing VHD')] [string] $SwitchName,
        [Parameter(ParameterSetName = 'New VHD', Mandatory)] [string] $NewVHDPath,
        [Parameter(ParameterSetName = 'New VHD', Mandatory)] [uint64] $NewVHDSizeBytes,
        [Parameter(ParameterSetName = 'Existing VHD', Mandatory)] [string] $VHDPath,
        [Parameter(ParameterSetName = 'No VHD')] [Parameter(ParameterSetName = 'New VHD')] [Parameter(ParameterSetName = 'Existing VHD')] [string] $Path,
        [Parameter(ParameterSetName = 'No VHD')] [Parameter(ParameterSetName = 'New VHD')] [Parameter(ParameterSetName = 'Existing VHD')] [version] $Version,
        [Parameter(ParameterSetName = 'No VHD')] [Parameter(ParameterSetName = 'New VHD')] [Parameter(ParameterSetName = 'Existing VHD')] [switch] $Prerelease,
        [Parameter(ParameterSetName = 'No VHD')] [Parameter(ParameterSetName = 'New VHD')] [Parameter(ParameterSetName = 'Existing VHD')] [switch] $Experimental,
        [Parameter(ParameterSetName = 'No VHD', Position = 2)] [Parameter(ParameterSetName = 'New VHD', Position = 2)] [Parameter(ParameterSetName = 'Existing VHD', Position = 2)] [ValidateSet('1', '2')] [string] $Generation,
        [Parameter(ParameterSetName = 'No VHD')] [Parameter(ParameterSetName = 'New VHD')] [Parameter(ParameterSetName = 'Existing VHD')] [switch] $Force,
        [Parameter(ParameterSetName = 'No VHD')] [Parameter(ParameterSetName = 'New VHD')] [Parameter(ParameterSetName = 'Existing VHD')] [switch] $AsJob,
        [Parameter(ParameterSetName = 'No VHD')] [Parameter(ParameterSetName = 'New VHD')] [Parameter(ParameterSetName = 'Existing VHD')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'No VHD')] [Parameter(ParameterSetName = 'New VHD')] [Parameter(ParameterSetName = 'Existing VHD')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'No VHD')] [Parameter(ParameterSetName = 'New VHD')] [Parameter(ParameterSetName = 'Existing VHD')] [pscredential[]] $Credential
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Remove-VM {
    [CmdletBinding(DefaultParameterSetName = 'Name', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'Name')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'Name')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'Name')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'Name', Mandatory, Position = 0, ValueFromPipeline)] [Alias('VMName')] [string[]] $Name,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [switch] $Force,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [switch] $AsJob,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [switch] $Passthru
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Remove-VMDvdDrive {
    [CmdletBinding(DefaultParameterSetName = 'VMName', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0)] [string] $VMName,
        [Parameter(ParameterSetName = 'VMDvdDrive', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.DvdDrive' })] [psobject[]] $VMDvdDrive,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 1)] [Nullable[int]] $ControllerNumber,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 2)] [Nullable[int]] $ControllerLocation,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMDvdDrive')] [switch] $Passthru
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Remove-VMNetworkAdapter {
    [CmdletBinding(DefaultParameterSetName = 'VMName', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'ResourceObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMNetworkAdapterBase' })] [psobject[]] $VMNetworkAdapter,
        [Parameter(ParameterSetName = 'ManagementOS', Mandatory)] [switch] $ManagementOS,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Alias('VMNetworkAdapterName')] [string] $Name,
        [Parameter(ParameterSetName = 'ManagementOS')] [string] $SwitchName,
        [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [switch] $Passthru
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Remove-VMSavedState {
    [CmdletBinding(DefaultParameterSetName = 'VMName', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'VMSnapshot', Mandatory, Position = 0, ValueFromPipeline)] [Alias('VMCheckpoint')] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMSnapshot' })] [psobject] $VMSnapshot
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Remove-VMScsiController {
    [CmdletBinding(DefaultParameterSetName = 'VMName', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'Object', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMScsiController' })] [psobject[]] $VMScsiController,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 1)] [int] $ControllerNumber,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'Object')] [switch] $Passthru
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Rename-VM {
    [CmdletBinding(DefaultParameterSetName = 'Name', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'Name')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'Name')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'Name', Mandatory, Position = 0, ValueFromPipeline)] [Alias('VMName')] [string[]] $Name,
        [Parameter(ParameterSetName = 'Name', Mandatory, Position = 1)] [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 1)] [string] $NewName,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [switch] $Passthru
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Set-VM {
    [CmdletBinding(DefaultParameterSetName = 'Name', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'Name')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'Name')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'Name')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'Name', Mandatory, Position = 0, ValueFromPipeline)] [Alias('VMName')] [string[]] $Name,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [bool] $GuestControlledCacheTypes,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [uint32] $LowMemoryMappedIoSpace,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [uint64] $HighMemoryMappedIoSpace,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [bool] $BatteryPassthroughEnabled,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[long]] $ProcessorCount,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [switch] $DynamicMemory,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [switch] $StaticMemory,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[long]] $MemoryMinimumBytes,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[long]] $MemoryMaximumBytes,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[long]] $MemoryStartupBytes,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [ValidateSet('Nothing', 'StartIfRunning', 'Start')] [string] $AutomaticStartAction,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [ValidateSet('TurnOff', 'Save', 'ShutDown')] [string] $AutomaticStopAction,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[int]] $AutomaticStartDelay,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [ValidateSet('None', 'Pause')] [string] $AutomaticCriticalErrorAction,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[int]] $AutomaticCriticalErrorActionTimeout,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[bool]] $AutomaticCheckpointsEnabled,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [ValidateSet('On', 'Off')] [string] $LockOnDisconnect,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [string] $Notes,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [string] $NewVMName,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [string] $SnapshotFileLocation,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [string] $SmartPagingFilePath,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [ValidateSet('Disabled', 'Production', 'ProductionOnly', 'Standard')] [string] $CheckpointType,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [ValidateSet('VMBus', 'HvSocket')] [string] $EnhancedSessionTransportType,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [switch] $Passthru,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [switch] $AllowUnverifiedPaths
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Set-VMBios {
    [CmdletBinding(DefaultParameterSetName = 'VMName', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'VMBios', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMBios' })] [psobject[]] $VMBios,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMBios')] [switch] $DisableNumLock,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMBios')] [switch] $EnableNumLock,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMBios')] [ValidateSet('Floppy', 'CD', 'IDE', 'LegacyNetworkAdapter', 'NetworkAdapter', 'VHD')] [string[]] $StartupOrder,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMBios')] [switch] $Passthru
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Set-VMFirmware {
    [CmdletBinding(DefaultParameterSetName = 'VMName', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'VMFirmware', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMFirmware' })] [psobject[]] $VMFirmware,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMFirmware')] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMComponentObject' })] [psobject[]] $BootOrder,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMFirmware')] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMComponentObject' })] [psobject] $FirstBootDevice,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMFirmware')] [ValidateSet('On', 'Off')] [string] $EnableSecureBoot,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMFirmware')] [string] $SecureBootTemplate,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMFirmware')] [Nullable[guid]] $SecureBootTemplateId,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMFirmware')] [ValidateSet('IPv4', 'IPv6')] [string] $PreferredNetworkBootProtocol,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMFirmware')] [ValidateSet('Default', 'COM1', 'COM2', 'None')] [string] $ConsoleMode,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMFirmware')] [ValidateSet('On', 'Off')] [string] $PauseAfterBootFailure,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMFirmware')] [switch] $Passthru
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Set-VMHardDiskDrive {
    [CmdletBinding(DefaultParameterSetName = 'VMName', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'VMName', ValueFromPipelineByPropertyName)] [Parameter(ParameterSetName = 'Object', ValueFromPipelineByPropertyName)] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'Object')] [Alias('PSComputerName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'Object')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'Object', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.HardDiskDrive' })] [psobject[]] $VMHardDiskDrive,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0)] [string] $VMName,
        [Parameter(ParameterSetName = 'VMName', Position = 1)] [ValidateSet('IDE', 'SCSI')] [string] $ControllerType,
        [Parameter(ParameterSetName = 'VMName', Position = 2)] [Nullable[int]] $ControllerNumber,
        [Parameter(ParameterSetName = 'VMName', Position = 3)] [Nullable[int]] $ControllerLocation,
        [Parameter(ParameterSetName = 'VMName', Position = 4)] [Parameter(ParameterSetName = 'Object', Position = 4)] [string] $Path,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'Object')] [ValidateSet('IDE', 'SCSI')] [string] $ToControllerType,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'Object')] [Nullable[int]] $ToControllerNumber,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'Object')] [Nullable[int]] $ToControllerLocation,
        [Parameter(ParameterSetName = 'VMName', ValueFromPipelineByPropertyName)] [Parameter(ParameterSetName = 'Object', ValueFromPipelineByPropertyName)] [Alias('Number')] [uint32] $DiskNumber,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'Object')] [string] $ResourcePoolName,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'Object')] [Alias('ShareVirtualDisk')] [Nullable[bool]] $SupportPersistentReservations,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'Object')] [switch] $AllowUnverifiedPaths,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'Object')] [Nullable[uint64]] $MaximumIOPS,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'Object')] [Nullable[uint64]] $MinimumIOPS,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'Object')] [string] $QoSPolicyID,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'Object')] [psobject] $QoSPolicy,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'Object')] [switch] $Passthru,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'Object')] [ValidateSet('Default', 'WriteCacheEnabled', 'WriteCacheAndFUAEnabled', 'WriteCacheDisabled')] [string] $OverrideCacheAttributes
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Set-VMKeyProtector {
    [CmdletBinding(DefaultParameterSetName = 'VMName', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [switch] $Passthru,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [byte[]] $KeyProtector,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [switch] $NewLocalKeyProtector,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [switch] $RestoreLastKnownGoodKeyProtector
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Set-VMMemory {
    [CmdletBinding(DefaultParameterSetName = 'VMName', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'ResourceObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMMemory' })] [psobject[]] $VMMemory,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'ResourceObject')] [Nullable[int]] $Buffer,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'ResourceObject')] [bool] $DynamicMemoryEnabled,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'ResourceObject')] [Nullable[long]] $MaximumBytes,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'ResourceObject')] [Nullable[long]] $StartupBytes,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'ResourceObject')] [Nullable[long]] $MinimumBytes,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'ResourceObject')] [Nullable[int]] $Priority,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'ResourceObject')] [Nullable[long]] $MaximumAmountPerNumaNodeBytes,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'ResourceObject')] [string] $ResourcePoolName,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'ResourceObject')] [switch] $Passthru
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Set-VMNetworkAdapter {
    [CmdletBinding(DefaultParameterSetName = 'VMName', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'ManagementOS', Mandatory)] [switch] $ManagementOS,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string] $VMName,
        [Parameter(ParameterSetName = 'ResourceObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMNetworkAdapterBase' })] [psobject] $VMNetworkAdapter,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject] $VM,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Alias('VMNetworkAdapterName')] [string] $Name,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [switch] $DynamicMacAddress,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [uint32] $MediaType,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[bool]] $NumaAwarePlacement,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[bool]] $InterruptModeration,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [string] $StaticMacAddress,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [ValidateSet('On', 'Off')] [string] $MacAddressSpoofing,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [ValidateSet('On', 'Off')] [string] $DhcpGuard,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [ValidateSet('On', 'Off')] [string] $RouterGuard,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [ValidateSet('None', 'Destination', 'Source')] [string] $PortMirroring,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [ValidateSet('On', 'Off')] [string] $IeeePriorityTag,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[uint32]] $VmqWeight,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[uint32]] $IovQueuePairsRequested,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [ValidateSet('Default', 'Adaptive', 'Off', 'Low', 'Medium', 'High')] [string] $IovInterruptModeration,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[uint32]] $IovWeight,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[uint32]] $IPsecOffloadMaximumSecurityAssociation,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[long]] $MaximumBandwidth,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[long]] $MinimumBandwidthAbsolute,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[uint32]] $MinimumBandwidthWeight,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [string[]] $MandatoryFeatureId,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [string] $ResourcePoolName,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [string] $TestReplicaPoolName,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [string] $TestReplicaSwitchName,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[uint32]] $VirtualSubnetId,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [ValidateSet('On', 'Off')] [string] $AllowTeaming,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[bool]] $NotMonitoredInCluster,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[uint32]] $StormLimit,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[uint32]] $DynamicIPAddressLimit,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [ValidateSet('On', 'Off')] [string] $DeviceNaming,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [ValidateSet('On', 'Off')] [string] $FixSpeed10G,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[uint32]] $PacketDirectNumProcs,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[uint32]] $PacketDirectModerationCount,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[uint32]] $PacketDirectModerationInterval,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[bool]] $VrssEnabled,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[bool]] $VmmqEnabled,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [Alias('VmmqQueuePairs')] [Nullable[uint32]] $VrssMaxQueuePairs,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[uint32]] $VrssMinQueuePairs,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [ValidateSet('Dynamic', 'StaticVmq', 'StaticVrss')] [string] $VrssQueueSchedulingMode,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[bool]] $VrssExcludePrimaryProcessor,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [Nullable[bool]] $VrssIndependentHostSpreading,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [ValidateSet('None', 'Weak', 'Strong', 'Strict')] [string] $VrssVmbusChannelAffinityPolicy,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'VMObject')] [switch] $Passthru
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Set-VMNetworkAdapterVlan {
    [CmdletBinding(DefaultParameterSetName = 'VMName', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'ResourceObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMNetworkAdapterBase' })] [psobject[]] $VMNetworkAdapter,
        [Parameter(ParameterSetName = 'ManagementOS', Mandatory)] [switch] $ManagementOS,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMName')] [string] $VMNetworkAdapterName,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMName')] [Alias('u')] [switch] $Untagged,
        [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMName')] [Alias('a')] [switch] $Access,
        [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMName')] [Alias('AccessVlanId')] [Nullable[int]] $VlanId,
        [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMName')] [Alias('t')] [switch] $Trunk,
        [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMName')] [Nullable[int]] $NativeVlanId,
        [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMName')] [string] $AllowedVlanIdList,
        [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMName')] [Alias('i')] [switch] $Isolated,
        [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMName')] [Alias('c')] [switch] $Community,
        [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMName')] [Alias('p')] [switch] $Promiscuous,
        [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMName')] [Nullable[int]] $PrimaryVlanId,
        [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMName')] [Nullable[int]] $SecondaryVlanId,
        [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMName')] [string] $SecondaryVlanIdList,
        [Parameter(ParameterSetName = 'ResourceObject')] [Parameter(ParameterSetName = 'ManagementOS')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMName')] [switch] $Passthru
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Set-VMProcessor {
    [CmdletBinding(DefaultParameterSetName = 'VMName', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'VMProcessor', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VMProcessor' })] [psobject[]] $VMProcessor,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMProcessor')] [Nullable[long]] $Count,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMProcessor')] [Nullable[bool]] $CompatibilityForMigrationEnabled,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMProcessor')] [Nullable[bool]] $CompatibilityForOlderOperatingSystemsEnabled,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMProcessor')] [Nullable[long]] $HwThreadCountPerCore,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMProcessor')] [Nullable[long]] $Maximum,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMProcessor')] [Nullable[long]] $Reserve,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMProcessor')] [Nullable[int]] $RelativeWeight,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMProcessor')] [Nullable[int]] $MaximumCountPerNumaNode,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMProcessor')] [Nullable[int]] $MaximumCountPerNumaSocket,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMProcessor')] [string] $ResourcePoolName,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMProcessor')] [Nullable[bool]] $EnableHostResourceProtection,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMProcessor')] [Nullable[bool]] $ExposeVirtualizationExtensions,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMProcessor')] [string[]] $Perfmon,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMProcessor')] [Nullable[bool]] $EnableLegacyApicMode,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMProcessor')] [Nullable[bool]] $AllowACountMCount,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [Parameter(ParameterSetName = 'VMProcessor')] [switch] $Passthru
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Set-VMSecurity {
    [CmdletBinding(DefaultParameterSetName = 'VMName', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'VMName')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'VMName')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'VMName')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'VMName', Mandatory, Position = 0, ValueFromPipeline)] [string[]] $VMName,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [switch] $Passthru,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [bool] $EncryptStateAndVmMigrationTraffic,
        [Parameter(ParameterSetName = 'VMName')] [Parameter(ParameterSetName = 'VMObject')] [bool] $VirtualizationBasedSecurityOptOut
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Stop-VM {
    [CmdletBinding(DefaultParameterSetName = 'Name', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'Name')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'Name')] [string[]] $ComputerName,
        [Parameter(ParameterSetName = 'Name')] [pscredential[]] $Credential,
        [Parameter(ParameterSetName = 'VMObject', Mandatory, Position = 0, ValueFromPipeline)] [ValidateScript({ Assert-TypeName $_ 'Microsoft.HyperV.PowerShell.VirtualMachine' })] [psobject[]] $VM,
        [Parameter(ParameterSetName = 'Name', Mandatory, Position = 0, ValueFromPipeline)] [Alias('VMName')] [string[]] $Name,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [switch] $Save,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [switch] $TurnOff,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [switch] $Force,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [switch] $AsJob,
        [Parameter(ParameterSetName = 'Name')] [Parameter(ParameterSetName = 'VMObject')] [switch] $Passthru
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}
