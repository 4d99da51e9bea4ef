# Runs scripts of ps_scripts in one runspace, as a transport does: the prelude as first statement, the script as second.
# Standard input: one JSON object a line (prelude, script, request, frames, environment); standard output: one JSON object a line.
$ErrorActionPreference = 'Stop'
$runspace = [runspacefactory]::CreateRunspace()
$runspace.Open()
while ($null -ne ($line = [Console]::In.ReadLine())) {
    $call = $line | ConvertFrom-Json
    foreach ($variable in $call.environment.PSObject.Properties) {
        [Environment]::SetEnvironmentVariable($variable.Name, $variable.Value)
    }
    $shell = [powershell]::Create()
    $shell.Runspace = $runspace
    $null = $shell.AddScript($call.prelude, $false).AddStatement().AddScript($call.script, $false).AddParameter('Request', $call.request)
    $frames = New-Object 'System.Management.Automation.PSDataCollection[psobject]'
    foreach ($frame in $call.frames) {
        $frames.Add([psobject] [Convert]::FromBase64String($frame))
    }
    $frames.Complete()
    $output = @()
    $failure = $null
    try {
        $output = @($shell.Invoke($frames))
    }
    catch {
        $failure = $_.Exception.ToString()
    }
    $answer = [ordered]@{ frames = @(); texts = @(); other = @(); failure = $failure; errors = @(foreach ($e in $shell.Streams.Error) { $e.ToString() }) }
    foreach ($item in $output) {
        if ($null -eq $item) { $answer.other += 'null' }
        elseif ($item -is [byte[]]) { $answer.frames += [Convert]::ToBase64String($item) }
        elseif ($item -is [string]) { $answer.texts += [string] $item }
        else { $answer.other += $item.GetType().FullName }
    }
    $shell.Dispose()
    [Console]::Out.WriteLine(($answer | ConvertTo-Json -Compress -Depth 4))
}
