/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The programs' words: NAME=VALUE lines in, an exit status out (0 done or on, 2 off, else unknown).
 */
#include "server/fencing/device.h"

#include <string.h>

#include "base/process.h"
#include "base/sign.h"

enum { EXIT_ON = 0, EXIT_OFF = 2, WORDS_MAX = 300, OUTPUT_MAX = 8192 };

/* How long the program itself looks for the power to go, and signs in: it is to end before we end
 * it. */
static const char limits[] = "power_timeout=15\nlogin_timeout=5\nshell_timeout=5\n";

/* What is said to one of them and not to all; NULL = nothing. */
static const struct {
	const char *always, *secret;
} manners[] = {
	[UD_FENCE_IPMILAN] = { "lanplus=1\n", "password" },
	[UD_FENCE_REDFISH] = { NULL, "password" },
	[UD_FENCE_APC] = { "secure=1\n", "password" },
	[UD_FENCE_APC_SNMP] = { NULL, "community" },
	[UD_FENCE_EATON_SNMP] = { NULL, "community" },
	[UD_FENCE_RARITAN] = { NULL, "password" },
	[UD_FENCE_VIRSH] = { NULL, "password" },
};
_Static_assert(UD_LEN(manners) == UD_FENCE_AGENTS, "manners for every agent");

/* Values have no line breaks: the field table sees to it. */
static void say(struct ud_buf *b, const char *name, const char *value)
{
	if (value)
		ud_buf_printf(b, "%s=%s\n", name, value);
}

static void say_all(struct ud_buf *b, const char *action, const struct ud_fence_device *d)
{
	say(b, "action", action);
	say(b, "ip", d->address);
	say(b, "plug", d->plug);
	say(b, "username", d->username);
	say(b, manners[d->agent].secret, d->password);
	if (d->port != UD_NONE)
		ud_buf_printf(b, "ipport=%lld\n", (long long)d->port);
	if (d->cipher_suite != UD_NONE)
		ud_buf_printf(b, "cipher=%lld\n", (long long)d->cipher_suite);
	if (d->tls_unverified)
		ud_buf_puts(b, "ssl_insecure=1\n");
	if (manners[d->agent].always)
		ud_buf_puts(b, manners[d->agent].always);
	ud_buf_puts(b, limits);
}

/* The last line of what a program wrote, without control characters. */
static const char *last_line(struct ud_ctx *cx, const char *text)
{
	size_t n = strlen(text), from;

	while (n && strchr(" \t\r\n", text[n - 1]))
		n--;
	for (from = n; from && text[from - 1] != '\n';)
		from--;
	char *line = ud_strndup(cx->arena, text + from, n - from);

	for (char *p = line; *p; p++)
		*p = (unsigned char)*p < 0x20 || *p == 0x7f ? ' ' : *p;
	if (strlen(line) > WORDS_MAX)
		line[WORDS_MAX] = '\0';
	return line;
}

/* Its exit status, or -1 when it did not come to that. */
static int run(struct ud_ctx *cx, const char *folder, const struct ud_fence_device *d,
	const char *action, const char **ret_words)
{
	static const char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		"PYTHONWARNINGS=ignore", "LC_ALL=C.UTF-8", NULL };
	const char *argv[] = {
		ud_printf(cx->arena, "%s/%s", folder, ud_fence_agents.names[d->agent]), NULL
	};
	struct ud_ran ran = { 0 };
	struct ud_buf in = { 0 };

	say_all(&in, action, d);
	const struct ud_run job = { .argv = argv,
		.environment = environment,
		.input = in.data,
		.input_n = in.len,
		.output_max = OUTPUT_MAX,
		.timeout_ms = UD_FENCE_MS };
	enum ud_code code = ud_process_run(cx, &job, &ran);

	ud_wipe(in.data, in.len);
	ud_buf_free(&in);
	if (code != UD_OK) {
		*ret_words = cx->problem.detail;
		ud_ctx_clear(cx);
		return -1;
	}
	*ret_words = last_line(cx, ran.error_n ? ran.error : ran.output);
	return ran.status;
}

void ud_fence_status(struct ud_ctx *cx, const char *folder, const struct ud_fence_device *device,
	enum ud_host_power *ret, const char **ret_words)
{
	int status = run(cx, folder, device, "status", ret_words);

	*ret = status == EXIT_ON     ? UD_HOST_POWER_ON
		: status == EXIT_OFF ? UD_HOST_POWER_OFF
				     : UD_HOST_POWER_UNKNOWN;
}

void ud_fence_off(struct ud_ctx *cx, const char *folder, const struct ud_fence_device *device,
	const char **ret_words)
{
	(void)run(cx, folder, device, "off", ret_words);
}
