/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults, and the dry runs that have to name them: each is made in a transaction that nobody sees,
 * every question is asked there, and the transaction is taken back. What is told must be the fault
 * and nothing else; where there is none, nothing.
 */
#include <string.h>

#include "api/preflight.h"
#include "base/machine.h"
#include "db/inventory.h"
#include "db/sites.h"
#include "support/stage.h"

/* The first VM is protected from host 0 to host 1, each in a site of its own; the second is not;
 * the third runs on host 1. */
enum { PROTECTED, PLAIN, NEIGHBOUR, VMS };

struct set {
	struct stage *s;
	const char *sites[STAGE_HOSTS], *block, *plan, *rack;
};

/* ---- all is well ---- */

static const char host_facts[] =
	"{\"hypervisor\":\"kvm\",\"memory_bytes\":17179869184,\"memory_free_bytes\":8589934592,"
	"\"pools\":[{\"name\":\"default\",\"path\":\"/p\",\"capacity_bytes\":100000,\"available_bytes\":50000}],"
	"\"accelerator\":\"tcg\",\"machine_types\":[\"pc-q35-7.2\",\"8.0\"],\"capabilities\":[\"relation_set\"]}";

static const struct {
	int host;
	const char *network, *address;
} seen[VMS] = { { 0, "br0", "192.0.2.66/24" }, { 0, "br0", "192.0.2.67/24" },
	{ 1, "front", "192.0.2.77/24" } };

static enum ud_code see_vm(struct ud_ctx *cx, const struct set *t, int vm)
{
	const char *text = ud_printf(cx->arena,
		"{\"uuid\":\"00000000-0000-4000-8000-%012d\",\"name\":\"x\",\"power\":\"running\","
		"\"guest_agent\":\"connected\",\"memory_bytes\":1073741824,\"accelerator\":\"tcg\","
		"\"machine_type\":\"pc-q35-7.2\",\"disks\":["
		"{\"target\":\"vda\",\"format\":\"qcow2\",\"boot\":true,\"allocated_bytes\":1000},"
		"{\"target\":\"vdb\",\"format\":\"qcow2\",\"allocated_bytes\":2000}],"
		"\"nics\":[{\"mac\":\"52:54:00:00:00:%02d\",\"source\":\"%s\",\"addresses\":[\"%s\"]}]}",
		vm + 1, vm, seen[vm].network, seen[vm].address);
	struct ud_machine m = { 0 };
	bool redefined;

	UD_TRY(ud_shape_read(cx, &ud_machine_shape, text, strlen(text), &m));
	return ud_inventory_seen(
		cx, t->s->vms[vm].id, t->s->hosts[seen[vm].host].id, &m, &redefined);
}

static enum ud_code set_up(struct ud_ctx *cx, void *data)
{
	static const char *const names[] = { "", "Amsterdam", "Paris" };
	struct set *t = data;
	struct stage *s = t->s;

	t->sites[0] = s->site;
	for (int h = 0; h < STAGE_HOSTS; h++) {
		struct ud_site site = { .name = names[h], .code = names[h], .time_zone = "UTC" };

		if (h) {
			UD_TRY(ud_row_insert(cx, &ud_sites, &site));
			t->sites[h] = fmt(s->w, "%s", site.row.id);
		}
		UD_TRY(ud_exec(cx, NULL,
			"UPDATE hosts SET site_id = $2, replication_address = 'repl.example.net:9444'"
			" WHERE id = $1",
			UD_VALS(ud_t(s->hosts[h].id), ud_t(t->sites[h]))));
		UD_TRY(ud_inventory_host(cx, s->hosts[h].id, host_facts));
	}
	UD_TRY(ud_exec(cx, NULL,
		"UPDATE replications SET wanted = 'removed' WHERE vm_id IN ($1, $2)",
		UD_VALS(ud_t(s->vms[PLAIN].id), ud_t(s->vms[NEIGHBOUR].id))));
	UD_TRY(ud_exec(cx, NULL, "UPDATE vms SET host_id = $2 WHERE id = $1",
		UD_VALS(ud_t(s->vms[NEIGHBOUR].id), ud_t(s->hosts[1].id))));
	for (int vm = 0; vm < VMS; vm++)
		UD_TRY(see_vm(cx, t, vm));
	return UD_OK;
}

static const char *made(struct set *t, enum who who, const char *path, const char *body)
{
	return text_at(expect(t->s->w, who, "POST", path, body, 201).json, "id");
}

static const char *network(struct set *t, int site, const char *name, const char *purpose)
{
	return made(t, LEAD, "/v1/networks",
		fmt(t->s->w,
			"{\"name\":\"%s\",\"site_id\":\"%s\",\"purpose\":\"%s\",\"isolated\":%s}",
			name, t->sites[site], purpose,
			strcmp(purpose, "test") == 0 ? "true" : "false"));
}

/* br0 is front over there, and bubble in tests; 192.0.2.7 is kept in front for the first VM. */
static void set_up_networks(struct set *t)
{
	struct world *w = t->s->w;
	const char *here = network(t, 0, "br0", "production");
	const char *there = network(t, 1, "front", "production");
	const char *bubble = network(t, 1, "bubble", "test");

	expect(w, LEAD, "PUT", fmt(w, "/v1/networks/%s/failover-map", here),
		fmt(w,
			"{\"entries\":[{\"target_site_id\":\"%s\",\"real_network_id\":\"%s\","
			"\"test_network_id\":\"%s\"}]}",
			t->sites[1], there, bubble),
		200);
	t->block = made(t, LEAD, "/v1/ip-blocks",
		fmt(w,
			"{\"prefix\":\"192.0.2.0/24\",\"kind\":\"private\",\"site_id\":\"%s\","
			"\"network_id\":\"%s\",\"gateway\":\"192.0.2.1\"}",
			t->sites[1], there));
	made(t, LEAD, "/v1/ip-addresses",
		fmt(w,
			"{\"block_id\":\"%s\",\"address\":\"192.0.2.7\",\"purpose\":\"failover_reserved\","
			"\"vm_id\":\"%s\",\"customer_id\":\"%s\"}",
			t->block, t->s->vms[PROTECTED].id, w->own));
}

static int begin(void **state)
{
	struct stage *s = stage_begin(VMS);
	struct world *w = s->w;
	struct set *t = ud_alloc(w->arena, sizeof(*t));

	t->s = s;
	*state = t;
	world_write(w, set_up, t);
	set_up_networks(t);
	made(t, LEAD, "/v1/subscriptions",
		fmt(w, "{\"customer_id\":\"%s\",\"kind\":\"managed\",\"add_ons\":[\"hyperv_replica\",\"extended_replication\"]}",
			w->own));
	t->rack = made(t, LEAD, "/v1/fault-domains",
		fmt(w, "{\"name\":\"R1\",\"type\":\"rack\",\"site_id\":\"%s\"}", t->sites[0]));
	t->plan = made(t, OWN_APPROVER, "/v1/recovery-plans",
		fmt(w, "{\"name\":\"plan\",\"members\":[{\"vm_id\":\"%s\"}]}",
			s->vms[PROTECTED].id));
	expect(w, OPERATOR, "PUT", fmt(w, "/v1/hosts/%s/fence-device", s->hosts[0].id),
		"{\"agent\":\"fence_ipmilan\",\"address\":\"192.0.2.200\",\"plug\":\"1\",\"password\":\"open sesame\"}",
		200);
	return 0;
}

static int end(void **state)
{
	struct set *t = *state;

	stage_end(t->s);
	return 0;
}

/* ---- questions ---- */

/* How a replication is wished; what a row does not say is as it should be. */
struct wish {
	int64_t interval, kept, hours, rpo;
	int host; /* that takes it, plus 1; 0 = the right one, -1 = none */
	bool kerberos;
	const char *excluded;
};

struct fault {
	/* "code marks, code marks": how each question tells of it, "" = nothing */
	const char *told;
	/* statements that make it, with {names}; NULL = the request is the fault */
	const char *sql;
	const char *more;   /* further members of a failover's request */
	const char *reason; /* of an unplanned failover, when it is another one */
	struct wish wish;
	bool plan; /* the recovery plan is asked for, not its VM */
};

struct question {
	const char *kind, *reason; /* of a failover; NULL = a replication */
	bool lost;                 /* the primary's host is silent */
	int vm, from, to;
	enum ud_leg leg;
};
/* In the order of the marks. */
static const struct question questions[] = {
	{ "test", "validate_replication", .vm = PROTECTED },
	{ "planned", "host_maintenance", .vm = PROTECTED },
	{ "unplanned", "site_outage", .lost = true, .vm = PROTECTED },
	{ .vm = PLAIN, .from = 0, .to = 1, .leg = UD_LEG_PRIMARY },
	{ .vm = PROTECTED, .from = 1, .to = 2, .leg = UD_LEG_EXTENDED },
};

struct asking {
	const struct set *t;
	const struct fault *fault;
	const struct question *q;
	bool made;        /* the fault's statements are run */
	const char *text; /* of the blockers, beyond the transaction */
};

/* Put ids in place of {names}. */
static const char *with_ids(struct ud_ctx *cx, const struct set *t, const char *text)
{
	const struct {
		const char *name, *value;
	} ids[] = { { "{vm}", t->s->vms[PROTECTED].id }, { "{plain}", t->s->vms[PLAIN].id },
		{ "{neighbour}", t->s->vms[NEIGHBOUR].id }, { "{a}", t->s->hosts[0].id },
		{ "{b}", t->s->hosts[1].id }, { "{c}", t->s->hosts[2].id },
		{ "{copy}", t->s->vms[PROTECTED].replication_id },
		{ "{point}", t->s->vms[PROTECTED].point_id },
		{ "{other_point}", t->s->vms[NEIGHBOUR].point_id }, { "{rack}", t->rack },
		{ "{site}", t->s->site }, { "{own}", t->s->w->own },
		{ "{now}", ud_printf(cx->arena, "%lld", (long long)cx->now_ms) } };

	for (size_t i = 0; i < UD_LEN(ids); i++)
		for (const char *at; (at = strstr(text, ids[i].name));)
			text = ud_printf(cx->arena, "%.*s%s%s", (int)(at - text), text,
				ids[i].value, at + strlen(ids[i].name));
	return text;
}

/* Everybody was heard of just now; then come the fault's statements. */
static enum ud_code make(struct ud_ctx *cx, const struct asking *a)
{
	const struct stage *s = a->t->s;
	const char *sql = a->fault->sql;

	UD_TRY(ud_exec(cx, NULL, "UPDATE agents SET last_seen_at = $1", UD_VALS(ud_i(cx->now_ms))));
	if (a->q->lost)
		UD_TRY(ud_exec(cx, NULL, "UPDATE agents SET last_seen_at = 1 WHERE host_id = $1",
			UD_VALS(ud_t(s->hosts[0].id))));
	while (a->made && sql && *sql) {
		size_t n = strcspn(sql, ";");

		UD_TRY(ud_exec(
			cx, NULL, with_ids(cx, a->t, ud_strndup(cx->arena, sql, n)), UD_NO_VALS));
		sql += n + (sql[n] == ';');
	}
	return UD_OK;
}

static enum ud_code ask_failover(struct ud_ctx *cx, const struct asking *a, const char **ret)
{
	const struct fault *f = a->fault;
	struct ud_failover_request rq = { 0 };
	struct ud_failover_planned planned = { 0 };
	bool other = f->reason && a->q->lost;
	const char *text = ud_printf(cx->arena, "{\"kind\":\"%s\",\"reason_code\":\"%s\",%s%s%s}",
		a->q->kind, other ? f->reason : a->q->reason,
		f->plan ? ud_printf(cx->arena, "\"plan_id\":\"%s\"", a->t->plan)
			: with_ids(cx, a->t, "\"vm_ids\":[\"{vm}\"]"),
		f->more ? "," : "", f->more ? with_ids(cx, a->t, f->more) : "");

	UD_TRY(ud_shape_read(cx, &ud_failover_request_shape, text, strlen(text), &rq));
	UD_TRY(ud_failover_plan(cx, "", &rq, false, &planned));
	*ret = planned.blockers.text;
	return UD_OK;
}

static void wish(struct ud_ctx *cx, const struct asking *a, struct ud_preflight *p)
{
	const struct wish *w = &a->fault->wish;
	const char **excluded = ud_alloc(cx->arena, sizeof(*excluded));
	int to = w->host ? w->host - 1 : a->q->to;

	*excluded = w->excluded;
	p->wanted = (struct ud_replication){ .leg = a->q->leg,
		.source_host_id =
			a->q->leg == UD_LEG_PRIMARY ? p->vm.host_id : a->t->s->hosts[a->q->from].id,
		.target_host_id = to < 0 ? NULL : a->t->s->hosts[to].id,
		.schedule_interval_seconds = w->interval ? w->interval : 300,
		.recovery_points_kept = w->kept ? w->kept : 4,
		.rpo_target_seconds = w->rpo ? w->rpo : 900,
		.app_consistent_every_hours = w->hours ? w->hours : UD_NONE,
		.authentication =
			w->kerberos ? UD_AUTHENTICATION_KERBEROS : UD_AUTHENTICATION_CERTIFICATE,
		.excluded_disk_ids = { excluded, w->excluded != NULL } };
}

static enum ud_code ask_replication(struct ud_ctx *cx, const struct asking *a, const char **ret)
{
	struct ud_preflight *p = ud_alloc(cx->arena, sizeof(*p));
	struct ud_replication first = { 0 };
	bool found = false;

	UD_TRY(ud_row_get(cx, &ud_vms, a->t->s->vms[a->q->vm].id, &p->vm));
	wish(cx, a, p);
	UD_TRY(ud_replication_find(cx, a->t->s->vms[a->q->vm].replication_id, &found, &first));
	if (a->q->leg == UD_LEG_EXTENDED)
		p->parent = &first;
	UD_TRY(ud_preflight_run(cx, p));
	*ret = ud_preflight_json(cx, p);
	return UD_OK;
}

/* The answer is taken out; nothing else is left of it. */
static enum ud_code apply_ask(struct ud_ctx *cx, void *data)
{
	struct asking *a = data;
	const char *text = NULL;

	UD_TRY(make(cx, a));
	UD_TRY(a->q->kind ? ask_failover(cx, a, &text) : ask_replication(cx, a, &text));
	a->text = fmt(a->t->s->w, "%s", text);
	return ud_fail(cx, UD_E_INVALID_STATE, NULL, "taken back");
}

static json_t *ask(struct set *t, const struct fault *f, const struct question *q, bool made)
{
	struct world *w = t->s->w;
	struct asking a = { .t = t, .fault = f, .q = q, .made = made };

	w->cx.now_ms = ud_now_ms(&w->env);
	ud_ctx_clear(&w->cx);
	if (ud_database_write(w->db, &w->cx, apply_ask, &a) != UD_E_INVALID_STATE ||
		strcmp(w->cx.problem.detail, "taken back") != 0)
		fail_msg("%s: %s", f->told, w->cx.problem.detail);
	json_t *list = json_loads(a.text, 0, NULL);

	assert_non_null(list);
	json_array_append_new(w->replies, list);
	return list;
}

/* ---- what is told ---- */

enum { CODES_MAX = 64 };
struct answer {
	const char *codes[CODES_MAX];
	char marks[CODES_MAX][UD_LEN(questions) + 1];
	size_t n;
};

static char *marks_of(struct answer *r, const char *code)
{
	size_t i = 0;

	while (i < r->n && strcmp(r->codes[i], code) != 0)
		i++;
	if (i == r->n) {
		assert_true(r->n < CODES_MAX);
		r->codes[r->n++] = code;
		memset(r->marks[i], '-', UD_LEN(questions));
	}
	return r->marks[i];
}

/* Each has words and a fix, and says what it is about or is about the whole. */
static void take(struct answer *r, size_t question, json_t *list)
{
	json_t *b;
	size_t i;

	json_array_foreach(list, i, b)
	{
		assert_true(*text_at(b, "text") && *text_at(b, "fix"));
		marks_of(r, text_at(b, "code"))[question] =
			json_is_true(json_object_get(b, "warning")) ? 'w' : 'b';
	}
}

static void answer(struct set *t, const struct fault *f, bool made, struct answer *r)
{
	*r = (struct answer){ 0 };
	for (size_t q = 0; q < UD_LEN(questions); q++)
		take(r, q, ask(t, f, &questions[q], made));
}

static const char *as_text(struct set *t, const struct answer *r)
{
	const char *text = "";

	for (size_t i = 0; i < r->n; i++)
		text = fmt(t->s->w, "%s%s%s %s", text, i ? ", " : "", r->codes[i], r->marks[i]);
	return text;
}

/* Statements that change what a VM's or a host's facts say. */
#define VM_FACTS(vm, from, to) \
	"UPDATE vm_facts SET facts = replace(facts, '" from "', '" to "') WHERE vm_id = '{" vm "}'"
#define EVERY_VM(from, to) "UPDATE vm_facts SET facts = replace(facts, '" from "', '" to "')"
#define HOST_FACTS(host, from, to)                                      \
	"UPDATE host_facts SET facts = replace(facts, '" from "', '" to \
	"') WHERE host_id = '{" host "}'"
#define SILENT(host) "UPDATE agents SET last_seen_at = 1 WHERE host_id = '{" host "}'"
#define EXTENDED                                                                                   \
	"UPDATE replications SET vm_id = '{vm}', leg = 'extended', wanted = 'active', parent_id =" \
	" '{copy}', source_host_id = '{b}', target_host_id = '{c}' WHERE vm_id = '{neighbour}'"
#define STONITH "UPDATE vms SET fencing_policy = 'stonith' WHERE id = '{vm}'"
#define IS_OFF(state)                                                                           \
	HOST_FACTS("a", "\"capabilities\"",                                                     \
		"\"cluster\":{\"name\":\"c\",\"nodes\":[{\"name\":\"lon-a\",\"state\":\"up\"}," \
		"{\"name\":\"n2\",\"state\":\"" state "\"}]},\"spaces\":{\"pools\":[{}]},"      \
		"\"capabilities\"")
#define ANSWERS "UPDATE agents SET last_seen_at = {now} WHERE host_id = '{a}'"

/* Marks: a test, a planned and an unplanned failover, a first and a second copy; b = it forbids
 * that, w = it is a warning. */
/* clang-format off */
static const struct fault faults[] = {
	{ "" },
	/* failovers: protection and points */
	{ "not_protected bbb--", "UPDATE replications SET wanted = 'removed' WHERE id = '{copy}'" },
	{ "not_replicating -b---", "UPDATE replications SET state = 'paused' WHERE id = '{copy}'" },
	{ "replication_critical www--", "UPDATE replications SET health = 'critical' WHERE id = '{copy}'" },
	{ "no_recovery_point b-b--", "UPDATE recovery_points SET state = 'receiving' WHERE id = '{point}'" },
	{ "point_unusable bbb--", "UPDATE recovery_points SET state = 'corrupt' WHERE id = '{point}'", .more = "\"recovery_point_id\":\"{point}\"" },
	{ "point_gone bbb--", .more = "\"recovery_point_id\":\"{other_point}\"" },
	{ "choose_point --b--", .reason = "virus_attack" },
	{ "", .reason = "virus_attack", .more = "\"acknowledge_latest\":true" },
	{ "choose_point b-b--", "UPDATE recovery_plans SET point_policy = 'chosen'", .plan = true },
	/* hosts and agents */
	{ "target_unreachable bbb--, target_agent_not_connected ---b-, source_agent_not_connected ----b", SILENT("b") },
	{ "source_unreachable -b---, source_agent_not_connected ---b-", SILENT("a") },
	{ "target_agent_not_connected ----b", SILENT("c") },
	{ "source_answers --w--", ANSWERS },
	{ "", ANSWERS, .reason = "virus_attack", .more = "\"acknowledge_latest\":true" },
	{ "agent_quarantined bbb--", "UPDATE agents SET may_promote = 0 WHERE host_id = '{b}'" },
	{ "certificate_expires www--", "UPDATE agents SET certificate_expires_at = {now} + 600000 WHERE host_id = '{b}'" },
	{ "kvm_missing bbwbb", EVERY_VM("\"tcg\"", "\"kvm\"") },
	{ "machine_type_unknown bbwbb", EVERY_VM("pc-q35-7.2", "pc-q35-9.0") },
	{ "machine_type_unknown bbwbb", EVERY_VM("pc-q35-7.2", "generation 2, version 9.0") },
	{ "", EVERY_VM("pc-q35-7.2", "generation 2, version 8.0") },
	{ "target_memory_short bbw--", HOST_FACTS("b", "17179869184", "1073741824") },
	{ "target_memory_short b----", HOST_FACTS("b", "17179869184", "2684354560") },
	{ "memory_low ---w-", HOST_FACTS("b", "8589934592", "1073741823") },
	/* other runs and copies */
	{ "chain_unsaid -bb--, already_extended ----b", EXTENDED },
	{ "already_extended ----b", EXTENDED, .more = "\"chain\":\"keep\"" },
	{ "third_copy_bars_reverse -ww--, hypervisor_mismatch ---bb, already_extended ----b, unsupported_disk ----b", EXTENDED ";UPDATE hosts SET hypervisor = 'hyperv' WHERE id = '{b}'", .more = "\"chain\":\"keep\"" },
	/* what switches hosts off */
	{ "host_is_fenced --w--", STONITH },
	{ "no_fence_device --w--", STONITH ";DELETE FROM fence_devices" },
	{ "host_is_fenced --w--, fence_device_failing --w--", STONITH ";UPDATE fence_devices SET problem = 'no answer'" },
	{ "host_is_fenced --w--, pool_loses_quorum --w--", STONITH ";" IS_OFF("down") },
	{ "source_answers --w--, host_is_fenced --w--, pool_loses_quorum --b--", STONITH ";" IS_OFF("down") ";" ANSWERS },
	{ "host_is_fenced --w--, pool_needs_witness --w--", STONITH ";" IS_OFF("up") },
	/* networks and addresses */
	{ "network_unmapped www--", "DELETE FROM network_maps" },
	{ "network_unmapped w----", "UPDATE network_maps SET test_network_id = NULL" },
	{ "ip_conflict -bw--", VM_FACTS("neighbour", "192.0.2.77", "192.0.2.7") },
	{ "", VM_FACTS("neighbour", "192.0.2.77", "192.0.2.7") ";" VM_FACTS("neighbour", "\"front\"", "\"back\"") },
	{ "ip_conflict -bw--", "UPDATE ip_blocks SET gateway = '192.0.2.7'" },
	/* replications: the VM */
	{ "vm_unassigned ---b-", "UPDATE vms SET customer_id = NULL WHERE id = '{plain}'" },
	{ "not_entitled ---bb", "UPDATE subscriptions SET state = 'ended'" },
	{ "not_entitled ----b", "UPDATE subscriptions SET add_ons = replace(add_ons, 'extended', 'other')" },
	{ "vm_not_ready ---b-", "UPDATE vms SET state = 'error' WHERE id = '{plain}'" },
	{ "vm_without_host ---b-, inventory_unknown ---b-", "UPDATE vms SET host_id = NULL WHERE id = '{plain}'" },
	{ "vm_without_uuid ---b-", "UPDATE vms SET hypervisor_uuid = NULL WHERE id = '{plain}'" },
	{ "vm_transient ---b-", VM_FACTS("plain", "\"transient\":false", "\"transient\":true") },
	{ "inventory_unknown ---b-", "DELETE FROM vm_facts WHERE vm_id = '{plain}'" },
	{ "virtual_fibre_channel ---b-", VM_FACTS("plain", "\"bars\":null", "\"bars\":[{\"code\":\"virtual_fibre_channel\",\"text\":\"It has an adapter.\",\"fix\":\"Remove it.\"}]") },
	{ "tpm_state ---w-", VM_FACTS("plain", "\"bars\":null", "\"bars\":[{\"code\":\"tpm_state\",\"text\":\"It has a TPM.\",\"fix\":\"Keep keys.\",\"warning\":true}]") },
	{ "already_replicated ---b-", "UPDATE replications SET wanted = 'active' WHERE vm_id = '{plain}'" },
	/* … the hosts */
	{ "source_host_not_ready ---b-", "UPDATE hosts SET state = 'maintenance' WHERE id = '{a}'" },
	{ "target_host_not_ready ---b-, source_host_not_ready ----b", "UPDATE hosts SET state = 'maintenance' WHERE id = '{b}'" },
	{ "source_unsupported ---b-", HOST_FACTS("a", "relation_set", "start") },
	{ "target_unsupported ----b", HOST_FACTS("c", "relation_set", "start") },
	{ "hypervisor_mismatch ---bb, unsupported_disk ----b", "UPDATE hosts SET hypervisor = 'hyperv' WHERE id = '{b}'" },
	{ "no_target_host ---bb", .wish.host = -1 },
	{ "no_replication_address ----b", "UPDATE hosts SET replication_address = NULL WHERE id = '{c}'" },
	{ "same_host ---bb", .wish.host = 1 },
	{ "same_site ---b-", "UPDATE hosts SET site_id = '{site}' WHERE id = '{b}'" },
	{ "same_site ----b", "UPDATE hosts SET site_id = '{site}' WHERE id = '{c}'" },
	{ "same_fault_domain ---bb", "UPDATE hosts SET fault_domain_id = '{rack}'" },
	/* … the figures */
	{ "interval_not_supported ----b", .wish.interval = 60 },
	{ "interval_not_supported ----b", "UPDATE replications SET schedule_interval_seconds = 900 WHERE id = '{copy}'" },
	{ "interval_not_supported ---bb", "UPDATE hosts SET hypervisor = 'hyperv';" EVERY_VM("qcow2", "vhdx"), .wish.interval = 600 },
	{ "points_not_supported ---bb", "UPDATE hosts SET hypervisor = 'hyperv';" EVERY_VM("qcow2", "vhdx"), .wish.kept = 25 },
	{ "target_tighter_than_interval ---ww", .wish.rpo = 60 },
	{ "app_consistency_not_supported ----b", .wish.hours = 1 },
	{ "guest_agent_missing ---w-, app_consistency_not_supported ----b", EVERY_VM("\"guest_agent\":\"connected\"", "\"guest_agent\":\"none\""), .wish.hours = 1 },
	{ "not_encrypted ---ww", .wish.kerberos = true },
	/* … the disks */
	{ "shared_disk ---b-", VM_FACTS("plain", "\"boot\":true", "\"boot\":true,\"shared\":true") },
	{ "passthrough_disk ---b-", VM_FACTS("plain", "\"boot\":true", "\"boot\":true,\"passthrough\":true") },
	{ "unsupported_disk ---b-", VM_FACTS("plain", "qcow2", "raw") },
	{ "", .wish.excluded = "vdb" },
	{ "unknown_disk ---bb", .wish.excluded = "vdz" },
	{ "boot_disk_excluded ---bb", .wish.excluded = "vda" },
	{ "nothing_to_copy ---b-", VM_FACTS("plain", "\"qcow2\"", "\"qcow2\",\"read_only\":true") },
	{ "capacity ---b-", VM_FACTS("plain", "2000", "60000") },
};
/* clang-format on */

/* ---- stories ---- */

static void count(struct answer *all, const struct answer *r)
{
	for (size_t i = 0; i < r->n; i++)
		marks_of(all, r->codes[i]);
}

/* The same questions without the fault's statements do not tell of it. */
static void lacks(struct set *t, const struct fault *f)
{
	size_t n = strcspn(f->told, " ");
	struct answer r;

	answer(t, f, false, &r);
	for (size_t i = 0; i < r.n; i++)
		if (n && strncmp(r.codes[i], f->told, n) == 0 && !r.codes[i][n])
			fail_msg("%s is told without it", r.codes[i]);
}

/* Whatever asks for something unusual is not told of anything, unless that is the fault. */
static void every_fault_is_named_and_nothing_else(void **state)
{
	struct set *t = *state;
	struct answer all = { 0 }, r;
	int wrong = 0;

	for (size_t i = 0; i < UD_LEN(faults); i++) {
		const struct fault *f = &faults[i];

		if (f->sql)
			lacks(t, f);
		answer(t, f, true, &r);
		count(&all, &r);
		if (strcmp(as_text(t, &r), f->told) != 0) {
			print_error("row %zu, wanted \"%s\": \"%s\"\n", i, f->told, as_text(t, &r));
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
	answer(t, &faults[0], true, &r);
	assert_int_equal(r.n, 0); /* nothing was left behind */
	print_message("# %zu faults, %zu codes\n", UD_LEN(faults), all.n);
	assert_true(all.n >= 40);
}

/* The VM of a run that has begun is in no other one. */
static void a_run_that_has_not_ended_is_named(void **state)
{
	struct set *t = *state;
	struct answer r;
	const char *run = stage_start(t->s, "test", "validate_replication", 1, "");

	stage_settle(t->s);
	stage_wants(t->s, run, "test_running", NULL);
	answer(t, &faults[0], true, &r);
	assert_string_equal(as_text(t, &r), "run_open bbb--");
	stage_press(t->s, OWN_OPERATOR, run, "cleanup-test", "{}", 202);
	stage_settle(t->s);
	answer(t, &faults[0], true, &r);
	assert_string_equal(as_text(t, &r), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_fault_is_named_and_nothing_else, begin, end),
		cmocka_unit_test_setup_teardown(a_run_that_has_not_ended_is_named, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
