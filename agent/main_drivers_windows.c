/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The drivers of understudy-agent on Windows.
 */
#include "agent/main.h"

const struct ud_driver *const ud_drivers[] = { NULL };
