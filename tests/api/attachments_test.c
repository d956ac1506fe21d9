/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of tickets: they come back byte for byte, too large ones and half ones leave nothing
 * behind, and nobody sends one who may not.
 */
#include <curl/curl.h>
#include <string.h>

#include "base/crypto.h"
#include "base/file.h"
#include "support/harness.h"

static const char *ticket;

static int begin(void **state)
{
	struct world *w = world_begin();
	const char *headers[] = { "Idempotency-Key: files", NULL };
	struct reply r = call(w, OWN_OPERATOR, "POST", "/v1/tickets",
		"{\"type\":\"incident\",\"subject\":\"See the file\"}", headers);

	ticket = text_at(r.json, "id");
	*state = w;
	return 0;
}

static int end(void **state)
{
	world_end(*state);
	return 0;
}

static size_t collect(char *data, size_t size, size_t n, void *to)
{
	ud_buf_add(to, data, size * n);
	return size * n;
}

/* Send bytes; the status, and the answer in body. */
static long send_file(struct world *w, enum who who, const char *more, const void *bytes, size_t n,
	const char *header, struct ud_buf *body)
{
	CURL *c = curl_easy_init();
	struct curl_slist *list =
		curl_slist_append(NULL, fmt(w, "Authorization: Bearer %s", w->token[who]));
	long status = 0;

	list = curl_slist_append(list, "Content-Type: application/json");
	list = curl_slist_append(list, "Expect:");
	if (header)
		list = curl_slist_append(list, header);
	curl_easy_setopt(c, CURLOPT_URL,
		fmt(w, "%s/v1/tickets/%s/attachments?filename=%s", w->server->base_url, ticket,
			more));
	curl_easy_setopt(c, CURLOPT_POST, 1L);
	curl_easy_setopt(c, CURLOPT_POSTFIELDS, bytes);
	curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, body);
	if (curl_easy_perform(c) == CURLE_OK)
		curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(list);
	curl_easy_cleanup(c);
	return status;
}

static void count_one(void *data, const char *name)
{
	(void)name;
	(*(size_t *)data)++;
}

static size_t files(struct world *w)
{
	size_t n = 0;

	(void)ud_files_real.list(fmt(w, "%s/attachments", w->dir), count_one, &n);
	return n;
}

/* n bytes that are no text: every value, NUL included. */
static unsigned char *make_bytes(struct world *w, size_t n)
{
	unsigned char *p = ud_alloc(w->arena, n);

	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)(i * 7 + i / 251);
	return p;
}

static long get_file(
	struct world *w, enum who who, const char *id, struct ud_buf *body, struct ud_buf *head)
{
	CURL *c = curl_easy_init();
	struct curl_slist *list =
		curl_slist_append(NULL, fmt(w, "Authorization: Bearer %s", w->token[who]));
	long status = 0;

	curl_easy_setopt(c, CURLOPT_URL,
		fmt(w, "%s/v1/tickets/%s/attachments/%s/content", w->server->base_url, ticket, id));
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, body);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, collect);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, head);
	assert_int_equal(curl_easy_perform(c), CURLE_OK);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(list);
	curl_easy_cleanup(c);
	return status;
}

static void comes_back(struct world *w, size_t n)
{
	unsigned char *bytes = make_bytes(w, n);
	struct ud_buf body = { 0 }, head = { 0 };
	char hex[UD_SHA256_HEX];

	assert_int_equal(
		send_file(w, OWN_OPERATOR, "r%C3%A9sum%C3%A9.pdf", bytes, n, NULL, &body), 201);
	json_t *a = json_loads(ud_buf_text(&body), 0, NULL);
	const char *id = ud_strdup(w->arena, text_at(a, "id"));

	ud_sha256_hex(bytes, n, hex);
	assert_string_equal(text_at(a, "sha256"), hex);
	assert_int_equal(number_at(a, "size_bytes"), n);
	assert_string_equal(text_at(a, "filename"), "r\xc3\xa9sum\xc3\xa9.pdf");
	json_decref(a);
	body.len = 0;
	assert_int_equal(get_file(w, OWN_VIEWER, id, &body, &head), 200);
	assert_int_equal(body.len, n);
	assert_true(n == 0 || memcmp(body.data, bytes, n) == 0);
	assert_non_null(strstr(ud_buf_text(&head), "filename*=UTF-8''r%C3%A9sum%C3%A9.pdf"));
	assert_non_null(strstr(ud_buf_text(&head), "Content-Type: application/octet-stream"));
	assert_non_null(strstr(ud_buf_text(&head), "Content-Digest: sha-256=:"));
	body.len = 0;
	assert_int_equal(get_file(w, OTHER_ADMIN, id, &body, &head), 404);
	ud_buf_free(&body);
	ud_buf_free(&head);
}

static void files_come_back_byte_for_byte(void **state)
{
	static const size_t sizes[] = { 0, 1, 16384, (1 << 20) + 1, 9 << 20 };
	struct world *w = *state;

	for (size_t i = 0; i < UD_LEN(sizes); i++)
		comes_back(w, sizes[i]);
	assert_int_equal(files(w), UD_LEN(sizes));
	struct reply r = expect(
		w, OWN_VIEWER, "GET", fmt(w, "/v1/tickets/%s/attachments", ticket), NULL, 200);

	assert_int_equal(json_array_size(json_object_get(r.json, "data")), UD_LEN(sizes));
}

static void who_may_not_sends_nothing(void **state)
{
	static const struct {
		enum who who;
		const char *more;
		long status;
	} rows[] = {
		{ OWN_VIEWER, "a.txt", 403 },
		{ AUDITOR, "a.txt", 403 },
		{ OTHER_ADMIN, "a.txt", 404 },
		{ OWN_OPERATOR, "", 400 },
		{ OWN_OPERATOR, "..", 400 },
		{ OWN_OPERATOR, "..%2Fa", 400 },
		{ OWN_OPERATOR, "a%5Cb", 400 },
		{ OWN_OPERATOR, "a%0Ab", 400 },
		{ OWN_OPERATOR, "a.txt&visibility=internal", 403 },
		{ OWN_OPERATOR, "a.txt&visibility=all", 400 },
		{ OWN_OPERATOR, "a.txt&colour=red", 400 },
		{ OWN_OPERATOR, "a.txt&dry_run=true", 200 },
	};
	struct world *w = *state;
	size_t before = files(w);

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		struct ud_buf body = { 0 };
		long status = send_file(w, rows[i].who, rows[i].more, "hello", 5, NULL, &body);

		/* a dry run answers as the call would, with dry_run */
		if (rows[i].status == 200 ? status / 100 != 2 : status != rows[i].status)
			fail_msg("%s by %s: %ld %s", rows[i].more, who_names[rows[i].who], status,
				ud_buf_text(&body));
		ud_buf_free(&body);
	}
	assert_int_equal(files(w), before);
}

static void internal_files_stay_inside(void **state)
{
	struct world *w = *state;
	struct ud_buf body = { 0 }, head = { 0 };

	assert_int_equal(
		send_file(w, ENGINEER, "zebra.txt&visibility=internal", "x", 1, NULL, &body), 201);
	json_t *a = json_loads(ud_buf_text(&body), 0, NULL);
	const char *id = ud_strdup(w->arena, text_at(a, "id"));

	json_decref(a);
	assert_int_equal(get_file(w, OWN_ADMIN, id, &body, &head), 404);
	body.len = 0;
	assert_int_equal(get_file(w, LEAD, id, &body, &head), 200);
	assert_string_equal(ud_buf_text(&body), "x");
	struct reply r = expect(
		w, OWN_ADMIN, "GET", fmt(w, "/v1/tickets/%s/attachments", ticket), NULL, 200);

	assert_null(strstr(r.body, "zebra"));
	ud_buf_free(&body);
	ud_buf_free(&head);
}

static void a_repeated_call_keeps_one_file(void **state)
{
	struct world *w = *state;
	struct ud_buf first = { 0 }, again = { 0 }, other = { 0 };
	size_t before = files(w);
	const char *key = "Idempotency-Key: file-1";

	assert_int_equal(send_file(w, OWN_OPERATOR, "k.txt", "one", 3, key, &first), 201);
	assert_int_equal(send_file(w, OWN_OPERATOR, "k.txt", "one", 3, key, &again), 201);
	assert_string_equal(ud_buf_text(&first), ud_buf_text(&again));
	assert_int_equal(send_file(w, OWN_OPERATOR, "k.txt", "two", 3, key, &other), 409);
	assert_int_equal(files(w), before + 1);
	ud_buf_free(&first);
	ud_buf_free(&again);
	ud_buf_free(&other);
}

static void too_large_a_file_is_refused(void **state)
{
	struct world *w = *state;
	size_t n = (size_t)UD_UPLOAD_MAX + 1, before = files(w);
	unsigned char *bytes = make_bytes(w, n);
	struct ud_buf body = { 0 };

	/* by its announced length at once, and without one when it has become too much */
	long status = send_file(w, OWN_OPERATOR, "big", bytes, n, NULL, &body);

	/* the line may be cut before the answer is read */
	assert_true(status == 413 || status == 0);
	assert_int_equal(
		send_file(w, OWN_OPERATOR, "big", bytes, n, "Transfer-Encoding: chunked", &body),
		413);
	assert_int_equal(send_file(w, OWN_OPERATOR, "just", bytes, n - 1, NULL, &body), 201);
	assert_int_equal(files(w), before + 1);
	ud_buf_free(&body);
}

/* Whoever stops in the middle leaves nothing. */
static void half_a_file_leaves_nothing(void **state)
{
	struct world *w = *state;
	size_t before = files(w), n = 0;
	const char *head = fmt(w,
		"POST /v1/tickets/%s/attachments?filename=half HTTP/1.1\r\nHost: x\r\n"
		"Authorization: Bearer %s\r\nContent-Length: 1000\r\n\r\nonly this",
		ticket, w->token[OWN_OPERATOR]);

	(void)raw_exchange(w, head, strlen(head), &n);
	assert_int_equal(n, 0);
	for (int64_t until = ud_mono_ms(&ud_env_real) + 60000;
		files(w) != before && ud_mono_ms(&ud_env_real) < until;)
		(void)expect(w, OWN_VIEWER, "GET", "/v1/tickets?limit=1", NULL, 200);
	assert_int_equal(files(w), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_come_back_byte_for_byte),
		cmocka_unit_test(who_may_not_sends_nothing),
		cmocka_unit_test(internal_files_stay_inside),
		cmocka_unit_test(a_repeated_call_keeps_one_file),
		cmocka_unit_test(too_large_a_file_is_refused),
		cmocka_unit_test(half_a_file_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
