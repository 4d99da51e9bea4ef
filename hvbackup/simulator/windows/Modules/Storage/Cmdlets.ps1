# Made by scripts/make_stub_cmdlets.py from the parameters of the real module (Server 2022): do not edit.
# What each cmdlet does is in Behaviour.ps1.

function Add-PartitionAccessPath {
    [CmdletBinding(DefaultParameterSetName = 'ByUniqueId', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'ById', Position = 2)] [Parameter(ParameterSetName = 'ByNumber', Position = 2)] [Parameter(ParameterSetName = 'ByDriveLetter', Position = 2)] [Parameter(ParameterSetName = 'InputObject (cdxml)', Position = 2)] [string] $AccessPath,
        [Parameter(ParameterSetName = 'ById')] [Parameter(ParameterSetName = 'ByNumber')] [Parameter(ParameterSetName = 'ByDriveLetter')] [Parameter(ParameterSetName = 'InputObject (cdxml)')] [switch] $AsJob,
        [Parameter(ParameterSetName = 'ById')] [Parameter(ParameterSetName = 'ByNumber')] [Parameter(ParameterSetName = 'ByDriveLetter')] [Parameter(ParameterSetName = 'InputObject (cdxml)')] [switch] $AssignDriveLetter,
        [Parameter(ParameterSetName = 'ById')] [Parameter(ParameterSetName = 'ByNumber')] [Parameter(ParameterSetName = 'ByDriveLetter')] [Parameter(ParameterSetName = 'InputObject (cdxml)')] [Alias('Session')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'ById', Mandatory, ValueFromPipelineByPropertyName)] [string[]] $DiskId,
        [Parameter(ParameterSetName = 'ByNumber', Mandatory, Position = 0, ValueFromPipelineByPropertyName)] [uint32[]] $DiskNumber,
        [Parameter(ParameterSetName = 'ByDriveLetter', Mandatory, ValueFromPipelineByPropertyName)] [char[]] $DriveLetter,
        [Parameter(ParameterSetName = 'InputObject (cdxml)', Mandatory, ValueFromPipeline)] [psobject[]] $InputObject,
        [Parameter(ParameterSetName = 'ById', Mandatory, ValueFromPipelineByPropertyName)] [uint64[]] $Offset,
        [Parameter(ParameterSetName = 'ByNumber', Mandatory, Position = 1)] [Alias('Number')] [uint32[]] $PartitionNumber,
        [Parameter(ParameterSetName = 'ById')] [Parameter(ParameterSetName = 'ByNumber')] [Parameter(ParameterSetName = 'ByDriveLetter')] [Parameter(ParameterSetName = 'InputObject (cdxml)')] [switch] $PassThru,
        [Parameter(ParameterSetName = 'ById')] [Parameter(ParameterSetName = 'ByNumber')] [Parameter(ParameterSetName = 'ByDriveLetter')] [Parameter(ParameterSetName = 'InputObject (cdxml)')] [int] $ThrottleLimit
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Get-Disk {
    [CmdletBinding(DefaultParameterSetName = 'ByNumber')]
    param(
        [Parameter(ParameterSetName = 'ByNumber')] [Parameter(ParameterSetName = 'ByUniqueId')] [Parameter(ParameterSetName = 'ByName')] [Parameter(ParameterSetName = 'ByPath')] [Parameter(ParameterSetName = 'ByPartition')] [Parameter(ParameterSetName = 'ByVirtualDisk')] [Parameter(ParameterSetName = 'ByiSCSISession')] [Parameter(ParameterSetName = 'ByiSCSIConnection')] [Parameter(ParameterSetName = 'ByStorageSubSystem')] [Parameter(ParameterSetName = 'ByStorageNode')] [Parameter(ParameterSetName = 'ByStorageJob')] [switch] $AsJob,
        [Parameter(ParameterSetName = 'ByNumber')] [Parameter(ParameterSetName = 'ByUniqueId')] [Parameter(ParameterSetName = 'ByName')] [Parameter(ParameterSetName = 'ByPath')] [Parameter(ParameterSetName = 'ByPartition')] [Parameter(ParameterSetName = 'ByVirtualDisk')] [Parameter(ParameterSetName = 'ByiSCSISession')] [Parameter(ParameterSetName = 'ByiSCSIConnection')] [Parameter(ParameterSetName = 'ByStorageSubSystem')] [Parameter(ParameterSetName = 'ByStorageNode')] [Parameter(ParameterSetName = 'ByStorageJob')] [Alias('Session')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'ByName')] [string[]] $FriendlyName,
        [Parameter(ParameterSetName = 'ByNumber', Position = 0, ValueFromPipelineByPropertyName)] [Alias('DeviceId')] [uint32[]] $Number,
        [Parameter(ParameterSetName = 'ByPartition', ValueFromPipeline)] [psobject] $Partition,
        [Parameter(ParameterSetName = 'ByPath', ValueFromPipelineByPropertyName)] [string[]] $Path,
        [Parameter(ParameterSetName = 'ByName')] [string[]] $SerialNumber,
        [Parameter(ParameterSetName = 'ByStorageJob', ValueFromPipeline)] [psobject] $StorageJob,
        [Parameter(ParameterSetName = 'ByStorageNode', ValueFromPipeline)] [psobject] $StorageNode,
        [Parameter(ParameterSetName = 'ByStorageSubSystem', ValueFromPipeline)] [psobject] $StorageSubSystem,
        [Parameter(ParameterSetName = 'ByNumber')] [Parameter(ParameterSetName = 'ByUniqueId')] [Parameter(ParameterSetName = 'ByName')] [Parameter(ParameterSetName = 'ByPath')] [Parameter(ParameterSetName = 'ByPartition')] [Parameter(ParameterSetName = 'ByVirtualDisk')] [Parameter(ParameterSetName = 'ByiSCSISession')] [Parameter(ParameterSetName = 'ByiSCSIConnection')] [Parameter(ParameterSetName = 'ByStorageSubSystem')] [Parameter(ParameterSetName = 'ByStorageNode')] [Parameter(ParameterSetName = 'ByStorageJob')] [int] $ThrottleLimit,
        [Parameter(ParameterSetName = 'ByUniqueId')] [Alias('Id')] [string[]] $UniqueId,
        [Parameter(ParameterSetName = 'ByVirtualDisk', ValueFromPipeline)] [psobject] $VirtualDisk,
        [Parameter(ParameterSetName = 'ByiSCSIConnection', ValueFromPipeline)] [psobject] $iSCSIConnection,
        [Parameter(ParameterSetName = 'ByiSCSISession', ValueFromPipeline)] [psobject] $iSCSISession
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Get-Partition {
    [CmdletBinding(DefaultParameterSetName = 'ByUniqueId')]
    param(
        [Parameter(ParameterSetName = 'ByUniqueId')] [Parameter(ParameterSetName = 'ById')] [Parameter(ParameterSetName = 'ByNumber')] [Parameter(ParameterSetName = 'ByDriveLetter')] [Parameter(ParameterSetName = 'ByDisk')] [Parameter(ParameterSetName = 'ByVolume')] [Parameter(ParameterSetName = 'ByStorageSubSystem')] [switch] $AsJob,
        [Parameter(ParameterSetName = 'ByUniqueId')] [Parameter(ParameterSetName = 'ById')] [Parameter(ParameterSetName = 'ByNumber')] [Parameter(ParameterSetName = 'ByDriveLetter')] [Parameter(ParameterSetName = 'ByDisk')] [Parameter(ParameterSetName = 'ByVolume')] [Parameter(ParameterSetName = 'ByStorageSubSystem')] [Alias('Session')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'ByDisk', ValueFromPipeline)] [psobject] $Disk,
        [Parameter(ParameterSetName = 'ById', Mandatory, ValueFromPipelineByPropertyName)] [Alias('DiskPath')] [string[]] $DiskId,
        [Parameter(ParameterSetName = 'ByNumber', Position = 0, ValueFromPipelineByPropertyName)] [uint32[]] $DiskNumber,
        [Parameter(ParameterSetName = 'ByDriveLetter', ValueFromPipelineByPropertyName)] [char[]] $DriveLetter,
        [Parameter(ParameterSetName = 'ById', ValueFromPipelineByPropertyName)] [uint64[]] $Offset,
        [Parameter(ParameterSetName = 'ByNumber', Position = 1)] [Alias('Number')] [uint32[]] $PartitionNumber,
        [Parameter(ParameterSetName = 'ByStorageSubSystem', ValueFromPipeline)] [psobject] $StorageSubSystem,
        [Parameter(ParameterSetName = 'ByUniqueId')] [Parameter(ParameterSetName = 'ById')] [Parameter(ParameterSetName = 'ByNumber')] [Parameter(ParameterSetName = 'ByDriveLetter')] [Parameter(ParameterSetName = 'ByDisk')] [Parameter(ParameterSetName = 'ByVolume')] [Parameter(ParameterSetName = 'ByStorageSubSystem')] [int] $ThrottleLimit,
        [Parameter(ParameterSetName = 'ByUniqueId', ValueFromPipelineByPropertyName)] [string[]] $UniqueId,
        [Parameter(ParameterSetName = 'ByVolume', ValueFromPipeline)] [psobject] $Volume
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Get-Volume {
    [CmdletBinding(DefaultParameterSetName = 'ByDriveLetter')]
    param(
        [Parameter(ParameterSetName = 'ByDriveLetter')] [Parameter(ParameterSetName = 'ById')] [Parameter(ParameterSetName = 'ByUniqueId')] [Parameter(ParameterSetName = 'ByPaths')] [Parameter(ParameterSetName = 'ByLabel')] [Parameter(ParameterSetName = 'ByPartition')] [Parameter(ParameterSetName = 'ByDiskImage')] [Parameter(ParameterSetName = 'ByStorageSubSystem')] [Parameter(ParameterSetName = 'ByStoragePool')] [Parameter(ParameterSetName = 'ByStorageNode')] [Parameter(ParameterSetName = 'ByStorageFileServer')] [Parameter(ParameterSetName = 'ByFileShare')] [Parameter(ParameterSetName = 'ByStorageJob')] [Parameter(ParameterSetName = 'ByFilePath')] [switch] $AsJob,
        [Parameter(ParameterSetName = 'ByDriveLetter')] [Parameter(ParameterSetName = 'ById')] [Parameter(ParameterSetName = 'ByUniqueId')] [Parameter(ParameterSetName = 'ByPaths')] [Parameter(ParameterSetName = 'ByLabel')] [Parameter(ParameterSetName = 'ByPartition')] [Parameter(ParameterSetName = 'ByDiskImage')] [Parameter(ParameterSetName = 'ByStorageSubSystem')] [Parameter(ParameterSetName = 'ByStoragePool')] [Parameter(ParameterSetName = 'ByStorageNode')] [Parameter(ParameterSetName = 'ByStorageFileServer')] [Parameter(ParameterSetName = 'ByFileShare')] [Parameter(ParameterSetName = 'ByStorageJob')] [Parameter(ParameterSetName = 'ByFilePath')] [Alias('Session')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'ByDiskImage', ValueFromPipeline)] [psobject] $DiskImage,
        [Parameter(ParameterSetName = 'ByDriveLetter', Position = 0, ValueFromPipelineByPropertyName)] [char[]] $DriveLetter,
        [Parameter(ParameterSetName = 'ByFilePath', ValueFromPipelineByPropertyName)] [Alias('FullName')] [string] $FilePath,
        [Parameter(ParameterSetName = 'ByFileShare', ValueFromPipeline)] [psobject] $FileShare,
        [Parameter(ParameterSetName = 'ByLabel', ValueFromPipelineByPropertyName)] [string[]] $FileSystemLabel,
        [Parameter(ParameterSetName = 'ById', ValueFromPipelineByPropertyName)] [Alias('Id')] [string[]] $ObjectId,
        [Parameter(ParameterSetName = 'ByPartition', ValueFromPipeline)] [psobject] $Partition,
        [Parameter(ParameterSetName = 'ByPaths', ValueFromPipelineByPropertyName)] [string[]] $Path,
        [Parameter(ParameterSetName = 'ByStorageFileServer', ValueFromPipeline)] [psobject] $StorageFileServer,
        [Parameter(ParameterSetName = 'ByStorageJob', ValueFromPipeline)] [psobject] $StorageJob,
        [Parameter(ParameterSetName = 'ByStorageNode', ValueFromPipeline)] [psobject] $StorageNode,
        [Parameter(ParameterSetName = 'ByStoragePool', ValueFromPipeline)] [psobject] $StoragePool,
        [Parameter(ParameterSetName = 'ByStorageSubSystem', ValueFromPipeline)] [psobject] $StorageSubSystem,
        [Parameter(ParameterSetName = 'ByDriveLetter')] [Parameter(ParameterSetName = 'ById')] [Parameter(ParameterSetName = 'ByUniqueId')] [Parameter(ParameterSetName = 'ByPaths')] [Parameter(ParameterSetName = 'ByLabel')] [Parameter(ParameterSetName = 'ByPartition')] [Parameter(ParameterSetName = 'ByDiskImage')] [Parameter(ParameterSetName = 'ByStorageSubSystem')] [Parameter(ParameterSetName = 'ByStoragePool')] [Parameter(ParameterSetName = 'ByStorageNode')] [Parameter(ParameterSetName = 'ByStorageFileServer')] [Parameter(ParameterSetName = 'ByFileShare')] [Parameter(ParameterSetName = 'ByStorageJob')] [Parameter(ParameterSetName = 'ByFilePath')] [int] $ThrottleLimit,
        [Parameter(ParameterSetName = 'ByUniqueId', ValueFromPipelineByPropertyName)] [string[]] $UniqueId
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}

function Remove-PartitionAccessPath {
    [CmdletBinding(DefaultParameterSetName = 'ByUniqueId', SupportsShouldProcess)]
    param(
        [Parameter(ParameterSetName = 'ById', Position = 2)] [Parameter(ParameterSetName = 'ByNumber', Position = 2)] [Parameter(ParameterSetName = 'ByDriveLetter', Position = 2)] [Parameter(ParameterSetName = 'InputObject (cdxml)', Position = 2)] [string] $AccessPath,
        [Parameter(ParameterSetName = 'ById')] [Parameter(ParameterSetName = 'ByNumber')] [Parameter(ParameterSetName = 'ByDriveLetter')] [Parameter(ParameterSetName = 'InputObject (cdxml)')] [switch] $AsJob,
        [Parameter(ParameterSetName = 'ById')] [Parameter(ParameterSetName = 'ByNumber')] [Parameter(ParameterSetName = 'ByDriveLetter')] [Parameter(ParameterSetName = 'InputObject (cdxml)')] [Alias('Session')] [psobject[]] $CimSession,
        [Parameter(ParameterSetName = 'ById', Mandatory, ValueFromPipelineByPropertyName)] [string[]] $DiskId,
        [Parameter(ParameterSetName = 'ByNumber', Mandatory, Position = 0, ValueFromPipelineByPropertyName)] [uint32[]] $DiskNumber,
        [Parameter(ParameterSetName = 'ByDriveLetter', Mandatory, ValueFromPipelineByPropertyName)] [char[]] $DriveLetter,
        [Parameter(ParameterSetName = 'InputObject (cdxml)', Mandatory, ValueFromPipeline)] [psobject[]] $InputObject,
        [Parameter(ParameterSetName = 'ById', Mandatory, ValueFromPipelineByPropertyName)] [uint64[]] $Offset,
        [Parameter(ParameterSetName = 'ByNumber', Mandatory, Position = 1)] [Alias('Number')] [uint32[]] $PartitionNumber,
        [Parameter(ParameterSetName = 'ById')] [Parameter(ParameterSetName = 'ByNumber')] [Parameter(ParameterSetName = 'ByDriveLetter')] [Parameter(ParameterSetName = 'InputObject (cdxml)')] [switch] $PassThru,
        [Parameter(ParameterSetName = 'ById')] [Parameter(ParameterSetName = 'ByNumber')] [Parameter(ParameterSetName = 'ByDriveLetter')] [Parameter(ParameterSetName = 'InputObject (cdxml)')] [int] $ThrottleLimit
    )
    process { Invoke-Behaviour $PSCmdlet $PSBoundParameters }
}
