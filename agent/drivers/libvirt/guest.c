/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words with the guest's agent: programs, files. The agent knows no event for a program's end, so
 * it is asked again. Errors of the agent come as texts of libvirt's.
 */
#include <libvirt/libvirt-qemu.h>
#include <string.h>

#include "agent/drivers/libvirt/inside.h"
#include "base/crypto.h"
#include "base/env.h"

enum { AGAIN_MS = 40, PIECE = 512 << 10, WORD_MS = 10000 };

/* ---- base64 as RFC 4648 4 has it ---- */

static char *to_base64(struct ud_ctx *cx, const void *data, size_t n)
{
	char *text = ud_base64url(cx->arena, data, n);
	size_t len = strlen(text), padded = (len + 3) / 4 * 4;
	char *out = ud_alloc(cx->arena, padded + 1);

	for (size_t i = 0; i < padded; i++)
		out[i] = i >= len ? '=' : text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
	return out;
}

static const void *from_base64(struct ud_ctx *cx, const char *text, size_t *ret_n)
{
	size_t n = strcspn(text, "=");
	char *url = ud_strndup(cx->arena, text, n);

	for (size_t i = 0; i < n; i++)
		url[i] = url[i] == '+' ? '-' : url[i] == '/' ? '_' : url[i];
	*ret_n = 0;
	return ud_base64url_decode(cx->arena, url, ret_n);
}

/* ---- commands ---- */

/* The agent's own refusals are texts: a file that is not there is known by its errno's words. */
static enum ud_code refused(struct ud_ctx *cx)
{
	const virError *e = virGetLastError();

	if (e && e->message && strstr(e->message, "No such file or directory"))
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "The guest has no such file.");
	return ud_lv_fail(cx, "speak to the guest agent");
}

enum ud_code ud_lv_ask(struct ud_ctx *cx, struct ud_lv *lv, virDomainPtr d, const char *command,
	const char *args, int64_t timeout_ms, const char **ret)
{
	json_t *tree = NULL;

	(void)lv;
	UD_TRY(ud_lv_must_run(cx, d, false));
	const char *line = ud_printf(cx->arena, "{\"execute\":\"%s\"%s%s}", command,
		args ? ",\"arguments\":" : "", args ? args : "");
	int seconds = timeout_ms < 1000 ? 1 : (int)((timeout_ms + 999) / 1000);
	char *answer = virDomainQemuAgentCommand(d, line, seconds, 0);

	if (!answer)
		return refused(cx);
	const char *text = ud_lv_take(cx, answer);

	UD_TRY(ud_json_parse(cx, text, strlen(text), UD_JSON_MEMBERS, &tree));
	*ret = ud_json_text(cx->arena, json_object_get(tree, "return"), JSON_ENCODE_ANY);
	json_decref(tree);
	return UD_OK;
}

enum ud_code ud_lv_qmp(
	struct ud_ctx *cx, virDomainPtr d, const char *command, const char *args, json_t **ret)
{
	char *answer = NULL;
	const char *line = ud_printf(cx->arena, "{\"execute\":\"%s\"%s%s}", command,
		args ? ",\"arguments\":" : "", args ? args : "");

	if (virDomainQemuMonitorCommand(d, line, &answer, 0) < 0)
		return ud_lv_fail(cx, "speak to QEMU");
	const char *text = ud_lv_take(cx, answer);
	json_t *tree = json_loads(text, 0, NULL);
	json_t *error = json_object_get(tree, "error");

	*ret = json_incref(json_object_get(tree, "return"));
	enum ud_code code = *ret
		? UD_OK
		: ud_fail(cx, UD_E_HYPERVISOR, NULL, "QEMU refuses %s: %s", command,
			  json_string_value(json_object_get(error, "desc")));

	json_decref(tree);
	return code;
}

/* The same with the answer as a tree, to be released by the caller. */
static enum ud_code ask(struct ud_ctx *cx, struct ud_lv *lv, virDomainPtr d, const char *command,
	const char *args, json_t **ret)
{
	const char *text = NULL;

	UD_TRY(ud_lv_ask(cx, lv, d, command, args, WORD_MS, &text));
	*ret = json_loads(text, JSON_DECODE_ANY, NULL);
	return *ret ? UD_OK : ud_fail(cx, UD_E_HYPERVISOR, NULL, "The guest agent babbles.");
}

/* ---- programs ---- */

static const char *exec_args(struct ud_ctx *cx, const struct ud_guest_program *p)
{
	struct ud_buf b = { 0 };

	ud_buf_puts(&b, "{\"path\":");
	ud_buf_json(&b, p->path);
	ud_buf_puts(&b, ",\"arg\":[");
	for (size_t i = 0; i < p->arguments.count; i++) {
		if (i > 0)
			ud_buf_putc(&b, ',');
		ud_buf_json(&b, p->arguments.items[i]);
	}
	ud_buf_puts(&b, "]");
	if (p->input_n > 0) {
		ud_buf_puts(&b, ",\"input-data\":");
		ud_buf_json(&b, to_base64(cx, p->input, p->input_n));
	}
	ud_buf_puts(&b, ",\"capture-output\":true}");
	return ud_buf_take(cx->arena, &b);
}

/* One stream of a program that ended. */
static const char *output_of(
	struct ud_ctx *cx, json_t *status, const char *data_key, const char *cut_key, bool *cut)
{
	const char *text = json_string_value(json_object_get(status, data_key));
	size_t n = 0;

	*cut = *cut || json_is_true(json_object_get(status, cut_key));
	if (!text)
		return "";
	const char *data = from_base64(cx, text, &n);

	if (n > UD_GUEST_OUTPUT) {
		n = UD_GUEST_OUTPUT;
		*cut = true;
	}
	return data ? ud_strndup(cx->arena, data, n) : "";
}

static void read_status(struct ud_ctx *cx, json_t *status, struct ud_guest_ran *ret)
{
	json_t *signal_number = json_object_get(status, "signal");
	json_t *exit_code = json_object_get(status, "exitcode");

	ret->status = signal_number ? 128 + (int)json_integer_value(signal_number)
				    : (int)json_integer_value(exit_code);
	ret->cut = false;
	ret->output = output_of(cx, status, "out-data", "out-truncated", &ret->cut);
	ret->error = output_of(cx, status, "err-data", "err-truncated", &ret->cut);
}

enum ud_code ud_lv_guest_run(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const struct ud_guest_program *program, struct ud_guest_ran *ret)
{
	struct ud_lv *lv = ud_lv_of(hv);
	UD_AUTO(ud_lv_domain) *d = NULL;
	int64_t last = ud_mono_ms(cx->env) + program->timeout_ms;
	json_t *answer = NULL;

	UD_TRY(ud_lv_find(cx, lv, uuid, &d));
	UD_TRY(ask(cx, lv, d, "guest-exec", exec_args(cx, program), &answer));
	const char *args = ud_printf(cx->arena, "{\"pid\":%lld}",
		(long long)json_integer_value(json_object_get(answer, "pid")));

	json_decref(answer);
	for (;;) {
		UD_TRY(ask(cx, lv, d, "guest-exec-status", args, &answer));
		bool ended = json_is_true(json_object_get(answer, "exited"));

		if (ended)
			read_status(cx, answer, ret);
		json_decref(answer);
		if (ended)
			return UD_OK;
		if (ud_mono_ms(cx->env) >= last)
			return ud_fail(cx, UD_E_NOT_IN_TIME, NULL,
				"%s still runs in the guest after %lld ms.", program->path,
				(long long)program->timeout_ms);
		ud_lv_wait_event(lv, ud_lv_events(lv), AGAIN_MS);
	}
}

/* ---- files ---- */

static enum ud_code open_file(struct ud_ctx *cx, struct ud_lv *lv, virDomainPtr d, const char *path,
	const char *mode, int64_t *ret)
{
	struct ud_buf b = { 0 };
	json_t *answer = NULL;

	ud_buf_puts(&b, "{\"path\":");
	ud_buf_json(&b, path);
	ud_buf_printf(&b, ",\"mode\":\"%s\"}", mode);
	const char *args = ud_buf_take(cx->arena, &b);

	UD_TRY(ask(cx, lv, d, "guest-file-open", args, &answer));
	*ret = json_integer_value(answer);
	json_decref(answer);
	return UD_OK;
}

static enum ud_code close_file(struct ud_ctx *cx, struct ud_lv *lv, virDomainPtr d, int64_t handle)
{
	const char *answer;

	return ud_lv_ask(cx, lv, d, "guest-file-close",
		ud_printf(cx->arena, "{\"handle\":%lld}", (long long)handle), WORD_MS, &answer);
}

static enum ud_code write_pieces(struct ud_ctx *cx, struct ud_lv *lv, virDomainPtr d,
	int64_t handle, const char *data, size_t n)
{
	const char *answer;

	for (size_t at = 0; at < n;) {
		size_t piece = n - at < PIECE ? n - at : PIECE;

		UD_TRY(ud_lv_ask(cx, lv, d, "guest-file-write",
			ud_printf(cx->arena, "{\"handle\":%lld,\"buf-b64\":\"%s\"}",
				(long long)handle, to_base64(cx, data + at, piece)),
			WORD_MS, &answer));
		at += piece;
	}
	return UD_OK;
}

enum ud_code ud_lv_guest_write(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const char *path, const void *data, size_t n)
{
	struct ud_lv *lv = ud_lv_of(hv);
	UD_AUTO(ud_lv_domain) *d = NULL;
	int64_t handle = 0;

	if (n > UD_GUEST_FILE)
		return ud_fail(
			cx, UD_E_VALIDATION, NULL, "A file has at most %d bytes.", UD_GUEST_FILE);
	UD_TRY(ud_lv_find(cx, lv, uuid, &d));
	UD_TRY(open_file(cx, lv, d, path, "w", &handle));
	enum ud_code code = write_pieces(cx, lv, d, handle, data, n);
	enum ud_code closed = close_file(cx, lv, d, handle);

	return code != UD_OK ? code : closed;
}

static enum ud_code read_pieces(
	struct ud_ctx *cx, struct ud_lv *lv, virDomainPtr d, int64_t handle, struct ud_buf *b)
{
	for (bool more = true; more;) {
		json_t *answer = NULL;
		size_t n = 0;

		UD_TRY(ask(cx, lv, d, "guest-file-read",
			ud_printf(cx->arena, "{\"handle\":%lld,\"count\":%d}", (long long)handle,
				PIECE),
			&answer));
		const char *text = json_string_value(json_object_get(answer, "buf-b64"));
		const void *data = text ? from_base64(cx, text, &n) : NULL;

		if (data)
			ud_buf_add(b, data, n);
		more = n > 0 && !json_is_true(json_object_get(answer, "eof"));
		json_decref(answer);
		if (b->len > UD_GUEST_FILE)
			return ud_fail(cx, UD_E_VALIDATION, NULL,
				"The file has more than %d bytes.", UD_GUEST_FILE);
	}
	return UD_OK;
}

enum ud_code ud_lv_guest_read(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const char *path, const void **ret, size_t *ret_n)
{
	struct ud_lv *lv = ud_lv_of(hv);
	UD_AUTO(ud_lv_domain) *d = NULL;
	struct ud_buf b = { 0 };
	int64_t handle = 0;

	UD_TRY(ud_lv_find(cx, lv, uuid, &d));
	UD_TRY(open_file(cx, lv, d, path, "r", &handle));
	enum ud_code code = read_pieces(cx, lv, d, handle, &b);
	enum ud_code closed = close_file(cx, lv, d, handle);

	if (code == UD_OK && closed == UD_OK) {
		*ret = ud_strndup(cx->arena, b.data ? b.data : "", b.len);
		*ret_n = b.len;
	}
	ud_buf_free(&b);
	return code != UD_OK ? code : closed;
}
