/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of relations and changes nothing: points and their proof, the way to the peer, and
 * what stands against replicating a VM at all.
 */
#include <string.h>

#include "agent/drivers/libvirt/relation.h"
#include "base/env.h"
#include "base/log.h"

enum { POINTS_MAX = 2048, CONNECT_MS = 10000 };

/* ---- points ---- */

struct points {
	struct ud_lv_relation *r;
	struct ud_point *items;
	size_t count;
};

static enum ud_code take_point(struct ud_ctx *cx, void *data, const struct ud_stored_point *stored)
{
	struct points *p = data;

	if (p->count == POINTS_MAX)
		return UD_OK;
	struct ud_point *point = &p->items[p->count++];

	ud_manifest_point(cx, &stored->point, *stored->bad, point);
	point->age_ms = ud_lv_point_age(cx, p->r, &stored->point);
	return UD_OK;
}

enum ud_code ud_lv_points(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id,
	ud_hv_pointed *visit, void *data)
{
	struct points p = { .items = ud_alloc(cx->arena, sizeof(struct ud_point) * POINTS_MAX) };
	struct ud_relation relation = { 0 };
	struct ud_lv_state state = { 0 };
	enum ud_code code = UD_OK;

	UD_TRY(ud_lv_relation_get(cx, ud_lv_of(hv), replication_id, &p.r));
	pthread_mutex_lock(&p.r->work);
	ud_lv_relation_read(cx, p.r, &relation, &state);
	if (relation.role == UD_RELATION_TARGET && state.store > 0) {
		code = ud_lv_store_open(cx, p.r);
		if (code == UD_OK)
			code = ud_store_points(cx, p.r->store, take_point, &p);
	}
	pthread_mutex_unlock(&p.r->work);
	for (size_t i = p.count; i > 0 && code == UD_OK; i--)
		code = visit(cx, data, &p.items[i - 1]);
	return code;
}

/* ---- their proof ---- */

/* A replica that is read through. */
struct proof {
	struct ud_lv_relation *r;
	ud_store *store; /* borrowed */
	const struct ud_hv_leave *may;
	bool ran; /* the VM stood on it when this began */
};

/* Who brings the VM up, or closes the store, does not wait for us. */
static bool may_go_on(void *data, int64_t bytes_done)
{
	const struct proof *p = data;
	struct ud_lv_book *book = p->r->lv->book;

	(void)bytes_done;
	if (p->may && p->may->go_on && !p->may->go_on(p->may->data))
		return false;
	pthread_mutex_lock(&book->lock);
	bool on = p->r->store == p->store && !p->r->gone && (p->ran || !*p->r->state.failed_over);

	pthread_mutex_unlock(&book->lock);
	return on;
}

static enum ud_code borrow(struct ud_ctx *cx, struct proof *p)
{
	struct ud_relation relation = { 0 };
	struct ud_lv_state state = { 0 };
	enum ud_code code = UD_OK;

	p->store = ud_lv_store_borrow(p->r);
	if (!p->store) {
		pthread_mutex_lock(&p->r->work);
		code = ud_lv_store_open(cx, p->r);
		if (code == UD_OK)
			p->store = ud_lv_store_borrow(p->r);
		pthread_mutex_unlock(&p->r->work);
	}
	ud_lv_relation_read(cx, p->r, &relation, &state);
	p->ran = *state.failed_over != '\0';
	return code;
}

/* What is merged meanwhile is read and compared by the merge. */
static enum ud_code read_through(struct ud_ctx *cx, struct proof *p, const char *point_id,
	struct ud_stored_point *ret, struct ud_scrubbed *ret_read)
{
	const struct ud_scrub scrub = { .go_on = may_go_on, .data = p };

	UD_TRY(ud_store_point(cx, p->store, point_id, ret));
	UD_TRY(ud_store_scrub(cx, p->store, &scrub, ret_read));
	enum ud_code code = ud_store_point(cx, p->store, point_id, ret);

	if (code == UD_E_NOT_FOUND)
		return ud_fail(cx, code, NULL,
			"The point was merged with the next one while it was read.");
	UD_TRY(code);
	return ret_read->whole || *ret->bad
		? UD_OK
		: ud_fail(cx, UD_E_INVALID_STATE, NULL,
			  "The replica was being read when something else had to be done with it; "
			  "ask again.");
}

enum ud_code ud_lv_point_verify(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_point_verify *verify, const struct ud_hv_leave *may,
	struct ud_point_verified *ret)
{
	struct proof p = { .may = may };
	struct ud_stored_point point = { 0 };
	struct ud_scrubbed scrubbed = { 0 };
	struct ud_point told = { 0 };

	UD_TRY(ud_lv_relation_get(cx, ud_lv_of(hv), verify->replication_id, &p.r));
	UD_TRY(borrow(cx, &p));
	enum ud_code code = read_through(cx, &p, verify->point_id, &point, &scrubbed);

	ud_lv_store_return(p.r);
	UD_TRY(code);
	ud_manifest_point(cx, &point.point, *point.bad, &told);
	*ret = (struct ud_point_verified){ .point_id = told.id,
		.intact = !*point.bad,
		.roots = told.roots,
		.text = *point.bad ? point.bad
				   : ud_printf(cx->arena, "%lld extents read back.",
					     (long long)scrubbed.extents) };
	return UD_OK;
}

/* ---- the peer ---- */

struct ud_peer ud_lv_credentials(struct ud_ctx *cx, struct ud_lv *lv, enum ud_peer_auth auth)
{
	const struct ud_hv_replication *with = &lv->book->with;
	struct ud_peer peer = { .auth = auth };

	pthread_mutex_lock(&lv->book->lock);
	peer.identity = ud_strdup(cx->arena, with->identity);
	peer.root = ud_strdup(cx->arena, with->root);
	if (auth == UD_PEER_KERBEROS) {
		peer.principal = ud_printf(cx->arena, "understudy/%s", with->agent_id);
		peer.keytab = ud_strdup(cx->arena, with->keytab);
	}
	pthread_mutex_unlock(&lv->book->lock);
	return peer;
}

/* As enum ud_authentication says of a relation. */
static enum ud_peer_auth auth_of(unsigned authentication)
{
	return authentication == UD_AUTHENTICATION_KERBEROS ? UD_PEER_KERBEROS
							    : UD_PEER_CERTIFICATE;
}

enum ud_peer_auth ud_lv_auth(const struct ud_relation *relation)
{
	return auth_of(relation->authentication);
}

enum ud_code ud_lv_relation_test(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation_test *test, struct ud_relation_tested *ret)
{
	struct ud_peer peer = ud_lv_credentials(cx, ud_lv_of(hv), auth_of(test->authentication));
	UD_AUTO(ud_peers) *peers = NULL;
	UD_AUTO(ud_stream) *stream = NULL;

	if (!peer.identity)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "The agent has no identity yet.");
	peer.agent_id = test->peer_agent_id;
	int64_t began = ud_mono_ms(cx->env);
	enum ud_code code = ud_peers_open(cx, &peer, &peers);

	if (code == UD_OK)
		code = ud_stream_connect(cx, peers, test->peer_address, CONNECT_MS, &stream);
	*ret = (struct ud_relation_tested){ .reachable = code == UD_OK,
		.encrypted = peer.auth == UD_PEER_CERTIFICATE,
		.latency_ms = code == UD_OK ? ud_mono_ms(cx->env) - began : UD_NONE,
		.bytes_per_second = UD_NONE,
		.code = code == UD_OK ? NULL : ud_error_info(code)->name,
		.text = code == UD_OK ? NULL : cx->problem.detail };
	ud_ctx_clear(cx);
	return UD_OK;
}

enum ud_code ud_lv_peer_ask(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id,
	const char *message, const char **ret_answer)
{
	struct ud_lv_relation *r = NULL;
	struct ud_relation relation = { 0 };
	struct ud_lv_state state = { 0 };

	UD_TRY(ud_lv_relation_get(cx, ud_lv_of(hv), replication_id, &r));
	ud_lv_relation_read(cx, r, &relation, &state);
	pthread_mutex_lock(&r->talk);
	enum ud_code code =
		ud_lv_sender_ready(cx, r, &relation, &r->messenger, &r->messenger_generation);

	if (code == UD_OK)
		code = ud_sender_lease(cx, r->messenger, message, ret_answer);
	pthread_mutex_unlock(&r->talk);
	return code;
}
