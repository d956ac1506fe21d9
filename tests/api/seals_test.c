/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seals of the log on both databases: made when it has grown, compared with it, handed to hosts,
 * and what happens when a host's is another.
 */
#include <string.h>

#include "base/crypto.h"
#include "support/agents.h"

enum { PATIENCE_MS = 60000 };

static enum ud_code run_sql(struct ud_ctx *cx, void *data)
{
	return ud_exec(cx, NULL, data, UD_NO_VALS);
}

static void sql(struct world *w, const char *text)
{
	world_write(w, run_sql, (void *)(uintptr_t)text);
}

static struct reply verified(struct world *w)
{
	return expect(w, AUDITOR, "GET", "/v1/audit-records/verify", NULL, 200);
}

static void grow(struct world *w, const char *name)
{
	expect(w, OPERATOR, "POST", "/v1/customers",
		fmt(w, "{\"name\":\"%s\",\"account_number\":\"%s\",\"time_zone\":\"UTC\"}", name,
			name),
		201);
}

static void the_log_is_sealed_when_it_has_grown(void **state)
{
	struct world *w = world_begin();

	(void)state;
	assert_int_equal(number_at(verified(w).json, "seals"), 0);
	world_tick(w);
	assert_int_equal(number_at(verified(w).json, "seals"), 1);
	world_tick(w);
	assert_int_equal(number_at(verified(w).json, "seals"), 1);
	grow(w, "one");
	world_tick(w);
	struct reply r = verified(w);

	assert_int_equal(number_at(r.json, "seals"), 2);
	assert_true(json_is_true(json_object_get(r.json, "intact")));
	r = expect(w, OWN_ADMIN, "GET", "/v1/audit-records/verify", NULL, 200);
	assert_true(json_is_null(json_object_get(r.json, "seals")));
	world_end(w);
}

/* Whoever owns the database cuts the end off, and sets the head so that the chain is whole. */
static void a_log_that_was_cut_off_is_found_by_its_seal(void **state)
{
	struct world *w = world_begin();

	(void)state;
	grow(w, "one");
	world_tick(w);
	sql(w,
		strstr(w->url, "postgresql") ? "DROP TRIGGER events_stay ON events"
					     : "DROP TRIGGER events_stay");
	sql(w,
		"DELETE FROM events WHERE customer_id IS NULL AND seq ="
		" (SELECT seq FROM log_heads WHERE customer_id = '')");
	sql(w,
		"UPDATE log_heads SET seq = (SELECT MAX(seq) FROM events WHERE customer_id IS NULL),"
		" hash = (SELECT hash FROM events WHERE customer_id IS NULL ORDER BY seq DESC LIMIT 1)"
		" WHERE customer_id = ''");
	struct reply r = verified(w);

	assert_true(json_is_false(json_object_get(r.json, "intact")));
	assert_string_equal(text_at(r.json, "rule"),
		"seal 1: a record that it names is not in the log any more");
	world_end(w);
}

static void a_seal_that_was_changed_or_dropped_is_found(void **state)
{
	static const struct {
		const char *harm, *rule;
	} rows[] = {
		{ "UPDATE audit_seals SET document = REPLACE(document, '\"seq\":', '\"seq\": ') WHERE number = 1",
			"seal 1: it was changed, or sealed with another key" },
		{ "DELETE FROM audit_seals WHERE number = 2",
			"seal 3: it does not follow the one before" },
	};

	(void)state;
	for (size_t i = 0; i < UD_LEN(rows); i++) {
		struct world *w = world_begin();

		world_tick(w);
		grow(w, "one");
		world_tick(w);
		grow(w, "two");
		world_tick(w);
		assert_true(json_is_true(json_object_get(verified(w).json, "intact")));
		sql(w, rows[i].harm);
		assert_string_equal(text_at(verified(w).json, "rule"), rows[i].rule);
		world_end(w);
	}
}

/* ---- hosts ---- */

static struct reply beat(
	struct port *p, const struct shown *shown, int number, const char *digest, int generation)
{
	struct reply r = port_call(p, shown, "POST", "/v1/agent/heartbeat",
		fmt(p->w,
			"{\"agent_boot\":\"%s\",\"samples\":[],\"seal_number\":%d,"
			"\"seal_digest\":\"%s\",\"seal_generation\":%d}",
			shown->run, number, digest, generation));

	assert_int_equal(r.status, 200);
	return r;
}

static size_t doubts(struct world *w)
{
	struct reply r = expect(w, LEAD, "GET", "/v1/events?types=host.log_doubted", NULL, 200);

	return json_array_size(json_object_get(r.json, "data"));
}

static void a_host_gets_seals_and_its_doubt_is_told_once(void **state)
{
	struct world *w = world_begin();
	struct port *p = port_begin(w, ud_agent_routes);
	struct shown shown = port_enroll(p, port_host(p));
	char digest[UD_SHA256_HEX];

	(void)state;
	shown.run = "run-1";
	while (world_tick(w))
		;
	struct reply r = beat(p, &shown, 0, "", 0);
	const char *document = text_at(r.json, "seals.0.document");

	assert_non_null(strstr(document, "understudy.audit_seal/1"));
	ud_sha256_hex(document, strlen(document), digest);
	r = beat(p, &shown, 1, digest, 1);
	assert_string_equal(text_at(r.json, "seals.0.document"), "");
	assert_int_equal(doubts(w), 0);

	const char *other = fmt(w, "%064d", 7);
	int64_t end_ms = ud_mono_ms(&ud_env_real) + PATIENCE_MS;

	while (doubts(w) == 0 && ud_mono_ms(&ud_env_real) < end_ms)
		beat(p, &shown, 1, other, 1);
	beat(p, &shown, 1, other, 1);
	assert_int_equal(doubts(w), 1);
	port_end(p);
	world_end(w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_log_is_sealed_when_it_has_grown),
		cmocka_unit_test(a_log_that_was_cut_off_is_found_by_its_seal),
		cmocka_unit_test(a_seal_that_was_changed_or_dropped_is_found),
		cmocka_unit_test(a_host_gets_seals_and_its_doubt_is_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
