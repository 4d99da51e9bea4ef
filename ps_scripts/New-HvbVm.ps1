#Requires -Version 5.1
<#
.SYNOPSIS
    Builds a virtual machine anew from what was recorded of it, around disk files that are there.
.DESCRIPTION
    For backups without a usable configuration file. The VM gets a new id. Adapters stay disconnected unless the network
    is asked for. A failure, or a stop, removes the half-made VM again, never its disks. With planOnly the same steps are
    told and none is taken. What cannot be had again (pass-through disks, the secrets of a vTPM) is a warning.
.OUTPUTS
    One JSON document: id, name, state, steps, incompatibilities.
.NOTES
    Errors: RequestRefused, PathRefused, FileMissing, HyperVMissing, VmExists, VmCreationFailed.
#>
[CmdletBinding()]
[OutputType([string])]
param(
    # The request, as JSON: vm (as Get-HvbVm describes it), name, path, disks (recordedPath, path), connectNetwork,
    # switchName, planOnly.
    [Parameter(Mandatory)]
    [string] $Request
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

function Add-HvbStep {
    # A step of the plan: a line for people, what it does, and with what.
    param([string] $Text, [scriptblock] $Action, $With)
    $plan.Add([pscustomobject] @{ Text = $Text; Action = $Action; With = $With })
}

function Get-HvbOnOff {
    # A switch of Hyper-V as its cmdlets take it.
    param([bool] $Value)
    if ($Value) { 'On' } else { 'Off' }
}

function Get-HvbBootDevice {
    # The object of the new VM that an entry of a recorded boot order means, or nothing.
    param($Machine, [string] $Entry)
    if ($Entry -match '^Network (?<name>.*)$') {
        $name = $Matches.name
        Get-VMNetworkAdapter -VM $Machine | Where-Object -FilterScript { $_.Name -eq $name } | Select-Object -First 1
    }
    elseif ($Entry -match '^Drive \w+ (?<number>\d+) (?<location>\d+)$') {
        $number = [int] $Matches.number
        $location = [int] $Matches.location
        @(Get-VMHardDiskDrive -VM $Machine) + @(Get-VMDvdDrive -VM $Machine) | Where-Object -FilterScript {
            $_.ControllerNumber -eq $number -and $_.ControllerLocation -eq $location
        } | Select-Object -First 1
    }
}

function Add-HvbAdapterStep {
    # The steps of one network adapter.
    param([hashtable] $Adapter)
    $switchName = $null
    if ($asked.switchName) {
        $switchName = $asked.switchName
    }
    elseif ($asked.connectNetwork -and $Adapter.switchName) {
        if ($Adapter.switchName -in $switches) {
            $switchName = $Adapter.switchName
        }
        else {
            $warnings.Add("The switch '$($Adapter.switchName)' is not on this host; the adapter '$($Adapter.name)' stays disconnected.")
        }
    }
    $create = @{ Name = $Adapter.name }
    if ($Adapter.isLegacy) {
        $create.IsLegacy = $true
    }
    if ($switchName) {
        $create.SwitchName = $switchName
    }
    if ($Adapter.dynamicMacAddress -or -not $Adapter.macAddress) {
        $create.DynamicMacAddress = $true
    }
    else {
        $create.StaticMacAddress = $Adapter.macAddress
    }
    $place = 'disconnected'
    if ($switchName) {
        $place = "connected to '$switchName'"
    }
    $guards = @{
        MacAddressSpoofing = Get-HvbOnOff -Value $Adapter.macAddressSpoofing
        DhcpGuard          = Get-HvbOnOff -Value $Adapter.dhcpGuard
        RouterGuard        = Get-HvbOnOff -Value $Adapter.routerGuard
    }
    $vlan = Read-HvbObject -Value $Adapter.vlan -Place 'vlan' -Optional @{
        mode = @('string', 'Untagged'); accessVlanId = @('integer', 0); nativeVlanId = @('integer', 0); allowedVlanIds = @('string', '')
    }
    if ($vlan.mode -eq 'Private') {
        $warnings.Add("The private VLAN of the adapter '$($Adapter.name)' was not recorded; it is untagged.")
    }
    Add-HvbStep -Text "Add the network adapter '$($Adapter.name)', $place." -With @{ create = $create; guards = $guards; vlan = $vlan } -Action {
        param($VM, $With)
        $create = $With.create
        $guards = $With.guards
        $vlan = $With.vlan
        $new = Add-VMNetworkAdapter -VM $VM -Passthru @create
        Set-VMNetworkAdapter -VMNetworkAdapter $new @guards
        if ($vlan.mode -eq 'Access') {
            Set-VMNetworkAdapterVlan -VMNetworkAdapter $new -Access -VlanId $vlan.accessVlanId
        }
        elseif ($vlan.mode -eq 'Trunk') {
            Set-VMNetworkAdapterVlan -VMNetworkAdapter $new -Trunk -NativeVlanId $vlan.nativeVlanId -AllowedVlanIdList $vlan.allowedVlanIds
        }
    }
}

$machine = $null
$finished = $false
try {
    $asked = Read-HvbRequest -Text $Request -Required @{ vm = 'object'; name = 'string'; path = 'string' } -Optional @{
        disks = @('array', @()); connectNetwork = @('boolean', $false); switchName = @('string', $null); planOnly = @('boolean', $false)
    }
    $vm = Read-HvbObject -Value $asked.vm -Place 'vm' -Required @{
        id = 'string'; name = 'string'; state = 'string'; generation = 'integer'; version = 'string'; path = 'string'
        configurationLocation = 'string'; snapshotFileLocation = 'string'; memory = 'object'; processor = 'object'
    } -Optional @{
        configurationFile = @('string', $null); smartPagingFilePath = @('string', $null); notes = @('string', '')
        createdAt = @('string', ''); uptimeSeconds = @('integer', 0); clustered = @('boolean', $false)
        replicationMode = @('string', ''); checkpointType = @('string', ''); automaticCheckpoints = @('boolean', $null)
        automaticStartAction = @('string', ''); automaticStartDelaySeconds = @('integer', 0)
        automaticStopAction = @('string', ''); scsiControllers = @('integer', 0); disks = @('array', @())
        dvdDrives = @('array', @()); networkAdapters = @('array', @()); integrationServices = @('array', @())
        checkpoints = @('array', @()); firmware = @('object', $null); bootDevices = @('array', @()); security = @('object', $null)
    }
    $memory = Read-HvbObject -Value $vm.memory -Place 'vm.memory' -Required @{ startupBytes = 'integer' } -Optional @{
        dynamic = @('boolean', $false); minimumBytes = @('integer', $null); maximumBytes = @('integer', $null)
        bufferPercent = @('integer', $null); priority = @('integer', $null)
    }
    $processor = Read-HvbObject -Value $vm.processor -Place 'vm.processor' -Required @{ count = 'integer' } -Optional @{
        reserve = @('integer', 0); maximum = @('integer', 100); relativeWeight = @('integer', 100)
        compatibilityForMigration = @('boolean', $false); compatibilityForOlderOperatingSystems = @('boolean', $false)
        exposeVirtualizationExtensions = @('boolean', $false)
    }
    if ($vm.generation -notin 1, 2 -or $asked.name -eq '') {
        throw (New-HvbError -Id RequestRefused -Message 'A VM needs a name, and generation 1 or 2.')
    }
    $path = Resolve-HvbPath -Path $asked.path
    $places = Read-HvbPlacement -Value $asked.disks
    $warnings = New-Object -TypeName System.Collections.Generic.List[string]
    $plan = New-Object -TypeName System.Collections.Generic.List[object]
    $disks = @(foreach ($item in $vm.disks) {
            $disk = Read-HvbObject -Value $item -Place 'vm.disks' -Required @{
                controllerType = 'string'; controllerNumber = 'integer'; controllerLocation = 'integer'
            } -Optional @{
                path = @('string', $null); diskNumber = @('integer', $null); supportPersistentReservations = @('boolean', $false)
                chain = @('array', @()); error = @('string', $null)
            }
            if (-not $disk.path) {
                $warnings.Add("The pass-through disk at $($disk.controllerType) $($disk.controllerNumber) $($disk.controllerLocation) is left out.")
                continue
            }
            if ($places.ContainsKey($disk.path)) {
                $disk.path = $places[$disk.path]
            }
            $disk.path = Resolve-HvbPath -Path $disk.path
            if (-not [IO.File]::Exists($disk.path)) {
                throw (New-HvbError -Id FileMissing -Message "The disk '$($disk.path)' is not there.")
            }
            $disk
        })
    Assert-HvbHyperV
    Assert-HvbVmName -Name $asked.name
    if ($asked.switchName) {
        Assert-HvbSwitch -Name $asked.switchName
    }
    $switches = @(Get-VMSwitch | ForEach-Object -Process { $_.Name })

    # -------------------------------------------------------------- the plan
    $create = @{ Name = $asked.name; Path = $path; Generation = $vm.generation; MemoryStartupBytes = $memory.startupBytes }
    if ($vm.version -in (Get-VMHost).SupportedVmVersions) {
        $create.Version = [version] $vm.version
    }
    else {
        $warnings.Add("This host does not make VMs of version $($vm.version); the VM gets the host's own version.")
    }
    # New-VM adds an adapter and, on generation 1, a DVD drive of its own.
    Add-HvbStep -Text "Create the VM '$($asked.name)' (generation $($vm.generation)) in '$path'." -Action {
        param($VM)
        foreach ($adapter in @(Get-VMNetworkAdapter -VM $VM)) {
            Remove-VMNetworkAdapter -VMNetworkAdapter $adapter
        }
        foreach ($drive in @(Get-VMDvdDrive -VM $VM)) {
            Remove-VMDvdDrive -VMDvdDrive $drive
        }
    }

    $settings = @{ Notes = $vm.notes; AutomaticStartDelay = $vm.automaticStartDelaySeconds }
    foreach ($pair in @(@('AutomaticStartAction', $vm.automaticStartAction), @('AutomaticStopAction', $vm.automaticStopAction), @('CheckpointType', $vm.checkpointType))) {
        if ($pair[1]) {
            $settings[$pair[0]] = $pair[1]
        }
    }
    # Server 2016 does not have it.
    $optional = 'AutomaticCheckpointsEnabled'
    if ($null -ne $vm.automaticCheckpoints -and (Get-Command -Name Set-VM).Parameters.ContainsKey($optional)) {
        $settings[$optional] = $vm.automaticCheckpoints
    }
    foreach ($pair in @(@('SnapshotFileLocation', $vm.snapshotFileLocation), @('SmartPagingFilePath', $vm.smartPagingFilePath))) {
        # A location of its own is kept; the VM's own folder has moved with the VM.
        if ($pair[1] -and $pair[1].TrimEnd('\') -notin $vm.path.TrimEnd('\'), $vm.configurationLocation.TrimEnd('\')) {
            if ([IO.Directory]::Exists([IO.Path]::GetPathRoot($pair[1]))) {
                $settings[$pair[0]] = $pair[1]
            }
            else {
                $warnings.Add("'$($pair[1])' is not on this host; the VM's own folder is used instead.")
            }
        }
    }
    Add-HvbStep -Text 'Set what it does when the host starts and stops, its checkpoints and its notes.' -Action {
        param($VM)
        Set-VM -VM $VM @settings
    }

    $amounts = @{ DynamicMemoryEnabled = $memory.dynamic; StartupBytes = $memory.startupBytes }
    if ($memory.dynamic) {
        foreach ($pair in @(@('MinimumBytes', $memory.minimumBytes), @('MaximumBytes', $memory.maximumBytes), @('Buffer', $memory.bufferPercent))) {
            if ($null -ne $pair[1]) {
                $amounts[$pair[0]] = $pair[1]
            }
        }
    }
    if ($null -ne $memory.priority) {
        $amounts['Priority'] = $memory.priority
    }
    Add-HvbStep -Text 'Set its memory.' -Action {
        param($VM)
        Set-VMMemory -VM $VM @amounts
    }

    $cores = @{
        Count                                        = $processor.count
        Reserve                                      = $processor.reserve
        Maximum                                      = $processor.maximum
        RelativeWeight                               = $processor.relativeWeight
        CompatibilityForMigrationEnabled             = $processor.compatibilityForMigration
        CompatibilityForOlderOperatingSystemsEnabled = $processor.compatibilityForOlderOperatingSystems
        ExposeVirtualizationExtensions               = $processor.exposeVirtualizationExtensions
    }
    Add-HvbStep -Text "Give it $($processor.count) processors." -Action {
        param($VM)
        Set-VMProcessor -VM $VM @cores
    }

    $controllerCount = $vm.scsiControllers
    Add-HvbStep -Text "Give it $controllerCount SCSI controllers." -Action {
        param($VM)
        $controllers = @(Get-VMScsiController -VM $VM | Sort-Object -Property ControllerNumber)
        for ($number = $controllers.Count; $number -lt $controllerCount; $number++) {
            Add-VMScsiController -VM $VM
        }
        for ($number = $controllers.Count - 1; $number -ge $controllerCount; $number--) {
            Remove-VMScsiController -VMScsiController $controllers[$number]
        }
    }
    foreach ($disk in $disks) {
        $drive = @{
            ControllerType = $disk.controllerType; ControllerNumber = $disk.controllerNumber
            ControllerLocation = $disk.controllerLocation; Path = $disk.path
        }
        if ($disk.supportPersistentReservations) {
            $drive.SupportPersistentReservations = $true
        }
        $place = '{0} {1} {2}' -f $disk.controllerType, $disk.controllerNumber, $disk.controllerLocation
        Add-HvbStep -Text "Attach '$($disk.path)' at $place." -With $drive -Action {
            param($VM, $With)
            Add-VMHardDiskDrive -VM $VM @With
        }
    }
    foreach ($item in $vm.dvdDrives) {
        $dvd = Read-HvbObject -Value $item -Place 'vm.dvdDrives' -Required @{
            controllerType = 'string'; controllerNumber = 'integer'; controllerLocation = 'integer'
        } -Optional @{ path = @('string', $null) }
        $drive = @{ ControllerNumber = $dvd.controllerNumber; ControllerLocation = $dvd.controllerLocation }
        if ($dvd.path -and [IO.File]::Exists($dvd.path)) {
            $drive.Path = $dvd.path
        }
        elseif ($dvd.path) {
            $warnings.Add("'$($dvd.path)' is not there; the DVD drive is empty.")
        }
        Add-HvbStep -Text "Add the DVD drive $($dvd.controllerNumber) $($dvd.controllerLocation)." -With $drive -Action {
            param($VM, $With)
            Add-VMDvdDrive -VM $VM @With
        }
    }
    foreach ($item in $vm.networkAdapters) {
        $adapter = Read-HvbObject -Value $item -Place 'vm.networkAdapters' -Required @{ id = 'string'; name = 'string' } -Optional @{
            switchName = @('string', $null); macAddress = @('string', ''); dynamicMacAddress = @('boolean', $true)
            isLegacy = @('boolean', $false); macAddressSpoofing = @('boolean', $false); dhcpGuard = @('boolean', $false)
            routerGuard = @('boolean', $false); vlan = @('object', ([pscustomobject] @{}))
        }
        Add-HvbAdapterStep -Adapter $adapter
    }

    $services = @{}
    foreach ($item in $vm.integrationServices) {
        $service = Read-HvbObject -Value $item -Place 'vm.integrationServices' -Required @{ serviceId = 'string'; name = 'string'; enabled = 'boolean' } -Optional @{
            status = @('string', ''); operational = @('boolean', $null)
        }
        $services[(ConvertTo-HvbGuid -Text $service.serviceId)] = $service.enabled
    }
    Add-HvbStep -Text 'Set its integration services.' -Action {
        param($VM)
        foreach ($service in @(Get-VMIntegrationService -VM $VM)) {
            $key = ConvertTo-HvbGuid -Text ($service.Id -split '\\')[-1]
            if ($services.ContainsKey($key) -and $services[$key] -and -not $service.Enabled) {
                Enable-VMIntegrationService -VMIntegrationService $service
            }
            elseif ($services.ContainsKey($key) -and -not $services[$key] -and $service.Enabled) {
                Disable-VMIntegrationService -VMIntegrationService $service
            }
        }
    }
    if ($vm.generation -eq 1 -and $vm.bootDevices.Count -gt 0) {
        $startupOrder = $vm.bootDevices
        Add-HvbStep -Text 'Set the order in which it boots.' -Action {
            param($VM)
            Set-VMBios -VM $VM -StartupOrder $startupOrder
        }
    }
    if ($vm.firmware) {
        $firmware = Read-HvbObject -Value $vm.firmware -Place 'vm.firmware' -Optional @{
            secureBoot = @('boolean', $true); secureBootTemplate = @('string', $null); bootOrder = @('array', @())
        }
        $boot = @{ EnableSecureBoot = Get-HvbOnOff -Value $firmware.secureBoot }
        if ($firmware.secureBootTemplate) {
            $boot.SecureBootTemplate = $firmware.secureBootTemplate
        }
        Add-HvbStep -Text 'Set its firmware and the order in which it boots.' -Action {
            param($VM)
            Set-VMFirmware -VM $VM @boot
            $order = @(foreach ($entry in $firmware.bootOrder) { Get-HvbBootDevice -Machine $VM -Entry $entry })
            if ($order.Count -gt 0) {
                Set-VMFirmware -VM $VM -BootOrder $order
            }
        }
    }
    if ($vm.security) {
        $security = Read-HvbObject -Value $vm.security -Place 'vm.security' -Optional @{
            tpmEnabled = @('boolean', $false); shielded = @('boolean', $false); encryptStateAndMigration = @('boolean', $false)
        }
        if ($security.shielded) {
            $warnings.Add('The VM was shielded; this one is not.')
        }
        if ($security.tpmEnabled) {
            $warnings.Add('The VM gets a new, empty TPM: BitLocker will ask for its recovery key.')
            Add-HvbStep -Text 'Give it a new TPM.' -Action {
                param($VM)
                Set-VMKeyProtector -VM $VM -NewLocalKeyProtector
                Enable-VMTPM -VM $VM
            }
        }
        if ($security.encryptStateAndMigration -and $security.tpmEnabled) {
            Add-HvbStep -Text 'Encrypt its state and migration.' -Action {
                param($VM)
                Set-VMSecurity -VM $VM -EncryptStateAndVmMigrationTraffic $true
            }
        }
    }

    # -------------------------------------------------------------- the work
    $answer = [ordered]@{
        id = $null; name = $asked.name; state = 'Off'; steps = @($plan | ForEach-Object -Process { $_.Text }); incompatibilities = @()
    }
    if (-not $asked.planOnly) {
        $step = $plan[0]
        try {
            $machine = New-VM -NoVHD @create -Confirm:$false
            foreach ($step in $plan) {
                [void] (& $step.Action $machine $step.With)
            }
            $built = Get-HvbVirtualMachine -Id $machine.Id.ToString()
            $answer.id = $built.Id.ToString()
            $answer.state = $built.State.ToString()
        }
        catch {
            throw (New-HvbError -Id VmCreationFailed -Message "The VM '$($asked.name)' was not created. $($step.Text) $($_.Exception.Message)")
        }
    }
    $finished = $true
    Write-HvbAnswer -Warnings $warnings.ToArray() -Data $answer
}
catch {
    Write-HvbFailure -ErrorRecord $_
}
finally {
    # Never its disks: Remove-VM leaves them alone.
    if ($machine -and -not $finished) {
        Remove-VM -VM $machine -Force -Confirm:$false
    }
}
