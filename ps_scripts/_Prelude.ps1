#Requires -Version 5.1
<#
.SYNOPSIS
    What the scripts of hvbackup share: answers, failures, requests, paths, programs, virtual machines.
.DESCRIPTION
    Loaded once into each runspace, before the first script; defines functions and does nothing else.
.NOTES
    Errors: RequestRefused, PathRefused, FileMissing, FileExists, FileInUse, StorageFull, HyperVMissing, VmNotFound.
#>
Set-StrictMode -Version 3.0

function ConvertTo-HvbJson {
    # One line of ASCII, so that no code page on the way can change it.
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory)] $Data)
    $json = ConvertTo-Json -InputObject $Data -Depth 20 -Compress
    [regex]::Replace($json, '[^\x20-\x7e]', { param($match) '\u{0:x4}' -f [int][char] $match.Value })
}

function Write-HvbAnswer {
    # The good answer, as JSON text. A long one is packed: then it needs fewer round trips.
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory)] [Collections.IDictionary] $Data,
        [AllowEmptyCollection()] [string[]] $Warnings = @()
    )
    $text = ConvertTo-HvbJson -Data ([ordered]@{ contract = 1; ok = $true; data = $Data; warnings = @($Warnings) })
    if ($text.Length -gt 32768) {
        $bytes = [Text.Encoding]::ASCII.GetBytes($text)
        $packed = New-Object -TypeName System.IO.MemoryStream
        $deflate = New-Object -TypeName System.IO.Compression.DeflateStream -ArgumentList $packed, ([IO.Compression.CompressionLevel]::Fastest), $true
        $deflate.Write($bytes, 0, $bytes.Length)
        $deflate.Dispose()
        $text = 'deflate:' + [Convert]::ToBase64String($packed.ToArray())
    }
    $text
}

function New-HvbError {
    # An error record to throw: its id names a class of hvbackup/errors.py.
    [CmdletBinding()]
    [OutputType([Management.Automation.ErrorRecord])]
    param(
        [Parameter(Mandatory)] [string] $Id,
        [Parameter(Mandatory)] [string] $Message,
        [AllowNull()] [Collections.IDictionary] $Details = $null
    )
    $exception = New-Object -TypeName System.InvalidOperationException -ArgumentList $Message
    $exception.Data['HvbId'] = $Id
    $exception.Data['HvbDetails'] = $Details
    New-Object -TypeName System.Management.Automation.ErrorRecord -ArgumentList $exception, $Id, 'InvalidOperation', $null
}

function Get-HvbErrorId {
    # The id of an error: ours, or one that the exception implies, else Unexpected.
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory)] [Exception] $Exception)
    if ($Exception.Data.Contains('HvbId')) {
        return $Exception.Data['HvbId']
    }
    if ($Exception -is [IO.FileNotFoundException] -or $Exception -is [IO.DirectoryNotFoundException] -or
        $Exception -is [IO.DriveNotFoundException] -or $Exception -is [Management.Automation.ItemNotFoundException]) {
        return 'FileMissing'
    }
    if ($Exception -is [IO.IOException]) {
        # Windows' error codes in HRESULT form, as winerror.h has them.
        switch ('{0:X8}' -f $Exception.HResult) {
            { $_ -in '80070050', '800700B7' } { return 'FileExists' }
            { $_ -in '80070020', '80070021', '80070497' } { return 'FileInUse' }
            { $_ -in '80070070', '80070027' } { return 'StorageFull' }
        }
    }
    'Unexpected'
}

function Write-HvbFailure {
    # The answer of a script that failed, as JSON text.
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory)] [Management.Automation.ErrorRecord] $ErrorRecord)
    $exception = $ErrorRecord.Exception
    while ($exception -is [Management.Automation.MethodInvocationException] -and $exception.InnerException) {
        $exception = $exception.InnerException
    }
    $details = $null
    if ($exception.Data.Contains('HvbDetails')) {
        $details = $exception.Data['HvbDetails']
    }
    ConvertTo-HvbJson -Data ([ordered]@{
            contract = 1
            ok       = $false
            error    = [ordered]@{
                id       = Get-HvbErrorId -Exception $exception
                message  = [string] $exception.Message
                details  = $details
                category = $ErrorRecord.CategoryInfo.Category.ToString()
                stack    = [string] $ErrorRecord.ScriptStackTrace
            }
        })
}

function Test-HvbType {
    # Whether a value of a request has a type of this contract.
    [CmdletBinding()]
    [OutputType([bool])]
    param([AllowNull()] $Value, [Parameter(Mandatory)] [string] $Type)
    switch ($Type) {
        'string' { $Value -is [string] }
        'integer' { $Value -is [int] -or $Value -is [long] }
        'boolean' { $Value -is [bool] }
        'array' { $Value -is [array] }
        'object' { $Value -is [Management.Automation.PSCustomObject] }
        default { $false }
    }
}

function Read-HvbObject {
    # Checks one JSON object: keys, types, defaults. Optional keys: @(type, default); null means the default.
    [CmdletBinding()]
    [OutputType([hashtable])]
    param(
        [AllowNull()] $Value,
        [Parameter(Mandatory)] [string] $Place,
        [hashtable] $Required = @{},
        [hashtable] $Optional = @{}
    )
    if (-not (Test-HvbType -Value $Value -Type 'object')) {
        throw (New-HvbError -Id RequestRefused -Message "$Place is not a JSON object.")
    }
    $result = @{}
    foreach ($key in $Optional.Keys) {
        $result[$key] = $Optional[$key][1]
    }
    foreach ($property in $Value.PSObject.Properties) {
        $name = $property.Name
        $type = $null
        if ($Required.ContainsKey($name)) {
            $type = $Required[$name]
        }
        elseif ($Optional.ContainsKey($name)) {
            $type = $Optional[$name][0]
            if ($null -eq $property.Value) {
                continue
            }
        }
        else {
            throw (New-HvbError -Id RequestRefused -Message "$Place has an unknown key '$name'.")
        }
        if (-not (Test-HvbType -Value $property.Value -Type $type)) {
            throw (New-HvbError -Id RequestRefused -Message "$Place has a '$name' that is not of type $type.")
        }
        $result[$name] = $property.Value
    }
    foreach ($key in $Required.Keys) {
        if (-not $result.ContainsKey($key)) {
            throw (New-HvbError -Id RequestRefused -Message "$Place lacks the key '$key'.")
        }
    }
    $result
}

function Read-HvbRequest {
    # The request as a hashtable with every key; RequestRefused when it is malformed.
    [CmdletBinding()]
    [OutputType([hashtable])]
    param(
        [Parameter(Mandatory)] [AllowEmptyString()] [string] $Text,
        [hashtable] $Required = @{},
        [hashtable] $Optional = @{}
    )
    try {
        $value = ConvertFrom-Json -InputObject $Text
    }
    catch {
        throw (New-HvbError -Id RequestRefused -Message "The request is not JSON: $($_.Exception.Message)")
    }
    Read-HvbObject -Value $value -Place 'The request' -Required $Required -Optional $Optional
}

function ConvertTo-HvbGuid {
    # A GUID in lower case, without braces; RequestRefused when it is none.
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory)] [AllowEmptyString()] [string] $Text)
    $guid = [guid]::Empty
    if (-not [guid]::TryParse($Text, [ref] $guid)) {
        throw (New-HvbError -Id RequestRefused -Message "'$Text' is not an id.")
    }
    $guid.ToString()
}

function ConvertTo-HvbTime {
    # A time as ISO 8601 text in UTC.
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory)] [datetime] $Time)
    $Time.ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ss.fffffffZ', [cultureinfo]::InvariantCulture)
}

function Resolve-HvbPath {
    # An absolute path on this host, without a backslash at its end: a drive, or \\?\Volume{...} or \\?\GLOBALROOT\Device\...
    # Refused: relative paths, '..', other hosts, streams, wildcards and whatever Windows would silently turn into another name.
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory)] [AllowEmptyString()] [string] $Path)
    $root = '^(?:[A-Za-z]:|\\\\\?\\Volume\{[0-9A-Fa-f-]{36}\}|\\\\\?\\GLOBALROOT\\Device\\[A-Za-z0-9]+)(?=\\)'
    $match = [regex]::Match($Path, $root)
    if (-not $match.Success) {
        throw (New-HvbError -Id PathRefused -Message "'$Path' is not an absolute path on this host.")
    }
    $rest = $Path.Substring($match.Length).TrimEnd('\')
    foreach ($name in $rest.Split('\') | Select-Object -Skip 1) {
        if ($name -eq '' -or $name.EndsWith('.') -or $name.EndsWith(' ') -or $name -match '[\x00-\x1f<>:"/|?*]') {
            throw (New-HvbError -Id PathRefused -Message "'$Path' has a part that is not the name of a file or folder: '$name'.")
        }
    }
    if ($rest -eq '') {
        return $match.Value + '\'
    }
    $match.Value + $rest
}

function Get-HvbScratchRoot {
    # Where the scratch folders of hvbackup are.
    [CmdletBinding()]
    [OutputType([string])]
    param()
    [Environment]::GetFolderPath('CommonApplicationData') + '\hvbackup\runs'
}

function Resolve-HvbScratch {
    # A scratch folder: a folder directly below the scratch root, and neither it nor what leads to it may be a link.
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory)] [AllowEmptyString()] [string] $Path)
    $scratch = Resolve-HvbPath -Path $Path
    $root = Get-HvbScratchRoot
    if ([IO.Path]::GetDirectoryName($scratch) -ne $root) {
        throw (New-HvbError -Id PathRefused -Message "'$Path' is not a folder directly below '$root'.")
    }
    foreach ($folder in [IO.Path]::GetDirectoryName($root), $root, $scratch) {
        if (Test-HvbLink -Path $folder) {
            throw (New-HvbError -Id PathRefused -Message "'$folder' is a link.")
        }
    }
    $scratch
}

function Test-HvbLink {
    # Whether there is a reparse point here: symbolic link, junction, mount point.
    [CmdletBinding()]
    [OutputType([bool])]
    param([Parameter(Mandatory)] [string] $Path)
    try {
        $attributes = [IO.File]::GetAttributes($Path)
    }
    catch [IO.FileNotFoundException], [IO.DirectoryNotFoundException] {
        return $false
    }
    [bool] ($attributes -band [IO.FileAttributes]::ReparsePoint)
}

function Get-HvbTree {
    # Everything in a folder, deepest last; links are listed and not entered.
    [CmdletBinding()]
    param([Parameter(Mandatory)] [string] $Path)
    $folders = New-Object -TypeName System.Collections.Queue
    $folders.Enqueue($Path)
    while ($folders.Count -gt 0) {
        foreach ($entry in [IO.Directory]::GetFileSystemEntries($folders.Dequeue())) {
            $attributes = [IO.File]::GetAttributes($entry)
            $isFolder = [bool] ($attributes -band [IO.FileAttributes]::Directory)
            $isLink = [bool] ($attributes -band [IO.FileAttributes]::ReparsePoint)
            if ($isFolder -and -not $isLink) {
                $folders.Enqueue($entry)
            }
            [pscustomobject] @{ Path = $entry; IsFolder = $isFolder; IsLink = $isLink }
        }
    }
}

function Remove-HvbTree {
    # Removes a folder and what is in it; PathRefused, and nothing removed, when a link or mount point is in it.
    [CmdletBinding()]
    param([Parameter(Mandatory)] [string] $Path)
    $entries = @(Get-HvbTree -Path $Path)
    foreach ($entry in $entries) {
        if ($entry.IsLink) {
            throw (New-HvbError -Id PathRefused -Message "'$($entry.Path)' is a link or a mount point; nothing was removed.")
        }
    }
    [array]::Reverse($entries)
    foreach ($entry in $entries) {
        if ($entry.IsFolder) {
            [IO.Directory]::Delete($entry.Path)
        }
        else {
            [IO.File]::SetAttributes($entry.Path, 'Normal')
            [IO.File]::Delete($entry.Path)
        }
    }
    [IO.Directory]::Delete($Path)
}

function Open-HvbFile {
    # A file for reading, whoever else has it open.
    [CmdletBinding()]
    [OutputType([IO.FileStream])]
    param([Parameter(Mandatory)] [string] $Path)
    if ([IO.Directory]::Exists($Path)) {
        throw (New-HvbError -Id PathRefused -Message "'$Path' is a folder.")
    }
    # One byte of buffer: the scripts read whole blocks themselves.
    New-Object -TypeName System.IO.FileStream -ArgumentList $Path, 'Open', 'Read', 'ReadWrite, Delete', 1, 'SequentialScan'
}

function Get-HvbContent {
    # All bytes of a small file, whoever else has it open: diskshadow does not close its log while it works.
    [CmdletBinding()]
    [OutputType([byte[]])]
    param([Parameter(Mandatory)] [string] $Path)
    $stream = [IO.File]::Open($Path, 'Open', 'Read', 'ReadWrite, Delete')
    try {
        $content = New-Object -TypeName byte[] -ArgumentList $stream.Length
        if ($content.Length -gt 0) {
            Read-HvbFully -Stream $stream -Buffer $content -Offset 0 -Count $content.Length
        }
    }
    finally {
        $stream.Dispose()
    }
    , $content
}

function Read-HvbFully {
    # Fills a part of a buffer from a file; a file that ends too early is an error.
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)] [IO.FileStream] $Stream,
        [Parameter(Mandatory)] [byte[]] $Buffer,
        [Parameter(Mandatory)] [int] $Offset,
        [Parameter(Mandatory)] [int] $Count
    )
    while ($Count -gt 0) {
        $got = $Stream.Read($Buffer, $Offset, $Count)
        if ($got -eq 0) {
            throw (New-Object -TypeName System.IO.EndOfStreamException -ArgumentList "'$($Stream.Name)' ended while it was read.")
        }
        $Offset += $got
        $Count -= $got
    }
}

function New-HvbSha256 {
    # Windows' own implementation; the managed one of .NET Framework is several times slower.
    [CmdletBinding()]
    [OutputType([Security.Cryptography.SHA256])]
    param()
    try {
        New-Object -TypeName System.Security.Cryptography.SHA256CryptoServiceProvider
    }
    catch {
        [Security.Cryptography.SHA256]::Create()
    }
}

function Get-HvbOemCodePage {
    # The code page in which programs without a console write.
    [CmdletBinding()]
    [OutputType([int])]
    param()
    try {
        $key = Get-ItemProperty -LiteralPath 'HKLM:\SYSTEM\CurrentControlSet\Control\Nls\CodePage' -Name OEMCP
        [int] $key.OEMCP
    }
    catch {
        (Get-Culture).TextInfo.OEMCodePage
    }
}

function Invoke-HvbProgram {
    # Runs a program of Windows and returns exit code, bytes of standard output, and whether time was up. Never outlives the call.
    [CmdletBinding()]
    [OutputType([hashtable])]
    param(
        [Parameter(Mandatory)] [string] $Path,
        [Parameter(Mandatory)] [string] $Arguments,
        [Parameter(Mandatory)] [string] $Folder,
        [Parameter(Mandatory)] [int] $TimeoutSeconds
    )
    $process = New-Object -TypeName System.Diagnostics.Process
    $process.StartInfo.FileName = $Path
    $process.StartInfo.Arguments = $Arguments
    $process.StartInfo.WorkingDirectory = $Folder
    $process.StartInfo.UseShellExecute = $false
    $process.StartInfo.CreateNoWindow = $true
    $process.StartInfo.RedirectStandardInput = $true
    $process.StartInfo.RedirectStandardOutput = $true
    $process.StartInfo.RedirectStandardError = $true
    $output = New-Object -TypeName System.IO.MemoryStream
    $watch = [Diagnostics.Stopwatch]::StartNew()
    $started = $false
    try {
        $started = $process.Start()
        $process.StandardInput.Close()
        $reading = $process.StandardOutput.BaseStream.CopyToAsync($output)
        $discarding = $process.StandardError.BaseStream.CopyToAsync([IO.Stream]::Null)
        $ended = $false
        # Short waits, so that a stop of the pipeline is seen.
        while (-not $ended -and $watch.Elapsed.TotalSeconds -lt $TimeoutSeconds) {
            $ended = $process.WaitForExit(200)
        }
        if (-not $ended) {
            return @{ timedOut = $true; exitCode = -1; output = $output.ToArray(); seconds = $watch.Elapsed.TotalSeconds }
        }
        $reading.Wait()
        $discarding.Wait()
        @{ timedOut = $false; exitCode = $process.ExitCode; output = $output.ToArray(); seconds = $watch.Elapsed.TotalSeconds }
    }
    finally {
        if ($started -and -not $process.HasExited) {
            $process.Kill()
            $process.WaitForExit()
        }
        $process.Dispose()
    }
}

function Get-HvbHyperVService {
    # Win32_Service of the Virtual Machine Management service, or nothing without the Hyper-V role.
    [CmdletBinding()]
    param()
    Get-CimInstance -ClassName Win32_Service -Filter "Name = 'vmms'"
}

function Assert-HvbHyperV {
    # HyperVMissing unless the Hyper-V role and its module are there.
    [CmdletBinding()]
    param()
    if (-not (Get-HvbHyperVService)) {
        throw (New-HvbError -Id HyperVMissing -Message 'This host has no Hyper-V role: the service vmms is not there.')
    }
    try {
        Import-Module -Name Hyper-V
    }
    catch {
        $reason = $_.Exception.Message
        throw (New-HvbError -Id HyperVMissing -Message "The Hyper-V module for PowerShell cannot be loaded: $reason")
    }
}

function Get-HvbVirtualMachine {
    # The VM with this id; VmNotFound when there is none.
    [CmdletBinding()]
    param([Parameter(Mandatory)] [string] $Id)
    $found = @(Get-VM | Where-Object -FilterScript { $_.Id.ToString() -eq $Id })
    if ($found.Count -eq 0) {
        throw (New-HvbError -Id VmNotFound -Message "There is no VM with the id $Id on this host.")
    }
    $found[0]
}

function Assert-HvbVmName {
    # VmExists when a VM has this name.
    [CmdletBinding()]
    param([Parameter(Mandatory)] [string] $Name)
    foreach ($machine in Get-VM) {
        if ($machine.Name -eq $Name) {
            throw (New-HvbError -Id VmExists -Message "There is a VM with the name '$Name' already ($($machine.Id)).")
        }
    }
}

function Assert-HvbSwitch {
    # RequestRefused when the host has no such switch.
    [CmdletBinding()]
    param([Parameter(Mandatory)] [string] $Name)
    if (@(Get-VMSwitch | Where-Object -FilterScript { $_.Name -eq $Name }).Count -eq 0) {
        throw (New-HvbError -Id RequestRefused -Message "This host has no virtual switch '$Name'.")
    }
}

function Read-HvbPlacement {
    # The disks of a request: recorded path -> where the file is now. FileMissing when one is not there.
    [CmdletBinding()]
    [OutputType([hashtable])]
    param([AllowEmptyCollection()] [Parameter(Mandatory)] [object[]] $Value)
    $places = @{}
    foreach ($item in $Value) {
        $placement = Read-HvbObject -Value $item -Place 'disks' -Required @{ recordedPath = 'string'; path = 'string' }
        $path = Resolve-HvbPath -Path $placement.path
        if (-not [IO.File]::Exists($path)) {
            throw (New-HvbError -Id FileMissing -Message "The disk '$path' is not there.")
        }
        $places[$placement.recordedPath] = $path
    }
    $places
}
