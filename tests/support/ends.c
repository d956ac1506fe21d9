/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ends in one process; see ends.h.
 */
#include "support/ends.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "support/context.h"

enum { MIB = 1 << 20 };
static const int64_t day_ms = INT64_C(86400000);

static const char *issue(struct ud_ctx *cx, struct ud_x509_wish w, const char *key)
{
	const char *cert = NULL;

	assert_int_equal(ud_x509_public(cx, key, &w.public_key), UD_OK);
	w.not_before_ms = cx->now_ms - day_ms;
	if (!w.not_after_ms)
		w.not_after_ms = cx->now_ms + 30 * day_ms;
	assert_int_equal(ud_x509_issue(cx, &w, &cert), UD_OK);
	return cert;
}

struct ends_authority ends_authority(struct ud_ctx *cx)
{
	struct ends_authority a = { .root_key = ud_x509_key(cx),
		.agents_key = ud_x509_key(cx),
		.servers_key = ud_x509_key(cx) };

	a.root = issue(cx,
		(struct ud_x509_wish){
			.kind = UD_X509_ROOT, .name = "Root", .issuer_key = a.root_key },
		a.root_key);
	a.agents = issue(cx,
		(struct ud_x509_wish){ .kind = UD_X509_AGENTS,
			.name = "Agents",
			.issuer = a.root,
			.issuer_key = a.root_key },
		a.agents_key);
	a.servers = issue(cx,
		(struct ud_x509_wish){ .kind = UD_X509_SERVERS,
			.name = "Servers",
			.issuer = a.root,
			.issuer_key = a.root_key },
		a.servers_key);
	return a;
}

const char *ends_identity(struct ud_ctx *cx, const struct ends_authority *a, enum ud_x509_kind kind,
	const char *name, int64_t valid_ms)
{
	static const char *const hosts[] = { "localhost" };
	bool agent = kind == UD_X509_AGENT;
	const char *key = ud_x509_key(cx);
	struct ud_x509_wish w = { .kind = kind,
		.name = name,
		.issuer = agent ? a->agents : a->servers,
		.issuer_key = agent ? a->agents_key : a->servers_key,
		.not_after_ms = valid_ms };

	if (agent)
		w.uri = ud_printf(cx->arena, "understudy://agent/%s", name);
	else
		w.hosts = (struct ud_texts){ (const char **)(uintptr_t)hosts, 1 };
	return ud_printf(cx->arena, "%s%s%s", issue(cx, w, key), w.issuer, key);
}

/* ---- the target ---- */

static enum ud_code find_store(
	struct ud_ctx *cx, void *data, const struct ud_caller *caller, ud_store **ret)
{
	struct ends *e = data;

	if (strcmp(caller->replication_id, "rep_1") != 0 || strcmp(caller->vm_id, "vm_1") != 0)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "there is no relation %s",
			caller->replication_id);
	if (e->asked)
		e->asked(e->asked_data);
	if (e->refuse != UD_OK)
		return ud_fail(cx, e->refuse, NULL, "not now");
	snprintf(e->peer, sizeof(e->peer), "%s", caller->peer);
	e->auth = caller->auth;
	*ret = e->store;
	return UD_OK;
}

static enum ud_code changed(struct ud_ctx *cx, void *data, const char *replication_id,
	const char *point_id, ud_extent_visitor *visit, const char *disk, void *visit_data)
{
	(void)data;
	(void)replication_id;
	(void)point_id;
	/* many pieces: more than one record */
	for (int64_t i = 0; i < 5000; i++)
		UD_TRY(visit(cx, visit_data, i * 3 * 512, 512,
			strcmp(disk, "vda") == 0 ? UD_EXTENT_DATA : UD_EXTENT_CLEAN));
	return UD_OK;
}

static void confirmed(void *data, const char *replication_id, const char *point_id, int64_t age_ms)
{
	struct ends *e = data;

	(void)replication_id;
	snprintf(e->confirmed, sizeof(e->confirmed), "%s %lld", point_id, (long long)age_ms);
}

static enum ud_code lease(struct ud_ctx *cx, void *data, const char *replication_id,
	const char *peer, const char *message, const char **ret_answer)
{
	(void)data;
	(void)replication_id;
	*ret_answer = ud_printf(cx->arena, "%s heard %s", peer, message);
	return UD_OK;
}

static void open_target(struct ends *e, const char *listen)
{
	const struct ud_receiver_settings s = { .listen = listen,
		.peer = { .identity = ends_identity(
				  e->cx, &e->authority, UD_X509_AGENT, "agt_target", 0),
			.root = e->authority.root },
		.calls = { .store = find_store,
			.confirmed = confirmed,
			.changed = changed,
			.lease = lease,
			.data = e },
		.timeout_ms = 20000 };

	assert_int_equal(ud_store_open(e->cx, &e->store_settings, &e->store), UD_OK);
	assert_int_equal(ud_receiver_open(e->cx, &s, &e->receiver), UD_OK);
}

void ends_restart_target(struct ends *e)
{
	char listen[40];

	snprintf(listen, sizeof(listen), "127.0.0.1:%d", ud_receiver_port(e->receiver));
	ud_receiver_release(&e->receiver);
	ud_store_release(&e->store);
	open_target(e, listen);
}

/* ---- the source ---- */

void ends_sender(struct ends *e)
{
	ud_sender_release(&e->sender);
	assert_int_equal(ud_sender_open(e->cx, &e->settings, &e->sender), UD_OK);
}

int ends_begin(void **state)
{
	struct ends *e = ud_malloc(sizeof(*e));
	void *context = NULL;

	context_begin(&context);
	ud_log_set_level(UD_LOG_ERROR);
	*e = (struct ends){ .cx = context };
	e->authority = ends_authority(e->cx);
	e->store_settings.path = context_path(e->cx, "replica");
	open_target(e, "127.0.0.1:0");
	e->relay = relay_new(ud_receiver_port(e->receiver));
	e->settings = (struct ud_sender_settings){ .replication_id = "rep_1",
		.vm_id = "vm_1",
		.address = relay_address(e->relay),
		.peer = { .identity = ends_identity(
				  e->cx, &e->authority, UD_X509_AGENT, "agt_source", 0),
			.root = e->authority.root,
			.agent_id = "agt_target" },
		.folder = context_path(e->cx, "hashes"),
		.rate_bytes_per_second = UD_NONE,
		.timeout_ms = 20000 };
	ends_sender(e);
	e->disks = disks_new();
	disks_add(e->disks, "vda", 24 * MIB + 1024);
	disks_add(e->disks, "vdb", 5 * MIB);
	disks_stir(e->disks, 1, 40);
	*state = e;
	return 0;
}

int ends_end(void **state)
{
	struct ends *e = *state;
	void *context = e->cx;

	ud_sender_release(&e->sender);
	relay_free(e->relay);
	ud_receiver_release(&e->receiver);
	ud_store_release(&e->store);
	for (int i = 0; i < e->points; i++)
		disks_free(e->at[i]);
	disks_free(e->disks);
	ud_free(e);
	return context_end(&context);
}

enum ud_code ends_ship_id(struct ends *e, enum ud_ship how, const char *id, struct ud_shipped *ret)
{
	static const struct ud_ship_file definition = {
		.name = "domain.xml", .data = "<domain/>", .n = 9
	};
	ud_source *source = disks_source(e->disks, 0);
	const struct ud_ship_job job = {
		.point = { .id = id,
			.parent = e->points && how != UD_SHIP_FULL ? e->id[e->points - 1] : "",
			.epoch = 1,
			.taken_at = { e->cx->now_ms } },
		.taken_mono_ms = ud_mono_ms(e->cx->env),
		.how = how,
		.source = source,
		.files = &definition,
		.file_count = 1
	};
	enum ud_code code = ud_sender_ship(e->cx, e->sender, &job, ret);

	ud_source_release(&source);
	if (code == UD_OK) {
		e->at[e->points] = disks_copy(e->disks);
		e->id[e->points++] = id;
		disks_clean(e->disks);
	}
	return code;
}

enum ud_code ends_ship(struct ends *e, enum ud_ship how, struct ud_shipped *ret)
{
	return ends_ship_id(e, how, ud_manifest_id(e->cx), ret);
}

void ends_check(struct ends *e)
{
	assert_int_equal(stores_count(e->cx, e->store), e->points);
	for (int i = 0; i < e->points; i++)
		stores_check(e->cx, e->store, e->id[i], e->at[i]);
}
