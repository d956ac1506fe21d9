# SPDX-License-Identifier: Apache-2.0
# Works in a guest of this host by PowerShell Direct: one line of JSON on standard input, {"vm":GUID,
# "credential":FILE,"check":NAME, ...}, one line out. Checks are those below and nothing else: fixed blocks that get the
# line's members as one argument. FILE is a credential that Export-Clixml wrote for the account this runs as. Content
# goes both ways as base64url. The agent's driver writes the line and reads the answer: guest.c beside this.
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$WarningPreference = 'SilentlyContinue'
$utf8 = New-Object -TypeName System.Text.UTF8Encoding -ArgumentList $false
$reader = New-Object -TypeName System.IO.StreamReader -ArgumentList ([Console]::OpenStandardInput()), $utf8
$writer = New-Object -TypeName System.IO.StreamWriter -ArgumentList ([Console]::OpenStandardOutput()), $utf8

# Each runs inside the guest and knows nothing of this script: what it needs stands in it.
$checks = @{
    'read'  = {
        param($asked)
        if (-not [System.IO.File]::Exists($asked.path)) {
            return @{ ok = $false; reason = 'not_found'; message = 'There is no such file.' }
        }
        $bytes = [System.IO.File]::ReadAllBytes($asked.path)
        if ($bytes.Length -gt $asked.max) {
            return @{ ok = $false; reason = 'too_large'; message = 'The file is too large.' }
        }
        return @{ ok = $true; content = [Convert]::ToBase64String($bytes) }
    }
    'write' = {
        param($asked)
        [System.IO.File]::WriteAllBytes($asked.path, [Convert]::FromBase64String($asked.content))
        return @{ ok = $true }
    }
    'run'   = {
        param($asked)
        $words = @()
        foreach ($word in $asked.arguments) {
            $plain = $word -replace '(\\*)"', '$1$1\"' -replace '(\\+)$', '$1$1'
            $words += '"' + $plain + '"'
        }
        $start = New-Object -TypeName System.Diagnostics.ProcessStartInfo
        $start.FileName = $asked.path
        $start.Arguments = $words -join ' '
        $start.UseShellExecute = $false
        $start.RedirectStandardInput = $true
        $start.RedirectStandardOutput = $true
        $start.RedirectStandardError = $true
        $start.StandardOutputEncoding = [System.Text.Encoding]::UTF8
        $start.StandardErrorEncoding = [System.Text.Encoding]::UTF8
        try { $process = [System.Diagnostics.Process]::Start($start) }
        catch { return @{ ok = $false; reason = 'not_found'; message = [string]$_.Exception.Message } }
        $output = $process.StandardOutput.ReadToEndAsync()
        $errors = $process.StandardError.ReadToEndAsync()
        $bytes = [Convert]::FromBase64String($asked.content)
        $process.StandardInput.BaseStream.Write($bytes, 0, $bytes.Length)
        $process.StandardInput.Close()
        if (-not $process.WaitForExit($asked.timeout_ms)) {
            $process.Kill()
            return @{ ok = $false; reason = 'not_in_time'; message = 'The program did not end in time.' }
        }
        $process.WaitForExit()
        $answer = @{ ok = $true; cut = $false; status = $process.ExitCode }
        foreach ($stream in @(@('output', $output.Result), @('error', $errors.Result))) {
            $bytes = [System.Text.Encoding]::UTF8.GetBytes($stream[1])
            if ($bytes.Length -gt $asked.max) {
                $bytes = $bytes[0..($asked.max - 1)]
                $answer.cut = $true
            }
            $answer[$stream[0]] = [Convert]::ToBase64String($bytes)
        }
        return $answer
    }
}

function Write-Line($object) {
    $writer.Write((ConvertTo-Json -InputObject $object -Compress) + "`n")
    $writer.Flush()
}

function ConvertTo-Web($text) {
    return $text.Replace('+', '-').Replace('/', '_').TrimEnd('=')
}

function ConvertFrom-Web($text) {
    $plain = $text.Replace('-', '+').Replace('_', '/')
    return $plain.PadRight([int](4 * [math]::Ceiling($plain.Length / 4)), '=')
}

# The members that a check knows, as plain values.
function Get-Asked($wanted) {
    $asked = @{ path = ''; arguments = @(); content = ''; timeout_ms = 60000; max = 0 }
    foreach ($member in $wanted.PSObject.Properties) {
        if ($asked.ContainsKey($member.Name)) { $asked[$member.Name] = $member.Value }
    }
    $asked.content = ConvertFrom-Web ([string]$asked.content)
    return $asked
}

try {
    $wanted = ConvertFrom-Json -InputObject $reader.ReadLine()
    if (-not ($checks.Keys -ccontains $wanted.check)) { throw 'There is no such check.' }
    $credential = Import-Clixml -Path ([string]$wanted.credential)
    $arguments = @{
        VMId = [guid]$wanted.vm; Credential = $credential
        ScriptBlock = $checks[$wanted.check]; ArgumentList = @(, (Get-Asked $wanted))
    }
    $answer = Invoke-Command @arguments
    $line = @{}
    foreach ($key in @('ok', 'cut', 'status', 'reason', 'message')) {
        if ($answer.ContainsKey($key)) { $line[$key] = $answer[$key] }
    }
    foreach ($key in @('output', 'error', 'content')) {
        if ($answer.ContainsKey($key)) { $line[$key] = ConvertTo-Web ([string]$answer[$key]) }
    }
    Write-Line $line
}
catch {
    Write-Line @{ ok = $false; message = [string]$_.Exception.Message }
}
