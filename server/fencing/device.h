/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Speaking to a fence device: runs the program of fence-agents that is named for it. Its arguments
 * are fixed; what it is to do comes on its standard input as it wants it, so that no password
 * stands in a list of processes. For server/fencing alone; blocks.
 */
#ifndef SERVER_FENCING_DEVICE_H
#define SERVER_FENCING_DEVICE_H

#include "db/fence_devices.h"

/* How long one program may take: below UD_JOB_LEASE_MS, so that nobody else takes the work over. */
enum { UD_FENCE_MS = 25000 };

/*
 * Ask whether the host has power. Whatever is not a plain yes or no is UD_HOST_POWER_UNKNOWN, and
 * *ret_words says why, for people. device: its password is open; folder: where the programs stand.
 */
void ud_fence_status(struct ud_ctx *cx, const char *folder, const struct ud_fence_device *device,
	enum ud_host_power *ret, const char **ret_words);
/* Have the host switched off. What the program says of it proves nothing: ask for the status. */
void ud_fence_off(struct ud_ctx *cx, const char *folder, const struct ud_fence_device *device,
	const char **ret_words);

#endif
