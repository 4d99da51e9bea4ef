[CmdletBinding()]
param([Parameter(Mandatory)] [string] $Request)
Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'
$asked = ConvertFrom-Json -InputObject $Request
for ($number = 0; $number -lt $asked.count; $number++) {
    $frame = New-Object -TypeName byte[] -ArgumentList $asked.size
    for ($place = 0; $place -lt [Math]::Min(4, $asked.size); $place++) { $frame[$place] = $number }
    , $frame
}
Write-HvbAnswer -Data @{ frames = $asked.count; bytes = $asked.count * $asked.size }
