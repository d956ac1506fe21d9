# SPDX-License-Identifier: Apache-2.0
# Reads, and where a value is given sets, the two properties of a cluster that balance its VMs. One line of JSON on
# standard input, one line out: {"mode":0|1|2|null,"level":1|2|3|null}. They are properties of an object, which the
# list of calls of invoke.ps1 cannot set.
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$utf8 = New-Object -TypeName System.Text.UTF8Encoding -ArgumentList $false
$reader = New-Object -TypeName System.IO.StreamReader -ArgumentList ([Console]::OpenStandardInput()), $utf8
$writer = New-Object -TypeName System.IO.StreamWriter -ArgumentList ([Console]::OpenStandardOutput()), $utf8

function Write-Line($object) {
    $writer.Write((ConvertTo-Json -InputObject $object -Compress) + "`n")
    $writer.Flush()
}

try {
    $wanted = ConvertFrom-Json -InputObject $reader.ReadLine()
    $cluster = Get-Cluster
    if ($null -ne $wanted.mode) {
        if (-not (@(0, 1, 2) -contains $wanted.mode)) { throw 'There is no such mode.' }
        $cluster.AutoBalancerMode = [int]$wanted.mode
    }
    if ($null -ne $wanted.level) {
        if (-not (@(1, 2, 3) -contains $wanted.level)) { throw 'There is no such level.' }
        $cluster.AutoBalancerLevel = [int]$wanted.level
    }
    Write-Line @{ ok = $true; mode = [int]$cluster.AutoBalancerMode; level = [int]$cluster.AutoBalancerLevel }
}
catch {
    Write-Line @{ ok = $false; message = [string]$_.Exception.Message }
}
