# Disks, partitions and volumes of the VHDs that are attached to the simulated host.

function New-StorageObject {
    param([string] $Class, [Collections.IDictionary] $Property)
    New-TypedObject -TypeName "Microsoft.Management.Infrastructure.CimInstance#ROOT/Microsoft/Windows/Storage/$Class", 'Microsoft.Management.Infrastructure.CimInstance' -Property $Property
}

function New-Partition {
    param($Disk, $Partition)
    $letter = [char] 0
    if ($Partition.driveLetter) {
        $letter = [char] $Partition.driveLetter
    }
    New-StorageObject MSFT_Partition ([ordered]@{
            DiskNumber = [uint32] $Disk.diskNumber; PartitionNumber = [uint32] $Partition.number; Size = [uint64] $Partition.sizeBytes
            Offset = [uint64] $Partition.startBytes; Type = $Partition.type; GptType = $Partition.gptType; DriveLetter = $letter
            AccessPaths = [string[]] @($Partition.accessPaths)
        })
}

Set-Behaviour Get-Disk -Takes Number -Do {
    param($bound)
    foreach ($disk in (Get-HostRecord).mounted) {
        if (-not $bound.ContainsKey('Number') -or $disk.diskNumber -in $bound.Number) {
            New-StorageObject MSFT_Disk ([ordered]@{
                    Number = [uint32] $disk.diskNumber; DiskNumber = [uint32] $disk.diskNumber; IsReadOnly = $disk.readOnly
                    Size = [uint64] $disk.sizeBytes; PartitionStyle = $disk.partitionStyle
                })
        }
    }
}

Set-Behaviour Get-Partition -Takes Disk, DiskNumber, PartitionNumber -Do {
    param($bound)
    $numbers = $bound['DiskNumber']
    if ($bound.ContainsKey('Disk')) {
        $numbers = $bound.Disk.Number
    }
    foreach ($disk in (Get-HostRecord).mounted) {
        foreach ($partition in $disk.partitions) {
            if ($disk.diskNumber -in $numbers -and (-not $bound.ContainsKey('PartitionNumber') -or $partition.number -in $bound.PartitionNumber)) {
                New-Partition $disk $partition
            }
        }
    }
}

Set-Behaviour Get-Volume -Takes Partition -Do {
    param($bound)
    foreach ($disk in (Get-HostRecord).mounted) {
        foreach ($partition in $disk.partitions) {
            if ($disk.diskNumber -eq $bound.Partition.DiskNumber -and $partition.number -eq $bound.Partition.PartitionNumber -and $partition.volumeGuid) {
                return New-StorageObject MSFT_Volume ([ordered]@{
                        DriveLetter = $bound.Partition.DriveLetter; FileSystem = $partition.fileSystem; FileSystemLabel = $partition.label
                        Path = '\\?\Volume{' + $partition.volumeGuid + '}\'
                    })
            }
        }
    }
    throw 'No MSFT_Volume objects found for the partition.'
}

Set-Behaviour Add-PartitionAccessPath -Takes InputObject, AccessPath -Do {
    param($bound)
    foreach ($partition in $bound.InputObject) {
        [void] (Invoke-HostCommand add-access-path @{ diskNumber = $partition.DiskNumber; number = $partition.PartitionNumber; path = $bound.AccessPath })
    }
}

Set-Behaviour Remove-PartitionAccessPath -Takes InputObject, AccessPath -Do {
    param($bound)
    foreach ($partition in $bound.InputObject) {
        [void] (Invoke-HostCommand remove-access-path @{ diskNumber = $partition.DiskNumber; number = $partition.PartitionNumber; path = $bound.AccessPath })
    }
}
