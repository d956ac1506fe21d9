/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For pages that tell in passing that a restored server waits for its hosts.
 */
#ifndef API_RECOVERY_H
#define API_RECOVERY_H

#include "base/buf.h"
#include "base/ctx.h"

/* Add how far a restored server is with hearing its hosts, as members of a JSON object that is
 * open: recovery, hosts_missing, vms_held. */
enum ud_code ud_recovery_word(struct ud_ctx *cx, struct ud_buf *out) UD_USE;

#endif
