#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Examples of the help, typed: cli_examples.py. With UD_TEST_LONG all of them.
exec python3 "$(dirname "$0")/cli_examples.py"
