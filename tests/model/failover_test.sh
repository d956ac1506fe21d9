#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The model of the failover protocol, searched: see matrix.py and README.md. UD_TEST_LONG=1: all rows.
set -euo pipefail
exec python3 "$(dirname "$0")/matrix.py" "$@"
