/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver for QEMU/KVM by libvirt: "qemu:///system" in production, and "qemu:///embed?root=DIR",
 * the same driver inside this process over a folder of its own, for tests and appliances. Of an
 * embed root one process has the use at a time; DIR must be short (64 characters), because sockets
 * lie below it. VMs go on running whatever becomes of the process.
 *
 * What the driver keeps itself lies in DIR/understudy, or in /var/lib/understudy/kvm.
 */
#ifndef AGENT_DRIVERS_LIBVIRT_H
#define AGENT_DRIVERS_LIBVIRT_H

#include "agent/driver.h"

extern const struct ud_driver ud_driver_libvirt;

#endif
