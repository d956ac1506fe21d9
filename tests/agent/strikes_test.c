/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent, and the lease guard, are killed at every moment of every verb: before and after each
 * write of the journal, each call of the guard, each question to a grantor and each call of the
 * hypervisor that changes something (support/pair.h). Nobody lists these moments: they are counted
 * while the verb runs undisturbed, and it is done again with a kill at each of them. Verbs are
 * those of the agent's own table; one without a row here fails the test. After each kill the agent
 * is started again, is sent the command again, and everything must stand as it does without the
 * kill: no effect twice, no answer lost or told differently, no second primary. Ordinarily each
 * seventh moment, with UD_TEST_LONG each.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failover.h"
#include "base/replication.h"
#include "base/verbs.h"
#include "support/pair.h"

enum { OFFERS = 6, SLOTS = 32, QUIET = 12, STEP = 7 };

#define RELATION "{\"replication_id\":\"" PAIR_RELATION "\"}"
#define CHECKPOINT "{\"name\":\"before the update\"}"
#define FILE_ARGS "{\"path\":\"/tmp/a\",\"content\":\"YQ\"}"
#define TEST "{\"test_id\":\"tst_1\"}"

/* ---- the journal's writes ---- */

static struct pair *under;

/* The host that a journal's file belongs to. */
static struct host *owner(int fd)
{
	char link[64], path[512];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);

	for (int i = 0; under && n > 0 && i < 2; i++) {
		const char *name = strrchr(under->host[i].journal, '/') + 1;

		path[n] = 0;
		if (strstr(path, name))
			return &under->host[i];
	}
	return NULL;
}

/* SQLite's, and the test's in its place: what is synced is stored, and the dead store nothing. Of
 * a power cut nothing is played here, so that the disk need not be waited for. */
int fdatasync(int fd)
{
	struct host *h = owner(fd);

	if (!h || h->strike_at < 0 || h->closing)
		return 0;
	if (!pair_moment(h, "before the journal stores it")) {
		errno = EIO;
		return -1;
	}
	(void)pair_moment(h, "after the journal has stored it");
	return 0;
}

/* Of folders. */
int fsync(int fd)
{
	(void)fd;
	return 0;
}

/* ---- how a verb's world is made ready ---- */

static const char *newest(struct pair *p)
{
	return pair_newest(p, 1);
}

static const char *policy_of(struct pair *p)
{
	return ud_printf(p->cx->arena, "\"policy\":\"%s\",\"lease_seconds\":%d,\"break_glass\":%s}",
		ud_fencing_policies.names[p->policy], PAIR_LEASE,
		p->policy == UD_POLICY_ATTEST ? "true" : "false");
}

static void plain(struct pair *p)
{
	(void)p;
}

static void off(struct pair *p)
{
	pair_done(p, 0, UD_VERB_VM_POWER_OFF, NULL);
}

static void paused(struct pair *p)
{
	pair_done(p, 0, UD_VERB_VM_PAUSE, NULL);
}

/* A folder of programs with one in it, as the administrator of a host would make it. */
static void with_script(struct pair *p)
{
	const char *folder = ud_printf(p->cx->arena, "%s.scripts", p->host[0].journal);
	const char *path = ud_printf(p->cx->arena, "%s/switch", folder);
	FILE *f;

	assert_true(mkdir(folder, 0755) == 0 || errno == EEXIST);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("#!/bin/sh\necho \"$1\"\n", f);
	fclose(f);
	assert_int_equal(chmod(path, 0755), 0);
	p->host[0].config.scripts = folder;
}

static void with_file(struct pair *p)
{
	pair_done(p, 0, UD_VERB_VM_WRITE_FILE, FILE_ARGS);
}

static void with_checkpoint(struct pair *p)
{
	pair_done(p, 0, UD_VERB_CHECKPOINT_CREATE, CHECKPOINT);
	scripted_write(p->host[0].script, p->uuid);
}

static void unprotected(struct pair *p)
{
	for (int host = 0; host < 2; host++)
		pair_done(p, host, UD_VERB_PROTECT,
			ud_printf(p->cx->arena, "{\"role\":\"free\",%s", policy_of(p)));
}

static void shut(struct pair *p)
{
	p->keep_only = true;
}

static void stopped(struct pair *p)
{
	shut(p);
	pair_done(p, 0, UD_VERB_STOP, "{\"timeout_seconds\":60,\"hard\":false}");
}

static void called_off(struct pair *p)
{
	stopped(p);
	p->keep_only = false;
}

/* The peer has granted leases while the server was not reached; then nobody is. */
static void cut_off(struct pair *p)
{
	p->host[0].line_cut = true;
	for (int i = 0; i < 3; i++) {
		pair_pass(p, 8000);
		pair_look(p, 0);
	}
	p->peers_cut = p->shut = true;
}

static void synced(struct pair *p)
{
	stopped(p);
	pair_done(p, 0, UD_VERB_SYNC, RELATION);
	pair_commit(p, 1);
}

static const char *promotion(struct pair *p, const char *point)
{
	return ud_printf(p->cx->arena, "{\"replication_id\":\"%s\",%s%s%s\"peer_fenced\":true}",
		PAIR_RELATION, point ? "\"point_id\":\"" : "", point ? point : "",
		point ? "\"," : "");
}

static void promoted(struct pair *p)
{
	synced(p);
	pair_done(p, 1, UD_VERB_PROMOTE, promotion(p, newest(p)));
}

static void demoted(struct pair *p)
{
	promoted(p);
	pair_done(p, 0, UD_VERB_DEMOTE, "{\"keep_disk\":true}");
}

static void reverted(struct pair *p)
{
	demoted(p);
	pair_done(p, 1, UD_VERB_REVERT, RELATION);
	pair_commit(p, 0);
}

static const char *test_args(struct pair *p)
{
	return ud_printf(p->cx->arena,
		"{\"test_id\":\"tst_1\",\"replication_id\":\"%s\",\"point_id\":\"%s\",\"name\":\"db-1 - Test\"}",
		PAIR_RELATION, newest(p));
}

static void tested(struct pair *p)
{
	pair_done(p, 1, UD_VERB_TEST_START, test_args(p));
}

static const char *relation_json(struct pair *p, int host)
{
	const struct ud_relation r =
		pair_relation(p, host, host ? UD_RELATION_TARGET : UD_RELATION_SOURCE);
	struct ud_buf b = { 0 };

	ud_shape_encode(&b, &ud_relation_shape, &r, NULL);
	return ud_buf_take(p->cx->arena, &b);
}

/* Both ends by command, as the server makes them. */
static void related(struct pair *p)
{
	p->generation++;
	for (int host = 1; host >= 0; host--)
		pair_done(p, host, UD_VERB_RELATION_SET, relation_json(p, host));
}

static void newly_related(struct pair *p)
{
	unprotected(p);
	p->generation++;
}

/* ---- arguments that the world says ---- */

static const char *to_primary(struct pair *p)
{
	return ud_printf(p->cx->arena, "{\"role\":\"primary\",%s", policy_of(p));
}

static const char *to_replica(struct pair *p)
{
	return ud_printf(p->cx->arena, "{\"role\":\"replica\",%s", policy_of(p));
}

static const char *to_free(struct pair *p)
{
	return ud_printf(p->cx->arena, "{\"role\":\"free\",%s", policy_of(p));
}

static const char *to_point(struct pair *p)
{
	return promotion(p, newest(p));
}

static const char *to_own_disks(struct pair *p)
{
	return promotion(p, NULL);
}

static const char *to_source(struct pair *p)
{
	return relation_json(p, 0);
}

static const char *to_target(struct pair *p)
{
	return relation_json(p, 1);
}

static const char *to_peer(struct pair *p)
{
	return ud_printf(p->cx->arena, "{\"replication_id\":\"%s\",\"peer_agent_id\":\"%s\"}",
		PAIR_RELATION, p->host[1].config.agent_id);
}

static const char *to_verify(struct pair *p)
{
	return ud_printf(p->cx->arena, "{\"replication_id\":\"%s\",\"point_id\":\"%s\"}",
		PAIR_RELATION, newest(p));
}

/* ---- the table ---- */

static const struct row {
	const char *verb;
	int host;
	void (*ready)(struct pair *p);
	const char *args;
	const char *(*make_args)(struct pair *p);
	/* what may happen twice, since it is the same both times; NULL = nothing */
	const char *twice;
} rows[] = {
	{ UD_VERB_VM_START, 0, off, NULL, NULL, NULL },
	{ UD_VERB_VM_SHUTDOWN, 0, plain, "{\"timeout_seconds\":5}", NULL, NULL },
	{ UD_VERB_VM_POWER_OFF, 0, plain, NULL, NULL, NULL },
	{ UD_VERB_VM_SAVE, 0, plain, NULL, NULL, NULL },
	{ UD_VERB_VM_PAUSE, 0, plain, NULL, NULL, NULL },
	{ UD_VERB_VM_RESUME, 0, paused, NULL, NULL, NULL },
	{ UD_VERB_VM_RESET, 0, plain, NULL, NULL, NULL },
	{ UD_VERB_VM_RUN, 0, plain, "{\"program\":\"/bin/true\"}", NULL, NULL },
	{ UD_VERB_VM_WRITE_FILE, 0, plain, FILE_ARGS, NULL, NULL },
	{ UD_VERB_VM_READ_FILE, 0, with_file, "{\"path\":\"/tmp/a\"}", NULL, NULL },
	{ UD_VERB_VM_DEFINITION, 0, plain, NULL, NULL, NULL },
	{ UD_VERB_VM_DIAGNOSE, 0, plain, NULL, NULL, NULL },
	{ UD_VERB_VM_SCREENSHOT, 0, plain, NULL, NULL, NULL },
	{ UD_VERB_VM_LIMITS, 0, plain, "{\"cpu_percent\":50}", NULL, NULL },
	{ UD_VERB_CHECKPOINT_CREATE, 0, plain, CHECKPOINT, NULL, NULL },
	{ UD_VERB_CHECKPOINT_LIST, 0, with_checkpoint, NULL, NULL, NULL },
	/* back to the same state once more: what the guest wrote in between was to go anyhow */
	{ UD_VERB_CHECKPOINT_APPLY, 0, with_checkpoint, CHECKPOINT, NULL, "checkpoint_apply" },
	{ UD_VERB_CHECKPOINT_DELETE, 0, with_checkpoint, CHECKPOINT, NULL, NULL },
	{ UD_VERB_HOST_DIAGNOSE, 0, plain, NULL, NULL, NULL },
	{ UD_VERB_HOST_LOGS, 0, plain, "{\"lines\":10}", NULL, NULL },
	{ UD_VERB_HOST_BALANCE, 0, plain, "{\"mode\":\"always\",\"level\":\"high\"}", NULL, NULL },
	{ UD_VERB_HOST_TEAM, 0, plain,
		"{\"name\":\"lan\",\"members\":[\"nic-1\"],\"load_balancing\":\"dynamic\"}", NULL,
		NULL },
	{ UD_VERB_VM_UPGRADE, 0, off, NULL, NULL, NULL },
	{ UD_VERB_PROTECT, 0, unprotected, NULL, to_primary, NULL },
	{ UD_VERB_PROTECT, 1, unprotected, NULL, to_replica, NULL },
	{ UD_VERB_PROTECT, 0, plain, NULL, to_free, NULL },
	{ UD_VERB_STOP, 0, shut, "{\"timeout_seconds\":60,\"hard\":false}", NULL, NULL },
	/* a point of a VM that is off: another one has the same content */
	{ UD_VERB_SYNC, 0, stopped, RELATION, NULL, "point" },
	{ UD_VERB_FENCE, 1, plain, RELATION, NULL, NULL },
	{ UD_VERB_FENCE, 1, cut_off, RELATION, NULL, NULL },
	{ UD_VERB_PROMOTE, 1, synced, NULL, to_point, NULL },
	{ UD_VERB_PROMOTE, 0, reverted, NULL, to_own_disks, NULL },
	{ UD_VERB_DEMOTE, 0, promoted, "{\"keep_disk\":true}", NULL, NULL },
	{ UD_VERB_RESUME, 0, called_off, NULL, NULL, NULL },
	{ UD_VERB_COMPLETE, 1, demoted, RELATION, NULL, NULL },
	{ UD_VERB_REVERT, 1, demoted, RELATION, NULL, NULL },
	{ UD_VERB_TEST_START, 1, plain, NULL, test_args, NULL },
	{ UD_VERB_TEST_DROP, 1, tested, TEST, NULL, NULL },
	{ UD_VERB_BOOT_CHECK, 1, tested,
		"{\"level\":\"power\",\"test_id\":\"tst_1\",\"wait_seconds\":0}", NULL, NULL },
	{ UD_VERB_SET_ADDRESSES, 1, tested,
		"{\"test_id\":\"tst_1\",\"wait_seconds\":0,\"cards\":[{\"mac\":\"52:54:00:00:00:01\","
		"\"addresses\":[\"192.0.2.7/24\"]}]}",
		NULL, NULL },
	{ UD_VERB_STEP_SCRIPT, 0, with_script, "{\"program\":\"switch\",\"arguments\":[\"on\"]}",
		NULL, NULL },
	{ UD_VERB_RELATION_SET, 0, newly_related, NULL, to_source, NULL },
	{ UD_VERB_RELATION_SET, 1, newly_related, NULL, to_target, NULL },
	/* a cycle more moves what has changed since the last one: nothing */
	{ UD_VERB_RELATION_RESYNC, 0, related, RELATION, NULL, "point" },
	{ UD_VERB_RELATION_DROP, 0, related, RELATION, NULL, NULL },
	{ UD_VERB_RELATION_DROP, 1, related, RELATION, NULL, NULL },
	{ UD_VERB_RELATION_TEST, 0, plain, NULL, to_peer, NULL },
	{ UD_VERB_POINT_VERIFY, 1, plain, NULL, to_verify, NULL },
};

static const enum ud_fencing_policy policies[] = { UD_POLICY_LEASE, UD_POLICY_ATTEST };

static void every_verb_has_a_row(void **state)
{
	(void)state;
	for (const struct ud_verb *v = ud_agent_verbs; v->verb; v++) {
		bool found = false;

		for (size_t i = 0; i < UD_LEN(rows); i++)
			found |= strcmp(rows[i].verb, v->verb) == 0;
		if (!found)
			fail_msg("%s is never struck: it has no row", v->verb);
	}
}

/* ---- what stands at the end ---- */

struct effects {
	const char *slot[SLOTS];
	int times[SLOTS];
	size_t n;
};

static void add_effect(void *data, const char *slot, int times)
{
	struct effects *e = data;

	assert_true(e->n < SLOTS);
	e->slot[e->n] = slot;
	e->times[e->n++] = times;
}

static int effect_of(const struct effects *e, const char *slot)
{
	for (size_t i = 0; i < e->n; i++)
		if (strcmp(e->slot[i], slot) == 0)
			return e->times[i];
	return 0;
}

static void tell_note(struct pair *p, struct host *h, struct ud_buf *b, const char *name)
{
	const char *word = NULL;

	assert_int_equal(ud_journal_noted(p->cx, h->station.journal, name, &word), UD_OK);
	if (word)
		ud_buf_printf(b, "note %s: %s\n", name, word);
}

static void tell_host(struct pair *p, int host, struct ud_buf *b)
{
	struct host *h = &p->host[host];
	const struct ud_journal_vm vm = pair_row(p, host);

	ud_buf_printf(b, "-- host %s\n%s", h->name, scripted_digest(h->script));
	ud_buf_printf(b,
		"row %s epoch %lld policy %s hold %d wanted %d lease %lld promised %lld permit %d peer_start %d fast_start %d breakglass %d\n",
		ud_vm_roles.names[vm.role], (long long)vm.epoch,
		ud_fencing_policies.names[vm.policy], vm.hold, vm.wanted,
		(long long)vm.lease_seconds, (long long)vm.promised, vm.permit_ms != UD_NONE,
		vm.peer_start, vm.fast_start, vm.breakglass);
	ud_buf_printf(b, "guard %s\n",
		!h->armed                            ? "holds nothing"
			: h->killed                  ? "has ended it"
			: h->deadline_ms > p->now_ms ? "holds it"
						     : "is late");
	tell_note(p, h, b, ud_printf(p->cx->arena, UD_NOTE_RELATION, PAIR_VM));
	tell_note(p, h, b, "leg " PAIR_RELATION);
	tell_note(p, h, b, "pass of " PAIR_VM);
	tell_note(p, h, b, "test tst_1");
}

static const char *digest(struct pair *p)
{
	struct ud_buf b = { 0 };

	for (int host = 0; host < 2; host++)
		tell_host(p, host, &b);
	const char *text = ud_heap_strdup(ud_buf_text(&b));

	ud_buf_free(&b);
	return text;
}

/* Both agents look around, until what was granted to a start has ended, too. */
static void quiet(struct pair *p)
{
	for (int i = 0; i < QUIET; i++) {
		pair_pass(p, 3000);
		for (int host = 0; host < 2; host++)
			pair_look(p, host);
	}
}

/* ---- one life of a command ---- */

struct life {
	struct ud_ctx *cx;
	struct pair p;
	const struct row *row;
	int64_t seq;
	const char *before, *after; /* digests */
	struct effects effects;
	int answers;
	unsigned outcome;
	char *answer;
	int moments;
	const char *struck_at;
};

/* The first lines that differ. */
static void first_difference(const char **a, const char **b)
{
	for (;;) {
		size_t n = strcspn(*a, "\n"), m = strcspn(*b, "\n");

		if (n != m || strncmp(*a, *b, n) != 0 || !(*a)[n])
			return;
		*a += n + 1;
		*b += m + 1;
	}
}

static void describe(const struct life *l, const char *what, const char *wanted, const char *got)
{
	const struct host *h = &l->p.host[l->row->host];

	first_difference(&wanted, &got);
	fail_msg("%s of host %s, %s killed at moment %d (%s): %s, %.300s instead of %.300s",
		l->row->verb, h->name, h->victim == PAIR_AGENT ? "agent" : "guard", h->strike_at,
		l->struck_at ? l->struck_at : "nothing", what, got, wanted);
}

/* An answer that comes twice is the same. */
static enum ud_code take_answer(
	struct ud_ctx *cx, void *data, const char *payload, const struct ud_wire_result *r)
{
	struct life *l = data;
	const char *text = r->result.text ? r->result.text : r->error.text;

	(void)cx, (void)payload;
	if (r->seq != l->seq)
		return UD_OK;
	if (l->answers++ && (l->outcome != r->outcome || strcmp(l->answer, text) != 0))
		describe(l, "another answer", l->answer, text);
	l->outcome = r->outcome;
	ud_free(l->answer);
	l->answer = ud_heap_strdup(text);
	return UD_OK;
}

/* What the courier does: take what is unsent, and note that it was. */
static void send_answers(struct life *l)
{
	struct host *h = &l->p.host[l->row->host];
	bool of_host = ud_verb_find(ud_agent_verbs, l->row->verb)->flags & UD_VERB_HOST;

	if (pair_dead(&l->p, h->n))
		return;
	assert_int_equal(ud_journal_unsent(l->cx, h->station.journal, take_answer, l), UD_OK);
	if (l->answers &&
		ud_journal_sent(l->cx, h->station.journal, of_host ? h->config.host_id : PAIR_VM,
			l->seq) != UD_OK)
		assert_true(pair_dead(&l->p, h->n));
	ud_ctx_clear(l->cx);
}

/* The server sends it until there is an answer that was taken. */
static void send_until_answered(struct life *l, const char *args)
{
	int host = l->row->host;
	bool done = false;

	for (int i = 0; i < OFFERS && !done; i++) {
		if (!l->answers &&
			pair_offer(&l->p, host, l->row->verb, args, l->seq, l->p.epoch, true) !=
				UD_OK)
			assert_true(pair_dead(&l->p, host));
		ud_ctx_clear(l->cx);
		pair_settle(&l->p, host);
		send_answers(l);
		done = !pair_dead(&l->p, host) && l->answers;
		if (pair_dead(&l->p, host))
			pair_restart(&l->p, host);
	}
	if (!done)
		describe(l, "a lost result", "an answer", "none");
}

static void live(struct life *l, const struct row *row, enum ud_fencing_policy policy,
	enum pair_victim victim, int n)
{
	void *state = NULL;

	context_begin(&state);
	*l = (struct life){ .cx = state, .row = row };
	under = NULL;
	pair_begin_stepped(&l->p, l->cx, policy);
	row->ready(&l->p);
	const char *args = row->make_args ? row->make_args(&l->p) : row->args;

	under = &l->p;
	l->before = digest(&l->p);
	for (int host = 0; host < 2; host++)
		scripted_forgive(l->p.host[host].script);
	l->p.host[!row->host].strike_at = -1; /* its journal is not looked at */
	pair_strike(&l->p, row->host, victim, n);
	l->seq = ++l->p.seq;
	send_until_answered(l, args);
	l->moments = l->p.host[row->host].moments;
	l->struck_at = l->p.host[row->host].struck_at;
	quiet(&l->p);
	for (int host = 0; host < 2; host++)
		scripted_effects(l->p.host[host].script, add_effect, &l->effects);
	l->after = digest(&l->p);
	pair_watch(&l->p);
	assert_int_equal(l->p.running_max, 1);
}

static void bury(struct life *l)
{
	void *state = l->cx;

	under = NULL;
	pair_end(&l->p);
	ud_free(l->answer);
	ud_free((char *)l->before);
	ud_free((char *)l->after);
	context_end(&state);
}

/* ---- the comparison ---- */

static void no_effect_twice(const struct life *l, const struct life *model)
{
	for (size_t i = 0; i < l->effects.n; i++) {
		const char *slot = l->effects.slot[i];
		int more = l->row->twice && strcmp(slot, l->row->twice) == 0;

		if (effect_of(&l->effects, slot) > effect_of(&model->effects, slot) + more)
			describe(l, "an effect twice", "once", slot);
	}
}

static void compare(const struct life *l, const struct life *model)
{
	bool once = !(ud_verb_find(ud_agent_verbs, l->row->verb)->flags & UD_VERB_REPEATABLE);
	bool unknown = once && l->outcome == UD_OUTCOME_UNKNOWN;

	if (l->outcome != UD_OUTCOME_DONE && !unknown)
		describe(l, "another outcome", ud_outcomes.names[model->outcome], l->answer);
	/* interrupted and not repeated: it took effect, or it did not */
	if (strcmp(l->after, model->after) != 0 && !(unknown && strcmp(l->after, l->before) == 0))
		describe(l, "another end", model->after, l->after);
	no_effect_twice(l, model);
}

struct counts {
	int kills[PAIR_VICTIMS], unknown, moments;
};

/* Kill at the moments of one row; the first one varies, so that a sample is not always the same. */
static void strike_row(size_t i, enum ud_fencing_policy policy, int step, struct counts *c)
{
	const struct row *row = &rows[i];
	struct life model, l;

	live(&model, row, policy, PAIR_AGENT, 0);
	if (model.outcome != UD_OUTCOME_DONE)
		fail_msg("%s ends as %s by itself: %s", row->verb, ud_outcomes.names[model.outcome],
			model.answer);
	/* taken, ended and sent are written, each with a moment before and after */
	assert_true(model.moments >= 6);
	c->moments += model.moments;
	for (int victim = 0; victim < PAIR_VICTIMS; victim++)
		for (int n = 1 + (int)(i + (size_t)policy) % step; n <= model.moments; n += step) {
			live(&l, row, policy, victim, n);
			if (!l.struck_at)
				describe(&l, "no such moment", "a kill", "none");
			compare(&l, &model);
			c->kills[victim]++;
			c->unknown += l.outcome == UD_OUTCOME_UNKNOWN;
			bury(&l);
		}
	bury(&model);
}

static void struck_at_any_moment_each_verb_takes_effect_once(void **state)
{
	int step = getenv("UD_TEST_LONG") ? 1 : STEP;
	struct counts c = { 0 };

	(void)state;
	for (size_t k = 0; k < UD_LEN(policies); k++)
		for (size_t i = 0; i < UD_LEN(rows); i++)
			strike_row(i, policies[k], step, &c);
	printf("# %zu rows of verbs under %zu policies, %d moments: agents killed at %d of them, guards at %d; %d answers say that nobody knows, of verbs that are not repeated; 0 double effects, 0 lost results, 0 times two primaries\n",
		UD_LEN(rows), UD_LEN(policies), c.moments, c.kills[PAIR_AGENT], c.kills[PAIR_GUARD],
		c.unknown);
	assert_true(step > 1 || c.kills[PAIR_AGENT] == c.moments);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_verb_has_a_row),
		cmocka_unit_test(struck_at_any_moment_each_verb_takes_effect_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
