#Requires -Version 5.1
<#
.SYNOPSIS
    Reads blocks of a file.
.DESCRIPTION
    One frame for each block asked for, in the order of the request: a byte 0 and the bytes as they are, or a byte 1 and
    the bytes as raw DEFLATE (RFC 1951), whichever is shorter; always the former without compress.
.OUTPUTS
    Frames of byte[], then one JSON document: blocks, bytes, sentBytes.
.NOTES
    Errors: RequestRefused, PathRefused, FileMissing, FileInUse.
#>
[CmdletBinding()]
[OutputType([byte[]], [string])]
param(
    # The request, as JSON: path, blocks (pairs of offset and length), compress.
    [Parameter(Mandatory)]
    [string] $Request
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

$stream = $null
try {
    $asked = Read-HvbRequest -Text $Request -Required @{ path = 'string'; blocks = 'array' } -Optional @{
        compress = @('boolean', $true)
    }
    $path = Resolve-HvbPath -Path $asked.path
    $stream = Open-HvbFile -Path $path
    $size = $stream.Length
    foreach ($block in $asked.blocks) {
        if (-not ($block -is [array]) -or $block.Count -ne 2 -or -not (Test-HvbType -Value $block[0] -Type 'integer') -or
            -not (Test-HvbType -Value $block[1] -Type 'integer')) {
            throw (New-HvbError -Id RequestRefused -Message 'blocks must be pairs of offset and length.')
        }
        if ($block[0] -lt 0 -or $block[1] -lt 1 -or $block[1] -gt 67108864 -or $block[0] + $block[1] -gt $size) {
            throw (New-HvbError -Id RequestRefused -Message "The block at $($block[0]) of $($block[1]) bytes is not within '$path' ($size bytes).")
        }
    }

    $packed = New-Object -TypeName System.IO.MemoryStream
    $count = [long] 0
    $bytes = [long] 0
    $sent = [long] 0
    foreach ($block in $asked.blocks) {
        $length = [int] $block[1]
        $frame = New-Object -TypeName byte[] -ArgumentList ($length + 1)
        if ($stream.Position -ne $block[0]) {
            [void] $stream.Seek($block[0], 'Begin')
        }
        Read-HvbFully -Stream $stream -Buffer $frame -Offset 1 -Count $length
        if ($asked.compress) {
            $packed.SetLength(0)
            $packed.WriteByte(1)
            $deflate = New-Object -TypeName System.IO.Compression.DeflateStream -ArgumentList $packed, ([IO.Compression.CompressionLevel]::Fastest), $true
            $deflate.Write($frame, 1, $length)
            $deflate.Dispose()
            if ($packed.Length -lt $frame.Length) {
                $frame = $packed.ToArray()
            }
        }
        , $frame
        $count++
        $bytes += $length
        $sent += $frame.Length
    }
    Write-HvbAnswer -Data ([ordered]@{ blocks = $count; bytes = $bytes; sentBytes = $sent })
}
catch {
    Write-HvbFailure -ErrorRecord $_
}
finally {
    if ($stream) {
        $stream.Dispose()
    }
}
