#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the Hyper-V driver can send, against the names and values of the cmdlets themselves.
exec python3 -B "$(dirname "$0")/../hyperv/check.py"
