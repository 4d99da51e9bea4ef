# Get-CimInstance for the classes that the scripts ask for.

function New-CimObject {
    param([string] $Class, [Collections.IDictionary] $Property)
    New-TypedObject -TypeName "Microsoft.Management.Infrastructure.CimInstance#root/cimv2/$Class", 'Microsoft.Management.Infrastructure.CimInstance' -Property $Property
}

$classes = @{
    Win32_OperatingSystem = {
        param($machine)
        New-CimObject Win32_OperatingSystem ([ordered]@{
                Caption = $machine.osCaption; Version = $machine.osVersion; BuildNumber = [string] $machine.osBuild
                ProductType = [uint32] $machine.productType; CSName = $machine.computerName
            })
    }
    Win32_ComputerSystem  = {
        param($machine)
        $domain = $machine.domain
        if (-not $domain) {
            $domain = 'WORKGROUP'
        }
        New-CimObject Win32_ComputerSystem ([ordered]@{
                Name = $machine.computerName; PartOfDomain = $null -ne $machine.domain; Domain = $domain
            })
    }
    Win32_Service         = {
        param($machine)
        if ($machine.hyperV) {
            New-CimObject Win32_Service ([ordered]@{
                    Name = 'vmms'; DisplayName = 'Hyper-V Virtual Machine Management'; State = $machine.serviceState
                })
        }
    }
    Win32_Volume          = {
        $types = @{ Unknown = 0; Removable = 2; Fixed = 3; Network = 4; 'CD-ROM' = 5; RAM = 6 }
        foreach ($volume in (Get-HostRecord).volumes) {
            $fileSystem = $volume.fileSystem
            if ($volume.clustered) {
                $fileSystem = 'CSVFS'
            }
            New-CimObject Win32_Volume ([ordered]@{
                    DeviceID = '\\?\Volume{' + $volume.guid + '}\'; Name = $volume.letter + ':\'; DriveLetter = $volume.letter + ':'
                    Label = $volume.label; FileSystem = $fileSystem; Capacity = [uint64] $volume.sizeBytes
                    FreeSpace = [uint64] $volume.freeBytes; DriveType = [uint32] $types[$volume.driveType]
                })
        }
    }
    Win32_MountPoint      = {
        foreach ($volume in (Get-HostRecord).volumes) {
            New-CimObject Win32_MountPoint ([ordered]@{
                    Directory = New-CimObject Win32_Directory ([ordered]@{ Name = $volume.letter + ':\' })
                    Volume    = New-CimObject Win32_Volume ([ordered]@{ DeviceID = '\\?\Volume{' + $volume.guid + '}\' })
                })
        }
    }
    Win32_ShadowCopy      = {
        foreach ($shadow in (Get-HostRecord).shadowCopies) {
            New-CimObject Win32_ShadowCopy ([ordered]@{
                    ID = '{' + $shadow.id.ToUpperInvariant() + '}'; SetID = '{' + $shadow.setId.ToUpperInvariant() + '}'
                    VolumeName = '\\?\Volume{' + $shadow.volumeGuid + '}\'
                    DeviceObject = '\\?\GLOBALROOT\Device\HarddiskVolumeShadowCopy' + $shadow.number
                    InstallDate = [datetime]::Parse($shadow.createdAt, [cultureinfo]::InvariantCulture, 'AdjustToUniversal')
                })
        }
    }
}

Set-Behaviour Get-CimInstance -Takes ClassName, Namespace, Filter, Property -Do {
    param($bound)
    if (-not $classes.ContainsKey($bound.ClassName)) {
        throw "The simulated host has no class '$($bound.ClassName)'."
    }
    $found = & $classes[$bound.ClassName] (Get-HostRecord).machine
    if ($bound.ContainsKey('Filter')) {
        if ($bound.Filter -notmatch "^(?<key>\w+) = '(?<value>[^']*)'$") {
            throw "The simulated host does not know the filter: $($bound.Filter)"
        }
        $key = $Matches.key
        $value = $Matches.value
        $found = $found | Where-Object -FilterScript { $_ -and $_.$key -eq $value }
    }
    $found
}
