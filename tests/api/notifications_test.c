/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who hears of what: everybody who has to do with a ticket, never who did it, never another
 * customer's people, and nobody reads what others are told.
 */
#include <string.h>

#include "support/harness.h"

static int keys;

static int begin(void **state)
{
	*state = world_begin();
	return 0;
}

static int end(void **state)
{
	world_end(*state);
	return 0;
}

static const char *incident(struct world *w)
{
	const char *headers[] = { fmt(w, "Idempotency-Key: news-%d", keys++), NULL };
	struct reply r = call(w, OWN_OPERATOR, "POST", "/v1/tickets",
		"{\"type\":\"incident\",\"subject\":\"It is slow\"}", headers);

	assert_int_equal(r.status, 201);
	return text_at(r.json, "id");
}

/* How many a person has not seen of a ticket. */
static size_t unseen(struct world *w, enum who who, const char *id)
{
	struct reply r = expect(w, who, "GET",
		fmt(w, "/v1/me/notifications?seen=false&subject_id=%s", id), NULL, 200);

	return json_array_size(json_object_get(r.json, "data"));
}

static void post(struct world *w, enum who who, const char *id, const char *what, const char *body)
{
	struct reply r = call(w, who, "POST", fmt(w, "/v1/tickets/%s/%s", id, what), body, NULL);

	if (r.status / 100 != 2)
		fail_msg("%s: %s", what, r.body);
}

static void whoever_has_to_do_with_it_hears_of_it(void **state)
{
	struct world *w = *state;
	const char *id = incident(w);

	post(w, OWN_OPERATOR, id, "watchers",
		fmt(w, "{\"user_id\":\"%s\"}", w->principal[OWN_ADMIN]));
	post(w, ENGINEER, id, "claim", NULL);
	post(w, ENGINEER, id, "comments", "{\"body\":\"Looking.\"}");
	assert_int_equal(unseen(w, OWN_OPERATOR, id), 1);
	assert_int_equal(unseen(w, OWN_ADMIN, id), 1);
	assert_int_equal(unseen(w, ENGINEER, id), 0); /* one knows what one did */
	assert_int_equal(unseen(w, OWN_VIEWER, id), 0);
	assert_int_equal(unseen(w, OTHER_ADMIN, id), 0);
	post(w, OWN_OPERATOR, id, "comments", "{\"body\":\"Thank you.\"}");
	assert_int_equal(unseen(w, ENGINEER, id), 1);
	post(w, ENGINEER, id, "comments", "{\"body\":\"A note.\",\"visibility\":\"internal\"}");
	assert_int_equal(unseen(w, OWN_OPERATOR, id), 1); /* internal words tell nobody outside */
	post(w, ENGINEER, id, "solve", "{}");
	assert_int_equal(unseen(w, OWN_OPERATOR, id), 2);
	struct reply r = expect(w, OWN_OPERATOR, "GET",
		fmt(w, "/v1/me/notifications?subject_id=%s&sort=-created_at", id), NULL, 200);

	assert_string_equal(text_at(r.json, "data.0.event"), "ticket.solved");
	assert_string_equal(text_at(r.json, "data.0.actor_name"), "engineer");
	assert_non_null(strstr(text_at(r.json, "data.0.title"), "It is slow: it was solved"));
}

static void what_was_seen_is_not_told_again(void **state)
{
	struct world *w = *state;
	const char *id = incident(w);

	post(w, ENGINEER, id, "comments", "{\"body\":\"One.\"}");
	post(w, ENGINEER, id, "comments", "{\"body\":\"Two.\"}");
	struct reply r = expect(w, OWN_OPERATOR, "GET",
		fmt(w, "/v1/me/notifications?subject_id=%s", id), NULL, 200);
	const char *one = text_at(r.json, "data.0.id");

	expect(w, OWN_ADMIN, "POST", fmt(w, "/v1/me/notifications/%s/seen", one), "{}", 404);
	expect(w, LEAD, "POST", fmt(w, "/v1/me/notifications/%s/seen", one), "{}", 404);
	r = expect(w, OWN_OPERATOR, "POST", fmt(w, "/v1/me/notifications/%s/seen", one), "{}", 200);
	assert_true(json_is_true(json_object_get(r.json, "seen")));
	assert_int_equal(unseen(w, OWN_OPERATOR, id), 1);
	expect(w, OWN_OPERATOR, "POST", "/v1/me/notifications/seen", "{}", 204);
	assert_int_equal(unseen(w, OWN_OPERATOR, id), 0);
}

static enum ud_code count_letters(struct ud_ctx *cx, void *data)
{
	int64_t *n = data;
	bool found;

	return ud_query_int(cx, &found, n,
		"SELECT COUNT(*) FROM notifications WHERE mail_due_at IS NOT NULL", UD_NO_VALS);
}

static int64_t letters(struct world *w)
{
	int64_t n = 0;

	world_write(w, count_letters, &n);
	return n;
}

static size_t told(struct world *w, enum who who, const char *id)
{
	struct reply r =
		expect(w, who, "GET", fmt(w, "/v1/me/notifications?subject_id=%s", id), NULL, 200);

	return json_array_size(json_object_get(r.json, "data"));
}

static const char *const preferences = "/v1/me/notification-preferences";

static void a_person_chooses_what_comes_by_mail_and_what_in_the_portal(void **state)
{
	struct world *w = *state;
	struct reply r = expect(w, OWN_OPERATOR, "GET", preferences, NULL, 200);

	assert_string_equal(text_at(r.json, "kinds.0.event"), "ticket.answered");
	assert_int_equal(json_array_size(json_object_get(r.json, "mail_off")), 0);
	expect(w, OWN_OPERATOR, "PUT", preferences, "{\"mail_off\":[\"ticket.sung\"]}", 422);
	expect(w, OWN_OPERATOR, "PUT", preferences,
		"{\"mail_off\":[\"ticket.answered\"],\"portal_off\":[\"ticket.solved\"]}", 200);
	const char *id = incident(w);
	int64_t before = letters(w);

	post(w, ENGINEER, id, "comments", "{\"body\":\"Looking.\"}");
	assert_int_equal(unseen(w, OWN_OPERATOR, id), 1);
	assert_int_equal(letters(w), before);
	post(w, ENGINEER, id, "solve", "{}");
	assert_int_equal(unseen(w, OWN_OPERATOR, id), 1); /* it is there, as seen */
	assert_int_equal(told(w, OWN_OPERATOR, id), 2);
	assert_int_equal(letters(w), before + 1);
	r = expect(w, OWN_ADMIN, "GET", preferences, NULL, 200); /* one's own alone */
	assert_int_equal(json_array_size(json_object_get(r.json, "mail_off")), 0);
	r = expect(w, OWN_OPERATOR, "GET", preferences, NULL, 200);
	assert_string_equal(text_at(r.json, "portal_off.0"), "ticket.solved");
	expect(w, OWN_OPERATOR, "PUT", preferences, "{\"mail_muted\":true}", 200);
	post(w, OWN_OPERATOR, id, "reopen", "{}");
	post(w, ENGINEER, id, "solve", "{}");
	assert_int_equal(unseen(w, OWN_OPERATOR, id), 2);
	assert_int_equal(letters(w), before + 1);
	expect(w, OWN_OPERATOR, "PUT", preferences, "{}", 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_has_to_do_with_it_hears_of_it),
		cmocka_unit_test(what_was_seen_is_not_told_again),
		cmocka_unit_test(a_person_chooses_what_comes_by_mail_and_what_in_the_portal),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
