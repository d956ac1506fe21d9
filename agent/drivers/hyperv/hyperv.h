/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver for Hyper-V by its own cmdlets: "hyperv:local" on Windows. Options follow as a query,
 * for tests and unusual places: "hyperv:local?dir=DIR&powershell=PROGRAM". DIR holds the scripts it
 * starts and what it keeps about relations; only administrators may write there.
 *
 * All sequences are here, in C. A batch of calls goes to a fixed script as JSON on its standard
 * input and comes back as rows; nothing is ever put together as PowerShell. VMs go by their id.
 */
#ifndef AGENT_DRIVERS_HYPERV_H
#define AGENT_DRIVERS_HYPERV_H

#include "agent/driver.h"

extern const struct ud_driver ud_driver_hyperv;

#endif
