#Requires -Version 5.1
<#
.SYNOPSIS
    Lists files below folders, by VSS file specifications.
.DESCRIPTION
    Each file once, under the first root that finds it. Folders that are links (reparse points) are not entered below a
    root, and symbolic links to files are left out; a root itself may be the mount point of an exposed shadow copy.
.OUTPUTS
    One JSON document: files (path, sizeBytes, modifiedAt, root), missingRoots.
.NOTES
    Errors: RequestRefused, PathRefused.
#>
[CmdletBinding()]
[OutputType([string])]
param(
    # The request, as JSON: roots (path, filespec, recurse).
    [Parameter(Mandatory)]
    [string] $Request
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

try {
    $asked = Read-HvbRequest -Text $Request -Required @{ roots = 'array' }
    $files = New-Object -TypeName System.Collections.ArrayList
    $missing = New-Object -TypeName System.Collections.ArrayList
    $seen = @{}
    $number = -1
    foreach ($item in $asked.roots) {
        $number++
        $root = Read-HvbObject -Value $item -Place "roots[$number]" -Required @{ path = 'string' } -Optional @{
            filespec = @('string', '*'); recurse = @('boolean', $false)
        }
        if ($root.filespec -eq '' -or $root.filespec -match '[\x00-\x1f<>:"/\\|]') {
            throw (New-HvbError -Id PathRefused -Message "'$($root.filespec)' is not a file specification.")
        }
        # Only * and ? are wildcards of a file specification; *.* is every file.
        $pattern = '\A' + [regex]::Escape($root.filespec).Replace('\*', '.*').Replace('\?', '.') + '\z'
        if ($root.filespec -eq '*.*') {
            $pattern = ''
        }
        $folders = New-Object -TypeName System.Collections.Queue
        $start = Resolve-HvbPath -Path $root.path
        if ([IO.Directory]::Exists($start)) {
            $folders.Enqueue($start)
        }
        $count = 0
        while ($folders.Count -gt 0) {
            foreach ($entry in Get-ChildItem -LiteralPath $folders.Dequeue() -Force) {
                $link = [bool] ($entry.Attributes -band [IO.FileAttributes]::ReparsePoint)
                if ($entry.PSIsContainer) {
                    if ($root.recurse -and -not $link) {
                        $folders.Enqueue($entry.FullName)
                    }
                    continue
                }
                # Files of deduplicated volumes are reparse points too, but no links.
                if ($entry.Name -notmatch $pattern -or ($link -and $entry.LinkType -eq 'SymbolicLink')) {
                    continue
                }
                $count++
                if ($seen.ContainsKey($entry.FullName)) {
                    continue
                }
                $seen[$entry.FullName] = $true
                [void] $files.Add([ordered]@{
                        path       = $entry.FullName
                        sizeBytes  = $entry.Length
                        modifiedAt = ConvertTo-HvbTime -Time $entry.LastWriteTimeUtc
                        root       = $number
                    })
            }
        }
        if ($count -eq 0) {
            [void] $missing.Add($number)
        }
    }
    Write-HvbAnswer -Data ([ordered]@{ files = $files.ToArray(); missingRoots = $missing.ToArray() })
}
catch {
    Write-HvbFailure -ErrorRecord $_
}
