#Requires -Version 5.1
<#
.SYNOPSIS
    Writes blocks into a part file, and gives it its name when it is whole.
.DESCRIPTION
    The part file is path + ".hvbpart". A call with first creates it, sparse and sizeBytes long; a call with last
    flushes, checks the length, sets the time and renames. Every block is checked against its hash before it is
    written. On an error the part file is removed, except where a call that is not first only fails to give it its
    name (something may hold the old file for a moment): what is whole already is not thrown away. Calls that are neither first nor last may run side by side, each
    with blocks of its own. Each frame of the input: offset (u64 LE), length (u32 LE), codec
    (u8; 0 as it is, 1 raw DEFLATE), SHA-256 of the plain bytes (32 bytes), then the bytes.
.OUTPUTS
    One JSON document: path, blocks, bytes, finished.
.NOTES
    Errors: RequestRefused, PathRefused, FileMissing, FileExists, FileInUse, StorageFull, BlockMismatch.
#>
[CmdletBinding()]
[OutputType([string])]
param(
    # The request, as JSON: path, sizeBytes, first, last, replace, modifiedAt.
    [Parameter(Mandatory)]
    [string] $Request,

    # One block.
    [Parameter(ValueFromPipeline)]
    [AllowNull()]
    [AllowEmptyCollection()]
    [byte[]] $Frame
)

begin {
    Set-StrictMode -Version 3.0
    $ErrorActionPreference = 'Stop'
    $failure = $null
    $stream = $null
    $part = $null
    $naming = $false
    $blocks = [long] 0
    $bytes = [long] 0

    function Remove-HvbPart {
        # What a failure leaves of the part file.
        if ($stream) {
            $stream.Dispose()
        }
        if ($part -and [IO.File]::Exists($part)) {
            [IO.File]::Delete($part)
        }
    }

    try {
        $asked = Read-HvbRequest -Text $Request -Required @{ path = 'string'; sizeBytes = 'integer' } -Optional @{
            first = @('boolean', $true); last = @('boolean', $true); replace = @('boolean', $false); modifiedAt = @('string', $null)
        }
        $size = [long] $asked.sizeBytes
        if ($size -lt 0) {
            throw (New-HvbError -Id RequestRefused -Message 'sizeBytes must not be negative.')
        }
        $modified = $null
        if ($asked.modifiedAt) {
            $modified = [datetime]::MinValue
            $styles = [Globalization.DateTimeStyles] 'AssumeUniversal, AdjustToUniversal'
            if (-not [datetime]::TryParse($asked.modifiedAt, [cultureinfo]::InvariantCulture, $styles, [ref] $modified)) {
                throw (New-HvbError -Id RequestRefused -Message "modifiedAt is not a time: '$($asked.modifiedAt)'.")
            }
        }
        $path = Resolve-HvbPath -Path $asked.path
        if ([IO.Directory]::Exists($path)) {
            throw (New-HvbError -Id PathRefused -Message "'$path' is a folder.")
        }
        if (-not $asked.replace -and [IO.File]::Exists($path)) {
            throw (New-HvbError -Id FileExists -Message "'$path' is there already.")
        }
        if ($asked.first) {
            [void] [IO.Directory]::CreateDirectory([IO.Path]::GetDirectoryName($path))
            $part = $path + '.hvbpart'
            # Sparse first: what is never written takes no room and no time. Only NTFS and ReFS can; elsewhere it just takes both.
            [IO.File]::Create($part).Dispose()
            $fsutil = [Environment]::SystemDirectory + '\fsutil.exe'
            if ([IO.File]::Exists($fsutil)) {
                $sparse = "sparse setflag `"$part`""
                [void] (Invoke-HvbProgram -Path $fsutil -Arguments $sparse -Folder ([Environment]::SystemDirectory) -TimeoutSeconds 60)
            }
        }
        elseif (-not [IO.File]::Exists($path + '.hvbpart')) {
            throw (New-HvbError -Id FileMissing -Message "'$path.hvbpart' is not there; the first call makes it.")
        }
        else {
            $part = $path + '.hvbpart'
        }
        $share = 'None'
        if (-not $asked.first -and -not $asked.last) {
            $share = 'ReadWrite, Delete'
        }
        $stream = New-Object -TypeName System.IO.FileStream -ArgumentList $part, 'Open', 'ReadWrite', $share, 1
        if ($asked.first) {
            $stream.SetLength($size)
        }
        elseif ($stream.Length -ne $size) {
            throw (New-HvbError -Id RequestRefused -Message "'$part' is $($stream.Length) bytes long, not $size.")
        }
        $sha = New-HvbSha256
    }
    catch {
        $failure = Write-HvbFailure -ErrorRecord $_
        Remove-HvbPart
    }
}

process {
    # A call without input binds no frame at all.
    if ($failure -or $null -eq $Frame) {
        return
    }
    try {
        if ($Frame.Length -lt 46) {
            throw (New-HvbError -Id RequestRefused -Message "A frame of $($Frame.Length) bytes is too short.")
        }
        $offset = [BitConverter]::ToInt64($Frame, 0)
        $length = [BitConverter]::ToUInt32($Frame, 8)
        if ($offset -lt 0 -or $length -lt 1 -or $length -gt 67108864 -or $offset + $length -gt $size) {
            throw (New-HvbError -Id RequestRefused -Message "The block at $offset of $length bytes is not within the file ($size bytes).")
        }
        $plain = $Frame
        $start = 45
        if ($Frame[12] -eq 1) {
            # One byte more than asked for, to see that there is none.
            $plain = New-Object -TypeName byte[] -ArgumentList ($length + 1)
            $start = 0
            $count = 0
            $source = New-Object -TypeName System.IO.MemoryStream -ArgumentList $Frame, 45, ($Frame.Length - 45)
            $inflate = New-Object -TypeName System.IO.Compression.DeflateStream -ArgumentList $source, ([IO.Compression.CompressionMode]::Decompress)
            try {
                do {
                    $got = $inflate.Read($plain, $count, $plain.Length - $count)
                    $count += $got
                } while ($got -gt 0 -and $count -lt $plain.Length)
            }
            catch [IO.InvalidDataException] {
                $count = -1
            }
            if ($count -ne $length) {
                throw (New-HvbError -Id BlockMismatch -Message "The block at $offset did not unpack to $length bytes.")
            }
        }
        elseif ($Frame[12] -ne 0 -or $Frame.Length - 45 -ne $length) {
            throw (New-HvbError -Id RequestRefused -Message "The frame of the block at $offset is malformed.")
        }
        $hash = [BitConverter]::ToString($sha.ComputeHash($plain, $start, $length))
        if ($hash -ne [BitConverter]::ToString($Frame, 13, 32)) {
            throw (New-HvbError -Id BlockMismatch -Message "The block at $offset did not arrive with the hash that it was sent with.")
        }
        [void] $stream.Seek($offset, 'Begin')
        $stream.Write($plain, $start, $length)
        $blocks++
        $bytes += $length
    }
    catch {
        $failure = Write-HvbFailure -ErrorRecord $_
        Remove-HvbPart
    }
}

end {
    if ($failure) {
        $failure
        return
    }
    try {
        $stream.Flush($true)
        $written = $stream.Length
        $stream.Dispose()
        $stream = $null
        if ($asked.last) {
            if ($written -ne $size) {
                throw (New-Object -TypeName System.IO.EndOfStreamException -ArgumentList "'$part' is $written bytes long, not $size.")
            }
            if ($modified) {
                [IO.File]::SetLastWriteTimeUtc($part, $modified)
            }
            $naming = -not $asked.first
            if ([IO.File]::Exists($path)) {
                # Replace keeps the file's permissions, which hold the VM's own right to it.
                [IO.File]::Replace($part, $path, [NullString]::Value)
            }
            else {
                [IO.File]::Move($part, $path)
            }
        }
        Write-HvbAnswer -Data ([ordered]@{ path = $path; blocks = $blocks; bytes = $bytes; finished = $asked.last })
    }
    catch {
        Write-HvbFailure -ErrorRecord $_
        if (-not $naming) {
            Remove-HvbPart
        }
    }
}
