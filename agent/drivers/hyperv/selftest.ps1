# SPDX-License-Identifier: Apache-2.0
# Tells what this host's modules are like: one line of JSON on standard input, {"cmdlets":[NAME, ...],
# "enums":[NAME, ...]}, and one line out for each: names of parameters, of values, and of the properties of what the
# calls below give. Nothing is changed, and of the names that come in none is called. selftest.c beside this compares.
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$WarningPreference = 'SilentlyContinue'
$utf8 = New-Object -TypeName System.Text.UTF8Encoding -ArgumentList $false
$reader = New-Object -TypeName System.IO.StreamReader -ArgumentList ([Console]::OpenStandardInput()), $utf8
$writer = New-Object -TypeName System.IO.StreamWriter -ArgumentList ([Console]::OpenStandardOutput()), $utf8

$looks = [ordered]@{
    'VMHost'                = { Get-VMHost }
    'VirtualMachine'        = { Get-VM }
    'VMSwitch'              = { Get-VMSwitch }
    'VMReplicationServer'   = { Get-VMReplicationServer }
    'VMReplication'         = { Get-VMReplication }
    'VMReplicationHealth'   = { Measure-VMReplication }
}

function Write-Names($kind, $name, $names) {
    $line = @{ kind = $kind; name = $name; names = @($names) }
    $writer.Write((ConvertTo-Json -InputObject $line -Depth 3 -Compress) + "`n")
    $writer.Flush()
}

function Write-Cmdlet($name) {
    $found = @(Get-Command -Name $name -CommandType 'Cmdlet', 'Function' -ErrorAction SilentlyContinue)
    if ($found.Count -eq 0) { return }
    Write-Names 'cmdlet' $name $found[0].Parameters.Keys
}

function Write-Enum($name) {
    $type = ('Microsoft.HyperV.PowerShell.' + $name) -as [type]
    if ($null -eq $type) { return }
    Write-Names 'enum' $name ([enum]::GetNames($type))
}

# Of a kind of which this host has none, nothing can be told.
function Write-Object($kind) {
    try { $found = @(& $looks[$kind]) }
    catch { $found = @() }
    if ($found.Count -eq 0) {
        Write-Names 'none' $kind @()
        return
    }
    $names = @()
    foreach ($property in $found[0].PSObject.Properties) { $names += $property.Name }
    Write-Names 'object' $kind $names
}

Import-Module -Name 'Hyper-V'
$wanted = ConvertFrom-Json -InputObject $reader.ReadLine()
foreach ($name in $wanted.cmdlets) { Write-Cmdlet ([string]$name) }
foreach ($name in $wanted.enums) { Write-Enum ([string]$name) }
foreach ($kind in $looks.Keys) { Write-Object $kind }
Write-Names 'end' 'Hyper-V' @((Get-Module -Name 'Hyper-V').Version.ToString())
