/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failovers as tickets see them. There are none in this version: a ticket that asks for one is
 * refused, and so no ticket has a run.
 */
#include "api/ticket_run.h"

enum ud_code ud_ticket_run_read(
	struct ud_ctx *cx, const char *failover, struct ud_ticket *t, void **ret)
{
	(void)failover, (void)t, (void)ret;
	return ud_fail(cx, UD_E_UNSUPPORTED, "failover", "This version carries out no failovers.");
}

static enum ud_code none(struct ud_ctx *cx)
{
	return ud_fail(cx, UD_E_INTERNAL, NULL, "a ticket has a run although there are none");
}

enum ud_code ud_ticket_run_plan(struct ud_ctx *cx, void *request, struct ud_ticket *t)
{
	(void)request, (void)t;
	return none(cx);
}

enum ud_code ud_ticket_run_show(struct ud_ctx *cx, struct ud_ticket *t)
{
	(void)t;
	return none(cx);
}

enum ud_code ud_ticket_run_ready(
	struct ud_ctx *cx, const struct ud_ticket *t, struct ud_ticket_verdict *v)
{
	(void)t, (void)v;
	return none(cx);
}

enum ud_code ud_ticket_run_gate(
	struct ud_ctx *cx, const struct ud_ticket *t, struct ud_ticket_verdict *v)
{
	(void)t, (void)v;
	return none(cx);
}

enum ud_code ud_ticket_run_idle(
	struct ud_ctx *cx, const struct ud_ticket *t, struct ud_ticket_verdict *v)
{
	(void)t, (void)v;
	return none(cx);
}

enum ud_code ud_ticket_run_replan(struct ud_ctx *cx, struct ud_ticket *t, bool *ret_changed)
{
	(void)t, (void)ret_changed;
	return none(cx);
}

enum ud_code ud_ticket_run_approved(struct ud_ctx *cx, const struct ud_ticket *t)
{
	(void)t;
	return none(cx);
}

enum ud_code ud_ticket_run_dropped(struct ud_ctx *cx, const struct ud_ticket *t, const char *verb)
{
	(void)t, (void)verb;
	return none(cx);
}

enum ud_code ud_ticket_run_solved(struct ud_ctx *cx, const struct ud_ticket *t)
{
	(void)t;
	return none(cx);
}

enum ud_code ud_ticket_run_concerns(
	struct ud_ctx *cx, const struct ud_ticket *t, const char *vm_id, bool *ret)
{
	(void)t, (void)vm_id, (void)ret;
	return none(cx);
}

enum ud_code ud_ticket_run_attested(struct ud_ctx *cx, const struct ud_ticket *t, const char *vm_id)
{
	(void)t, (void)vm_id;
	return none(cx);
}
