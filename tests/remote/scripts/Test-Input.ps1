[CmdletBinding()]
param(
    [Parameter(Mandatory)] [string] $Request,
    [Parameter(ValueFromPipeline)] [AllowNull()] [AllowEmptyCollection()] [byte[]] $Frame
)
begin {
    Set-StrictMode -Version 3.0
    $ErrorActionPreference = 'Stop'
    $frames = 0; $bytes = 0; $sum = 0
}
process {
    if ($null -ne $Frame) {
        $frames++
        $bytes += $Frame.Length
        if ($Frame.Length) { $sum += $Frame[0] }
    }
}
end { Write-HvbAnswer -Data @{ frames = $frames; bytes = $bytes; sumOfFirst = $sum } }
