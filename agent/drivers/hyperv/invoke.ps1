# SPDX-License-Identifier: Apache-2.0
# Makes the calls that one line of JSON on standard input lists, and answers with one line of JSON for each row
# and a last one. Only cmdlets of the list below are called; parameters come typed and are splatted; nothing that
# was read is ever run as PowerShell. The agent's driver writes the line and reads the answer: call.c beside this.
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$ConfirmPreference = 'None'
$ProgressPreference = 'SilentlyContinue'
$WarningPreference = 'SilentlyContinue'

$allowed = @(
    'Add-ClusterGroup'
    'Add-ClusterResource'
    'Add-ClusterResourceDependency'
    'Checkpoint-VM'
    'Complete-VMFailover'
    'Connect-VMNetworkAdapter'
    'Enable-NetFirewallRule'
    'Enable-VMReplication'
    'Get-ChildItem'
    'Get-CimInstance'
    'Get-Cluster'
    'Get-ClusterFaultDomain'
    'Get-ClusterGroup'
    'Get-ClusterNode'
    'Get-ClusterResource'
    'Get-NetAdapter'
    'Get-PhysicalDisk'
    'Get-SmbMultichannelConnection'
    'Get-StorageJob'
    'Get-StoragePool'
    'Get-VHD'
    'Get-VM'
    'Get-VMFibreChannelHba'
    'Get-VMHardDiskDrive'
    'Get-VMHost'
    'Get-VMNetworkAdapter'
    'Get-VMProcessor'
    'Get-VMReplication'
    'Get-VMReplicationAuthorizationEntry'
    'Get-VMReplicationServer'
    'Get-VMSnapshot'
    'Get-VMSwitch'
    'Get-VMSwitchTeam'
    'Get-VirtualDisk'
    'Import-VMInitialReplication'
    'Invoke-CimMethod'
    'Measure-VMReplication'
    'New-VMReplicationAuthorizationEntry'
    'New-VMSwitch'
    'Remove-VM'
    'Remove-VMReplication'
    'Remove-VMSavedState'
    'Remove-VMSnapshot'
    'Restart-VM'
    'Restore-VMSnapshot'
    'Resume-VM'
    'Resume-VMReplication'
    'Save-VM'
    'Set-ClusterParameter'
    'Set-VM'
    'Set-VMHardDiskDrive'
    'Set-VMNetworkAdapter'
    'Set-VMProcessor'
    'Set-VMReplication'
    'Set-VMReplicationServer'
    'Set-VMSwitchTeam'
    'Start-ClusterGroup'
    'Start-VM'
    'Start-VMFailover'
    'Start-VMInitialReplication'
    'Stop-VM'
    'Stop-VMFailover'
    'Suspend-VM'
    'Suspend-VMReplication'
    'Test-VMReplicationConnection'
    'Update-VMVersion'
)

# Of methods of WMI these alone.
$methods = @(
    'GetVirtualSystemThumbnailImage'
)

$utf8 = New-Object -TypeName System.Text.UTF8Encoding -ArgumentList $false
$reader = New-Object -TypeName System.IO.StreamReader -ArgumentList ([Console]::OpenStandardInput()), $utf8
$writer = New-Object -TypeName System.IO.StreamWriter -ArgumentList ([Console]::OpenStandardOutput()), $utf8

function Write-Line($object) {
    $text = ConvertTo-Json -InputObject $object -Depth 6 -Compress
    $writer.Write($text + "`n")
    $writer.Flush()
}

# What JSON can say without a doubt: names of enumerations, instants in UTC, spans in milliseconds, ids as text.
function ConvertTo-Plain($value) {
    if ($null -eq $value) { return $null }
    if ($value -is [enum]) { return $value.ToString() }
    if ($value -is [datetime]) { return $value.ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ss.fffZ') }
    if ($value -is [timespan]) { return [long][math]::Floor($value.TotalMilliseconds) }
    if ($value -is [bool]) { return $value }
    if ($value -is [string]) { return $value }
    if ($value -is [guid]) { return $value.ToString() }
    if ($value -is [version]) { return $value.ToString() }
    if ($value -is [byte[]]) {
        return [Convert]::ToBase64String($value).Replace('+', '-').Replace('/', '_').TrimEnd('=')
    }
    if ($value -is [ValueType]) { return [long]$value }
    if ($value -is [System.Collections.IEnumerable]) {
        $list = @()
        foreach ($item in $value) { $list += [string](ConvertTo-Plain $item) }
        return , $list
    }
    return $value.ToString()
}

# A path of properties; of a list, that of each of its members.
function Get-Path($object, $path) {
    $at = $object
    foreach ($name in $path.Split('.')) {
        if ($null -eq $at) { return $null }
        if ($at -is [array] -or $at -is [System.Collections.IList]) {
            $found = @()
            foreach ($item in $at) { $found += $item.$name }
            $at = $found
        }
        else {
            $at = $at.$name
        }
    }
    return , $at
}

function Get-Value($parameter, $done) {
    switch ($parameter.type) {
        'string' { return [string]$parameter.value }
        'int' { return [long]$parameter.value }
        'uint16' { return [uint16]$parameter.value }
        'bool' { return [bool]$parameter.value }
        'guid' { return [guid]$parameter.value }
        'datetime' {
            $style = [System.Globalization.DateTimeStyles]::RoundtripKind
            return [datetime]::Parse($parameter.value, [cultureinfo]::InvariantCulture, $style).ToLocalTime()
        }
        'strings' { return , [string[]]$parameter.value }
        'ref' { return , $done[[int]$parameter.of] }
        'table' {
            $table = @{}
            foreach ($member in $parameter.value) {
                $value = Get-Value $member $done
                if ($member.type -ceq 'ref') { $value = $value[0] }
                $table[$member.name] = $value
            }
            return $table
        }
        'each' {
            $values = @()
            foreach ($object in $done[[int]$parameter.of]) { $values += Get-Path $object $parameter.property }
            return , $values
        }
        'element' {
            $found = @()
            foreach ($object in $done[[int]$parameter.of]) {
                if ([string](Get-Path $object $parameter.property) -ceq $parameter.value) { $found += $object }
            }
            if ($found.Count -ne 1) { throw 'There is not exactly one object of that kind.' }
            return $found[0]
        }
        default { throw 'There is no such type of a parameter.' }
    }
}

# Splatting. $null: the call is about objects of which there are none.
function Get-Arguments($call, $done) {
    $arguments = @{}
    foreach ($parameter in $call.parameters) {
        if ($parameter.type -ceq 'optional') { continue }
        if ($parameter.type -ceq 'ref' -or $parameter.type -ceq 'each') {
            if ($done[[int]$parameter.of].Count -eq 0) { return $null }
        }
        $arguments[$parameter.name] = Get-Value $parameter $done
    }
    return $arguments
}

function Test-Optional($call) {
    foreach ($parameter in $call.parameters) {
        if ($parameter.type -ceq 'optional') { return $true }
    }
    return $false
}

function Write-Rows($number, $call, $objects) {
    $wanted = @($call.wanted.PSObject.Properties)
    if ($wanted.Count -eq 0) { return }
    foreach ($object in $objects) {
        $row = @{}
        foreach ($want in $wanted) {
            $value = ConvertTo-Plain (Get-Path $object $want.Value)
            if ($null -ne $value) { $row[$want.Name] = $value }
        }
        Write-Line @{ call = $number; row = $row }
    }
}

function Get-Module-Version {
    $module = Get-Module -Name 'Hyper-V'
    if ($null -eq $module) { return '' }
    return $module.Version.ToString()
}

function Write-Failure($number, $record) {
    $message = [string]$record.Exception.Message
    if ($message.Length -gt 2000) { $message = $message.Substring(0, 2000) }
    Write-Line @{
        end = $true; ok = $false; step = $number; module = Get-Module-Version
        id = ([string]$record.FullyQualifiedErrorId).Split(',')[0]
        category = $record.CategoryInfo.Category.ToString()
        hresult = [long]$record.Exception.HResult
        message = $message
    }
}

function Invoke-Calls($request) {
    $done = @()
    $number = 0
    foreach ($call in $request.calls) {
        $objects = @()
        try {
            if (-not ($allowed -ccontains $call.cmdlet)) { throw 'This cmdlet is not on the list.' }
            $arguments = Get-Arguments $call $done
            if ($null -ne $arguments) {
                $method = $arguments['MethodName']
                if ($null -ne $method -and -not ($methods -ccontains $method)) { throw 'This method is not on the list.' }
                $command = Get-Command -Name $call.cmdlet -CommandType 'Cmdlet', 'Function'
                $objects = @(& $command @arguments)
            }
        }
        catch {
            if (-not (Test-Optional $call)) {
                Write-Failure $number $_
                return
            }
        }
        $done += , $objects
        Write-Rows $number $call $objects
        $number++
    }
    Write-Line @{ end = $true; ok = $true; module = Get-Module-Version }
}

Invoke-Calls (ConvertFrom-Json -InputObject $reader.ReadLine())
