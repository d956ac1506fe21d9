#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The scripts of the Hyper-V driver, read by a grammar of PowerShell: tests/tools/powershell/check.mjs.
tools=$(cd "$(dirname "$0")/../tools" && pwd)
if ! node=$("$tools/install")/node || ! modules=$("$tools/install" powershell); then
	echo '1..1'
	echo 'ok 1 - the scripts by a grammar # SKIP the tools cannot be installed'
	exit 0
fi
exec "$node" "$tools/powershell/check.mjs" "${modules%/.bin}"
