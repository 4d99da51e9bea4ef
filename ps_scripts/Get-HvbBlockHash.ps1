#Requires -Version 5.1
<#
.SYNOPSIS
    Hashes the blocks of a file with SHA-256.
.DESCRIPTION
    Blocks are blockSize long and begin at 0 and anew at each offset of cuts; the last block before a cut or the end is
    shorter. A block of zero bytes only has the hash of 32 zero bytes. The next part of the file is read while the one
    before is hashed.
.OUTPUTS
    Frames of byte[]: 32-byte hashes in order, up to 1024 to a frame. Then one JSON document: sizeBytes, blocks,
    zeroBlocks, modifiedAt.
.NOTES
    Errors: RequestRefused, PathRefused, FileMissing, FileInUse.
#>
[CmdletBinding()]
[OutputType([byte[]], [string])]
param(
    # The request, as JSON: path, blockSize, cuts, firstBlock, blockCount.
    [Parameter(Mandatory)]
    [string] $Request
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

$stream = $null
try {
    $asked = Read-HvbRequest -Text $Request -Required @{ path = 'string' } -Optional @{
        blockSize = @('integer', 262144); cuts = @('array', @()); firstBlock = @('integer', 0); blockCount = @('integer', -1)
    }
    $blockSize = [long] $asked.blockSize
    $blocksLeft = [long] $asked.blockCount
    if ($blockSize -lt 512 -or $blockSize -gt 67108864 -or $asked.firstBlock -lt 0 -or $blocksLeft -lt -1) {
        throw (New-HvbError -Id RequestRefused -Message 'blockSize must be 512 to 67108864, firstBlock and blockCount not negative.')
    }
    if ($blocksLeft -eq -1) {
        $blocksLeft = [long]::MaxValue
    }
    $path = Resolve-HvbPath -Path $asked.path
    $stream = Open-HvbFile -Path $path
    $size = $stream.Length
    $modified = [IO.File]::GetLastWriteTimeUtc($path)

    # Ends of the stretches between cuts.
    $ends = New-Object -TypeName System.Collections.Generic.List[long]
    $last = [long] 0
    foreach ($cut in $asked.cuts) {
        if (-not (Test-HvbType -Value $cut -Type 'integer') -or $cut -le $last) {
            throw (New-HvbError -Id RequestRefused -Message 'cuts must be offsets in ascending order.')
        }
        $last = [long] $cut
        if ($last -lt $size) {
            $ends.Add($last)
        }
    }
    $ends.Add($size)

    # Where the first block begins.
    $position = [long] 0
    $stretch = 0
    $skip = [long] $asked.firstBlock
    while ($stretch -lt $ends.Count -and $skip -gt 0) {
        $inStretch = [long] [math]::Ceiling(([decimal] ($ends[$stretch] - $position)) / $blockSize)
        if ($skip -lt $inStretch) {
            $position += $skip * $blockSize
            $skip = 0
        }
        else {
            $skip -= $inStretch
            $position = $ends[$stretch]
            $stretch++
        }
    }
    [void] $stream.Seek($position, 'Begin')

    # Two buffers of whole blocks, about 4 MiB each: one is filled while the other is hashed.
    $perBuffer = [int] [math]::Max(1, [math]::Floor(4194304 / $blockSize))
    $filling = New-Object -TypeName byte[] -ArgumentList ($perBuffer * $blockSize)
    $full = New-Object -TypeName byte[] -ArgumentList ($perBuffer * $blockSize)
    $sha = New-HvbSha256
    $zeroHash = New-Object -TypeName byte[] -ArgumentList 32
    $zeroTexts = @{}
    $frame = New-Object -TypeName System.IO.MemoryStream -ArgumentList 32768
    $blocks = [long] 0
    $zeroBlocks = [long] 0
    $lengths = @()
    $reading = $null
    do {
        $total = 0
        $planned = New-Object -TypeName System.Collections.Generic.List[int]
        while ($planned.Count -lt $perBuffer -and $blocksLeft -gt 0 -and $position -lt $size) {
            $length = [int] [math]::Min($blockSize, $ends[$stretch] - $position)
            $planned.Add($length)
            $total += $length
            $position += $length
            $blocksLeft--
            if ($position -eq $ends[$stretch]) {
                $stretch++
            }
        }
        if ($reading) {
            $got = $reading.Result
            Read-HvbFully -Stream $stream -Buffer $filling -Offset $got -Count ($wanted - $got)
        }
        $full, $filling = $filling, $full
        $reading = $null
        $wanted = $total
        if ($total -gt 0) {
            $reading = $stream.ReadAsync($filling, 0, $total)
        }
        $offset = 0
        foreach ($length in $lengths) {
            $hash = $sha.ComputeHash($full, $offset, $length)
            $offset += $length
            if (-not $zeroTexts.ContainsKey($length)) {
                $zeros = New-Object -TypeName byte[] -ArgumentList $length
                $zeroTexts[$length] = [BitConverter]::ToString($sha.ComputeHash($zeros))
            }
            if ([BitConverter]::ToString($hash) -eq $zeroTexts[$length]) {
                $hash = $zeroHash
                $zeroBlocks++
            }
            $frame.Write($hash, 0, 32)
            $blocks++
            if ($frame.Length -eq 32768) {
                , $frame.ToArray()
                $frame.SetLength(0)
                $percent = [int] [math]::Floor(100 * ([decimal] $position / $size))
                Write-Progress -Activity 'Hashing' -Status $path -PercentComplete $percent
            }
        }
        $lengths = $planned
    } while ($reading)
    if ($frame.Length -gt 0) {
        , $frame.ToArray()
    }
    Write-HvbAnswer -Data ([ordered]@{
            sizeBytes = $size; blocks = $blocks; zeroBlocks = $zeroBlocks; modifiedAt = ConvertTo-HvbTime -Time $modified
        })
}
catch {
    Write-HvbFailure -ErrorRecord $_
}
finally {
    if ($stream) {
        $stream.Dispose()
    }
}
