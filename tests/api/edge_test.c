/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Garbage at the door: every malformed request gets a problem or a closed connection, never a
 * crash, never a 500, and the server answers the next one. Bytes are sent as they stand.
 */
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/harness.h"

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

#define HOST "Host: x\r\n"
#define POST "POST /v1/sessions HTTP/1.1\r\n" HOST "Content-Type: application/json\r\n"
#define PROBLEM "application/problem+json"
#define BODY "{\"email\":\"a@b.cc\",\"password\":\"x\"}"

struct bad {
	const char *name, *bytes;
	size_t n;        /* 0 = strlen */
	int status;      /* of the problem; 0 = closed without a word is fine too */
	bool by_library; /* the library refuses it before we see it: other statuses, or closed */
};

/* clang-format off */
static const struct bad table[] = {
	{ "two different lengths",          POST "Content-Length: 2\r\nContent-Length: 34\r\n\r\n" BODY, 0, 400, false },
	{ "two equal lengths",              POST "Content-Length: 34\r\nContent-Length: 34\r\n\r\n" BODY, 0, 400, false },
	{ "length and chunked",             POST "Content-Length: 34\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, 400, true },
	{ "a length that is no number",     POST "Content-Length: many\r\n\r\n", 0, 400, true },
	{ "a negative length",              POST "Content-Length: -1\r\n\r\n", 0, 400, true },
	{ "a length beyond all bounds",     POST "Content-Length: 99999999999999999999999\r\n\r\n", 0, 413, true },
	{ "a length beyond ours",           POST "Content-Length: 99999999\r\n\r\n", 0, 413, false },
	{ "a length with a plus",           POST "Content-Length: +34\r\n\r\n" BODY, 0, 400, true },
	{ "a bad chunk size",               POST "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 0, 400, true },
	{ "an unknown transfer coding",     POST "Transfer-Encoding: cow\r\n\r\n", 0, 400, true },
	{ "two hosts",                      "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 0, 400, false },
	{ "no host",                        "GET /healthz HTTP/1.1\r\n\r\n", 0, 400, true },
	{ "a space before the colon",       "GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n", 0, 400, true },
	{ "a header without a colon",       "GET /healthz HTTP/1.1\r\n" HOST "nonsense\r\n\r\n", 0, 400, true },
	{ "a control character in a header", "GET /healthz HTTP/1.1\r\nHost: x\x01y\r\n\r\n", 0, 400, false },
	{ "a NUL in the path",              "GET /heal\0thz HTTP/1.1\r\nHost: x\r\n\r\n", 35, 0, true },
	{ "no version",                     "GET /healthz\r\n\r\n", 0, 400, true },
	{ "version 3",                      "GET /healthz HTTP/3.0\r\n" HOST "\r\n", 0, 400, true },
	{ "a version of words",             "GET /healthz COWS/1.1\r\n" HOST "\r\n", 0, 400, true },
	{ "the preface of HTTP/2",          "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, 0, true },
	{ "a TLS hello",                    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 \r\n\r\n", 17, 0, true },
	{ "only line ends",                 "\r\n\r\n\r\n\r\n", 0, 0, true },
	{ "an escaped NUL",                 "GET /healthz%00x HTTP/1.1\r\n" HOST "\r\n", 0, 400, false },
	{ "an escaped slash",               "GET /v1%2fversion HTTP/1.1\r\n" HOST "\r\n", 0, 400, false },
	{ "an escaped backslash",           "GET /v1/%5cversion HTTP/1.1\r\n" HOST "\r\n", 0, 400, false },
	{ "a backslash",                    "GET /v1\\version HTTP/1.1\r\n" HOST "\r\n", 0, 400, false },
	{ "two dots",                       "GET /v1/../v1/version HTTP/1.1\r\n" HOST "\r\n", 0, 400, false },
	{ "escaped dots",                   "GET /v1/%2e%2e/version HTTP/1.1\r\n" HOST "\r\n", 0, 400, false },
	{ "one dot",                        "GET /v1/./version HTTP/1.1\r\n" HOST "\r\n", 0, 400, false },
	{ "two slashes",                    "GET //v1/version HTTP/1.1\r\n" HOST "\r\n", 0, 400, false },
	{ "a slash at the end",             "GET /v1/version/ HTTP/1.1\r\n" HOST "\r\n", 0, 400, false },
	{ "a broken escape",                "GET /v1/version%2 HTTP/1.1\r\n" HOST "\r\n", 0, 400, false },
	{ "an escape of nothing",           "GET /v1/version%zz HTTP/1.1\r\n" HOST "\r\n", 0, 400, false },
	{ "an escaped line end",            "GET /v1/version%0d%0aX: y HTTP/1.1\r\n" HOST "\r\n", 0, 400, true },
	{ "no UTF-8 in the path",           "GET /v1/%ff%fe HTTP/1.1\r\n" HOST "\r\n", 0, 400, false },
	{ "an absolute target",             "GET http://x/v1/version HTTP/1.1\r\n" HOST "\r\n", 0, 400, false },
	{ "a target without a slash",       "GET v1/version HTTP/1.1\r\n" HOST "\r\n", 0, 400, false },
	{ "OPTIONS *",                      "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 0, 400, false },
	{ "CONNECT",                        "CONNECT x:443 HTTP/1.1\r\n" HOST "\r\n", 0, 400, false },
	{ "TRACE",                          "TRACE /v1/version HTTP/1.1\r\n" HOST "\r\n", 0, 405, false },
	{ "a method in lower case",         "get /v1/version HTTP/1.1\r\n" HOST "\r\n", 0, 405, false },
	{ "a method of one's own",          "BREW /v1/version HTTP/1.1\r\n" HOST "\r\n", 0, 405, false },
	{ "a parameter twice",              "GET /v1/version?a=1&a=2 HTTP/1.1\r\n" HOST "\r\n", 0, 400, false },
	{ "a NUL in the query",             "GET /v1/version?a=%00 HTTP/1.1\r\n" HOST "\r\n", 0, 400, false },
	{ "no name in the query",           "GET /v1/version?=1 HTTP/1.1\r\n" HOST "\r\n", 0, 400, false },
	{ "an unknown parameter",           "GET /v1/version?a=1 HTTP/1.1\r\n" HOST "\r\n", 0, 400, false },
	{ "no content type",                "POST /v1/sessions HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", 0, 415, false },
	{ "a form",                         "POST /v1/sessions HTTP/1.1\r\n" HOST "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=b", 0, 415, false },
	{ "no body",                        POST "Content-Length: 0\r\n\r\n", 0, 400, false },
	{ "a body cut short",               POST "Content-Length: 10\r\n\r\n{}", 0, 0, false },
	{ "JSON of two values",             POST "Content-Length: 4\r\n\r\n{}{}", 0, 400, false },
	{ "JSON with a NUL escape",         POST "Content-Length: 20\r\n\r\n{\"email\":\"a\\u0000b\"}", 0, 400, false },
	{ "JSON with a lone surrogate",     POST "Content-Length: 18\r\n\r\n{\"email\":\"\\ud800\"}", 0, 400, false },
	{ "JSON that is no UTF-8",          POST "Content-Length: 13\r\n\r\n{\"email\":\"\xff\"}", 0, 400, false },
	{ "JSON with a member twice",       POST "Content-Length: 32\r\n\r\n{\"email\":\"a\",\"\\u0065mail\":\"b\"}  ", 0, 400, false },
	{ "JSON with a fraction",           POST "Content-Length: 13\r\n\r\n{\"email\":1.5}", 0, 400, false },
	{ "JSON beyond 2^53",               POST "Content-Length: 27\r\n\r\n{\"email\":9007199254740993}  ", 0, 400, false },
	{ "bad credentials in a header",    "GET /v1/me HTTP/1.1\r\n" HOST "Authorization: Basic eDp5\r\n\r\n", 0, 401, false },
	{ "a cookie of nonsense",           "GET /v1/me HTTP/1.1\r\n" HOST "Cookie: us_session=;;;==; us_session=x\r\n\r\n", 0, 401, false },
};
/* clang-format on */

/* The status of an answer, 0 when the connection closed without one. */
static int status_of(const char *text, size_t n)
{
	return n > 12 && strncmp(text, "HTTP/1.", 7) == 0 ? atoi(text + 9) : 0;
}

static void check_alive(struct world *w, const char *after)
{
	struct reply r = call(w, NOBODY, "GET", "/healthz", NULL, NULL);

	if (r.status != 200)
		fail_msg("after %s the server answers %d", after, r.status);
}

struct trial {
	pthread_t thread;
	struct world *w;
	const struct bad *bad;
	const char *text;
	size_t n;
	ud_arena *arena;
};

static void *try_one(void *data)
{
	struct trial *t = data;
	struct world copy = *t->w;

	copy.arena = t->arena;
	size_t n = t->bad->n ? t->bad->n : strlen(t->bad->bytes);

	if (t->bad->status && !t->bad->by_library)
		t->text = raw_until(&copy, t->bad->bytes, n, PROBLEM, RAW_PATIENCE_MS, &t->n);
	else
		t->text = raw_exchange(&copy, t->bad->bytes, n, &t->n);
	return NULL;
}

static void every_malformed_request_is_refused(void **state)
{
	struct world *w = *state;
	struct trial trials[UD_LEN(table)] = { 0 };
	size_t pages = 0, closed = 0;

	for (size_t i = 0; i < UD_LEN(table); i++) {
		trials[i] = (struct trial){ .w = w, .bad = &table[i], .arena = ud_arena_new() };
		assert_int_equal(pthread_create(&trials[i].thread, NULL, try_one, &trials[i]), 0);
	}
	for (size_t i = 0; i < UD_LEN(table); i++)
		pthread_join(trials[i].thread, NULL);
	for (size_t i = 0; i < UD_LEN(table); i++) {
		struct trial *t = &trials[i];
		int status = status_of(t->text, t->n);
		bool problem = strstr(t->text, "application/problem+json") != NULL;

		closed += status == 0;
		pages += problem && strstr(t->text, "\"request_id\":null") != NULL;
		if (status >= 500)
			fail_msg("%s: %s", t->bad->name, t->text);
		if (status && status < 400)
			fail_msg("%s is taken: %s", t->bad->name, t->text);
		if (status && !problem)
			fail_msg("%s: no problem: %s", t->bad->name, t->text);
		if (problem && t->bad->status && status != t->bad->status && !t->bad->by_library)
			fail_msg("%s: wanted %d, got %s", t->bad->name, t->bad->status, t->text);
		if (!status && t->bad->status && !t->bad->by_library)
			fail_msg("%s: closed without a word", t->bad->name);
		ud_arena_release(&t->arena);
	}
	printf("# %zu requests: %zu closed without a word, %zu refused by the library, in our words\n",
		UD_LEN(table), closed, pages);
	check_alive(w, "the table");
}

/* Long things are made here, not written down. */
static const char *repeated(struct world *w, const char *part, size_t n)
{
	size_t len = strlen(part);
	char *out = ud_alloc(w->arena, n * len + 1);

	for (size_t i = 0; i < n; i++)
		memcpy(out + i * len, part, len);
	return out;
}

static void what_is_too_long_is_refused(void **state)
{
	struct world *w = *state;
	const char *big = repeated(w, "a", 20000);
	const struct {
		const char *name, *bytes;
		int status;
	} rows[] = {
		{ "a long path", fmt(w, "GET /%.9000s HTTP/1.1\r\n" HOST "\r\n", big), 414 },
		{ "a path longer than the room", fmt(w, "GET /%s HTTP/1.1\r\n" HOST "\r\n", big),
			0 },
		{ "a long header", fmt(w, "GET /healthz HTTP/1.1\r\n" HOST "X: %s\r\n\r\n", big),
			0 },
		{ "many headers",
			fmt(w, "GET /healthz HTTP/1.1\r\n" HOST "%s\r\n",
				repeated(w, "X: 1\r\n", 4000)),
			0 },
		{ "deep JSON",
			fmt(w, POST "Content-Length: 200\r\n\r\n%s%s", repeated(w, "[", 100),
				repeated(w, "]", 100)),
			400 },
		{ "many members",
			fmt(w, POST "Content-Length: 12002\r\n\r\n[%s1]", repeated(w, "1,", 6000)),
			400 },
		{ "a chunked body beyond 1 MiB",
			fmt(w, POST "Transfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n",
				repeated(w, fmt(w, "4e20\r\n%s\r\n", big), 60)),
			413 },
	};

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		size_t n, len = strlen(rows[i].bytes);
		const char *text = rows[i].status
			? raw_until(w, rows[i].bytes, len, PROBLEM, RAW_PATIENCE_MS, &n)
			: raw_exchange(w, rows[i].bytes, len, &n);
		int status = status_of(text, n);

		if (status && !strstr(text, "application/problem+json"))
			fail_msg("%s: no problem: %.300s", rows[i].name, text);
		if (status >= 500 || (status && status < 400) ||
			(rows[i].status && status != rows[i].status))
			fail_msg("%s: %d %.300s", rows[i].name, status, text);
		check_alive(w, rows[i].name);
	}
}

static void a_connection_serves_many_requests(void **state)
{
	static const char three[] =
		"GET /healthz HTTP/1.1\r\n" HOST "\r\nGET /v1/version HTTP/1.1\r\n" HOST
		"\r\nGET /nope HTTP/1.1\r\n" HOST "\r\n";
	struct world *w = *state;
	size_t n, answers = 0;
	const char *text = raw_until(w, three, sizeof(three) - 1, "not_found", RAW_PATIENCE_MS, &n);

	for (const char *p = text; (p = strstr(p, "HTTP/1.1 ")); p++)
		answers++;
	assert_int_equal(answers, 3);
	assert_null(strstr(text, "Connection: close"));
}

static void head_and_continue_work(void **state)
{
	static const char head[] = "HEAD /v1/version HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n";
	static const char go_on[] = POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n";
	struct world *w = *state;
	size_t n;
	const char *text = raw_until(w, head, sizeof(head) - 1, NULL, RAW_PATIENCE_MS, &n);

	assert_int_equal(status_of(text, n), 200);
	assert_string_equal(strstr(text, "\r\n\r\n") + 4, "");
	text = raw_until(w, go_on, sizeof(go_on) - 1, "HTTP/1.1 100", RAW_PATIENCE_MS, &n);
	assert_int_equal(status_of(text, n), 100);
}

/*
 * Known: the library takes a bare LF as a line's end and ends a header's value at a NUL. Neither
 * lets a request hide in another one, for nothing behind us reads the same bytes; this says so
 * should it change.
 */
static void what_the_library_lets_pass_is_known(void **state)
{
	static const char nul[] =
		"GET /healthz HTTP/1.1\r\nHost: x\0y\r\nConnection: close\r\n\r\n";
	static const char lf[] = "GET /healthz HTTP/1.1\nHost: x\nConnection: close\n\n";
	struct world *w = *state;
	size_t n;
	const char *text = raw_until(w, nul, sizeof(nul) - 1, "\r\n\r\n", RAW_PATIENCE_MS, &n);

	assert_int_equal(status_of(text, n), 200);
	text = raw_until(w, lf, sizeof(lf) - 1, "\r\n\r\n", RAW_PATIENCE_MS, &n);
	assert_int_equal(status_of(text, n), 200);
}

/* A connection that has sent some bytes and waits. */
static int begin_slowly(struct world *w, const char *bytes)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)w->server->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(send(fd, bytes, strlen(bytes), 0), strlen(bytes));
	check_alive(w, "a slow request"); /* by now the loop has seen the bytes, too */
	return fd;
}

/*
 * Closed by the server when that much has passed since it saw the bytes? Which worker has the
 * connection, and when it came to read it, is not known here: time goes on until then.
 */
static bool is_cut_off(struct world *w, int fd, int64_t limit_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	for (int i = 0; i < 60; i++) {
		w->mono_ms += limit_ms + 1000;
		if (poll(&p, 1, 1000) == 1)
			return recv(fd, &byte, 1, 0) <= 0;
	}
	return false;
}

static void what_comes_too_slowly_is_cut_off(void **state)
{
	static const struct {
		const char *name, *bytes;
		int64_t limit_ms;
	} rows[] = {
		{ "half a head", "GET /healthz HTTP/1.1\r\nHos", 10000 },
		{ "half a body", POST "Content-Length: 34\r\n\r\n{\"email\":", 30000 },
	};
	struct world *w = *state;

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		int fd = begin_slowly(w, rows[i].bytes);

		if (!is_cut_off(w, fd, rows[i].limit_ms))
			fail_msg("%s is waited for", rows[i].name);
		close(fd);
	}
}

static void chance_bytes_break_nothing(void **state)
{
	struct world *w = *state;
	struct trial trials[64] = { 0 };
	struct bad bad[64] = { 0 };

	for (size_t i = 0; i < UD_LEN(trials); i++) {
		char *bytes = ud_alloc(w->arena, 600);

		ud_random(&ud_env_real, bytes, 512);
		if (i % 2)
			memcpy(bytes, "POST /v1/vms HTTP/1.1\r\nHost: x\r\nX: ", 36);
		memcpy(bytes + 512, "\r\n\r\n", 4);
		bad[i] = (struct bad){ .bytes = bytes, .n = 516 };
		trials[i] = (struct trial){ .w = w, .bad = &bad[i], .arena = ud_arena_new() };
		assert_int_equal(pthread_create(&trials[i].thread, NULL, try_one, &trials[i]), 0);
	}
	for (size_t i = 0; i < UD_LEN(trials); i++) {
		pthread_join(trials[i].thread, NULL);
		int status = status_of(trials[i].text, trials[i].n);

		assert_true(status < 500);
		ud_arena_release(&trials[i].arena);
	}
	check_alive(w, "chance bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_malformed_request_is_refused),
		cmocka_unit_test(what_is_too_long_is_refused),
		cmocka_unit_test(a_connection_serves_many_requests),
		cmocka_unit_test(head_and_continue_work),
		cmocka_unit_test(what_the_library_lets_pass_is_known),
		cmocka_unit_test(what_comes_too_slowly_is_cut_off),
		cmocka_unit_test(chance_bytes_break_nothing),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
