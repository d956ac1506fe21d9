#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is done on pages by mouse and by keyboard alone, over the demo's data (pages.mjs).
exec env UD_PAGES=hands bash "$(dirname "$0")/pages_test.sh"
