# What the stub cmdlets do. VMs are records of the host; a VM that Compare-VM has read is a plan, changed in memory only.

$plans = @{}
$images = @{}

function Get-ElevatedHost {
    # The host's record; Hyper-V answers administrators only.
    $record = Get-HostRecord
    if (-not $record.machine.hyperV) {
        throw 'Hyper-V is not installed on the simulated host.'
    }
    if (-not $record.machine.elevated) {
        throw ('You do not have the required permission to complete this task. Contact the administrator of the authorization ' +
            "policy for the computer '$($record.machine.computerName)'.")
    }
    $record
}

function Get-PlanName {
    # The plan that an object of a planned VM belongs to, or an empty text.
    param($Object)
    foreach ($name in $Object.PSObject.TypeNames) {
        if ($name.StartsWith('Plan:')) {
            return $name.Substring(5)
        }
    }
    ''
}

function Find-Vm {
    # The record of the VM that an object is or belongs to; $Record spares asking for the host's again.
    param($Object, $Record)
    $plan = Get-PlanName $Object
    if ($plan) {
        return $plans[$plan].vm
    }
    $id = $Object.VMId.ToString()
    if (-not $Record) {
        $Record = Get-ElevatedHost
    }
    if (-not [object]::ReferenceEquals($script:indexed, $Record)) {
        $script:indexed = $Record
        $script:index = @{}
        foreach ($item in $Record.vms) {
            $script:index[$item.vm.id] = $item.vm
        }
    }
    if (-not $script:index.ContainsKey($id)) {
        throw "Hyper-V was unable to find a virtual machine with id `"$id`"."
    }
    $script:index[$id]
}
$script:indexed = $null
$script:index = @{}

function Get-Part {
    # The parts of the VMs of a call, each made by $Make.
    param($Bound, [scriptblock] $Make)
    $record = Get-ElevatedHost
    foreach ($machine in $Bound.VM) {
        & $Make (Find-Vm $machine $record) (Get-PlanName $machine)
    }
}

function Edit-Vm {
    # Changes fields of the VM that an object is or belongs to: objects are merged, lists are replaced.
    param($Object, [Collections.IDictionary] $Changes)
    $plan = Get-PlanName $Object
    if (-not $plan) {
        [void] (Invoke-HostCommand set-vm @{ id = $Object.VMId.ToString(); changes = $Changes })
        return
    }
    $vm = $plans[$plan].vm
    foreach ($key in $Changes.Keys) {
        if ($Changes[$key] -is [Collections.IDictionary]) {
            foreach ($inner in $Changes[$key].Keys) {
                $vm.$key.$inner = $Changes[$key][$inner]
            }
        }
        else {
            $vm.$key = $Changes[$key]
        }
    }
}

function Select-Bound {
    # Of the parameters given, those of a map (parameter -> field), as fields.
    param($Bound, [Collections.IDictionary] $Map)
    $fields = @{}
    foreach ($key in $Map.Keys) {
        if ($Bound.ContainsKey($key)) {
            $fields[$Map[$key]] = $Bound[$key]
        }
    }
    $fields
}

function Edit-Adapter {
    # Changes one network adapter of a VM.
    param($Adapter, [Collections.IDictionary] $Changes)
    $all = @(foreach ($item in (Find-Vm $Adapter).networkAdapters) {
            if ($item.id -eq $Adapter.Id) {
                foreach ($key in $Changes.Keys) {
                    $item.$key = $Changes[$key]
                }
            }
            $item
        })
    Edit-Vm $Adapter @{ networkAdapters = $all }
}

function Test-SameDrive {
    param($Record, $Drive)
    $Record.controllerType -eq $Drive.ControllerType.ToString() -and $Record.controllerNumber -eq $Drive.ControllerNumber -and
    $Record.controllerLocation -eq $Drive.ControllerLocation
}

# ---------------------------------------------------------------- questions

Set-Behaviour Get-VM -Takes Name, Id -Do {
    param($bound)
    $found = foreach ($item in (Get-ElevatedHost).vms) {
        if (-not $bound.ContainsKey('Id') -or $item.vm.id -eq $bound.Id.ToString()) {
            New-Machine $item.vm
        }
    }
    if ($bound.ContainsKey('Name')) {
        $found = foreach ($name in $bound.Name) { $found | Where-Object -FilterScript { $_.Name -like $name } }
    }
    if (-not $found -and $bound.Keys.Count -gt 0) {
        throw 'Hyper-V was unable to find a virtual machine like that.'
    }
    $found
}
Set-Behaviour Get-VMMemory -Takes VM -Do { Get-Part $args[0] ${function:New-Memory} }
Set-Behaviour Get-VMProcessor -Takes VM -Do { Get-Part $args[0] ${function:New-Processor} }
Set-Behaviour Get-VMScsiController -Takes VM -Do { Get-Part $args[0] ${function:New-ScsiController} }
Set-Behaviour Get-VMHardDiskDrive -Takes VM -Do { Get-Part $args[0] ${function:New-HardDiskDrive} }
Set-Behaviour Get-VMDvdDrive -Takes VM -Do { Get-Part $args[0] ${function:New-DvdDrive} }
Set-Behaviour Get-VMNetworkAdapter -Takes VM -Do { Get-Part $args[0] ${function:New-Adapter} }
Set-Behaviour Get-VMIntegrationService -Takes VM -Do { Get-Part $args[0] ${function:New-IntegrationService} }
Set-Behaviour Get-VMSnapshot -Takes VM -Do { Get-Part $args[0] ${function:New-Snapshot} }
Set-Behaviour Get-VMBios -Takes VM -Do { Get-Part $args[0] ${function:New-Bios} }
Set-Behaviour Get-VMFirmware -Takes VM -Do { Get-Part $args[0] ${function:New-Firmware} }
Set-Behaviour Get-VMSecurity -Takes VM -Do { Get-Part $args[0] ${function:New-Security} }

Set-Behaviour Get-VMHost -Do {
    $machine = (Get-ElevatedHost).machine
    New-HyperVObject VMHost ([ordered]@{
            Name = $machine.computerName; VirtualMachinePath = $machine.virtualMachinePath
            VirtualHardDiskPath = $machine.virtualHardDiskPath; SupportedVmVersions = [string[]] ('8.0', '8.1', '8.2', '8.3', '9.0', '10.0')
        })
}

Set-Behaviour Get-VMSwitch -Takes Name -Do {
    param($bound)
    foreach ($name in (Get-ElevatedHost).switches) {
        if (-not $bound.ContainsKey('Name') -or $name -like $bound.Name) {
            New-HyperVObject VMSwitch ([ordered]@{ Name = $name })
        }
    }
}

function Update-ImageCache {
    # What all files of all VMs are, asked once; a file that changes afterwards is asked for again.
    foreach ($item in Invoke-HostCommand list-vms) {
        foreach ($image in $item.vm.disks | ForEach-Object -Process { $_.chain }) {
            $script:images[$image.path.ToLowerInvariant()] = @{ Image = $image; Stamp = Get-FileStamp $image.path }
        }
    }
}

function Get-FileStamp {
    param([string] $Path)
    if (-not [IO.File]::Exists($Path)) {
        return ''
    }
    '{0}/{1}' -f [IO.File]::GetLastWriteTimeUtc($Path).Ticks, (Get-Item -LiteralPath $Path -Force).Length
}

Set-Behaviour Get-VHD -Takes Path -Do {
    param($bound)
    $record = Get-ElevatedHost
    foreach ($path in $bound.Path) {
        $key = $path.ToLowerInvariant()
        $stamp = Get-FileStamp $path
        if ($script:images.Count -eq 0 -or ($stamp -and $images.ContainsKey($key) -and $images[$key].Stamp -ne $stamp)) {
            Update-ImageCache
        }
        if ($images.ContainsKey($key) -and $images[$key].Stamp -eq $stamp) {
            $image = $images[$key].Image
        }
        else {
            $image = Invoke-HostCommand get-vhd @{ path = $path }
        }
        $mounted = @($record.mounted | Where-Object -FilterScript { $_.path -eq $path })
        $number = $null
        if ($mounted.Count -gt 0) {
            $number = [uint32] $mounted[0].diskNumber
        }
        New-VirtualHardDisk $image ($mounted.Count -gt 0) $number
    }
}

# ---------------------------------------------------------------- disks on the host

Set-Behaviour Mount-VHD -Takes Path, ReadOnly, NoDriveLetter, Passthru -Do {
    param($bound)
    foreach ($path in $bound.Path) {
        [void] (Invoke-HostCommand mount-vhd @{
                path         = $path
                readOnly     = [bool] ($bound.ContainsKey('ReadOnly') -and $bound.ReadOnly)
                driveLetters = -not ($bound.ContainsKey('NoDriveLetter') -and $bound.NoDriveLetter)
            })
        if ($bound.ContainsKey('Passthru') -and $bound.Passthru) {
            Get-VHD -Path $path
        }
    }
}

Set-Behaviour Dismount-VHD -Takes Path -Do {
    param($bound)
    foreach ($path in $bound.Path) {
        if (-not (Invoke-HostCommand dismount-vhd @{ path = $path }).wasMounted) {
            throw "The virtual hard disk '$path' is not mounted."
        }
    }
}

# ---------------------------------------------------------------- state and registration

Set-Behaviour Stop-VM -Takes VM, TurnOff, Force -Do {
    param($bound)
    foreach ($machine in $bound.VM) {
        [void] (Invoke-HostCommand set-vm-state @{ id = $machine.Id.ToString(); state = 'Off' })
    }
}

Set-Behaviour Remove-VM -Takes VM, Force -Do {
    param($bound)
    foreach ($machine in $bound.VM) {
        [void] (Invoke-HostCommand remove-vm @{ id = $machine.Id.ToString() })
    }
}

Set-Behaviour Rename-VM -Takes VM, NewName -Do {
    param($bound)
    foreach ($machine in $bound.VM) {
        Edit-Vm $machine @{ name = $bound.NewName }
        $machine.Name = $bound.NewName
    }
}

Set-Behaviour Remove-VMSavedState -Takes VM -Do {
    param($bound)
    foreach ($machine in $bound.VM) {
        Edit-Vm $machine @{ state = 'Off' }
        $machine.State = [VMState]::Off
    }
}

function New-Report {
    # A compatibility report over a plan.
    param([string] $Name)
    $plan = $plans[$Name]
    $adapters = @(New-Adapter $plan.vm $Name)
    $drives = @(New-HardDiskDrive $plan.vm $Name)
    New-HyperVObject VMCompatibilityReport -Plan $Name ([ordered]@{
            VM = New-Machine $plan.vm $Name; Path = $plan.sourcePath
            Incompatibilities = @(foreach ($problem in $plan.problems) {
                    $source = @($adapters | Where-Object -FilterScript { $_.Id -eq $problem.source }) +
                    @($drives | Where-Object -FilterScript { $_.Path -eq $problem.source }) | Select-Object -First 1
                    New-HyperVObject VMCompatibilityError ([ordered]@{
                            Message = $problem.message; MessageId = [long] $problem.messageId; Source = $source
                        })
                })
        })
}

Set-Behaviour Compare-VM -Takes Path, Register, Copy, GenerateNewId, VirtualMachinePath, SnapshotFilePath, SmartPagingFilePath, VhdDestinationPath, CompatibilityReport -Do {
    param($bound)
    [void] (Get-ElevatedHost)
    if ($bound.ContainsKey('CompatibilityReport')) {
        $name = Get-PlanName $bound.CompatibilityReport
        $plans[$name] = Invoke-HostCommand check-plan @{ plan = $plans[$name] }
        return New-Report $name
    }
    $request = @{
        path          = $bound.Path
        copyFiles     = [bool] ($bound.ContainsKey('Copy') -and $bound.Copy)
        generateNewId = [bool] ($bound.ContainsKey('GenerateNewId') -and $bound.GenerateNewId)
    }
    $request += Select-Bound $bound @{
        VirtualMachinePath = 'virtualMachinePath'; SnapshotFilePath = 'snapshotFilePath'
        SmartPagingFilePath = 'smartPagingFilePath'; VhdDestinationPath = 'virtualHardDiskPath'
    }
    $name = [guid]::NewGuid().ToString()
    $plans[$name] = Invoke-HostCommand compare-vm $request
    New-Report $name
}

Set-Behaviour Import-VM -Takes CompatibilityReport -Do {
    param($bound)
    $name = Get-PlanName $bound.CompatibilityReport
    $vm = Invoke-HostCommand import-vm @{ plan = $plans[$name] }
    $plans.Remove($name)
    New-Machine $vm
}

# ---------------------------------------------------------------- building a VM

Set-Behaviour New-VM -Takes Name, Path, Generation, MemoryStartupBytes, Version, NoVHD -Do {
    param($bound)
    $request = @{ name = $bound.Name; generation = 1; startupBytes = 1GB }
    foreach ($pair in (Select-Bound $bound @{ Path = 'path'; Generation = 'generation'; MemoryStartupBytes = 'startupBytes' }).GetEnumerator()) {
        $request[$pair.Key] = $pair.Value
    }
    if ($bound.ContainsKey('Version')) {
        $request.version = $bound.Version.ToString()
    }
    New-Machine (Invoke-HostCommand new-vm $request)
}

Set-Behaviour Set-VM -Takes VM, AutomaticStartAction, AutomaticStartDelay, AutomaticStopAction, CheckpointType, Notes, AutomaticCheckpointsEnabled, SnapshotFileLocation, SmartPagingFilePath -Do {
    param($bound)
    Edit-Vm $bound.VM[0] (Select-Bound $bound @{
            AutomaticStartAction = 'automaticStartAction'; AutomaticStartDelay = 'automaticStartDelaySeconds'
            AutomaticStopAction = 'automaticStopAction'; CheckpointType = 'checkpointType'; Notes = 'notes'
            AutomaticCheckpointsEnabled = 'automaticCheckpoints'; SnapshotFileLocation = 'snapshotFileLocation'
            SmartPagingFilePath = 'smartPagingFilePath'
        })
}

Set-Behaviour Set-VMMemory -Takes VM, DynamicMemoryEnabled, StartupBytes, MinimumBytes, MaximumBytes, Buffer, Priority -Do {
    param($bound)
    Edit-Vm $bound.VM[0] @{ memory = Select-Bound $bound @{
            DynamicMemoryEnabled = 'dynamic'; StartupBytes = 'startupBytes'; MinimumBytes = 'minimumBytes'
            MaximumBytes = 'maximumBytes'; Buffer = 'bufferPercent'; Priority = 'priority'
        }
    }
}

Set-Behaviour Set-VMProcessor -Takes VM, Count, Reserve, Maximum, RelativeWeight, CompatibilityForMigrationEnabled, CompatibilityForOlderOperatingSystemsEnabled, ExposeVirtualizationExtensions -Do {
    param($bound)
    Edit-Vm $bound.VM[0] @{ processor = Select-Bound $bound @{
            Count = 'count'; Reserve = 'reserve'; Maximum = 'maximum'; RelativeWeight = 'relativeWeight'
            CompatibilityForMigrationEnabled = 'compatibilityForMigration'
            CompatibilityForOlderOperatingSystemsEnabled = 'compatibilityForOlderOperatingSystems'
            ExposeVirtualizationExtensions = 'exposeVirtualizationExtensions'
        }
    }
}

Set-Behaviour Add-VMScsiController -Takes VM -Do {
    param($bound)
    Edit-Vm $bound.VM[0] @{ scsiControllers = (Find-Vm $bound.VM[0]).scsiControllers + 1 }
}

Set-Behaviour Remove-VMScsiController -Takes VMScsiController -Do {
    param($bound)
    foreach ($controller in $bound.VMScsiController) {
        Edit-Vm $controller @{ scsiControllers = (Find-Vm $controller).scsiControllers - 1 }
    }
}

Set-Behaviour Add-VMHardDiskDrive -Takes VM, ControllerType, ControllerNumber, ControllerLocation, Path, SupportPersistentReservations -Do {
    param($bound)
    $vm = Find-Vm $bound.VM[0]
    if (-not [IO.File]::Exists($bound.Path)) {
        throw "The file or folder '$($bound.Path)' does not exist."
    }
    $limit = $vm.scsiControllers
    if ($bound.ControllerType -eq 'IDE') {
        $limit = 2 * [int] ($vm.generation -eq 1)
    }
    if ($bound.ControllerNumber -ge $limit) {
        throw "There is no $($bound.ControllerType) controller with the number $($bound.ControllerNumber)."
    }
    $new = @{
        controllerType = $bound.ControllerType; controllerNumber = $bound.ControllerNumber; controllerLocation = $bound.ControllerLocation
        path = $bound.Path; supportPersistentReservations = [bool] ($bound.ContainsKey('SupportPersistentReservations') -and $bound.SupportPersistentReservations)
    }
    Edit-Vm $bound.VM[0] @{ disks = @($vm.disks) + $new }
}

Set-Behaviour Set-VMHardDiskDrive -Takes VMHardDiskDrive, Path -Do {
    param($bound)
    foreach ($drive in $bound.VMHardDiskDrive) {
        $all = @(foreach ($disk in (Find-Vm $drive).disks) {
                if (Test-SameDrive $disk $drive) {
                    $disk.path = $bound.Path
                }
                $disk
            })
        Edit-Vm $drive @{ disks = $all }
    }
}

Set-Behaviour Add-VMDvdDrive -Takes VM, ControllerNumber, ControllerLocation, Path -Do {
    param($bound)
    $vm = Find-Vm $bound.VM[0]
    $new = @{ controllerType = 'IDE'; controllerNumber = $bound.ControllerNumber; controllerLocation = $bound.ControllerLocation }
    if ($vm.generation -eq 2) {
        $new.controllerType = 'SCSI'
    }
    $new += Select-Bound $bound @{ Path = 'path' }
    Edit-Vm $bound.VM[0] @{ dvdDrives = @($vm.dvdDrives) + $new }
}

Set-Behaviour Remove-VMDvdDrive -Takes VMDvdDrive -Do {
    param($bound)
    foreach ($drive in $bound.VMDvdDrive) {
        Edit-Vm $drive @{ dvdDrives = @((Find-Vm $drive).dvdDrives | Where-Object -FilterScript { -not (Test-SameDrive $_ $drive) }) }
    }
}

Set-Behaviour Add-VMNetworkAdapter -Takes VM, Name, SwitchName, IsLegacy, DynamicMacAddress, StaticMacAddress, Passthru -Do {
    param($bound)
    $machine = $bound.VM[0]
    $vm = Find-Vm $machine
    $new = Invoke-HostCommand new-adapter @{ id = $vm.id; name = $bound.Name }
    $changes = Select-Bound $bound @{ SwitchName = 'switchName'; IsLegacy = 'isLegacy'; StaticMacAddress = 'macAddress' }
    if ($bound.ContainsKey('StaticMacAddress')) {
        $changes.dynamicMacAddress = $false
    }
    foreach ($key in $changes.Keys) {
        $new.$key = $changes[$key]
    }
    Edit-Vm $machine @{ networkAdapters = @($vm.networkAdapters) + $new }
    if ($bound.ContainsKey('Passthru') -and $bound.Passthru) {
        New-Adapter (Find-Vm $machine) (Get-PlanName $machine) | Where-Object -FilterScript { $_.Id -eq $new.id }
    }
}

Set-Behaviour Remove-VMNetworkAdapter -Takes VMNetworkAdapter -Do {
    param($bound)
    foreach ($adapter in $bound.VMNetworkAdapter) {
        Edit-Vm $adapter @{ networkAdapters = @((Find-Vm $adapter).networkAdapters | Where-Object -FilterScript { $_.id -ne $adapter.Id }) }
    }
}

Set-Behaviour Set-VMNetworkAdapter -Takes VMNetworkAdapter, MacAddressSpoofing, DhcpGuard, RouterGuard -Do {
    param($bound)
    $changes = @{}
    $given = Select-Bound $bound @{ MacAddressSpoofing = 'macAddressSpoofing'; DhcpGuard = 'dhcpGuard'; RouterGuard = 'routerGuard' }
    foreach ($key in $given.Keys) {
        $changes[$key] = $given[$key] -eq 'On'
    }
    foreach ($adapter in $bound.VMNetworkAdapter) {
        Edit-Adapter $adapter $changes
    }
}

Set-Behaviour Set-VMNetworkAdapterVlan -Takes VMNetworkAdapter, Untagged, Access, VlanId, Trunk, NativeVlanId, AllowedVlanIdList -Do {
    param($bound)
    $vlan = @{ mode = 'Untagged'; accessVlanId = $null; nativeVlanId = $null; allowedVlanIds = $null }
    if ($bound.ContainsKey('Access')) {
        $vlan.mode = 'Access'
        $vlan.accessVlanId = $bound.VlanId
    }
    elseif ($bound.ContainsKey('Trunk')) {
        $vlan.mode = 'Trunk'
        $vlan.nativeVlanId = $bound.NativeVlanId
        $vlan.allowedVlanIds = $bound.AllowedVlanIdList
    }
    foreach ($adapter in $bound.VMNetworkAdapter) {
        Edit-Adapter $adapter @{ vlan = $vlan }
    }
}

Set-Behaviour Connect-VMNetworkAdapter -Takes VMNetworkAdapter, SwitchName -Do {
    param($bound)
    if ($bound.SwitchName -notin (Get-ElevatedHost).switches) {
        throw "Hyper-V was unable to find a virtual switch with name `"$($bound.SwitchName)`"."
    }
    foreach ($adapter in $bound.VMNetworkAdapter) {
        Edit-Adapter $adapter @{ switchName = $bound.SwitchName }
    }
}

Set-Behaviour Disconnect-VMNetworkAdapter -Takes VMNetworkAdapter -Do {
    param($bound)
    foreach ($adapter in $bound.VMNetworkAdapter) {
        Edit-Adapter $adapter @{ switchName = $null }
    }
}

function Edit-Service {
    param($Service, [bool] $Enabled)
    $id = ($Service.Id -split '\\')[-1]
    $all = @(foreach ($item in (Find-Vm $Service).integrationServices) {
            if ($item.serviceId -eq $id) {
                $item.enabled = $Enabled
            }
            $item
        })
    Edit-Vm $Service @{ integrationServices = $all }
}

Set-Behaviour Enable-VMIntegrationService -Takes VMIntegrationService -Do {
    param($bound)
    foreach ($service in $bound.VMIntegrationService) {
        Edit-Service $service $true
    }
}

Set-Behaviour Disable-VMIntegrationService -Takes VMIntegrationService -Do {
    param($bound)
    foreach ($service in $bound.VMIntegrationService) {
        Edit-Service $service $false
    }
}

Set-Behaviour Set-VMBios -Takes VM, StartupOrder -Do {
    param($bound)
    Edit-Vm $bound.VM[0] @{ bootDevices = @($bound.StartupOrder) }
}

Set-Behaviour Set-VMFirmware -Takes VM, EnableSecureBoot, SecureBootTemplate, BootOrder -Do {
    param($bound)
    $changes = Select-Bound $bound @{ SecureBootTemplate = 'secureBootTemplate' }
    if ($bound.ContainsKey('EnableSecureBoot')) {
        $changes.secureBoot = $bound.EnableSecureBoot -eq 'On'
    }
    if ($bound.ContainsKey('BootOrder')) {
        $changes.bootOrder = @(foreach ($device in $bound.BootOrder) {
                if ($device.PSObject.TypeNames -contains 'Microsoft.HyperV.PowerShell.VMNetworkAdapter') {
                    "Network $($device.Name)"
                }
                else {
                    'Drive {0} {1} {2}' -f $device.ControllerType, $device.ControllerNumber, $device.ControllerLocation
                }
            })
    }
    Edit-Vm $bound.VM[0] @{ firmware = $changes }
}

Set-Behaviour Set-VMKeyProtector -Takes VM, NewLocalKeyProtector -Do {
    param($bound)
    [void] (Find-Vm $bound.VM[0])
}

Set-Behaviour Enable-VMTPM -Takes VM -Do {
    param($bound)
    Edit-Vm $bound.VM[0] @{ security = @{ tpmEnabled = $true } }
}

Set-Behaviour Set-VMSecurity -Takes VM, EncryptStateAndVmMigrationTraffic -Do {
    param($bound)
    Edit-Vm $bound.VM[0] @{ security = @{ encryptStateAndMigration = $bound.EncryptStateAndVmMigrationTraffic } }
}
