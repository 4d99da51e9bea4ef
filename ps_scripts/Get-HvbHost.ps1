#Requires -Version 5.1
<#
.SYNOPSIS
    Says what this host is, and whether it is fit for the work.
.DESCRIPTION
    Works without the Hyper-V role, without diskshadow and without elevation: what cannot be seen is a warning. With
    writers, also the verbatim listings of vssadmin, in the host's language.
.OUTPUTS
    One JSON document: the facts of the host (HostFacts).
.NOTES
    Errors: RequestRefused.
#>
[CmdletBinding()]
[OutputType([string])]
param(
    # The request, as JSON: writers.
    [Parameter(Mandatory)]
    [string] $Request
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

try {
    $asked = Read-HvbRequest -Text $Request -Optional @{ writers = @('boolean', $false) }
    $warnings = New-Object -TypeName System.Collections.Generic.List[string]
    $system = [Environment]::SystemDirectory
    $windows = Get-CimInstance -ClassName Win32_OperatingSystem
    $computer = Get-CimInstance -ClassName Win32_ComputerSystem
    $identity = [Security.Principal.WindowsIdentity]::GetCurrent()
    $principal = New-Object -TypeName System.Security.Principal.WindowsPrincipal -ArgumentList $identity
    $domain = $null
    if ($computer.PartOfDomain) {
        $domain = $computer.Domain
    }

    $role = [ordered]@{ installed = $false; moduleVersion = $null; serviceState = $null }
    try {
        $service = Get-HvbHyperVService
        if ($service) {
            $role.installed = $true
            $role.serviceState = $service.State
            $modules = @(Get-Module -ListAvailable -Name Hyper-V | Sort-Object -Property Version -Descending)
            if ($modules.Count -gt 0) {
                $role.moduleVersion = $modules[0].Version.ToString()
            }
        }
    }
    catch {
        $warnings.Add("The Hyper-V role cannot be seen: $($_.Exception.Message)")
    }

    $volumes = @()
    try {
        $driveTypes = @{ 2 = 'Removable'; 3 = 'Fixed'; 4 = 'Network'; 5 = 'CD-ROM'; 6 = 'RAM' }
        $folders = @{}
        foreach ($mount in Get-CimInstance -ClassName Win32_MountPoint) {
            $folder = $mount.Directory.Name
            if (-not $folder.EndsWith('\')) {
                $folder += '\'
            }
            $folders[$mount.Volume.DeviceID] = @($folders[$mount.Volume.DeviceID]) + $folder
        }
        $volumes = @(foreach ($volume in Get-CimInstance -ClassName Win32_Volume) {
                $paths = @(@($volume.Name) + @($folders[$volume.DeviceID]) |
                        Where-Object -FilterScript { $_ -and -not $_.StartsWith('\\?\') } | Select-Object -Unique)
                $driveType = $driveTypes[[int] $volume.DriveType]
                if (-not $driveType) {
                    $driveType = 'Unknown'
                }
                [ordered]@{
                    id         = $volume.DeviceID
                    paths      = $paths
                    label      = [string] $volume.Label
                    fileSystem = [string] $volume.FileSystem
                    sizeBytes  = [long] $volume.Capacity
                    freeBytes  = [long] $volume.FreeSpace
                    driveType  = $driveType
                    clustered  = $volume.FileSystem -eq 'CSVFS' -or @($paths -like '?:\ClusterStorage\*').Count -gt 0
                }
            })
    }
    catch {
        $warnings.Add("The volumes cannot be seen: $($_.Exception.Message)")
    }

    $shadows = @()
    try {
        $shadows = @(foreach ($shadow in Get-CimInstance -ClassName Win32_ShadowCopy) {
                [ordered]@{
                    id        = ConvertTo-HvbGuid -Text $shadow.ID
                    setId     = ConvertTo-HvbGuid -Text $shadow.SetID
                    volume    = $shadow.VolumeName
                    device    = $shadow.DeviceObject
                    createdAt = ConvertTo-HvbTime -Time $shadow.InstallDate
                }
            })
    }
    catch {
        $warnings.Add("The shadow copies cannot be seen: $($_.Exception.Message)")
    }

    $listings = @{ writers = $null; providers = $null }
    if ($asked.writers) {
        $encoding = [Text.Encoding]::GetEncoding((Get-HvbOemCodePage))
        foreach ($what in 'writers', 'providers') {
            try {
                $run = Invoke-HvbProgram -Path "$system\vssadmin.exe" -Arguments "list $what" -Folder $system -TimeoutSeconds 180
                if ($run.timedOut) {
                    $warnings.Add("vssadmin list $what did not end within 180 seconds.")
                }
                else {
                    $listings[$what] = $encoding.GetString($run.output)
                }
            }
            catch {
                $warnings.Add("vssadmin list $what cannot be run: $($_.Exception.Message)")
            }
        }
    }

    $diskShadow = $null
    if ([IO.File]::Exists("$system\diskshadow.exe")) {
        $diskShadow = "$system\diskshadow.exe"
    }
    Write-HvbAnswer -Warnings $warnings.ToArray() -Data ([ordered]@{
            computerName      = [Environment]::MachineName
            osCaption         = [string] $windows.Caption
            osVersion         = [string] $windows.Version
            osBuild           = [int] $windows.BuildNumber
            productType       = [int] $windows.ProductType
            powershellVersion = $PSVersionTable.PSVersion.ToString()
            user              = $identity.Name
            elevated          = $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)
            time              = ConvertTo-HvbTime -Time ([datetime]::UtcNow)
            domain            = $domain
            hyperV            = $role
            diskshadowPath    = $diskShadow
            scratchRoot       = Get-HvbScratchRoot
            volumes           = $volumes
            shadowCopies      = $shadows
            vssadminWriters   = $listings.writers
            vssadminProviders = $listings.providers
        })
}
catch {
    Write-HvbFailure -ErrorRecord $_
}
