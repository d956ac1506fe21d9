/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The drivers of understudy-agent on Windows.
 */
#include "agent/drivers/hyperv/hyperv.h"
#include "agent/main.h"

const struct ud_driver *const ud_drivers[] = { &ud_driver_hyperv, NULL };
