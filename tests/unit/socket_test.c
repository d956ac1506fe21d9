/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte streams over loopback and over a Unix socket; every call with its deadline.
 */
#include "base/socket.h"

#include <errno.h>
#include <string.h>

#include "support/context.h"

enum { LONG_MS = 60000 };

/* Two ends of one connection. */
struct pair {
	int listener, near, far;
};

static void join(struct ud_ctx *cx, const char *address, struct pair *ret)
{
	const struct ud_sockets *s = cx->env->sockets;
	int port = -1;

	assert_int_equal(s->listen(address, &ret->listener, &port), 0);
	if (strncmp(address, "unix:", 5) == 0)
		assert_int_equal(port, 0);
	else
		address = ud_printf(cx->arena, "%.*s:%d", (int)(strrchr(address, ':') - address),
			address, port);
	assert_int_equal(s->connect(address, LONG_MS, &ret->near), 0);
	assert_int_equal(s->accept(ret->listener, LONG_MS, &ret->far), 0);
}

static void part(struct ud_ctx *cx, struct pair *p)
{
	cx->env->sockets->close(p->near);
	cx->env->sockets->close(p->far);
	cx->env->sockets->close(p->listener);
}

static void bytes_go_both_ways_over_every_kind(void **state)
{
	struct ud_ctx *cx = *state;
	const struct ud_sockets *s = cx->env->sockets;
	const char *const kinds[] = { "127.0.0.1:0", "localhost:0",
		ud_printf(cx->arena, "unix:%s", context_path(cx, "socket")) };

	for (size_t i = 0; i < UD_LEN(kinds); i++) {
		struct pair p;
		char text[8];
		size_t n = 0;

		join(cx, kinds[i], &p);
		assert_int_equal(s->send(p.near, "ping", 4, LONG_MS), 0);
		assert_int_equal(s->receive(p.far, text, sizeof(text), LONG_MS, &n), 0);
		assert_int_equal(n, 4);
		assert_memory_equal(text, "ping", 4);
		assert_int_equal(s->send(p.far, "pong", 4, LONG_MS), 0);
		assert_int_equal(s->receive(p.near, text, 2, LONG_MS, &n), 0);
		assert_int_equal(n, 2);
		part(cx, &p);
	}
}

static void deadlines_hold(void **state)
{
	struct ud_ctx *cx = *state;
	const struct ud_sockets *s = cx->env->sockets;
	struct pair p;
	char *much = ud_alloc(cx->arena, 8 << 20);
	size_t n = 77;
	int fd = -1;

	join(cx, "127.0.0.1:0", &p);
	assert_int_equal(s->accept(p.listener, 1, &fd), ETIMEDOUT);
	assert_int_equal(s->receive(p.near, much, 1, 1, &n), ETIMEDOUT);
	/* nobody reads: the buffers fill up */
	int why = 0;

	for (int i = 0; i < 32 && why == 0; i++)
		why = s->send(p.near, much, 8 << 20, 20);
	assert_int_equal(why, ETIMEDOUT);
	assert_int_equal(n, 77);
	assert_int_equal(fd, -1);
	part(cx, &p);
}

static void the_end_of_the_other_side_shows(void **state)
{
	struct ud_ctx *cx = *state;
	const struct ud_sockets *s = cx->env->sockets;
	struct pair p;
	char text[8];
	size_t n = 77;

	join(cx, ud_printf(cx->arena, "unix:%s", context_path(cx, "end")), &p);
	s->close(p.far);
	assert_int_equal(s->receive(p.near, text, sizeof(text), LONG_MS, &n), 0);
	assert_int_equal(n, 0);
	/* an error, and no signal */
	assert_int_equal(s->send(p.near, "x", 1, LONG_MS), EPIPE);
	s->close(p.near);
	s->close(p.listener);
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const texts[] = { "", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http",
		"127.0.0.1:99999999", "::1:80", "unix:", "unix:relative", "not a name:1",
		("unix:/0123456789012345678901234567890123456789012345678901234567890123456789"
		 "01234567890123456789012345678901234567890123456789") };
	struct ud_ctx *cx = *state;
	int fd = -1, port = -1;

	for (size_t i = 0; i < UD_LEN(texts); i++) {
		if (cx->env->sockets->listen(texts[i], &fd, &port) != EINVAL ||
			cx->env->sockets->connect(texts[i], 1, &fd) != EINVAL)
			fail_msg("%s", texts[i]);
	}
	assert_int_equal(fd, -1);
}

static void a_taken_or_closed_place_is_told(void **state)
{
	struct ud_ctx *cx = *state;
	const struct ud_sockets *s = cx->env->sockets;
	int listener = -1, fd = -1, port = 0, other = 0;

	assert_int_equal(s->listen("127.0.0.1:0", &listener, &port), 0);
	const char *address = ud_printf(cx->arena, "127.0.0.1:%d", port);

	assert_int_equal(s->listen(address, &fd, &other), EADDRINUSE);
	s->close(listener);
	assert_int_equal(s->connect(address, LONG_MS, &fd), ECONNREFUSED);
	assert_int_equal(
		s->connect(ud_printf(cx->arena, "unix:%s", context_path(cx, "none")), 1, &fd),
		ENOENT);
	assert_int_equal(fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_both_ways_over_every_kind),
		cmocka_unit_test(deadlines_hold),
		cmocka_unit_test(the_end_of_the_other_side_shows),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(a_taken_or_closed_place_is_told),
	};

	return cmocka_run_group_tests(tests, context_begin, context_end);
}
