#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The test guest: built, booted, frozen, killed while it writes, damaged on purpose, and shut down.
exec python3 -B "$(dirname "$0")/guest_story.py"
