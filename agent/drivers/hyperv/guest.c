/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs and files in guests, by PowerShell Direct: guest.ps1, a process of its own each time. It
 * needs a user of the guest, whose name and password people have laid beside the scripts as only
 * Windows can read them again.
 */
#include <errno.h>
#include <string.h>

#include "agent/drivers/hyperv/inside.h"
#include "base/crypto.h"
#include "base/env.h"
#include "base/file.h"

enum { ANSWER_MAX = 8 << 20, WORDS_MAX = 4096, CREDENTIAL_MAX = 1 << 16, START_MS = 30000 };

struct answer {
	bool ok, cut;
	int64_t status;
	const char *output, *error, *content, *reason, *message;
};
/* clang-format off */
static const struct ud_field answer_fields[] = {
	UD_FIELD(answer, ok),
	UD_FIELD(answer, cut),
	UD_FIELD(answer, status,  .flags = UD_NULLABLE, .min = INT32_MIN),
	UD_FIELD(answer, output,  .max = ANSWER_MAX),
	UD_FIELD(answer, error,   .max = ANSWER_MAX),
	UD_FIELD(answer, content, .max = ANSWER_MAX),
	UD_FIELD(answer, reason,  .max = WORDS_MAX),
	UD_FIELD(answer, message, .max = WORDS_MAX),
};
/* clang-format on */
static const struct ud_shape answer_shape = { UD_SHAPE(answer, answer_fields), .bare = true };

/* What the script names as the reason; the message is in the host's language. */
static const struct {
	const char *reason;
	enum ud_code code;
} reasons[] = {
	{ "not_found", UD_E_NOT_FOUND },
	{ "not_in_time", UD_E_NOT_IN_TIME },
	{ "too_large", UD_E_VALIDATION },
};

static enum ud_code refused(struct ud_ctx *cx, const struct answer *a)
{
	enum ud_code code = UD_E_HYPERVISOR;

	for (size_t i = 0; a->reason && i < UD_LEN(reasons); i++)
		if (strcmp(reasons[i].reason, a->reason) == 0)
			code = reasons[i].code;
	return ud_fail(cx, code, NULL, "The guest says: %s", a->message ? a->message : "nothing");
}

/* The VM's own, or the one for all guests of this host. */
static enum ud_code credential_of(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char **ret)
{
	const char *dir = ud_hy_of(hv)->dir;
	const char *const paths[] = { ud_printf(cx->arena, "%s/guests/%s.xml", dir, uuid),
		ud_printf(cx->arena, "%s/guests/default.xml", dir) };

	for (size_t i = 0; i < UD_LEN(paths); i++) {
		char *data = NULL;
		size_t n = 0;

		if (cx->env->files->read(paths[i], CREDENTIAL_MAX, &data, &n) != 0)
			continue;
		ud_free(data);
		*ret = paths[i];
		return UD_OK;
	}
	return ud_fail(cx, UD_E_UNSUPPORTED, NULL,
		"No user of the guest is known here: %s is missing (Export-Clixml of a "
		"credential, run as LocalSystem).",
		paths[1]);
}

struct asking {
	struct ud_buf text;
	bool first;
};

static void begin(struct ud_ctx *cx, struct asking *a, const char *uuid, const char *credential,
	const char *check)
{
	(void)cx;
	*a = (struct asking){ .first = true };
	ud_buf_putc(&a->text, '{');
	const char *const members[][2] = { { "vm", uuid }, { "credential", credential },
		{ "check", check } };

	for (size_t i = 0; i < UD_LEN(members); i++) {
		ud_buf_key(&a->text, &a->first, members[i][0]);
		ud_buf_json(&a->text, members[i][1]);
	}
}

static void add_text(struct asking *a, const char *key, const char *value)
{
	ud_buf_key(&a->text, &a->first, key);
	ud_buf_json(&a->text, value);
}

static void add_number(struct asking *a, const char *key, int64_t value)
{
	ud_buf_key(&a->text, &a->first, key);
	ud_buf_int(&a->text, value);
}

static enum ud_code must_run(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	struct ud_hy_vm vm = { 0 };

	UD_TRY(ud_hy_look(cx, hv, uuid, &vm));
	if (ud_hy_power_of(vm.state) != UD_POWER_RUNNING)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is %s, not running.",
			vm.state ? vm.state : "in no known state");
	return UD_OK;
}

static enum ud_code ask(struct ud_ctx *cx, struct ud_hv *hv, struct asking *a, int64_t timeout_ms,
	struct answer *ret)
{
	const char *said = NULL;

	ud_buf_putc(&a->text, '}');
	enum ud_code code =
		ud_hy_script(cx, hv, "guest.ps1", ud_buf_text(&a->text), timeout_ms, &said);

	ud_buf_free(&a->text);
	UD_TRY(code);
	*ret = (struct answer){ .status = UD_NONE };
	if (ud_shape_read(cx, &answer_shape, said, strcspn(said, "\r\n"), ret) != UD_OK)
		return ud_fail(cx, UD_E_HYPERVISOR, NULL,
			"The guest's answer is not understood: %s", cx->problem.detail);
	return ret->ok ? UD_OK : refused(cx, ret);
}

static enum ud_code begin_for(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const char *check, struct asking *ret)
{
	const char *credential = NULL;

	UD_TRY(must_run(cx, hv, uuid));
	UD_TRY(credential_of(cx, hv, uuid, &credential));
	begin(cx, ret, uuid, credential, check);
	return UD_OK;
}

/* One stream of a program, cut where the core's bound is. */
static const char *stream(struct ud_ctx *cx, const char *text, bool *cut)
{
	size_t n = 0;
	const unsigned char *data = ud_base64url_decode(cx->arena, text ? text : "", &n);

	if (!data)
		return "";
	*cut = *cut || n > UD_GUEST_OUTPUT;
	return ud_strndup(cx->arena, (const char *)data, n > UD_GUEST_OUTPUT ? UD_GUEST_OUTPUT : n);
}

enum ud_code ud_hy_guest_run(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const struct ud_guest_program *program, struct ud_guest_ran *ret)
{
	struct asking a;
	struct answer said;

	UD_TRY(begin_for(cx, hv, uuid, "run", &a));
	add_text(&a, "path", program->path);
	ud_buf_key(&a.text, &a.first, "arguments");
	for (size_t i = 0; i < program->arguments.count; i++) {
		ud_buf_putc(&a.text, i ? ',' : '[');
		ud_buf_json(&a.text, program->arguments.items[i]);
	}
	ud_buf_puts(&a.text, program->arguments.count ? "]" : "[]");
	add_text(&a, "content", ud_base64url(cx->arena, program->input, program->input_n));
	add_number(&a, "timeout_ms", program->timeout_ms);
	add_number(&a, "max", UD_GUEST_OUTPUT);
	UD_TRY(ask(cx, hv, &a, program->timeout_ms + START_MS, &said));
	*ret = (struct ud_guest_ran){ .status = (int)said.status, .cut = said.cut };
	ret->output = stream(cx, said.output, &ret->cut);
	ret->error = stream(cx, said.error, &ret->cut);
	return UD_OK;
}

enum ud_code ud_hy_guest_write(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const char *path, const void *data, size_t n)
{
	struct asking a;
	struct answer said;

	UD_TRY(begin_for(cx, hv, uuid, "write", &a));
	add_text(&a, "path", path);
	add_text(&a, "content", ud_base64url(cx->arena, data, n));
	return ask(cx, hv, &a, UD_HY_READ_MS, &said);
}

enum ud_code ud_hy_guest_read(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const char *path, const void **ret, size_t *ret_n)
{
	struct asking a;
	struct answer said;

	UD_TRY(begin_for(cx, hv, uuid, "read", &a));
	add_text(&a, "path", path);
	add_number(&a, "max", UD_GUEST_FILE);
	UD_TRY(ask(cx, hv, &a, UD_HY_READ_MS, &said));
	*ret = ud_base64url_decode(cx->arena, said.content ? said.content : "", ret_n);
	if (!*ret)
		return ud_fail(cx, UD_E_HYPERVISOR, NULL, "The guest's file is not understood.");
	return UD_OK;
}
