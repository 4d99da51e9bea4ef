# The module's objects, made from the VMs of the host's record: names and types of properties are the real ones.

enum VMState {
    Other = 1; Running = 2; Off = 3; Stopping = 4; Saved = 6; Paused = 9; Starting = 10; Reset = 11; Saving = 32773
    RunningCritical = 32785; OffCritical = 32786; SavedCritical = 32788; PausedCritical = 32789
}
enum StartAction { Nothing = 2; StartIfRunning = 3; Start = 4 }
enum StopAction { TurnOff = 2; Save = 3; ShutDown = 4 }
enum CheckpointType { Disabled = 2; Production = 3; ProductionOnly = 4; Standard = 5 }
enum SnapshotType { Standard = 0; Recovery = 1; Planned = 2; Missing = 5; Replica = 6; AppConsistentReplica = 7; SyncedReplica = 8 }
enum VMReplicationMode { None = 0; Primary = 1; Replica = 2; TestReplica = 3; ExtendedReplica = 4 }
enum ControllerType { IDE = 0; SCSI = 1; PMEM = 2 }
enum OnOffState { On = 0; Off = 1 }
enum VMNetworkAdapterVlanMode { Untagged = 0; Access = 1; Trunk = 2; Private = 3 }
enum VMIntegrationComponentOperationalStatus { Ok = 2; Degraded = 3; Error = 6; NonRecoverableError = 7; NoContact = 12; LostCommunication = 13 }
enum BootDevice { Floppy = 0; CD = 1; IDE = 2; LegacyNetworkAdapter = 3; NetworkAdapter = 4; VHD = 5 }
enum VMBootSourceType { Unknown = 0; Drive = 1; Network = 2; File = 3 }
enum VhdFormat { Unknown = 0; VHD = 2; VHDX = 3; VHDSet = 4 }
enum VhdType { Unknown = 0; Fixed = 2; Dynamic = 3; Differencing = 4 }

function New-HyperVObject {
    # An object of this module; one of a planned VM remembers the plan in a type name of its own.
    param([string] $Name, [Collections.IDictionary] $Property, [string] $Plan)
    if ($Plan) {
        return New-TypedObject "Microsoft.HyperV.PowerShell.$Name", "Plan:$Plan" $Property
    }
    $object = [pscustomobject] $Property
    $object.PSObject.TypeNames.Insert(0, "Microsoft.HyperV.PowerShell.$Name")
    $object
}

function ConvertTo-Switch {
    param([bool] $Value)
    if ($Value) { [OnOffState]::On } else { [OnOffState]::Off }
}

function ConvertTo-Moment {
    param([string] $Text)
    if (-not $Text) {
        return [datetime]::new(2000, 1, 1, 0, 0, 0, 'Utc')
    }
    [datetime]::Parse($Text, [cultureinfo]::InvariantCulture, 'AdjustToUniversal')
}

function New-Machine {
    param($Vm, [string] $Plan)
    New-HyperVObject VirtualMachine -Plan $Plan ([ordered]@{
            Name = $Vm.name; Id = [guid] $Vm.id; VMName = $Vm.name; VMId = [guid] $Vm.id
            State = [VMState] $Vm.state; Generation = [int] $Vm.generation; Version = $Vm.version; Path = $Vm.path
            ConfigurationLocation = $Vm.configurationLocation; SnapshotFileLocation = $Vm.snapshotFileLocation
            SmartPagingFilePath = $Vm.smartPagingFilePath; Notes = $Vm.notes; CreationTime = ConvertTo-Moment $Vm.createdAt
            Uptime = [timespan]::FromSeconds($Vm.uptimeSeconds); IsClustered = $Vm.clustered
            ReplicationMode = [VMReplicationMode] $Vm.replicationMode; CheckpointType = [CheckpointType] $Vm.checkpointType
            AutomaticCheckpointsEnabled = [bool] $Vm.automaticCheckpoints
            AutomaticStartAction = [StartAction] $Vm.automaticStartAction; AutomaticStartDelay = [int] $Vm.automaticStartDelaySeconds
            AutomaticStopAction = [StopAction] $Vm.automaticStopAction; MemoryStartup = [long] $Vm.memory.startupBytes
            DynamicMemoryEnabled = $Vm.memory.dynamic; ProcessorCount = [long] $Vm.processor.count
        })
}

function New-Part {
    # An object that belongs to a VM.
    param([string] $Name, $Vm, [string] $Plan, [Collections.IDictionary] $Property)
    $Property.VMId = [guid] $Vm.id
    $Property.VMName = $Vm.name
    New-HyperVObject $Name $Property $Plan
}

function New-Memory {
    param($Vm, [string] $Plan)
    $memory = $Vm.memory
    New-Part VMMemory $Vm $Plan ([ordered]@{
            Startup = [long] $memory.startupBytes; DynamicMemoryEnabled = $memory.dynamic; Minimum = [long] $memory.minimumBytes
            Maximum = [long] $memory.maximumBytes; Buffer = [int] $memory.bufferPercent; Priority = [int] $memory.priority
        })
}

function New-Processor {
    param($Vm, [string] $Plan)
    $processor = $Vm.processor
    New-Part VMProcessor $Vm $Plan ([ordered]@{
            Count = [long] $processor.count; Reserve = [long] $processor.reserve; Maximum = [long] $processor.maximum
            RelativeWeight = [int] $processor.relativeWeight
            CompatibilityForMigrationEnabled = $processor.compatibilityForMigration
            CompatibilityForOlderOperatingSystemsEnabled = $processor.compatibilityForOlderOperatingSystems
            ExposeVirtualizationExtensions = $processor.exposeVirtualizationExtensions
        })
}

function New-ScsiController {
    param($Vm, [string] $Plan)
    for ($number = 0; $number -lt $Vm.scsiControllers; $number++) {
        New-Part VMScsiController $Vm $Plan ([ordered]@{ Name = 'SCSI Controller'; ControllerNumber = $number })
    }
}

function New-HardDiskDrive {
    param($Vm, [string] $Plan)
    foreach ($disk in $Vm.disks) {
        New-Part HardDiskDrive $Vm $Plan ([ordered]@{
                Name = 'Hard Drive'; ControllerType = [ControllerType] $disk.controllerType; ControllerNumber = [int] $disk.controllerNumber
                ControllerLocation = [int] $disk.controllerLocation; Path = $disk.path; DiskNumber = $disk.diskNumber
                SupportPersistentReservations = [bool] $disk.supportPersistentReservations
            })
    }
}

function New-DvdDrive {
    param($Vm, [string] $Plan)
    foreach ($drive in $Vm.dvdDrives) {
        New-Part DvdDrive $Vm $Plan ([ordered]@{
                Name = 'DVD Drive'; ControllerType = [ControllerType] $drive.controllerType; ControllerNumber = [int] $drive.controllerNumber
                ControllerLocation = [int] $drive.controllerLocation; Path = $drive.path
            })
    }
}

function New-Adapter {
    param($Vm, [string] $Plan)
    foreach ($adapter in $Vm.networkAdapters) {
        $vlan = New-HyperVObject VMNetworkAdapterVlanSetting -Plan $Plan ([ordered]@{
                OperationMode = [VMNetworkAdapterVlanMode] $adapter.vlan.mode; AccessVlanId = [int] $adapter.vlan.accessVlanId
                NativeVlanId = [int] $adapter.vlan.nativeVlanId; AllowedVlanIdListString = [string] $adapter.vlan.allowedVlanIds
            })
        New-Part VMNetworkAdapter $Vm $Plan ([ordered]@{
                Name = $adapter.name; Id = $adapter.id; SwitchName = [string] $adapter.switchName; MacAddress = $adapter.macAddress
                DynamicMacAddressEnabled = $adapter.dynamicMacAddress; IsLegacy = $adapter.isLegacy
                MacAddressSpoofing = ConvertTo-Switch $adapter.macAddressSpoofing; DhcpGuard = ConvertTo-Switch $adapter.dhcpGuard
                RouterGuard = ConvertTo-Switch $adapter.routerGuard; VlanSetting = $vlan
            })
    }
}

function New-IntegrationService {
    param($Vm, [string] $Plan)
    foreach ($service in $Vm.integrationServices) {
        $status = $null
        if ($null -ne $service.operational) {
            $status = [VMIntegrationComponentOperationalStatus]::NoContact
            if ($service.operational) {
                $status = [VMIntegrationComponentOperationalStatus]::Ok
            }
        }
        New-Part VMIntegrationComponent $Vm $Plan ([ordered]@{
                Name = $service.name; Id = 'Microsoft:{0}\{1}' -f $Vm.id.ToUpperInvariant(), $service.serviceId.ToUpperInvariant()
                Enabled = $service.enabled; PrimaryOperationalStatus = $status; PrimaryStatusDescription = $service.status
            })
    }
}

function New-Snapshot {
    param($Vm, [string] $Plan)
    foreach ($checkpoint in $Vm.checkpoints) {
        $parent = $null
        if ($checkpoint.parentId) {
            $parent = [guid] $checkpoint.parentId
        }
        New-HyperVObject VMSnapshot -Plan $Plan ([ordered]@{
                Name = $checkpoint.name; Id = [guid] $checkpoint.id; VMId = [guid] $Vm.id; VMName = $Vm.name
                SnapshotType = [SnapshotType] $checkpoint.type; CreationTime = ConvertTo-Moment $checkpoint.createdAt; ParentSnapshotId = $parent
            })
    }
}

function New-Bios {
    param($Vm, [string] $Plan)
    New-Part VMBios $Vm $Plan ([ordered]@{ StartupOrder = [BootDevice[]] @($Vm.bootDevices) })
}

function New-BootSource {
    # An entry of a boot order, from its text in the record: Network ADAPTER, Drive CONTROLLER NUMBER LOCATION, File PATH.
    param($Vm, [string] $Plan, [string] $Text, [hashtable] $Devices)
    $device = $null
    if ($Devices.ContainsKey($Text)) {
        $device = $Devices[$Text]
    }
    $kind, $rest = $Text -split ' ', 2
    $path = ''
    if ($kind -eq 'File') {
        $path = $rest
    }
    New-Part VMBootSource $Vm $Plan ([ordered]@{ BootType = [VMBootSourceType] $kind; Device = $device; FirmwarePath = $path })
}

function New-Firmware {
    param($Vm, [string] $Plan)
    $devices = @{}
    foreach ($adapter in New-Adapter $Vm $Plan) {
        $devices["Network $($adapter.Name)"] = $adapter
    }
    foreach ($drive in @(New-HardDiskDrive $Vm $Plan) + @(New-DvdDrive $Vm $Plan)) {
        $devices['Drive {0} {1} {2}' -f $drive.ControllerType, $drive.ControllerNumber, $drive.ControllerLocation] = $drive
    }
    New-Part VMFirmware $Vm $Plan ([ordered]@{
            SecureBoot = ConvertTo-Switch $Vm.firmware.secureBoot; SecureBootTemplate = $Vm.firmware.secureBootTemplate
            BootOrder = @(foreach ($text in $Vm.firmware.bootOrder) { New-BootSource $Vm $Plan $text $devices })
        })
}

function New-Security {
    # As the real one, it does not say which VM it is of.
    param($Vm, [string] $Plan)
    New-HyperVObject VMSecurity -Plan $Plan ([ordered]@{
            TpmEnabled = $Vm.security.tpmEnabled; Shielded = $Vm.security.shielded
            EncryptStateAndVmMigrationTraffic = $Vm.security.encryptStateAndMigration
        })
}

function New-VirtualHardDisk {
    param($Image, [bool] $Attached, $DiskNumber)
    $identifier = $null
    if ($Image.diskIdentifier) {
        $identifier = $Image.diskIdentifier.ToUpperInvariant()
    }
    New-TypedObject -TypeName Microsoft.Vhd.PowerShell.VirtualHardDisk -Property ([ordered]@{
            Path = $Image.path; VhdFormat = [VhdFormat] $Image.format; VhdType = [VhdType] $Image.type; FileSize = [uint64] $Image.fileSizeBytes
            Size = [uint64] $Image.sizeBytes; LogicalSectorSize = [uint32] $Image.logicalSectorSize
            PhysicalSectorSize = [uint32] $Image.physicalSectorSize; BlockSize = [uint32] $Image.blockSizeBytes
            ParentPath = [string] $Image.parentPath; DiskIdentifier = $identifier; Attached = $Attached; DiskNumber = $DiskNumber
        })
}
