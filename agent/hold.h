/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boot hold: whether the hypervisor may start a process for a VM at all. The agent asks for leave
 * before it starts one (lease.h); this is for everybody else on the host, who would start a wrong
 * copy without meaning any harm. libvirt's hook asks through `understudy-agent may-start`, which
 * looks into the journal alone and never calls libvirt back.
 */
#ifndef AGENT_HOLD_H
#define AGENT_HOLD_H

#include "agent/journal.h"

/*
 * Let the hypervisor start the VM for some milliseconds of this boot, without leave to run: for
 * what brings it up standing still, or puts it back to a checkpoint. The row is the caller's
 * business. ud_hold_end takes it back.
 */
enum ud_code ud_hold_pass(struct ud_ctx *cx, ud_journal *journal, const char *vm_id,
	const char *host_boot, int64_t for_ms) UD_USE;
enum ud_code ud_hold_end(struct ud_ctx *cx, ud_journal *journal, const char *vm_id) UD_USE;

/* May it be started now? UD_E_INVALID_STATE with the reason, for whoever tried. What the journal
 * does not know is nobody's business here. */
enum ud_code ud_hold_judge(
	struct ud_ctx *cx, ud_journal *journal, const char *uuid, const char *host_boot) UD_USE;

/* The UUID in a domain's definition as libvirt writes it; NULL = it has none. */
const char *ud_hold_uuid(struct ud_ctx *cx, const char *definition);

#endif
