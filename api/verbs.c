/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of verbs, the one judgement over them, and commands made from calls.
 */
#include "api/verbs.h"

#include <string.h>

#include "base/verbs.h"
#include "db/agents.h"
#include "db/commands.h"
#include "db/events.h"
#include "db/inventory.h"
#include "db/leases.h"
#include "db/subscriptions.h"
#include "server/agents/ca.h"
#include "server/http/server.h"

#define P(power) (UINT32_C(1) << UD_POWER_##power)
enum {
	ON = P(RUNNING) | P(CRITICAL),
	THERE = P(RUNNING) | P(PAUSED) | P(STARTING) | P(STOPPING) | P(CRITICAL),
	ANY = THERE | P(OFF) | P(SAVED) | P(UNKNOWN),
	POWER = UD_CUSTOMER_WRITE | UD_R(SUPPORT_ENGINEER) | UD_R(SUPPORT_LEAD) | UD_OPERATOR,
	LOOK = POWER | UD_R(SUPPORT_AGENT),
	HOST = UD_OPERATOR | UD_R(SUPPORT_ENGINEER) | UD_R(SUPPORT_LEAD),
	FETCH_SECONDS = 300, /* for the host to fetch it */
};

/* clang-format off */
const struct ud_vm_verb ud_vm_verbs[] = {
	/* op                  verb                       roles  powers                        capability           flags                           unblock */
	{ "start",             UD_VERB_VM_START,          POWER, P(OFF) | P(SAVED),            "start",             UD_VERB_RUNS | UD_VERB_CHANGES, "stop" },
	{ "shutdown",          UD_VERB_VM_SHUTDOWN,       POWER, P(RUNNING),                   "shutdown",          UD_VERB_CHANGES,                "start" },
	{ "stop",              UD_VERB_VM_POWER_OFF,      POWER, THERE,                        "power_off",         UD_VERB_CHANGES,                "start" },
	{ "save",              UD_VERB_VM_SAVE,           POWER, P(RUNNING) | P(PAUSED),       "save",              UD_VERB_CHANGES,                "start" },
	{ "pause",             UD_VERB_VM_PAUSE,          POWER, P(RUNNING),                   "pause",             UD_VERB_CHANGES,                "start" },
	{ "resume",            UD_VERB_VM_RESUME,         POWER, P(PAUSED),                    "resume",            UD_VERB_RUNS | UD_VERB_CHANGES, "pause" },
	{ "reset",             UD_VERB_VM_RESET,          POWER, ON,                           "reset",             UD_VERB_CHANGES,                "start" },
	{ "run",               UD_VERB_VM_RUN,            POWER, P(RUNNING),                   "guest_run",         UD_VERB_GUEST,                  "start" },
	{ "write_file",        UD_VERB_VM_WRITE_FILE,     POWER, P(RUNNING),                   "guest_write",       UD_VERB_GUEST,                  "start" },
	{ "read_file",         UD_VERB_VM_READ_FILE,      POWER, P(RUNNING),                   "guest_read",        UD_VERB_GUEST,                  "start" },
	{ "definition",        UD_VERB_VM_DEFINITION,     HOST,  ANY,                          "definition_export", 0,                              NULL },
	{ "diagnose",          UD_VERB_VM_DIAGNOSE,       LOOK,  ANY,                          "diagnose",          0,                              NULL },
	{ "screenshot",        UD_VERB_VM_SCREENSHOT,     LOOK,  P(RUNNING) | P(PAUSED),       "screenshot",        0,                              "start" },
	{ "limit",             UD_VERB_VM_LIMITS,         POWER, ANY,                          "limits_set",        UD_VERB_CHANGES,                NULL },
	{ "upgrade",           UD_VERB_VM_UPGRADE,        HOST,  P(OFF),                       "upgrade",           UD_VERB_CHANGES,                "stop" },
	{ "checkpoint",        UD_VERB_CHECKPOINT_CREATE, POWER, ANY & ~P(UNKNOWN),            "checkpoint_create", UD_VERB_CHANGES,                NULL },
	{ "checkpoint_list",   UD_VERB_CHECKPOINT_LIST,   LOOK,  ANY,                          "checkpoint_list",   0,                              NULL },
	{ "checkpoint_apply",  UD_VERB_CHECKPOINT_APPLY,  POWER, ANY & ~P(UNKNOWN),            "checkpoint_apply",  UD_VERB_CHANGES | UD_VERB_DISKS, NULL },
	{ "checkpoint_delete", UD_VERB_CHECKPOINT_DELETE, POWER, ANY,                          "checkpoint_delete", UD_VERB_CHANGES,                NULL },
	{ NULL, NULL, 0, 0, NULL, 0, NULL },
};

#define H(state) (UINT32_C(1) << UD_HOST_##state)
static const struct {
	const char *op;
	uint32_t roles, states;
	bool agent; /* the host must be heard */
	const char *unblock;
} host_verbs[] = {
	{ "drain",      HOST,             H(ACTIVE),                                       false, "resume" },
	{ "resume",     HOST,             H(MAINTENANCE) | H(QUARANTINED) | H(FENCED),      false, "drain" },
	{ "quarantine", HOST,             H(ACTIVE) | H(MAINTENANCE) | H(UNREACHABLE) | H(FENCED), false, NULL },
	{ "diagnose",   UD_STAFF_WRITE,   H(ACTIVE) | H(MAINTENANCE) | H(QUARANTINED),     true,  "enroll" },
	{ "balance",    HOST,             H(ACTIVE) | H(MAINTENANCE) | H(QUARANTINED),     true,  "enroll" },
	{ "team",       HOST,             H(ACTIVE) | H(MAINTENANCE) | H(QUARANTINED),     true,  "enroll" },
};

static const struct ud_field block_fields[] = {
	UD_FIELD(ud_block, op,             .about = "What cannot be done."),
	UD_FIELD(ud_block, reason_code,    .about = "Why, as a word."),
	UD_FIELD(ud_block, text,           .about = "Why, as a sentence."),
	UD_FIELD(ud_block, unblock_action, .about = "What would help."),
	UD_FIELD(ud_block, who,            .about = "Who can do that."),
};
/* clang-format on */
const struct ud_shape ud_block_shape = { UD_SHAPE(ud_block, block_fields), .bare = true };

/* ---- what is known ---- */

/* What a judgement over a VM needs, read once for all verbs. */
struct sight {
	const struct ud_vm *vm;
	struct ud_host host;
	bool placed, connected; /* it has a host; the host is heard */
	const char *open_verb, *open_operation;
	struct ud_texts capabilities;
	bool recovering; /* the server was restored: nothing is commanded yet */
	bool entitled;   /* its customer's own people may work on a managed VM */
};

static enum ud_code read_capabilities(struct ud_ctx *cx, struct sight *s)
{
	struct ud_host_facts facts = { 0 };
	const char *text = NULL;
	int64_t at;

	UD_TRY(ud_inventory_host_facts(cx, s->host.row.id, &text, &at));
	if (text && ud_shape_read(cx, &ud_host_facts_shape, text, strlen(text), &facts) == UD_OK)
		s->capabilities = facts.capabilities;
	ud_ctx_clear(cx);
	return UD_OK;
}

/* A customer does not see hosts; what its VM may do depends on them all the same. */
static enum ud_code look_at_host(struct ud_ctx *cx, struct sight *s)
{
	struct ud_scope all = ud_scope_system("verbs");
	const struct ud_scope *mine = cx->scope;

	cx->scope = &all;
	enum ud_code code = ud_row_get(cx, &ud_hosts, s->vm->host_id, &s->host);

	if (code == UD_OK)
		code = read_capabilities(cx, s);
	cx->scope = mine;
	UD_TRY(code);
	s->placed = true;
	s->connected = s->host.state != UD_HOST_DISCOVERED && s->host.state != UD_HOST_ENROLLED &&
		s->host.state != UD_HOST_UNREACHABLE && s->host.state != UD_HOST_RETIRED;
	return UD_OK;
}

static enum ud_code look_at(struct ud_ctx *cx, const struct ud_vm *vm, struct sight *ret)
{
	enum ud_lease_gate gate = UD_GATE_OPEN;

	*ret = (struct sight){ .vm = vm, .entitled = true };
	UD_TRY(ud_lease_gate_get(cx, vm->row.id, &gate));
	ret->recovering = gate == UD_GATE_RECOVERING;
	if (vm->host_id)
		UD_TRY(look_at_host(cx, ret));
	if (vm->managed && vm->row.customer_id)
		UD_TRY(ud_subscribed_managed(cx, vm->row.customer_id, &ret->entitled));
	/* an old primary that is away has its own to do when it comes back; this host need not wait
	 */
	return ud_command_open(cx, vm->row.id, vm->host_id, &ret->open_verb, &ret->open_operation);
}

/* ---- the judgement ---- */

static bool capable(const struct sight *s, const char *slot)
{
	for (size_t i = 0; i < s->capabilities.count; i++)
		if (strcmp(s->capabilities.items[i], slot) == 0)
			return true;
	return false;
}

static bool is_copy(const struct ud_vm *vm)
{
	return vm->dr_role == UD_DR_REPLICA || vm->dr_role == UD_DR_EXTENDED_REPLICA ||
		vm->dr_role == UD_DR_TEST_REPLICA || vm->dr_role == UD_DR_DISPLACED;
}

/* The host, whoever asks and whatever for. */
static struct ud_block block_by_host(
	struct ud_ctx *cx, const struct sight *s, const struct ud_vm_verb *v)
{
	if (s->recovering)
		return (struct ud_block){ v->op, "recovering",
			"The server was restored and has not heard the VM's hosts yet.", "wait",
			"support" };
	if (!s->placed)
		return (struct ud_block){ v->op, "no_host", "The VM is on no host.", "assign_host",
			"support" };
	if (!s->connected)
		return (struct ud_block){ v->op, "host_unreachable",
			ud_printf(cx->arena, "Its host is %s: nobody there can do it.",
				ud_host_states.names[s->host.state]),
			"start_agent", "support" };
	if (s->vm->missing)
		return (struct ud_block){ v->op, "missing",
			"Its host does not have the VM any more.", "look_at_host", "support" };
	if (!capable(s, v->capability))
		return (struct ud_block){ v->op, "unsupported_by_host",
			"The hypervisor of its host cannot do this.", NULL, NULL };
	if (v->flags & UD_VERB_RUNS && s->host.state == UD_HOST_MAINTENANCE)
		return (struct ud_block){ v->op, "host_draining",
			"Its host is in maintenance: nothing is started there.", "resume_host",
			"support" };
	if (v->flags & UD_VERB_RUNS && s->host.state == UD_HOST_QUARANTINED)
		return (struct ud_block){ v->op, "host_quarantined",
			"Its host is in quarantine until a person has looked at it.", "resume_host",
			"support" };
	return (struct ud_block){ 0 };
}

/* The VM itself. */
static struct ud_block block_by_vm(
	struct ud_ctx *cx, const struct sight *s, const struct ud_vm_verb *v)
{
	const struct ud_vm *vm = s->vm;

	if (v->flags & UD_VERB_RUNS && is_copy(vm))
		return (struct ud_block){ v->op, ud_dr_roles.names[vm->dr_role],
			ud_printf(cx->arena, "The VM is a %s: only a failover starts it.",
				ud_dr_roles.names[vm->dr_role]),
			"request_failover", "customer" };
	if (v->flags & UD_VERB_DISKS && vm->dr_role != UD_DR_UNPROTECTED)
		return (struct ud_block){ v->op, "replicated",
			"The VM's disks are replicated: use a recovery point.", "request_failover",
			"customer" };
	if (v->flags & UD_VERB_CHANGES && s->open_verb)
		return (struct ud_block){ v->op, "busy",
			ud_printf(cx->arena, "Its host is still to do %s%s%s.", s->open_verb,
				s->open_operation ? " of " : "",
				s->open_operation ? s->open_operation : ""),
			"wait", "machine" };
	if (!(v->powers & (UINT32_C(1) << vm->power)))
		return (struct ud_block){ v->op,
			vm->power == UD_POWER_UNKNOWN ? "power_unknown" : "wrong_power",
			ud_printf(cx->arena, "The VM is %s.", ud_powers.names[vm->power]),
			vm->power == UD_POWER_UNKNOWN ? "wait" : v->unblock,
			vm->power == UD_POWER_UNKNOWN ? "machine" : "customer" };
	return (struct ud_block){ 0 };
}

/* Who asks. */
static struct ud_block block_by_caller(
	struct ud_ctx *cx, const struct sight *s, const struct ud_vm_verb *v)
{
	uint32_t roles = cx->scope->roles;

	if (cx->scope->kind == UD_PRINCIPAL_SYSTEM)
		return (struct ud_block){ 0 };
	if (!(roles & v->roles))
		return (struct ud_block){ v->op, "role_missing", "Your role does not allow this.",
			"ask_administrator", "customer" };
	/* the provider looks after it: the customer's operators by subscription alone */
	if (s->vm->managed && !s->entitled && !(roles & v->roles & ~UD_R(CUSTOMER_OPERATOR)))
		return (struct ud_block){ v->op, "not_entitled",
			"The provider manages this VM, and no managed subscription is in force.",
			"subscribe", "customer" };
	if (v->flags & UD_VERB_GUEST && !s->vm->managed && !(roles & UD_CUSTOMER_WRITE))
		return (struct ud_block){ v->op, "vm_unmanaged",
			"The VM is not managed: inside it only its customer works.", "manage",
			"customer" };
	return (struct ud_block){ 0 };
}

static struct ud_block judge(struct ud_ctx *cx, const struct sight *s, const struct ud_vm_verb *v)
{
	struct ud_block b = block_by_caller(cx, s, v);

	if (!b.op)
		b = block_by_host(cx, s, v);
	return b.op ? b : block_by_vm(cx, s, v);
}

/* ---- what an object shows ---- */

struct showing {
	struct ud_texts *allowed;
	struct ud_buf blocked;
};

static void show(struct showing *s, const char *op, const struct ud_block *b)
{
	if (!b->op) {
		s->allowed->items[s->allowed->count++] = op;
		return;
	}
	ud_buf_putc(&s->blocked, s->blocked.len ? ',' : '[');
	ud_shape_encode(&s->blocked, &ud_block_shape, b, NULL);
}

static const char *shown(struct ud_ctx *cx, struct showing *s)
{
	ud_buf_puts(&s->blocked, s->blocked.len ? "]" : "[]");
	return ud_buf_take(cx->arena, &s->blocked);
}

enum ud_code ud_vm_complete(struct ud_ctx *cx, void *row)
{
	struct ud_vm *vm = row;
	struct showing to = { .allowed = &vm->allowed_operations };
	struct sight s;

	UD_TRY(look_at(cx, vm, &s));
	to.allowed->items = ud_alloc(cx->arena, UD_LEN(host_verbs) * 8 * sizeof(char *));
	to.allowed->count = 0;
	for (const struct ud_vm_verb *v = ud_vm_verbs; v->op; v++) {
		struct ud_block b = judge(cx, &s, v);

		show(&to, v->op, &b);
	}
	vm->blocked_operations.text = shown(cx, &to);
	return UD_OK;
}

static enum ud_code refuse(struct ud_ctx *cx, const struct ud_block *b)
{
	static const struct {
		const char *reason;
		enum ud_code code;
	} codes[] = { { "role_missing", UD_E_ROLE_MISSING }, { "not_entitled", UD_E_NOT_ENTITLED },
		{ "vm_unmanaged", UD_E_VM_UNMANAGED },
		{ "unsupported_by_host", UD_E_UNSUPPORTED } };

	for (size_t i = 0; i < UD_LEN(codes); i++)
		if (strcmp(codes[i].reason, b->reason_code) == 0)
			return ud_fail(cx, codes[i].code, NULL, "%s", b->text);
	return ud_fail(cx, UD_E_INVALID_STATE, NULL, "%s", b->text);
}

enum ud_code ud_vm_may(struct ud_ctx *cx, const struct ud_vm *vm, const char *op)
{
	const struct ud_vm_verb *v = ud_vm_verbs;
	struct sight s;

	while (strcmp(v->op, op) != 0)
		v++;
	UD_TRY(look_at(cx, vm, &s));
	struct ud_block b = judge(cx, &s, v);

	return b.op ? refuse(cx, &b) : UD_OK;
}

/* ---- hosts ---- */

static struct ud_block judge_host(struct ud_ctx *cx, const struct ud_host *h, size_t i)
{
	if (!(cx->scope->roles & host_verbs[i].roles))
		return (struct ud_block){ host_verbs[i].op, "role_missing",
			"Your role does not allow this.", "ask_administrator", "operator" };
	if (host_verbs[i].states & (UINT32_C(1) << h->state))
		return (struct ud_block){ 0 };
	return (struct ud_block){ host_verbs[i].op,
		host_verbs[i].agent ? "host_unreachable" : "wrong_state",
		ud_printf(cx->arena, "The host is %s.", ud_host_states.names[h->state]),
		host_verbs[i].unblock, host_verbs[i].unblock ? "support" : NULL };
}

enum ud_code ud_host_complete(struct ud_ctx *cx, void *row)
{
	struct ud_host *h = row;
	struct showing to = { .allowed = &h->allowed_operations };

	to.allowed->items = ud_alloc(cx->arena, UD_LEN(host_verbs) * sizeof(char *));
	to.allowed->count = 0;
	for (size_t i = 0; i < UD_LEN(host_verbs); i++) {
		struct ud_block b = judge_host(cx, h, i);

		show(&to, host_verbs[i].op, &b);
	}
	h->blocked_operations.text = shown(cx, &to);
	return UD_OK;
}

enum ud_code ud_host_may(struct ud_ctx *cx, const struct ud_host *h, const char *op)
{
	size_t i = 0;

	while (strcmp(host_verbs[i].op, op) != 0)
		i++;
	struct ud_block b = judge_host(cx, h, i);

	return b.op ? refuse(cx, &b) : UD_OK;
}

/* ---- from a call to a command ---- */

enum ud_code ud_answer_operation(struct ud_ctx *cx, struct ud_request *rq, struct ud_operation *op)
{
	UD_TRY(ud_answer(cx, rq, ud_operations.shape, op));
	ud_answer_header(rq, "Location", ud_printf(cx->arena, "/v1/operations/%s", op->row.id));
	return UD_OK;
}

static const char *args_text(struct ud_ctx *cx, const struct ud_ask *ask)
{
	struct ud_buf b = { 0 };

	if (!ask->args_shape)
		return "{}";
	ud_shape_encode(&b, ask->args_shape, ask->args, NULL);
	return ud_buf_take(cx->arena, &b);
}

enum ud_code ud_ask_agent(struct ud_ctx *cx, struct ud_request *rq, const struct ud_ask *ask)
{
	const char *object = ask->vm ? "vm" : "host",
		   *id = ask->vm ? ask->vm->row.id : ask->host_id;
	struct ud_operation op = {
		.kind = ask->verb, .state = UD_OPERATION_WAITING, .requested_by = cx->scope->id
	};
	int64_t seq;

	if (!rq->server->settings.agents_url)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"This server has no port for agents ([agents] listen).");
	op.row.customer_id = ask->vm ? ask->vm->row.customer_id : NULL;
	op.resource.text = ud_printf(cx->arena, "{\"id\":\"%s\",\"object\":\"%s\"}", id, object);
	op.waiting_for.text =
		"{\"what\":\"the host's agent fetches the command\",\"who\":\"machine\"}";
	UD_TRY(ud_row_insert(cx, &ud_operations, &op));
	UD_TRY(ud_event_add(cx, "created", ud_operations.shape, NULL, &op));
	const struct ud_command_new command = { .host_id = ask->host_id,
		.vm_id = ask->vm ? id : NULL,
		.verb = ask->verb,
		.args = args_text(cx, ask),
		.operation_id = op.row.id,
		.timeout_seconds = ask->timeout_seconds,
		.wait_seconds = FETCH_SECONDS };

	UD_TRY(ud_command_send(cx, &rq->server->commanding, &command, &seq));
	op.allowed_operations.items = ud_alloc(cx->arena, sizeof(char *));
	op.allowed_operations.items[op.allowed_operations.count++] = "cancel";
	return ud_answer_operation(cx, rq, &op);
}
