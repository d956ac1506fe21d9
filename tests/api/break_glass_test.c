/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Envelopes for break-glass, on both databases: who may have one, what it says, and that the hosts
 * are told before it is of use.
 */
#include <string.h>

#include "base/envelope.h"
#include "server/agents/ca.h"
#include "support/stage.h"

static int begin(void **state)
{
	*state = stage_begin(1);
	return 0;
}

static int end(void **state)
{
	stage_end(*state);
	return 0;
}

static enum ud_code read_public(struct ud_ctx *cx, void *data)
{
	struct stage *s = *(struct stage **)data;
	unsigned char key[UD_SIGN_KEY];

	UD_TRY(ud_command_key(cx, s->w->server->keys.seal, key));
	ud_sign_public(key, (unsigned char *)data + sizeof(s));
	return UD_OK;
}

static const char *path(struct stage *s)
{
	return fmt(s->w, "/v1/vms/%s/break-glass", s->vms[0].id);
}

static void an_envelope_says_what_it_is_for(void **state)
{
	struct {
		struct stage *s;
		unsigned char key[UD_SIGN_PUBLIC];
	} k = { .s = *state };
	struct stage *s = *state;
	struct reply r = expect(s->w, LEAD, "POST", path(s), "{\"days\":7}", 201);
	const char *line = ud_strdup(s->w->arena, text_at(r.json, "envelope"));
	struct ud_envelope e = { 0 };

	assert_string_equal(text_at(r.json, "host_id"), s->hosts[1].id);
	assert_int_equal(number_at(r.json, "epoch"), 1);
	world_write(s->w, read_public, &k);
	s->w->cx.now_ms = ud_now_ms(&s->w->env);
	assert_int_equal(ud_envelope_open(&s->w->cx, k.key, line, &e), UD_OK);
	assert_string_equal(e.vm_id, s->vms[0].id);
	assert_string_equal(e.host_id, s->hosts[1].id);
	assert_int_equal(e.epoch, 1);
	assert_string_equal(e.issued_by, s->w->principal[LEAD]);
	/* the record knows that there is one, and not what it says */
	r = expect(s->w, AUDITOR, "GET", "/v1/events?limit=200", NULL, 200);
	assert_non_null(strstr(r.body, "vm.break_glass_envelope_made"));
	assert_null(strstr(r.body, line));
	/* seven days later it is worth nothing */
	s->w->cx.now_ms += INT64_C(7) * 86400000;
	assert_int_equal(ud_envelope_open(&s->w->cx, k.key, line, &e), UD_E_EXPIRED);
}

/* Both ends are told that break-glass is allowed: then the primary asks its peer, too. */
static void the_hosts_are_told(void **state)
{
	struct stage *s = *state;

	expect(s->w, OPERATOR, "POST", path(s), "{}", 201);
	assert_int_equal(stage_count(s,
				 "SELECT COUNT(1) FROM commands WHERE verb = 'relation_set'"
				 " AND payload LIKE '%\"break_glass\":true%'"),
		2);
}

static void not_everybody_gets_one(void **state)
{
	static const struct {
		enum who who;
		int status;
	} rows[] = { { NOBODY, 401 }, { ENGINEER, 403 }, { AUDITOR, 403 }, { OWN_ADMIN, 403 },
		{ OTHER_ADMIN, 403 }, { READ_ONLY_TOKEN, 403 } };
	struct stage *s = *state;

	for (size_t i = 0; i < UD_LEN(rows); i++)
		expect(s->w, rows[i].who, "POST", path(s), "{}", rows[i].status);
	expect(s->w, LEAD, "POST", path(s), "{\"days\":31}", 422);
	expect(s->w, LEAD, "POST", "/v1/vms/vm_00000000000000000000000000/break-glass", "{}", 404);
	assert_int_equal(stage_count(s, "SELECT COUNT(1) FROM vms WHERE break_glass = 1"), 0);
}

static void a_vm_without_replica_has_none(void **state)
{
	struct stage *s = *state;
	struct reply r = expect(s->w, LEAD, "POST", "/v1/vms",
		fmt(s->w, "{\"name\":\"alone\",\"host_id\":\"%s\"}", s->hosts[0].id), 201);

	r = expect(s->w, LEAD, "POST", fmt(s->w, "/v1/vms/%s/break-glass", text_at(r.json, "id")),
		"{}", 409);
	expect_code(&r, 409, "invalid_state");
}

int main(void)
{
#define STAGE(test_) cmocka_unit_test_setup_teardown(test_, begin, end)
	const struct CMUnitTest tests[] = {
		STAGE(an_envelope_says_what_it_is_for),
		STAGE(the_hosts_are_told),
		STAGE(not_everybody_gets_one),
		STAGE(a_vm_without_replica_has_none),
	};
#undef STAGE

	return cmocka_run_group_tests(tests, NULL, NULL);
}
