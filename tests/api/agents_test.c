/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agents as people see them, on both databases; the port is open and real agents are enrolled.
 */
#include <poll.h>
#include <string.h>

#include "support/agents.h"

static int begin(void **state)
{
	*state = port_begin(world_begin(), ud_agent_routes);
	return 0;
}

static int end(void **state)
{
	struct port *p = *state;
	struct world *w = p->w;

	port_end(p);
	world_end(w);
	return 0;
}

static bool told(struct port *p, const char *subject, const char *type)
{
	struct reply r = expect(p->w, AUDITOR, "GET",
		fmt(p->w, "/v1/events?subject_id=%s&limit=200", subject), NULL, 200);

	return strstr(r.body, fmt(p->w, "\"type\":\"%s\"", type)) != NULL;
}

static void an_enrolment_tells_all_that_the_host_needs(void **state)
{
	struct port *p = *state;
	const char *host = port_host(p);
	struct reply r =
		expect(p->w, ENGINEER, "POST", fmt(p->w, "/v1/hosts/%s/enroll", host), "{}", 201);
	const char *token = text_at(r.json, "token"), *command = text_at(r.json, "command");

	assert_int_equal(strncmp(token, "usa_", 4), 0);
	assert_string_equal(text_at(r.json, "ca_sha256"), p->pin);
	assert_string_equal(text_at(r.json, "server_url"), p->url);
	assert_string_equal(command,
		fmt(p->w,
			"understudy-agent enroll --server %s --ca-sha256 %s --token %s --dir /var/lib/understudy-agent",
			p->url, p->pin, token));
	assert_true(strlen(text_at(r.json, "expires_at")) > 0);
	assert_true(told(p, host, "host.enrolment_created"));
	/* and nobody is told the token */
	r = expect(p->w, AUDITOR, "GET", "/v1/events?limit=200", NULL, 200);
	assert_null(strstr(r.body, token));
}

static void a_repeated_call_gets_the_same_token(void **state)
{
	struct port *p = *state;
	const char *headers[] = { "Idempotency-Key: once", NULL };
	const char *path = fmt(p->w, "/v1/hosts/%s/enroll", port_host(p));
	struct reply first = call(p->w, OPERATOR, "POST", path, "{}", headers);
	struct reply second = call(p->w, OPERATOR, "POST", path, "{}", headers);

	assert_int_equal(first.status, 201);
	assert_int_equal(second.status, 201);
	assert_string_equal(text_at(first.json, "token"), text_at(second.json, "token"));
}

static void a_trial_makes_no_token(void **state)
{
	struct port *p = *state;
	struct world *w = p->w;
	const char *host = port_host(p);
	struct reply r = expect(
		w, OPERATOR, "POST", fmt(w, "/v1/hosts/%s/enroll?dry_run=true", host), "{}", 200);
	struct reply got = port_call(p, NULL, "POST", "/v1/agent/enroll",
		fmt(w, "{\"token\":\"%s\",\"request\":\"x\"}", text_at(r.json, "token")));

	assert_true(got.status == 401 || got.status == 422);
	assert_false(told(p, host, "host.enrolment_created"));
}

static void not_everybody_enrols_and_revokes(void **state)
{
	static const struct {
		enum who who;
		int status;
	} rows[] = { { NOBODY, 401 }, { AUDITOR, 403 }, { OWN_ADMIN, 403 }, { OTHER_VIEWER, 403 },
		{ READ_ONLY_TOKEN, 403 } };
	struct port *p = *state;
	struct shown s = port_enroll(p, port_host(p));

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		expect(p->w, rows[i].who, "POST", fmt(p->w, "/v1/hosts/%s/enroll", s.host_id), "{}",
			rows[i].status);
		expect(p->w, rows[i].who, "POST", fmt(p->w, "/v1/agents/%s/revoke", s.id), "{}",
			rows[i].status);
		expect(p->w, rows[i].who, "POST", fmt(p->w, "/v1/agents/%s/release", s.id), "{}",
			rows[i].status);
	}
	expect(p->w, OWN_ADMIN, "GET", "/v1/agents", NULL, 403);
	assert_int_equal(port_call(p, &s, "GET", "/v1/agent/self", NULL).status, 200);
}

static void an_enrolled_agent_is_seen(void **state)
{
	struct port *p = *state;
	struct world *w = p->w;
	struct shown s = port_enroll(p, port_host(p)), other = port_enroll(p, port_host(p));
	struct reply r = expect(w, AUDITOR, "GET", fmt(w, "/v1/agents/%s", s.id), NULL, 200);

	assert_string_equal(text_at(r.json, "host_id"), s.host_id);
	assert_string_equal(text_at(r.json, "state"), "active");
	assert_true(json_is_true(json_object_get(r.json, "may_promote")));
	assert_false(json_is_true(json_object_get(r.json, "connected")));
	assert_int_equal(strlen(text_at(r.json, "certificate_serial")), 32);
	assert_null(strstr(r.body, "previous_serial"));
	assert_true(told(p, s.id, "agent.enrolled"));
	assert_true(told(p, s.host_id, "host.enrolled"));
	r = expect(w, AUDITOR, "GET", fmt(w, "/v1/hosts/%s", s.host_id), NULL, 200);
	assert_string_equal(text_at(r.json, "state"), "enrolled");
	r = expect(w, AUDITOR, "GET", fmt(w, "/v1/agents?host_id=%s", other.host_id), NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 1);
	assert_string_equal(text_at(r.json, "data.0.id"), other.id);
	/* it speaks, and is seen to within a moment */
	assert_int_equal(port_call(p, &s, "GET", "/v1/agent/self", NULL).status, 200);
	int64_t last = ud_mono_ms(&ud_env_real) + 60000;

	do {
		assert_true(ud_mono_ms(&ud_env_real) < last);
		poll(NULL, 0, 2); /* until another thread has stored it */
		r = expect(w, AUDITOR, "GET", fmt(w, "/v1/agents/%s", s.id), NULL, 200);
	} while (!json_is_true(json_object_get(r.json, "connected")));
	assert_string_equal(text_at(r.json, "address"), "127.0.0.1");
	w->clock_ms += 61000;
	r = expect(w, AUDITOR, "GET", fmt(w, "/v1/agents/%s", s.id), NULL, 200);
	assert_false(json_is_true(json_object_get(r.json, "connected")));
}

static void a_revoked_agent_is_refused_and_can_be_forgotten(void **state)
{
	struct port *p = *state;
	struct world *w = p->w;
	struct shown s = port_enroll(p, port_host(p));
	const char *path = fmt(w, "/v1/agents/%s", s.id);
	struct reply r = expect(w, OPERATOR, "DELETE", path, NULL, 409);

	expect_code(&r, 409, "invalid_state");
	expect(w, OPERATOR, "DELETE", fmt(w, "/v1/hosts/%s", s.host_id), NULL, 409);
	r = expect(w, OPERATOR, "POST", fmt(w, "%s/revoke", path), "{}", 200);
	assert_string_equal(text_at(r.json, "state"), "revoked");
	assert_false(json_is_true(json_object_get(r.json, "may_promote")));
	assert_true(told(p, s.id, "agent.revoked"));
	r = port_call(p, &s, "GET", "/v1/agent/self", NULL);
	expect_code(&r, 403, "certificate_refused");
	r = expect(w, OPERATOR, "POST", fmt(w, "%s/revoke", path), "{}", 409);
	expect_code(&r, 409, "invalid_state");
	r = expect(w, OPERATOR, "POST", fmt(w, "%s/release", path), "{}", 409);
	expect_code(&r, 409, "invalid_state");
	expect(w, OPERATOR, "DELETE", path, NULL, 204);
	r = port_call(p, &s, "GET", "/v1/agent/self", NULL);
	expect_code(&r, 403, "certificate_refused");
	expect(w, OPERATOR, "DELETE", fmt(w, "/v1/hosts/%s", s.host_id), NULL, 204);
}

static void a_stale_version_revokes_nothing(void **state)
{
	struct port *p = *state;
	const char *headers[] = { "If-Match: \"v7\"", NULL };
	struct shown s = port_enroll(p, port_host(p));
	struct reply r = call(
		p->w, OPERATOR, "POST", fmt(p->w, "/v1/agents/%s/revoke", s.id), "{}", headers);

	expect_code(&r, 412, "stale_version");
	assert_int_equal(port_call(p, &s, "GET", "/v1/agent/self", NULL).status, 200);
}

static void enrolling_again_replaces(void **state)
{
	struct port *p = *state;
	struct world *w = p->w;
	struct shown old = port_enroll(p, port_host(p)), new = port_enroll(p, old.host_id);
	struct reply r = expect(w, AUDITOR, "GET", fmt(w, "/v1/agents/%s", old.id), NULL, 200);

	assert_string_equal(text_at(r.json, "state"), "replaced");
	assert_true(told(p, old.id, "agent.replaced"));
	r = port_call(p, &old, "GET", "/v1/agent/self", NULL);
	expect_code(&r, 403, "certificate_refused");
	assert_int_equal(port_call(p, &new, "GET", "/v1/agent/self", NULL).status, 200);
	r = expect(w, AUDITOR, "GET", fmt(w, "/v1/agents?host_id=%s&state=active", old.host_id),
		NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 1);
}

static void a_program_releases_nobody(void **state)
{
	struct port *p = *state;
	struct world *w = p->w;
	struct shown s = port_enroll(p, port_host(p));
	struct reply r = expect(w, OPERATOR, "POST", "/v1/service-accounts",
		"{\"name\":\"robot\",\"role\":\"operator\"}", 201);

	r = expect(w, OPERATOR, "POST",
		fmt(w, "/v1/service-accounts/%s/tokens", text_at(r.json, "id")),
		"{\"name\":\"t\",\"scopes\":[\"*\"]}", 201);
	const char *person = w->token[OPERATOR];

	w->token[OPERATOR] = text_at(r.json, "token");
	r = call(w, OPERATOR, "POST", fmt(w, "/v1/agents/%s/release", s.id), "{}", NULL);
	expect_code(&r, 403, "person_required");
	/* enrolling and revoking it may */
	expect(w, OPERATOR, "POST", fmt(w, "/v1/hosts/%s/enroll", s.host_id), "{}", 201);
	expect(w, OPERATOR, "POST", fmt(w, "/v1/agents/%s/revoke", s.id), "{}", 200);
	w->token[OPERATOR] = person;
}

static void without_a_port_there_is_no_enrolment(void **state)
{
	struct port *p = *state;
	const char *host = port_host(p), *url = p->w->server->settings.agents_url;

	p->w->server->settings.agents_url = NULL;
	struct reply r =
		expect(p->w, OPERATOR, "POST", fmt(p->w, "/v1/hosts/%s/enroll", host), "{}", 409);

	expect_code(&r, 409, "invalid_state");
	p->w->server->settings.agents_url = url;
}

/* A second server on the same database believes and revokes the same. */
static void the_authority_belongs_to_the_database(void **state)
{
	struct port *p = *state;
	struct shown s = port_enroll(p, port_host(p));
	const char *pin = ud_strdup(p->w->arena, p->pin);
	struct port *again = port_begin(p->w, ud_agent_routes);

	assert_string_equal(again->pin, pin);
	assert_int_equal(port_call(again, &s, "GET", "/v1/agent/self", NULL).status, 200);
	expect(p->w, OPERATOR, "POST", fmt(p->w, "/v1/agents/%s/revoke", s.id), "{}", 200);
	assert_int_equal(port_call(again, &s, "GET", "/v1/agent/self", NULL).status, 403);
	assert_int_equal(port_call(p, &s, "GET", "/v1/agent/self", NULL).status, 403);
	port_end(again);
}

static struct reply tell_key(struct port *p, const struct shown *s, const char *key)
{
	return port_call(
		p, s, "POST", "/v1/agent/statement-key", fmt(p->w, "{\"public_key\":\"%s\"}", key));
}

/* A key is told once, kept with those before it, and belongs to one host. */
static void keys_of_statements_are_kept_with_their_history(void **state)
{
	struct port *p = *state;
	struct world *w = p->w;
	struct shown s = port_enroll(p, port_host(p)), other = port_enroll(p, port_host(p));
	char first[65], second[65];
	const char *path = fmt(w, "/v1/agents/%s/statement-keys", s.id);

	memset(first, 'a', 64);
	memset(second, 'b', 64);
	first[64] = second[64] = 0;
	struct reply r = tell_key(p, &s, "zz");

	assert_int_equal(r.status, 422);
	assert_int_equal(tell_key(p, &s, first).status, 204);
	assert_int_equal(tell_key(p, &s, first).status, 204);
	assert_true(told(p, s.id, "agent.statement_key_told"));
	r = tell_key(p, &other, first);
	expect_code(&r, 409, "already_exists");
	assert_int_equal(tell_key(p, &s, second).status, 204);
	assert_true(told(p, s.id, "agent.statement_key_changed"));
	r = expect(w, AUDITOR, "GET", path, NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 2);
	assert_string_equal(text_at(r.json, "data.0.public_key"), first);
	assert_true(strlen(text_at(r.json, "data.0.until")) > 0);
	assert_string_equal(text_at(r.json, "data.1.public_key"), second);
	assert_true(json_is_null(
		json_object_get(json_array_get(json_object_get(r.json, "data"), 1), "until")));
	r = expect(w, AUDITOR, "GET", fmt(w, "/v1/agents/%s", s.id), NULL, 200);
	assert_string_equal(text_at(r.json, "statement_key"), second);
	expect(w, OWN_ADMIN, "GET", path, NULL, 403);
	expect(w, NOBODY, "GET", path, NULL, 401);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			an_enrolment_tells_all_that_the_host_needs, begin, end),
		cmocka_unit_test_setup_teardown(a_repeated_call_gets_the_same_token, begin, end),
		cmocka_unit_test_setup_teardown(a_trial_makes_no_token, begin, end),
		cmocka_unit_test_setup_teardown(not_everybody_enrols_and_revokes, begin, end),
		cmocka_unit_test_setup_teardown(an_enrolled_agent_is_seen, begin, end),
		cmocka_unit_test_setup_teardown(
			a_revoked_agent_is_refused_and_can_be_forgotten, begin, end),
		cmocka_unit_test_setup_teardown(a_stale_version_revokes_nothing, begin, end),
		cmocka_unit_test_setup_teardown(enrolling_again_replaces, begin, end),
		cmocka_unit_test_setup_teardown(a_program_releases_nobody, begin, end),
		cmocka_unit_test_setup_teardown(without_a_port_there_is_no_enrolment, begin, end),
		cmocka_unit_test_setup_teardown(the_authority_belongs_to_the_database, begin, end),
		cmocka_unit_test_setup_teardown(
			keys_of_statements_are_kept_with_their_history, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
