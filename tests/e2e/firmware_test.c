/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a machine keeps beside its disks goes along with them: a real QEMU with UEFI and a real
 * swtpm is replicated. The copy for a test, the replica that takes over and the VM on its way home
 * have the endorsement key that the first TPM was made with (a new one would have another), and the
 * variables that the firmware has written.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/drivers/libvirt/inside.h"
#include "base/env.h"
#include "base/file.h"
#include "support/context.h"
#include "support/programs.h"
#include "support/trio.h"

enum { EVENT_MS = 120000, LOOK_MS = 200, STATE_MAX = 1 << 20, ANSWER = 4096 };

/* ---- a TPM's own word ---- */

/* A socket of a TPM that has just been started. */
static int tpm_connect(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int64_t until = ud_mono_ms(&ud_env_real) + EVENT_MS;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_true(
		(size_t)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path) < sizeof(a.sun_path));
	while (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		assert_true(ud_mono_ms(&ud_env_real) < until);
		poll(NULL, 0, 1); /* until it listens: nobody says so */
	}
	return fd;
}

/* TPM2_ReadPublic (TCG TPM 2.0 Library, part 3, 12.4) of the endorsement key that swtpm_setup makes
 * persistent at 0x81010001 (TCG Provisioning Guidance, 7.8); in hex. */
static const char *read_key(struct ud_ctx *cx, int fd)
{
	static const unsigned char ask[] = { 0x80, 0x01, 0, 0, 0, 14, 0, 0, 0x01, 0x73, 0x81, 0x01,
		0x00, 0x01 };
	unsigned char answer[ANSWER];
	struct ud_buf hex = { 0 };

	assert_int_equal(write(fd, ask, sizeof(ask)), sizeof(ask));
	ssize_t n = read(fd, answer, sizeof(answer));

	assert_true(n > 10);
	assert_memory_equal(answer + 6, "\0\0\0\0", 4); /* TPM_RC_SUCCESS */
	for (ssize_t i = 10; i < n; i++)
		ud_buf_printf(&hex, "%02x", answer[i]);
	return ud_buf_take(cx->arena, &hex);
}

static const char *state_path(struct trio *s, const struct host *h, const char *uuid)
{
	return ud_printf(s->cx.arena, "%s/%s/lib/swtpm/%s/tpm2/tpm2-00.permall", s->guests.dir,
		h->name, uuid);
}

/* The key of a VM's TPM, asked of another swtpm that has a copy of the state. */
static const char *key_of(struct trio *s, const struct host *h, const char *uuid)
{
	static int number;
	const char *dir = ud_printf(s->cx.arena, "%s/key-%d", s->guests.dir, number++);
	const char *socket_path = ud_printf(s->cx.arena, "%s/s", dir), *state;
	const char *const argv[] = { "/usr/bin/swtpm", "socket", "--tpm2", "--tpmstate",
		ud_printf(s->cx.arena, "dir=%s", dir), "--server",
		ud_printf(s->cx.arena, "type=unixio,path=%s", socket_path), "--flags",
		"not-need-init,startup-clear", "--terminate", NULL };
	size_t n;

	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(
		ud_file_read(&s->cx, state_path(s, h, uuid), STATE_MAX, &state, &n), UD_OK);
	assert_int_equal(ud_file_write(&s->cx, ud_printf(s->cx.arena, "%s/tpm2-00.permall", dir),
				 state, n, 0600),
		UD_OK);
	pid_t pid = program_start(argv, -1);
	int fd = tpm_connect(socket_path);
	const char *key = read_key(&s->cx, fd);

	close(fd);
	assert_int_equal(program_wait(pid), 0);
	return key;
}

static bool has_state(struct trio *s, const struct host *h, const char *uuid)
{
	return access(state_path(s, h, uuid), F_OK) == 0;
}

/* ---- the firmware's variables ---- */

static const char template[] = "/usr/share/OVMF/OVMF_VARS_4M.fd";

static const char *variables_path(struct trio *s)
{
	return ud_printf(s->cx.arena, "%s/guest.fd", s->guests.dir);
}

static bool is_same(struct trio *s, const char *one, const char *other)
{
	const char *a = NULL, *b = NULL;
	size_t n = 0, m = 0;

	assert_int_equal(ud_file_read(&s->cx, one, STATE_MAX, &a, &n), UD_OK);
	assert_int_equal(ud_file_read(&s->cx, other, STATE_MAX, &b, &m), UD_OK);
	return n == m && memcmp(a, b, n) == 0;
}

/* Until the firmware has come so far that it has written some. */
static void await_firmware(struct trio *s)
{
	int64_t until = ud_mono_ms(&ud_env_real) + EVENT_MS;

	while (is_same(s, variables_path(s), template)) {
		assert_true(ud_mono_ms(&ud_env_real) < until);
		poll(NULL, 0, LOOK_MS); /* it says nothing of itself */
	}
}

/* ---- the story ---- */

/* In the order in which they happen to one VM. */
struct scene {
	struct trio *trio;
	const char *key; /* that it was made with */
};

static void they_ship_with_each_point(void **state)
{
	struct scene *c = *state;
	struct trio *s = c->trio;

	assert_string_equal(host_must(&s->cx, &s->a, work_check, trio_uuid), "");
	host_must(&s->cx, &s->a, work_start, trio_uuid);
	c->key = key_of(s, &s->a, trio_uuid);
	await_firmware(s);
	trio_set(s, &s->a, &s->b, "network");
	trio_next(s, &s->b, trio_next(s, &s->b, ""));
}

static void a_copy_for_a_test_has_them(void **state)
{
	struct scene *c = *state;
	struct trio *s = c->trio;
	const char *copy = host_must(&s->cx, &s->b, work_test_start,
		ud_printf(s->cx.arena, "%s %s", trio_id, trio_point(s, &s->b, 0)));

	assert_string_not_equal(copy, trio_uuid);
	assert_string_equal(key_of(s, &s->b, copy), c->key);
	assert_false(is_same(s, trio_file(s, &s->b, "*/nvram-tst_1.fd"), template));
	host_must(&s->cx, &s->b, work_test_drop, "tst_1");
	assert_string_equal(trio_file(s, &s->b, "*/nvram-tst_1.fd"), "");
	assert_false(has_state(s, &s->b, copy));
	assert_false(has_state(s, &s->b, trio_uuid));
}

static void a_failover_that_is_called_off_leaves_none(void **state)
{
	struct scene *c = *state;
	struct trio *s = c->trio;
	const char *newest = trio_point(s, &s->b, 0);

	host_must(&s->cx, &s->b, work_fail_over, newest);
	assert_string_equal(key_of(s, &s->b, trio_uuid), c->key);
	host_must(&s->cx, &s->b, work_cancel, trio_id);
	assert_false(has_state(s, &s->b, trio_uuid));
	trio_next(s, &s->b, newest);
}

/* Off, over, and what it keeps there is its own: the call again changes nothing of it. */
static void the_replica_that_takes_over_has_them(void **state)
{
	struct scene *c = *state;
	struct trio *s = c->trio;
	struct stat before, after;

	host_must(&s->cx, &s->a, work_power_off, trio_uuid);
	const char *last = host_must(&s->cx, &s->a, work_prepare, trio_id);

	host_must(&s->cx, &s->b, work_fail_over, last);
	/* it stands still yet */
	assert_true(is_same(s, trio_file(s, &s->b, "*/nvram-active.fd"), variables_path(s)));
	assert_int_equal(stat(state_path(s, &s->b, trio_uuid), &before), 0);
	host_must(&s->cx, &s->b, work_fail_over, last);
	assert_int_equal(stat(state_path(s, &s->b, trio_uuid), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	host_must(&s->cx, &s->b, work_start, trio_uuid);
	assert_string_equal(key_of(s, &s->b, trio_uuid), c->key);
	host_must(&s->cx, &s->a, work_displace, trio_uuid);
	host_must(&s->cx, &s->b, work_complete, trio_id);
}

static void they_come_home_with_the_disks(void **state)
{
	struct scene *c = *state;
	struct trio *s = c->trio;

	trio_set(s, &s->b, &s->a, "reverse");
	trio_next(s, &s->a, trio_next(s, &s->a, ""));
	host_must(&s->cx, &s->b, work_power_off, trio_uuid);
	const char *last = host_must(&s->cx, &s->b, work_prepare, trio_id);

	/* what was left here is not what comes back */
	assert_int_equal(
		ud_file_write(&s->cx, state_path(s, &s->a, trio_uuid), "old", 3, 0600), UD_OK);
	host_must(&s->cx, &s->a, work_fail_over, last);
	host_must(&s->cx, &s->a, work_start, trio_uuid);
	assert_string_equal(key_of(s, &s->a, trio_uuid), c->key);
}

/* ---- setting the scene ---- */

/* The bare VM with UEFI and a TPM. */
static const char *definition(struct trio *s)
{
	const char *bare = guests_bare(&s->cx, &s->guests, "guest", trio_uuid);
	const char *type = strstr(bare, "machine='pc'>hvm</type>"),
		   *end = strstr(bare, "</devices>");

	return ud_printf(s->cx.arena,
		"%.*smachine='q35'>hvm</type>"
		"<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>"
		"<nvram template='%s'>%s</nvram>%.*s"
		"<tpm model='tpm-tis'><backend type='emulator' version='2.0'/></tpm>%s",
		(int)(type - bare), bare, template, variables_path(s),
		(int)(end - type - (int)strlen("machine='pc'>hvm</type>")),
		type + strlen("machine='pc'>hvm</type>"), end);
}

/* in: a definition, of a VM that is there or not */
static enum ud_code work_redefine(struct host_inside *h, const char *in, const char **ret_out)
{
	UD_AUTO(ud_lv_domain) *d = virDomainDefineXML(ud_lv_of(h->hv)->conn, in);

	(void)ret_out;
	return d ? UD_OK : ud_lv_fail(h->cx, "define");
}

static int begin(void **state)
{
	static struct scene scene;

	scene.trio = trio_begin_bare(0);
	scene.trio->interval_seconds = 1;
	host_must(&scene.trio->cx, &scene.trio->a, work_redefine, definition(scene.trio));
	*state = &scene;
	return 0;
}

static int end(void **state)
{
	struct scene *c = *state;

	trio_end(c->trio);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_ship_with_each_point),
		cmocka_unit_test(a_copy_for_a_test_has_them),
		cmocka_unit_test(a_failover_that_is_called_off_leaves_none),
		cmocka_unit_test(the_replica_that_takes_over_has_them),
		cmocka_unit_test(they_come_home_with_the_disks),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
