/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal's tables. Each public function is one transaction; a crash leaves either all of
 * it or nothing.
 */
#include "agent/journal.h"

#include <pthread.h>
#include <string.h>

struct ud_journal {
	ud_conn *conn;
	pthread_mutex_t mutex;
};

static const char *const role_names[] = { "free", "primary", "replica", "displaced" };
const struct ud_enum ud_vm_roles = { "vm_role", role_names, UD_LEN(role_names) };

/* clang-format off */
static const struct ud_field vm_fields[] = {
	UD_FIELD(ud_journal_vm, vm_id,         .flags = UD_REQUIRED, .about = "The VM."),
	UD_FIELD(ud_journal_vm, uuid,          .flags = UD_REQUIRED, .about = "Its UUID at the hypervisor."),
	UD_FIELD(ud_journal_vm, epoch,         .flags = UD_REQUIRED, .about = "Fencing epoch."),
	UD_FIELD(ud_journal_vm, seq,           .flags = UD_REQUIRED, .about = "Newest number taken."),
	UD_FIELD(ud_journal_vm, role,          .flags = UD_REQUIRED, .values = &ud_vm_roles, .about = "Part this host plays."),
	UD_FIELD(ud_journal_vm, policy,        .flags = UD_REQUIRED, .values = &ud_fencing_policies, .about = "Fencing policy."),
	UD_FIELD(ud_journal_vm, hold,          .flags = UD_REQUIRED, .about = "Stopped by a command."),
	UD_FIELD(ud_journal_vm, wanted,        .flags = UD_REQUIRED, .about = "Should run here."),
	UD_FIELD(ud_journal_vm, lease_seconds, .flags = UD_REQUIRED, .about = "Length of a lease."),
	UD_FIELD(ud_journal_vm, host_boot,     .about = "Boot of the host under which it was last permitted to start."),
	UD_FIELD(ud_journal_vm, permit_ms,     .flags = UD_NULLABLE, .about = "Until when, by that boot's clock."),
	UD_FIELD(ud_journal_vm, promised,      .flags = UD_NULLABLE, .about = "Newest epoch for which the peer gets no lease."),
	UD_FIELD(ud_journal_vm, granted,       .flags = UD_NULLABLE, .about = "Newest epoch for which the peer got one."),
	UD_FIELD(ud_journal_vm, peer_start,    .flags = UD_REQUIRED, .about = "A start needs the peer's leave."),
	UD_FIELD(ud_journal_vm, fast_start,    .flags = UD_REQUIRED, .about = "The peer is fenced."),
	UD_FIELD(ud_journal_vm, breakglass,    .flags = UD_REQUIRED, .about = "Promoted by break-glass."),
};
/* clang-format on */
const struct ud_shape ud_journal_vm_shape = { UD_SHAPE(ud_journal_vm, vm_fields), .bare = true };

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS j_vm (vm_id TEXT NOT NULL PRIMARY KEY, uuid TEXT NOT NULL,"
	" epoch BIGINT NOT NULL, role TEXT NOT NULL, policy TEXT NOT NULL,"
	" hold BIGINT NOT NULL, wanted BIGINT NOT NULL, lease_seconds BIGINT NOT NULL, host_boot TEXT,"
	" permit_ms BIGINT, promised BIGINT, granted BIGINT, peer_start BIGINT NOT NULL,"
	" fast_start BIGINT NOT NULL, breakglass BIGINT NOT NULL);"
	"CREATE TABLE IF NOT EXISTS j_seq (subject_id TEXT NOT NULL PRIMARY KEY, seq BIGINT NOT NULL);"
	"CREATE TABLE IF NOT EXISTS j_cmd (subject_id TEXT NOT NULL, seq BIGINT NOT NULL, n BIGINT NOT NULL,"
	" payload TEXT NOT NULL, outcome TEXT, result TEXT, error TEXT, sent BIGINT NOT NULL,"
	" PRIMARY KEY (subject_id, seq));"
	"CREATE TABLE IF NOT EXISTS j_note (name TEXT NOT NULL PRIMARY KEY, word TEXT NOT NULL);"
	"CREATE TABLE IF NOT EXISTS j_statement (subject_id TEXT NOT NULL, seq BIGINT NOT NULL,"
	" statement TEXT NOT NULL, signature TEXT NOT NULL, PRIMARY KEY (subject_id, seq));"
	"CREATE INDEX IF NOT EXISTS j_cmd_open ON j_cmd(n) WHERE sent = 0;"
	"CREATE INDEX IF NOT EXISTS j_cmd_n ON j_cmd(n);";

enum ud_code ud_journal_open(struct ud_ctx *cx, const char *path, ud_journal **ret)
{
	ud_conn *conn = NULL;

	UD_TRY(ud_conn_open(cx, ud_printf(cx->arena, "sqlite:%s", path), UD_CONN_CREATE, &conn));
	enum ud_code code = conn->engine->script(cx, conn, schema);

	if (code != UD_OK) {
		ud_conn_release(&conn);
		return code;
	}
	*ret = ud_malloc(sizeof(**ret));
	(*ret)->conn = conn;
	pthread_mutex_init(&(*ret)->mutex, NULL);
	return UD_OK;
}

void ud_journal_release(ud_journal **journal)
{
	if (!*journal)
		return;
	ud_conn_release(&(*journal)->conn);
	pthread_mutex_destroy(&(*journal)->mutex);
	ud_free(*journal);
	*journal = NULL;
}

/* One transaction of one thread. */
static enum ud_code enter(struct ud_ctx *cx, ud_journal *journal, bool write)
{
	pthread_mutex_lock(&journal->mutex);
	cx->conn = journal->conn;
	enum ud_code code = ud_begin(cx, write);

	if (code != UD_OK) {
		cx->conn = NULL;
		pthread_mutex_unlock(&journal->mutex);
	}
	return code;
}

static enum ud_code leave(struct ud_ctx *cx, ud_journal *journal, enum ud_code code)
{
	if (code == UD_OK)
		code = ud_commit(cx);
	else
		ud_rollback(cx);
	cx->conn = NULL;
	pthread_mutex_unlock(&journal->mutex);
	return code;
}

/* ---- VMs ---- */

static const char vm_columns[] =
	"SELECT vm_id, uuid, epoch, COALESCE(seq, 0), role, policy, hold, wanted, lease_seconds, host_boot,"
	" permit_ms, promised, granted, peer_start, fast_start, breakglass"
	" FROM j_vm LEFT JOIN j_seq ON subject_id = vm_id";

static unsigned index_of(const struct ud_enum *e, const char *name)
{
	int i = ud_enum_index(e, name);

	return i < 0 ? 0 : (unsigned)i;
}

static void read_vm(struct ud_ctx *cx, const ud_rows *rows, struct ud_journal_vm *vm)
{
	*vm = (struct ud_journal_vm){
		.vm_id = ud_col_dup(cx, rows, 0),
		.uuid = ud_col_dup(cx, rows, 1),
		.epoch = ud_col_int(rows, 2),
		.seq = ud_col_int(rows, 3),
		.role = index_of(&ud_vm_roles, ud_col_text(rows, 4)),
		.policy = index_of(&ud_fencing_policies, ud_col_text(rows, 5)),
		.hold = ud_col_int(rows, 6) != 0,
		.wanted = ud_col_int(rows, 7) != 0,
		.lease_seconds = ud_col_int(rows, 8),
		.host_boot = ud_col_dup(cx, rows, 9),
		.permit_ms = ud_col_int_or_none(rows, 10),
		.promised = ud_col_int_or_none(rows, 11),
		.granted = ud_col_int_or_none(rows, 12),
		.peer_start = ud_col_int(rows, 13) != 0,
		.fast_start = ud_col_int(rows, 14) != 0,
		.breakglass = ud_col_int(rows, 15) != 0,
	};
}

static enum ud_code find_vm(
	struct ud_ctx *cx, const char *vm_id, bool *ret_found, struct ud_journal_vm *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;

	UD_TRY(ud_query(cx, &rows, ud_printf(cx->arena, "%s WHERE vm_id = $1", vm_columns),
		UD_VALS(ud_t(vm_id))));
	UD_TRY(ud_next(cx, rows, ret_found));
	if (*ret_found)
		read_vm(cx, rows, ret);
	return UD_OK;
}

enum ud_code ud_journal_vm_get(struct ud_ctx *cx, ud_journal *journal, const char *vm_id,
	bool *ret_found, struct ud_journal_vm *ret)
{
	*ret = (struct ud_journal_vm){ 0 };
	UD_TRY(enter(cx, journal, false));
	return leave(cx, journal, find_vm(cx, vm_id, ret_found, ret));
}

static enum ud_code store_vm(struct ud_ctx *cx, const struct ud_journal_vm *vm)
{
	int64_t changes = 0;

	UD_TRY(ud_exec(cx, &changes,
		"INSERT INTO j_vm(vm_id, uuid, epoch, role, policy, hold, wanted, lease_seconds, host_boot,"
		" permit_ms, promised, granted, peer_start, fast_start, breakglass)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
		" ON CONFLICT (vm_id) DO UPDATE SET"
		" uuid = $2, epoch = $3, role = $4, policy = $5, hold = $6, wanted = $7, lease_seconds = $8,"
		" host_boot = $9, permit_ms = $10, promised = $11, granted = $12, peer_start = $13,"
		" fast_start = $14, breakglass = $15 WHERE j_vm.epoch <= $3",
		UD_VALS(ud_t(vm->vm_id), ud_t(vm->uuid), ud_i(vm->epoch),
			ud_t(role_names[vm->role]), ud_t(ud_fencing_policies.names[vm->policy]),
			ud_i(vm->hold), ud_i(vm->wanted), ud_i(vm->lease_seconds),
			ud_t(vm->host_boot), ud_i(vm->permit_ms), ud_i(vm->promised),
			ud_i(vm->granted), ud_i(vm->peer_start), ud_i(vm->fast_start),
			ud_i(vm->breakglass))));
	return changes == 1
		? UD_OK
		: ud_fail(cx, UD_E_CONFLICT, NULL, "the epoch of %s would fall", vm->vm_id);
}

enum ud_code ud_journal_vm_put(
	struct ud_ctx *cx, ud_journal *journal, const struct ud_journal_vm *vm)
{
	UD_TRY(enter(cx, journal, true));
	return leave(cx, journal, store_vm(cx, vm));
}

static enum ud_code change_vm(
	struct ud_ctx *cx, const char *vm_id, ud_journal_change *change, void *data)
{
	struct ud_journal_vm vm = { 0 };
	bool found = false;

	UD_TRY(find_vm(cx, vm_id, &found, &vm));
	if (!found)
		vm = (struct ud_journal_vm){ .vm_id = vm_id,
			.permit_ms = UD_NONE,
			.promised = UD_NONE,
			.granted = UD_NONE };
	UD_TRY(change(cx, data, found, &vm));
	return store_vm(cx, &vm);
}

enum ud_code ud_journal_vm_change(struct ud_ctx *cx, ud_journal *journal, const char *vm_id,
	ud_journal_change *change, void *data)
{
	UD_TRY(enter(cx, journal, true));
	return leave(cx, journal, change_vm(cx, vm_id, change, data));
}

static enum ud_code visit_vms(struct ud_ctx *cx, ud_journal_vm_visitor *visit, void *data)
{
	UD_AUTO(ud_rows) *rows = NULL;
	struct ud_journal_vm vm;
	bool more = false;

	UD_TRY(ud_query(
		cx, &rows, ud_printf(cx->arena, "%s ORDER BY vm_id", vm_columns), UD_NO_VALS));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		read_vm(cx, rows, &vm);
		UD_TRY(visit(cx, data, &vm));
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

enum ud_code ud_journal_vm_visit(
	struct ud_ctx *cx, ud_journal *journal, ud_journal_vm_visitor *visit, void *data)
{
	UD_TRY(enter(cx, journal, false));
	return leave(cx, journal, visit_vms(cx, visit, data));
}

static enum ud_code visit_heads(struct ud_ctx *cx, ud_journal_head_visitor *visit, void *data)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	UD_TRY(ud_query(cx, &rows,
		"SELECT id, COALESCE(epoch, 0), COALESCE(seq, 0), COALESCE(role, 'free'),"
		" COALESCE(breakglass, 0) FROM"
		" (SELECT subject_id AS id FROM j_seq UNION SELECT vm_id FROM j_vm)"
		" LEFT JOIN j_seq ON subject_id = id LEFT JOIN j_vm ON vm_id = id ORDER BY id",
		UD_NO_VALS));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		const struct ud_wire_head head = { .subject_id = ud_col_text(rows, 0),
			.epoch = ud_col_int(rows, 1),
			.seq = ud_col_int(rows, 2),
			.role = ud_col_text(rows, 3),
			.breakglass = ud_col_int(rows, 4) != 0 };

		UD_TRY(visit(cx, data, &head));
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

enum ud_code ud_journal_heads(
	struct ud_ctx *cx, ud_journal *journal, ud_journal_head_visitor *visit, void *data)
{
	UD_TRY(enter(cx, journal, false));
	return leave(cx, journal, visit_heads(cx, visit, data));
}

/* ---- notes ---- */

static enum ud_code note(struct ud_ctx *cx, const char *name, const char *word)
{
	if (!word)
		return ud_exec(cx, NULL, "DELETE FROM j_note WHERE name = $1", UD_VALS(ud_t(name)));
	return ud_exec(cx, NULL,
		"INSERT INTO j_note(name, word) VALUES ($1, $2)"
		" ON CONFLICT (name) DO UPDATE SET word = $2",
		UD_VALS(ud_t(name), ud_t(word)));
}

enum ud_code ud_journal_note(
	struct ud_ctx *cx, ud_journal *journal, const char *name, const char *word)
{
	UD_TRY(enter(cx, journal, true));
	return leave(cx, journal, note(cx, name, word));
}

enum ud_code ud_journal_noted(
	struct ud_ctx *cx, ud_journal *journal, const char *name, const char **ret_word)
{
	bool found = false;

	*ret_word = NULL;
	UD_TRY(enter(cx, journal, false));
	return leave(cx, journal,
		ud_query_text(cx, &found, ret_word, "SELECT word FROM j_note WHERE name = $1",
			UD_VALS(ud_t(name))));
}

/* ---- commands ---- */

/* Is the number known, by these bytes? *ret_ended: its answer is stored. A number that a restored
 * server gives out again is another command, and old. */
static enum ud_code find_command(struct ud_ctx *cx, const struct ud_wire_command *c,
	const char *payload, bool *ret_known, bool *ret_ended)
{
	UD_AUTO(ud_rows) *rows = NULL;

	UD_TRY(ud_query(cx, &rows,
		"SELECT outcome, payload FROM j_cmd WHERE subject_id = $1 AND seq = $2",
		UD_VALS(ud_t(c->subject_id), ud_i(c->seq))));
	UD_TRY(ud_next(cx, rows, ret_known));
	*ret_known = *ret_known && strcmp(ud_col_text(rows, 1), payload) == 0;
	*ret_ended = *ret_known && !ud_col_null(rows, 0);
	return UD_OK;
}

static enum ud_code newest(struct ud_ctx *cx, const char *subject_id, int64_t *ret)
{
	bool found = false;

	*ret = 0;
	return ud_query_int(cx, &found, ret, "SELECT seq FROM j_seq WHERE subject_id = $1",
		UD_VALS(ud_t(subject_id)));
}

/* Why the epoch forbids a command, or NULL. */
static const char *epoch_forbids(
	const struct ud_wire_command *c, bool known, const struct ud_journal_vm *vm, bool raises)
{
	if (!known || c->epoch == vm->epoch)
		return NULL;
	if (c->epoch < vm->epoch)
		return "{\"code\":\"stale_epoch\",\"detail\":\"This host knows a newer epoch of the VM.\"}";
	if (!raises)
		return "{\"code\":\"unknown_epoch\",\"detail\":\"This host has not taken the VM's new epoch yet.\"}";
	return NULL;
}

static enum ud_code store_command(struct ud_ctx *cx, const struct ud_wire_command *c,
	const char *payload, const char *refusal)
{
	UD_TRY(ud_exec(cx, NULL,
		"INSERT INTO j_seq(subject_id, seq) VALUES ($1, $2)"
		" ON CONFLICT (subject_id) DO UPDATE SET seq = $2",
		UD_VALS(ud_t(c->subject_id), ud_i(c->seq))));
	return ud_exec(cx, NULL,
		"INSERT INTO j_cmd(subject_id, seq, n, payload, outcome, error, sent)"
		" VALUES ($1, $2, (SELECT COALESCE(MAX(n), 0) + 1 FROM j_cmd), $3, $4, $5, 0)",
		UD_VALS(ud_t(c->subject_id), ud_i(c->seq), ud_t(payload),
			ud_t(refusal ? ud_outcomes.names[UD_OUTCOME_REFUSED] : NULL),
			ud_t(refusal)));
}

static enum ud_code send_again(struct ud_ctx *cx, const struct ud_wire_command *c)
{
	return ud_exec(cx, NULL, "UPDATE j_cmd SET sent = 0 WHERE subject_id = $1 AND seq = $2",
		UD_VALS(ud_t(c->subject_id), ud_i(c->seq)));
}

static enum ud_code take(struct ud_ctx *cx, const struct ud_wire_command *c, const char *payload,
	bool raises, enum ud_taken *ret)
{
	struct ud_journal_vm vm = { 0 };
	bool known = false, ended = false, have_vm = false;
	int64_t top = 0;

	UD_TRY(find_command(cx, c, payload, &known, &ended));
	if (known) {
		*ret = ended ? UD_TAKEN_ENDED : UD_TAKEN_KNOWN;
		return ended ? send_again(cx, c) : UD_OK;
	}
	UD_TRY(newest(cx, c->subject_id, &top));
	if (c->seq <= top) {
		*ret = UD_TAKEN_STALE;
		return UD_OK;
	}
	UD_TRY(find_vm(cx, c->subject_id, &have_vm, &vm));
	const char *refusal = epoch_forbids(c, have_vm, &vm, raises);

	*ret = refusal ? UD_TAKEN_REFUSED : UD_TAKEN_NEW;
	return store_command(cx, c, payload, refusal);
}

enum ud_code ud_journal_take(struct ud_ctx *cx, ud_journal *journal,
	const struct ud_wire_command *command, const char *payload, bool raises, enum ud_taken *ret)
{
	UD_TRY(enter(cx, journal, true));
	return leave(cx, journal, take(cx, command, payload, raises, ret));
}

static enum ud_code end(struct ud_ctx *cx, const struct ud_wire_command *c,
	const struct ud_wire_result *r, const struct ud_journal_vm *vm)
{
	if (vm)
		UD_TRY(ud_exec(cx, NULL, "UPDATE j_vm SET wanted = $2 WHERE vm_id = $1",
			UD_VALS(ud_t(vm->vm_id), ud_i(vm->wanted))));
	if (r->statement)
		UD_TRY(ud_exec(cx, NULL,
			"INSERT INTO j_statement(subject_id, seq, statement, signature)"
			" VALUES ($1, $2, $3, $4) ON CONFLICT (subject_id, seq) DO NOTHING",
			UD_VALS(ud_t(c->subject_id), ud_i(c->seq), ud_t(r->statement),
				ud_t(r->signature))));
	return ud_exec(cx, NULL,
		"UPDATE j_cmd SET outcome = $3, result = $4, error = $5"
		" WHERE subject_id = $1 AND seq = $2 AND outcome IS NULL",
		UD_VALS(ud_t(c->subject_id), ud_i(c->seq), ud_t(ud_outcomes.names[r->outcome]),
			ud_t(r->result.text), ud_t(r->error.text)));
}

enum ud_code ud_journal_end(struct ud_ctx *cx, ud_journal *journal,
	const struct ud_wire_command *command, const struct ud_wire_result *result,
	const struct ud_journal_vm *vm)
{
	UD_TRY(enter(cx, journal, true));
	return leave(cx, journal, end(cx, command, result, vm));
}

#define COMMANDS                                                                                   \
	"SELECT subject_id, seq, payload, outcome, result, error, statement, signature FROM j_cmd" \
	" LEFT JOIN j_statement USING (subject_id, seq)"

static enum ud_code visit_commands(
	struct ud_ctx *cx, const char *sql, ud_journal_visitor *visit, void *data)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	UD_TRY(ud_query(cx, &rows, sql, UD_VALS(ud_i(UD_JOURNAL_PAGE))));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		struct ud_wire_result r = {
			.subject_id = ud_col_dup(cx, rows, 0),
			.seq = ud_col_int(rows, 1),
			.result.text = ud_col_dup(cx, rows, 4),
			.error.text = ud_col_dup(cx, rows, 5),
			.statement = ud_col_dup(cx, rows, 6),
			.signature = ud_col_dup(cx, rows, 7),
		};

		if (!ud_col_null(rows, 3))
			r.outcome = index_of(&ud_outcomes, ud_col_text(rows, 3));
		UD_TRY(visit(cx, data, ud_col_dup(cx, rows, 2), &r));
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

enum ud_code ud_journal_working(
	struct ud_ctx *cx, ud_journal *journal, ud_journal_visitor *visit, void *data)
{
	UD_TRY(enter(cx, journal, false));
	return leave(cx, journal,
		visit_commands(cx,
			COMMANDS " WHERE sent = 0 AND outcome IS NULL ORDER BY n LIMIT 16 * $1",
			visit, data));
}

enum ud_code ud_journal_unsent(
	struct ud_ctx *cx, ud_journal *journal, ud_journal_visitor *visit, void *data)
{
	UD_TRY(enter(cx, journal, false));
	return leave(cx, journal,
		visit_commands(cx,
			COMMANDS " WHERE sent = 0 AND outcome IS NOT NULL ORDER BY n LIMIT $1",
			visit, data));
}

static enum ud_code sent(struct ud_ctx *cx, const char *subject_id, int64_t seq)
{
	UD_TRY(ud_exec(cx, NULL, "UPDATE j_cmd SET sent = 1 WHERE subject_id = $1 AND seq = $2",
		UD_VALS(ud_t(subject_id), ud_i(seq))));
	UD_TRY(ud_exec(cx, NULL,
		"DELETE FROM j_cmd WHERE sent = 1 AND n < (SELECT MAX(n) FROM j_cmd) - 1000",
		UD_NO_VALS));
	return ud_exec(cx, NULL,
		"DELETE FROM j_statement WHERE NOT EXISTS (SELECT 1 FROM j_cmd c"
		" WHERE c.subject_id = j_statement.subject_id AND c.seq = j_statement.seq)",
		UD_NO_VALS);
}

enum ud_code ud_journal_sent(
	struct ud_ctx *cx, ud_journal *journal, const char *subject_id, int64_t seq)
{
	UD_TRY(enter(cx, journal, true));
	return leave(cx, journal, sent(cx, subject_id, seq));
}
