/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See bare.h.
 */
#include "support/bare.h"

enum ud_code bare_up(struct ud_ctx *cx, const struct bare *b, struct ud_runner **ret_runner)
{
	struct ud_lease_settings leases = *b->leases;
	struct ud_station *s = b->station;
	struct ud_hv *hv = NULL;
	int port = 0;

	UD_TRY(ud_journal_open(cx, b->journal, &s->journal));
	UD_TRY(ud_hv_open(cx, b->drivers, b->uri, NULL, NULL, &hv));
	s->hv = hv;
	s->host_boot = b->host_boot;
	UD_TRY(ud_hv_replicate(cx, hv, b->with, &port));
	atomic_store(&s->dead, false);
	leases.journal = s->journal;
	leases.hv = &s->hv;
	leases.host_boot = s->host_boot;
	s->leases = ud_leases_new(b->env, &leases);
	return ud_runner_start(cx, b->runner, ret_runner);
}

void bare_down(struct ud_station *station, struct ud_runner **runner)
{
	struct ud_hv *hv = station->hv;

	if (!*runner)
		return;
	atomic_store(&station->dead, true);
	ud_runner_release(runner);
	ud_leases_release(&station->leases);
	ud_journal_release(&station->journal);
	ud_hv_close(&hv);
}
