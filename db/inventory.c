/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements over facts and figures.
 */
#include "db/inventory.h"

#include <string.h>

enum { HOSTS_PAGE = 200, VMS_MAX = 2000, TELLING_MAX = 64, SAMPLES_MAX = 360, FORGET_PAGE = 20000 };

/* Texts of a query's first column. */
static enum ud_code texts(struct ud_ctx *cx, const char *sql, const struct ud_val *vals, size_t n,
	size_t max, struct ud_texts *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	*ret = (struct ud_texts){ ud_alloc(cx->arena, max * sizeof(char *)), 0 };
	UD_TRY(ud_query(cx, &rows, sql, vals, n));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		if (ret->count < max)
			ret->items[ret->count++] = ud_col_dup(cx, rows, 0);
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

/* A text and the instant it was observed at. */
static enum ud_code observed(struct ud_ctx *cx, const char *sql, const struct ud_val *vals,
	size_t n, const char **ret, int64_t *ret_at)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	*ret = NULL;
	*ret_at = UD_NONE;
	UD_TRY(ud_query(cx, &rows, sql, vals, n));
	UD_TRY(ud_next(cx, rows, &more));
	if (!more)
		return UD_OK;
	*ret = ud_col_dup(cx, rows, 0);
	*ret_at = ud_col_int(rows, 1);
	return ud_next(cx, rows, &more);
}

/* ---- facts ---- */

enum ud_code ud_inventory_host(struct ud_ctx *cx, const char *host_id, const char *facts)
{
	/* every tenant: the caller is the host's agent */
	return ud_exec(cx, NULL,
		"INSERT INTO host_facts(host_id, observed_at, facts) VALUES ($1, $2, $3)"
		" ON CONFLICT (host_id) DO UPDATE SET observed_at = $2, facts = $3",
		UD_VALS(ud_t(host_id), ud_i(cx->now_ms), ud_t(facts)));
}

enum ud_code ud_inventory_host_facts(
	struct ud_ctx *cx, const char *host_id, const char **ret, int64_t *ret_observed_at)
{
	/* every tenant: the caller has read the host with its scope */
	return observed(cx, "SELECT facts, observed_at FROM host_facts WHERE host_id = $1",
		UD_VALS(ud_t(host_id)), ret, ret_observed_at);
}

enum ud_code ud_inventory_near_facts(
	struct ud_ctx *cx, const char *host_id, int64_t since_ms, struct ud_texts *ret)
{
	/* every tenant: the caller has read the host with its scope */
	return texts(cx,
		"SELECT f.facts FROM host_facts f JOIN hosts h ON h.id = f.host_id"
		" JOIN agents a ON a.host_id = h.id JOIN hosts mine ON mine.site_id = h.site_id"
		" WHERE mine.id = $1 AND h.id <> $1 AND a.last_seen_at > $2"
		" AND a.state IN ('active', 'quarantined') ORDER BY f.observed_at DESC, h.id LIMIT $3",
		UD_VALS(ud_t(host_id), ud_i(since_ms), ud_i(UD_NEAR_MAX)), UD_NEAR_MAX, ret);
}

enum ud_code ud_inventory_vm(
	struct ud_ctx *cx, const char *uuid, bool *ret_found, struct ud_vm *ret)
{
	const char *id = NULL;

	/* every tenant: the caller is a host's agent */
	UD_TRY(ud_query_text(cx, ret_found, &id, "SELECT id FROM vms WHERE hypervisor_uuid = $1",
		UD_VALS(ud_t(uuid))));
	return *ret_found ? ud_row_get(cx, &ud_vms, id, ret) : UD_OK;
}

enum ud_code ud_inventory_seen(struct ud_ctx *cx, const char *vm_id, const char *host_id,
	const struct ud_machine *machine, bool *ret_redefined)
{
	const char *hash = machine->definition_hash, *old = NULL;
	struct ud_buf b = { 0 };
	bool found = false;

	/* every tenant: the caller is the host's agent */
	UD_TRY(ud_query_text(cx, &found, &old,
		"SELECT definition_hash FROM vm_facts WHERE vm_id = $1 AND host_id = $2",
		UD_VALS(ud_t(vm_id), ud_t(host_id))));
	*ret_redefined = found && hash && strcmp(old, hash) != 0;
	ud_shape_encode(&b, &ud_machine_shape, machine, NULL);
	const char *facts = ud_buf_take(cx->arena, &b);

	/* every tenant: the caller is the host's agent */
	return ud_exec(cx, NULL,
		"INSERT INTO vm_facts(vm_id, host_id, observed_at, power, definition_hash, facts)"
		" VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (vm_id, host_id) DO UPDATE SET"
		" observed_at = $3, power = $4, definition_hash = $5, facts = $6",
		UD_VALS(ud_t(vm_id), ud_t(host_id), ud_i(cx->now_ms),
			ud_t(ud_powers.names[machine->power]), ud_t(hash), ud_t(facts)));
}

enum ud_code ud_inventory_vm_facts(struct ud_ctx *cx, const char *vm_id, const char *host_id,
	const char **ret, int64_t *ret_observed_at)
{
	/* every tenant: the caller has read the VM with its scope */
	return observed(cx,
		"SELECT facts, observed_at FROM vm_facts WHERE vm_id = $1 AND host_id = $2",
		UD_VALS(ud_t(vm_id), ud_t(host_id)), ret, ret_observed_at);
}

enum ud_code ud_inventory_on(struct ud_ctx *cx, const char *vm_id, const char *host_id, bool *ret)
{
	int64_t one;

	/* every tenant: the caller is a host's agent */
	return ud_query_int(cx, ret, &one,
		"SELECT 1 FROM vm_facts WHERE vm_id = $1 AND host_id = $2",
		UD_VALS(ud_t(vm_id), ud_t(host_id)));
}

enum ud_code ud_inventory_runs_elsewhere(
	struct ud_ctx *cx, const char *vm_id, const char *host_id, bool *ret)
{
	int64_t one;

	/* every tenant: the caller is a host's agent */
	return ud_query_int(cx, ret, &one,
		"SELECT 1 FROM vm_facts WHERE vm_id = $1 AND host_id <> $2"
		" AND power IN ('running', 'starting', 'critical') LIMIT 1",
		UD_VALS(ud_t(vm_id), ud_t(host_id)));
}

/* Rows of vm_id, customer_id, name, facts. */
static enum ud_code seen_vms(struct ud_ctx *cx, const char *sql, const struct ud_val *vals,
	size_t n, size_t max, struct ud_seen_vm **ret, size_t *ret_n)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	*ret = ud_alloc(cx->arena, max * sizeof(**ret));
	*ret_n = 0;
	UD_TRY(ud_query(cx, &rows, sql, vals, n));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		(*ret)[(*ret_n)++] = (struct ud_seen_vm){ ud_col_dup(cx, rows, 0),
			ud_col_dup(cx, rows, 1), ud_col_dup(cx, rows, 2), ud_col_dup(cx, rows, 3) };
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

enum ud_code ud_inventory_running(
	struct ud_ctx *cx, const char *host_id, struct ud_seen_vm **ret, size_t *ret_n)
{
	/* every tenant: a host runs VMs of several */
	return seen_vms(cx,
		"SELECT v.id, v.customer_id, v.name, f.facts FROM vm_facts f"
		" JOIN vms v ON v.id = f.vm_id WHERE f.host_id = $1"
		" AND f.power NOT IN ('off', 'saved', 'unknown') ORDER BY v.id LIMIT $2",
		UD_VALS(ud_t(host_id), ud_i(VMS_MAX)), VMS_MAX, ret, ret_n);
}

#define SUMS                                                          \
	"SELECT COUNT(*), CAST(COALESCE(SUM(v.vcpus), 0) AS BIGINT)," \
	" CAST(COALESCE(SUM(v.memory_bytes), 0) AS BIGINT) FROM vms v WHERE v.id IN "

/* every tenant: a host runs VMs of several */
static enum ud_code sum_vms(
	struct ud_ctx *cx, const char *sql, const char *host_id, int64_t *const ret[3])
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	UD_TRY(ud_query(cx, &rows, sql, UD_VALS(ud_t(host_id))));
	UD_TRY(ud_next(cx, rows, &more));
	for (int i = 0; i < 3; i++)
		*ret[i] = more ? ud_col_int(rows, i) : 0;
	return UD_OK;
}

enum ud_code ud_inventory_load(struct ud_ctx *cx, const char *host_id, struct ud_host_load *ret)
{
	int64_t *const running[] = { &ret->vms_running, &ret->vcpus_running,
		&ret->memory_running_bytes };
	int64_t *const replicated[] = { &ret->vms_replicated, &ret->vcpus_replicated,
		&ret->memory_replicated_bytes };

	/* every tenant: as above */
	UD_TRY(sum_vms(cx,
		SUMS "(SELECT vm_id FROM vm_facts WHERE host_id = $1"
		     " AND power NOT IN ('off', 'saved', 'unknown') UNION"
		     " SELECT id FROM vms WHERE host_id = $1 AND holder_host_id = $1)",
		host_id, running));
	return sum_vms(cx,
		SUMS "(SELECT vm_id FROM replications WHERE target_host_id = $1"
		     " AND wanted <> 'removed') AND (v.host_id IS NULL OR v.host_id <> $1)",
		host_id, replicated);
}

enum ud_code ud_inventory_telling(struct ud_ctx *cx, const char *host_id, const char *address,
	struct ud_seen_vm **ret, size_t *ret_n)
{
	const char *bare = ud_printf(cx->arena, "%%\"%s\"%%", address),
		   *with_prefix = ud_printf(cx->arena, "%%\"%s/%%", address);

	/* every tenant: a site's networks carry VMs of several */
	return seen_vms(cx,
		"SELECT v.id, v.customer_id, v.name, f.facts FROM hosts mine"
		" JOIN hosts h ON h.site_id = mine.site_id JOIN vm_facts f ON f.host_id = h.id"
		" JOIN vms v ON v.id = f.vm_id WHERE mine.id = $1"
		" AND (f.facts LIKE $2 OR f.facts LIKE $3)"
		" AND f.power NOT IN ('off', 'saved', 'unknown') ORDER BY v.id LIMIT $4",
		UD_VALS(ud_t(host_id), ud_t(bare), ud_t(with_prefix), ud_i(TELLING_MAX)),
		TELLING_MAX, ret, ret_n);
}

static bool among(const struct ud_texts *all, const char *text)
{
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->items[i], text) == 0)
			return true;
	return false;
}

static enum ud_code absent(struct ud_ctx *cx, const char *host_id, const struct ud_texts *present,
	struct ud_texts *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	*ret = (struct ud_texts){ ud_alloc(cx->arena, VMS_MAX * sizeof(char *)), 0 };
	/* every tenant: the caller is the host's agent */
	UD_TRY(ud_query(cx, &rows,
		"SELECT vms.id, hypervisor_uuid FROM vm_facts JOIN vms ON vms.id = vm_facts.vm_id"
		" WHERE vm_facts.host_id = $1 ORDER BY vms.id LIMIT $2",
		UD_VALS(ud_t(host_id), ud_i(VMS_MAX))));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		const char *uuid = ud_col_text(rows, 1);

		if (!uuid || !among(present, uuid))
			ret->items[ret->count++] = ud_col_dup(cx, rows, 0);
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

enum ud_code ud_inventory_gone(struct ud_ctx *cx, const char *host_id,
	const struct ud_texts *present, struct ud_texts *ret_vms)
{
	UD_TRY(absent(cx, host_id, present, ret_vms));
	for (size_t i = 0; i < ret_vms->count; i++)
		/* every tenant: the caller is the host's agent */
		UD_TRY(ud_exec(cx, NULL, "DELETE FROM vm_facts WHERE vm_id = $1 AND host_id = $2",
			UD_VALS(ud_t(ret_vms->items[i]), ud_t(host_id))));
	return UD_OK;
}

/* ---- signs of life ---- */

enum ud_code ud_inventory_heartbeat(struct ud_ctx *cx, const char *host_id, int64_t at_ms)
{
	/* every tenant: the caller is the host's agent */
	return ud_exec(cx, NULL, "UPDATE hosts SET heartbeat_at = $2 WHERE id = $1",
		UD_VALS(ud_t(host_id), ud_i(at_ms)));
}

enum ud_code ud_inventory_silent(struct ud_ctx *cx, int64_t before_ms, struct ud_texts *ret_hosts)
{
	/* every tenant: the clock is the same for all */
	return texts(cx,
		"SELECT id FROM hosts WHERE heartbeat_at < $1 AND state IN ('active', 'maintenance')"
		" ORDER BY id LIMIT $2",
		UD_VALS(ud_i(before_ms), ud_i(HOSTS_PAGE)), HOSTS_PAGE, ret_hosts);
}

enum ud_code ud_inventory_vms_of(struct ud_ctx *cx, const char *host_id, struct ud_texts *ret_vms)
{
	/* every tenant: a host runs VMs of several */
	return texts(cx, "SELECT id FROM vms WHERE host_id = $1 ORDER BY id LIMIT $2",
		UD_VALS(ud_t(host_id), ud_i(VMS_MAX)), VMS_MAX, ret_vms);
}

/* ---- figures ---- */

enum ud_code ud_inventory_sample(
	struct ud_ctx *cx, const char *host_id, int64_t at_ms, const struct ud_sample *s)
{
	/* every tenant: the caller is the host's agent */
	return ud_exec(cx, NULL,
		"INSERT INTO samples(vm_id, taken_at, mono_ms, cpu_ns, memory_used_bytes,"
		" disk_read_bytes, disk_write_bytes, disk_reads, disk_writes, net_receive_bytes,"
		" net_send_bytes)"
		" SELECT id, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 FROM vms"
		" WHERE hypervisor_uuid = $1 AND host_id = $2 ON CONFLICT DO NOTHING",
		UD_VALS(ud_t(s->uuid), ud_t(host_id), ud_i(at_ms), ud_i(s->taken_mono_ms),
			ud_i(s->cpu_ns), ud_i(s->memory_used_bytes), ud_i(s->disk_read_bytes),
			ud_i(s->disk_write_bytes), ud_i(s->disk_reads), ud_i(s->disk_writes),
			ud_i(s->net_receive_bytes), ud_i(s->net_send_bytes)));
}

static void read_sample(const ud_rows *rows, int64_t *ret_cpu_us, struct ud_sample *ret)
{
	int64_t *const members[] = { &ret->taken_mono_ms, ret_cpu_us, &ret->memory_used_bytes,
		&ret->disk_read_bytes, &ret->disk_write_bytes, &ret->disk_reads, &ret->disk_writes,
		&ret->net_receive_bytes, &ret->net_send_bytes };

	*ret = (struct ud_sample){ 0 };
	for (size_t i = 0; i < UD_LEN(members); i++)
		*members[i] =
			ud_col_null(rows, (int)i + 1) ? UD_NONE : ud_col_int(rows, (int)i + 1);
}

static enum ud_code visit_samples(struct ud_ctx *cx, const char *sql, const struct ud_val *vals,
	size_t n, ud_sample_visitor *visit, void *data)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	UD_TRY(ud_query(cx, &rows, sql, vals, n));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		struct ud_sample s;
		int64_t cpu_us;

		read_sample(rows, &cpu_us, &s);
		UD_TRY(visit(cx, data, ud_col_int(rows, 0), cpu_us, &s));
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

enum ud_code ud_inventory_samples(struct ud_ctx *cx, const char *vm_id, int64_t after_ms,
	ud_sample_visitor *visit, void *data)
{
	/* every tenant: the caller has read the VM with its scope */
	return visit_samples(cx,
		"SELECT taken_at, mono_ms, cpu_ns / 1000, memory_used_bytes, disk_read_bytes,"
		" disk_write_bytes, disk_reads, disk_writes, net_receive_bytes, net_send_bytes FROM"
		" (SELECT taken_at, mono_ms, cpu_ns, memory_used_bytes, disk_read_bytes,"
		" disk_write_bytes, disk_reads, disk_writes, net_receive_bytes, net_send_bytes"
		" FROM samples WHERE vm_id = $1 AND taken_at > $2 ORDER BY taken_at DESC LIMIT $3)"
		" AS newest ORDER BY taken_at",
		UD_VALS(ud_t(vm_id), ud_i(after_ms), ud_i(SAMPLES_MAX)), visit, data);
}

enum ud_code ud_inventory_host_samples(struct ud_ctx *cx, const char *host_id, int64_t after_ms,
	ud_sample_visitor *visit, void *data)
{
	/* every tenant: the caller has read the host with its scope */
	return visit_samples(cx,
		"SELECT taken_at, MAX(mono_ms), CAST(SUM(cpu_ns / 1000) AS BIGINT),"
		" CAST(SUM(memory_used_bytes) AS BIGINT), CAST(SUM(disk_read_bytes) AS BIGINT),"
		" CAST(SUM(disk_write_bytes) AS BIGINT), CAST(SUM(disk_reads) AS BIGINT),"
		" CAST(SUM(disk_writes) AS BIGINT), CAST(SUM(net_receive_bytes) AS BIGINT),"
		" CAST(SUM(net_send_bytes) AS BIGINT)"
		" FROM samples JOIN vms ON vms.id = samples.vm_id"
		" WHERE vms.host_id = $1 AND taken_at > $2"
		" GROUP BY taken_at ORDER BY taken_at LIMIT $3",
		UD_VALS(ud_t(host_id), ud_i(after_ms), ud_i(SAMPLES_MAX)), visit, data);
}

enum ud_code ud_inventory_forget(struct ud_ctx *cx, int64_t before_ms)
{
	/* every tenant: the clock is the same for all */
	return ud_exec(cx, NULL,
		"DELETE FROM samples WHERE (vm_id, taken_at) IN"
		" (SELECT vm_id, taken_at FROM samples WHERE taken_at < $1 LIMIT $2)",
		UD_VALS(ud_i(before_ms), ud_i(FORGET_PAGE)));
}

enum ud_code ud_inventory_old(struct ud_ctx *cx, int64_t before_ms, bool *ret)
{
	int64_t one;

	/* every tenant: the clock is the same for all */
	return ud_query_int(cx, ret, &one, "SELECT 1 FROM samples WHERE taken_at < $1 LIMIT 1",
		UD_VALS(ud_i(before_ms)));
}
