#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The agent for Windows, run under wine against a real server: the tests of what both systems share, of what is Windows'
# own, enrolment, TLS with every wrong certificate, commands, services. Skipped where `deploy/install-deps windows` was
# not run. What this does not show about real Windows: docs/hyperv.md.
source=$(cd "$(dirname "$0")/../.." && pwd)
if ! "$source/deploy/windows/build-libraries" --look >/dev/null || [ ! -x /usr/lib/wine/wine64 ]; then
	echo '1..1'
	echo 'ok 1 - the agent under wine # SKIP deploy/install-deps windows was not run'
	exit 0
fi
nice -n 5 "$source/tests/run" --build windows || exit 1
exec python3 -B "$source/tests/wine/story.py"
