#Requires -Version 5.1
<#
.SYNOPSIS
    Describes virtual machines: all of the host, or those with the ids given, in one round trip.
.DESCRIPTION
    What the classification and a later rebuild need. Each cmdlet is asked once for all VMs; only Get-VHD is asked for
    each file. What cannot be had of one VM is a warning, or the error of its disk, and does not spoil the others.
.OUTPUTS
    One JSON document: vms, missingIds, switches, virtualMachinePath, virtualHardDiskPath.
.NOTES
    Errors: RequestRefused, HyperVMissing.
#>
[CmdletBinding()]
[OutputType([string])]
param(
    # The request, as JSON: ids.
    [Parameter(Mandatory)]
    [string] $Request
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

function Get-HvbByVm {
    # Runs a question for all VMs at once; a hashtable: VM id -> list of what belongs to it. Errors become warnings.
    param([scriptblock] $Question, [object[]] $Machines)
    $found = @{}
    $errors = @()
    if ($Machines.Count -gt 0) {
        foreach ($item in & $Question $Machines -ErrorAction SilentlyContinue -ErrorVariable +errors) {
            $key = $item.VMId.ToString()
            if (-not $found.ContainsKey($key)) {
                $found[$key] = New-Object -TypeName System.Collections.ArrayList
            }
            [void] $found[$key].Add($item)
        }
    }
    foreach ($record in $errors) {
        $warnings.Add($record.ToString())
    }
    $found
}

function Get-HvbImage {
    # What Get-VHD says of one file, as an ImageFile; asked once for each file of the host.
    param([string] $Path)
    $key = $Path.ToLowerInvariant()
    if (-not $images.ContainsKey($key)) {
        $disk = Get-VHD -Path $Path
        $identifier = $null
        if ($disk.DiskIdentifier) {
            $identifier = ConvertTo-HvbGuid -Text $disk.DiskIdentifier
        }
        $images[$key] = [ordered]@{
            path               = $Path
            format             = $disk.VhdFormat.ToString()
            type               = $disk.VhdType.ToString()
            sizeBytes          = [long] $disk.Size
            fileSizeBytes      = [long] $disk.FileSize
            diskIdentifier     = $identifier
            parentPath         = ConvertTo-HvbText -Value $disk.ParentPath
            blockSizeBytes     = [long] $disk.BlockSize
            logicalSectorSize  = [int] $disk.LogicalSectorSize
            physicalSectorSize = [int] $disk.PhysicalSectorSize
        }
    }
    $images[$key]
}

function ConvertTo-HvbText {
    # Text, or null for an empty one.
    param([AllowNull()] $Value)
    if ($null -ne $Value -and [string] $Value -ne '') {
        [string] $Value
    }
    else {
        $null
    }
}

function ConvertTo-HvbDisk {
    # A disk of a VM with its chain, leaf first; an error ends the chain and is told.
    param($Drive)
    $chain = New-Object -TypeName System.Collections.ArrayList
    $problem = $null
    $path = ConvertTo-HvbText -Value $Drive.Path
    $passThrough = $null -ne $Drive.DiskNumber
    if ($passThrough) {
        $path = $null
    }
    $next = $path
    while ($next) {
        if (@($chain | Where-Object -FilterScript { $_.path -eq $next }).Count -gt 0) {
            $problem = "The chain of '$path' comes back to '$next'."
            break
        }
        try {
            $image = Get-HvbImage -Path $next
        }
        catch {
            $problem = $_.Exception.Message
            break
        }
        [void] $chain.Add($image)
        $next = $image.parentPath
    }
    [ordered]@{
        controllerType                = $Drive.ControllerType.ToString()
        controllerNumber              = $Drive.ControllerNumber
        controllerLocation            = $Drive.ControllerLocation
        path                          = $path
        diskNumber                    = $Drive.DiskNumber
        supportPersistentReservations = [bool] $Drive.SupportPersistentReservations
        chain                         = $chain.ToArray()
        error                         = $problem
    }
}

function ConvertTo-HvbAdapter {
    # A network adapter with its VLAN.
    param($Adapter)
    $vlan = [ordered]@{ mode = 'Untagged'; accessVlanId = $null; nativeVlanId = $null; allowedVlanIds = $null }
    $setting = $Adapter.VlanSetting
    if ($setting) {
        $vlan.mode = $setting.OperationMode.ToString()
        if ($vlan.mode -eq 'Access') {
            $vlan.accessVlanId = $setting.AccessVlanId
        }
        elseif ($vlan.mode -eq 'Trunk') {
            $vlan.nativeVlanId = $setting.NativeVlanId
            $vlan.allowedVlanIds = ConvertTo-HvbText -Value $setting.AllowedVlanIdListString
        }
    }
    [ordered]@{
        id                 = $Adapter.Id
        name               = $Adapter.Name
        switchName         = ConvertTo-HvbText -Value $Adapter.SwitchName
        macAddress         = [string] $Adapter.MacAddress
        dynamicMacAddress  = $Adapter.DynamicMacAddressEnabled
        isLegacy           = $Adapter.IsLegacy
        macAddressSpoofing = $Adapter.MacAddressSpoofing.ToString() -eq 'On'
        dhcpGuard          = $Adapter.DhcpGuard.ToString() -eq 'On'
        routerGuard        = $Adapter.RouterGuard.ToString() -eq 'On'
        vlan               = $vlan
    }
}

function ConvertTo-HvbService {
    # An integration service, named by the GUID at the end of its Id, which no language changes.
    param($Service)
    $operational = $null
    if ($null -ne $Service.PrimaryOperationalStatus) {
        $operational = $Service.PrimaryOperationalStatus.ToString() -in 'Ok', 'Degraded'
    }
    [ordered]@{
        serviceId   = ConvertTo-HvbGuid -Text ($Service.Id -split '\\')[-1]
        name        = $Service.Name
        enabled     = $Service.Enabled
        status      = [string] $Service.PrimaryStatusDescription
        operational = $operational
    }
}

function ConvertTo-HvbBootSource {
    # An entry of a boot order: Drive CONTROLLER NUMBER LOCATION, Network ADAPTER, or File PATH.
    param($Source)
    $device = $Source.Device
    switch ($Source.BootType.ToString()) {
        'Drive' { 'Drive {0} {1} {2}' -f $device.ControllerType, $device.ControllerNumber, $device.ControllerLocation }
        'Network' { 'Network {0}' -f $device.Name }
        default { 'File {0}' -f $Source.FirmwarePath }
    }
}

try {
    $asked = Read-HvbRequest -Text $Request -Optional @{ ids = @('array', $null) }
    $ids = $null
    if ($null -ne $asked.ids) {
        $ids = @(foreach ($id in $asked.ids) { ConvertTo-HvbGuid -Text ([string] $id) }) | Select-Object -Unique
    }
    Assert-HvbHyperV
    $warnings = New-Object -TypeName System.Collections.Generic.List[string]
    $images = @{}
    $machines = @(Get-VM)
    $missing = @()
    if ($null -ne $asked.ids) {
        $present = @{}
        foreach ($machine in $machines) {
            $present[$machine.Id.ToString()] = $machine
        }
        $missing = @($ids | Where-Object -FilterScript { -not $present.ContainsKey($_) })
        $machines = @($ids | Where-Object -FilterScript { $present.ContainsKey($_) } | ForEach-Object -Process { $present[$_] })
    }
    $generation1 = @($machines | Where-Object -FilterScript { $_.Generation -eq 1 })
    $generation2 = @($machines | Where-Object -FilterScript { $_.Generation -eq 2 })

    # One question for all VMs. The blocks are advanced functions so that errors can be gathered.
    $memories = Get-HvbByVm -Machines $machines -Question { [CmdletBinding()] param($VM) Get-VMMemory -VM $VM }
    $processors = Get-HvbByVm -Machines $machines -Question { [CmdletBinding()] param($VM) Get-VMProcessor -VM $VM }
    $controllers = Get-HvbByVm -Machines $machines -Question { [CmdletBinding()] param($VM) Get-VMScsiController -VM $VM }
    $drives = Get-HvbByVm -Machines $machines -Question { [CmdletBinding()] param($VM) Get-VMHardDiskDrive -VM $VM }
    $dvds = Get-HvbByVm -Machines $machines -Question { [CmdletBinding()] param($VM) Get-VMDvdDrive -VM $VM }
    $adapters = Get-HvbByVm -Machines $machines -Question { [CmdletBinding()] param($VM) Get-VMNetworkAdapter -VM $VM }
    $services = Get-HvbByVm -Machines $machines -Question { [CmdletBinding()] param($VM) Get-VMIntegrationService -VM $VM }
    $checkpoints = Get-HvbByVm -Machines $machines -Question { [CmdletBinding()] param($VM) Get-VMSnapshot -VM $VM }
    $bioses = Get-HvbByVm -Machines $generation1 -Question { [CmdletBinding()] param($VM) Get-VMBios -VM $VM }
    $firmwares = Get-HvbByVm -Machines $generation2 -Question { [CmdletBinding()] param($VM) Get-VMFirmware -VM $VM }

    $described = foreach ($machine in $machines) {
        $id = $machine.Id.ToString()
        if (-not $memories.ContainsKey($id) -or -not $processors.ContainsKey($id)) {
            $warnings.Add("The VM '$($machine.Name)' ($id) is left out: its memory or processors could not be read.")
            continue
        }
        $memory = $memories[$id][0]
        $processor = $processors[$id][0]

        $configuration = $null
        foreach ($extension in 'vmcx', 'xml') {
            $file = '{0}\Virtual Machines\{1}.{2}' -f $machine.ConfigurationLocation.TrimEnd('\'), $id.ToUpperInvariant(), $extension
            if (-not $configuration -and [IO.File]::Exists($file)) {
                $configuration = $file
            }
        }
        $automatic = $null
        if ($machine.PSObject.Properties['AutomaticCheckpointsEnabled']) {
            $automatic = $machine.AutomaticCheckpointsEnabled
        }
        $firmware = $null
        $security = $null
        if ($firmwares.ContainsKey($id)) {
            $boot = $firmwares[$id][0]
            $firmware = [ordered]@{
                secureBoot         = $boot.SecureBoot.ToString() -eq 'On'
                secureBootTemplate = ConvertTo-HvbText -Value $boot.SecureBootTemplate
                bootOrder          = @(foreach ($source in $boot.BootOrder) { ConvertTo-HvbBootSource -Source $source })
            }
            # Its answers carry no VM, so it cannot be asked for all at once.
            try {
                $protection = Get-VMSecurity -VM $machine
                $security = [ordered]@{
                    tpmEnabled               = $protection.TpmEnabled
                    shielded                 = $protection.Shielded
                    encryptStateAndMigration = $protection.EncryptStateAndVmMigrationTraffic
                }
            }
            catch {
                $warnings.Add("The security settings of '$($machine.Name)' cannot be read: $($_.Exception.Message)")
            }
        }
        [ordered]@{
            id                         = $id
            name                       = $machine.Name
            state                      = $machine.State.ToString()
            generation                 = $machine.Generation
            version                    = [string] $machine.Version
            path                       = $machine.Path
            configurationLocation      = $machine.ConfigurationLocation
            snapshotFileLocation       = $machine.SnapshotFileLocation
            configurationFile          = $configuration
            smartPagingFilePath        = ConvertTo-HvbText -Value $machine.SmartPagingFilePath
            notes                      = [string] $machine.Notes
            createdAt                  = ConvertTo-HvbTime -Time $machine.CreationTime
            uptimeSeconds              = [long] [math]::Floor($machine.Uptime.TotalSeconds)
            clustered                  = $machine.IsClustered
            replicationMode            = $machine.ReplicationMode.ToString()
            checkpointType             = $machine.CheckpointType.ToString()
            automaticCheckpoints       = $automatic
            automaticStartAction       = $machine.AutomaticStartAction.ToString()
            automaticStartDelaySeconds = $machine.AutomaticStartDelay
            automaticStopAction        = $machine.AutomaticStopAction.ToString()
            memory                     = [ordered]@{
                startupBytes  = $memory.Startup
                dynamic       = $memory.DynamicMemoryEnabled
                minimumBytes  = $memory.Minimum
                maximumBytes  = $memory.Maximum
                bufferPercent = $memory.Buffer
                priority      = $memory.Priority
            }
            processor                  = [ordered]@{
                count                                = $processor.Count
                reserve                              = $processor.Reserve
                maximum                              = $processor.Maximum
                relativeWeight                       = $processor.RelativeWeight
                compatibilityForMigration            = $processor.CompatibilityForMigrationEnabled
                compatibilityForOlderOperatingSystems = $processor.CompatibilityForOlderOperatingSystemsEnabled
                exposeVirtualizationExtensions       = $processor.ExposeVirtualizationExtensions
            }
            scsiControllers            = @($controllers[$id]).Where({ $_ }).Count
            disks                      = @(foreach ($drive in $drives[$id]) { ConvertTo-HvbDisk -Drive $drive })
            dvdDrives                  = @(foreach ($drive in $dvds[$id]) {
                    [ordered]@{
                        controllerType     = $drive.ControllerType.ToString()
                        controllerNumber   = $drive.ControllerNumber
                        controllerLocation = $drive.ControllerLocation
                        path               = ConvertTo-HvbText -Value $drive.Path
                    }
                })
            networkAdapters            = @(foreach ($adapter in $adapters[$id]) { ConvertTo-HvbAdapter -Adapter $adapter })
            integrationServices        = @(foreach ($service in $services[$id]) { ConvertTo-HvbService -Service $service })
            checkpoints                = @(foreach ($checkpoint in $checkpoints[$id]) {
                    $parent = $null
                    if ($checkpoint.ParentSnapshotId) {
                        $parent = $checkpoint.ParentSnapshotId.ToString()
                    }
                    [ordered]@{
                        id        = $checkpoint.Id.ToString()
                        name      = $checkpoint.Name
                        type      = $checkpoint.SnapshotType.ToString()
                        createdAt = ConvertTo-HvbTime -Time $checkpoint.CreationTime
                        parentId  = $parent
                    }
                })
            firmware                   = $firmware
            bootDevices                = @(foreach ($bios in $bioses[$id]) { foreach ($device in $bios.StartupOrder) { $device.ToString() } })
            security                   = $security
        }
    }

    $server = Get-VMHost
    Write-HvbAnswer -Warnings $warnings.ToArray() -Data ([ordered]@{
            vms                 = @($described)
            missingIds          = $missing
            switches            = @(Get-VMSwitch | ForEach-Object -Process { $_.Name } | Sort-Object -Unique)
            virtualMachinePath  = [string] $server.VirtualMachinePath
            virtualHardDiskPath = [string] $server.VirtualHardDiskPath
        })
}
catch {
    Write-HvbFailure -ErrorRecord $_
}
