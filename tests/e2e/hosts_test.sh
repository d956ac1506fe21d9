#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two hosts from nothing, as docs/agents.md says: real guests appear, are started and stopped by API and command line,
# and outlive agents that are killed.
exec python3 -B "$(dirname "$0")/hosts_story.py"
