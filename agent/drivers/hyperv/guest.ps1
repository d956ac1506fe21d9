# SPDX-License-Identifier: Apache-2.0
# Looks into a guest of this host by PowerShell Direct: one line of JSON on standard input, {"vm":GUID,
# "credential":FILE,"check":NAME,"argument":TEXT}, one line out. Checks are the two below and nothing else; FILE is a
# credential that Export-Clixml wrote for the account this runs as.
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$utf8 = New-Object -TypeName System.Text.UTF8Encoding -ArgumentList $false
$reader = New-Object -TypeName System.IO.StreamReader -ArgumentList ([Console]::OpenStandardInput()), $utf8
$writer = New-Object -TypeName System.IO.StreamWriter -ArgumentList ([Console]::OpenStandardOutput()), $utf8

$checks = @{
    'service' = { param($name) (Get-Service -Name $name).Status.ToString() }
    'boot'    = { (Get-CimInstance -ClassName Win32_OperatingSystem).LastBootUpTime.ToUniversalTime().ToString('o') }
}

function Write-Line($object) {
    $writer.Write((ConvertTo-Json -InputObject $object -Compress) + "`n")
    $writer.Flush()
}

try {
    $wanted = ConvertFrom-Json -InputObject $reader.ReadLine()
    if (-not ($checks.Keys -ccontains $wanted.check)) { throw 'There is no such check.' }
    $credential = Import-Clixml -Path ([string]$wanted.credential)
    $arguments = @{ VMId = [guid]$wanted.vm; Credential = $credential; ScriptBlock = $checks[$wanted.check] }
    if ($wanted.argument) { $arguments['ArgumentList'] = [string]$wanted.argument }
    $answer = Invoke-Command @arguments
    Write-Line @{ ok = $true; answer = [string]$answer }
}
catch {
    Write-Line @{ ok = $false; message = [string]$_.Exception.Message }
}
