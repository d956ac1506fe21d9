/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches: written as one line of ASCII JSON, answered by one line for each row and a last one that
 * says how it ended. An answer without its last line is one of a process that died, and counts for
 * nothing but its time.
 */
#include <string.h>

#include "agent/drivers/hyperv/inside.h"
#include "base/embed.h"
#include "base/env.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"

enum { OUTPUT_MAX = 32 << 20, SCRIPT_MAX = 1 << 20, TEXT = 4096, DOCUMENT = 1 << 20 };

extern const struct ud_embedded ud_hyperv_scripts[];

/* ---- writing ---- */

void ud_hy_begin(struct ud_ctx *cx, struct ud_hv *hv, struct ud_hy_batch *ret)
{
	*ret = (struct ud_hy_batch){ .cx = cx, .hy = ud_hy_of(hv) };
	ret->last = &ret->rows;
	ud_buf_puts(&ret->text, "{\"version\":1,\"calls\":[");
}

static void end_call(struct ud_hy_batch *b)
{
	if (b->open)
		ud_buf_puts(&b->text, "]}");
	b->open = false;
}

static void add_wanted(struct ud_hy_batch *b, const struct ud_hy_class *wanted)
{
	bool first = true;

	ud_buf_putc(&b->text, '{');
	for (size_t i = 0; wanted && i < wanted->shape->field_count; i++) {
		ud_buf_key(&b->text, &first, wanted->shape->fields[i].name);
		ud_buf_json(&b->text, wanted->paths[i]);
	}
	ud_buf_putc(&b->text, '}');
}

int ud_hy_call(struct ud_hy_batch *b, const char *cmdlet, const struct ud_hy_class *wanted)
{
	end_call(b);
	if (b->count == UD_HY_CALLS)
		abort(); /* a sequence of ours that is too long */
	ud_buf_puts(&b->text, b->count ? ",{\"cmdlet\":" : "{\"cmdlet\":");
	ud_buf_json(&b->text, cmdlet);
	ud_buf_puts(&b->text, ",\"wanted\":");
	add_wanted(b, wanted);
	ud_buf_puts(&b->text, ",\"parameters\":[");
	b->wanted[b->count] = wanted;
	b->open = true;
	b->parameter = false;
	return b->count++;
}

/* The mark stands among the parameters, where it needs no other place in the line. */
void ud_hy_optional(struct ud_hy_batch *b)
{
	ud_buf_puts(
		&b->text, b->parameter ? ",{\"type\":\"optional\"}" : "{\"type\":\"optional\"}");
	b->parameter = true;
}

static void begin_parameter(struct ud_hy_batch *b, const char *name, const char *type)
{
	ud_buf_puts(&b->text, b->parameter ? ",{\"name\":" : "{\"name\":");
	ud_buf_json(&b->text, name);
	ud_buf_puts(&b->text, ",\"type\":");
	ud_buf_json(&b->text, type);
	b->parameter = true;
}

static void text_parameter(
	struct ud_hy_batch *b, const char *name, const char *type, const char *value)
{
	if (!value)
		return;
	begin_parameter(b, name, type);
	ud_buf_puts(&b->text, ",\"value\":");
	ud_buf_json(&b->text, value);
	ud_buf_putc(&b->text, '}');
}

void ud_hy_text(struct ud_hy_batch *b, const char *name, const char *value)
{
	text_parameter(b, name, "string", value);
}

void ud_hy_guid(struct ud_hy_batch *b, const char *name, const char *value)
{
	text_parameter(b, name, "guid", value);
}

void ud_hy_int(struct ud_hy_batch *b, const char *name, int64_t value)
{
	if (value == UD_NONE)
		return;
	begin_parameter(b, name, "int");
	ud_buf_printf(&b->text, ",\"value\":%lld}", (long long)value);
}

void ud_hy_uint16(struct ud_hy_batch *b, const char *name, int64_t value)
{
	begin_parameter(b, name, "uint16");
	ud_buf_printf(&b->text, ",\"value\":%lld}", (long long)value);
}

void ud_hy_table(struct ud_hy_batch *b, const char *name)
{
	begin_parameter(b, name, "table");
	ud_buf_puts(&b->text, ",\"value\":[");
	b->parameter = false;
}

void ud_hy_table_end(struct ud_hy_batch *b)
{
	ud_buf_puts(&b->text, "]}");
	b->parameter = true;
}

void ud_hy_bool(struct ud_hy_batch *b, const char *name, bool value)
{
	begin_parameter(b, name, "bool");
	ud_buf_puts(&b->text, value ? ",\"value\":true}" : ",\"value\":false}");
}

void ud_hy_switch(struct ud_hy_batch *b, const char *name)
{
	ud_hy_bool(b, name, true);
}

void ud_hy_unasked(struct ud_hy_batch *b)
{
	ud_hy_bool(b, "Confirm", false);
}

void ud_hy_time(struct ud_hy_batch *b, const char *name, struct ud_time value)
{
	char text[UD_TIME_TEXT];

	if (value.ms == UD_NONE || value.ms == 0)
		return;
	ud_time_format(value.ms, text);
	text_parameter(b, name, "datetime", text);
}

void ud_hy_texts(struct ud_hy_batch *b, const char *name, const struct ud_texts *value)
{
	if (value->count == 0)
		return;
	begin_parameter(b, name, "strings");
	ud_buf_puts(&b->text, ",\"value\":[");
	for (size_t i = 0; i < value->count; i++) {
		if (i)
			ud_buf_putc(&b->text, ',');
		ud_buf_json(&b->text, value->items[i]);
	}
	ud_buf_puts(&b->text, "]}");
}

static void of_call(struct ud_hy_batch *b, const char *name, const char *type, int call,
	const char *property, const char *value)
{
	begin_parameter(b, name, type);
	ud_buf_printf(&b->text, ",\"of\":%d", call);
	if (property) {
		ud_buf_puts(&b->text, ",\"property\":");
		ud_buf_json(&b->text, property);
	}
	if (value) {
		ud_buf_puts(&b->text, ",\"value\":");
		ud_buf_json(&b->text, value);
	}
	ud_buf_putc(&b->text, '}');
}

void ud_hy_ref(struct ud_hy_batch *b, const char *name, int call)
{
	of_call(b, name, "ref", call, NULL, NULL);
}

void ud_hy_element(
	struct ud_hy_batch *b, const char *name, int call, const char *property, const char *value)
{
	of_call(b, name, "element", call, property, value);
}

void ud_hy_each(struct ud_hy_batch *b, const char *name, int call, const char *property)
{
	of_call(b, name, "each", call, property, NULL);
}

/* ---- the process ---- */

const struct ud_embedded *ud_hy_embedded(const char *name)
{
	const struct ud_embedded *e = ud_hyperv_scripts;

	while (e->name && strcmp(e->name, name) != 0)
		e++;
	return e->name ? e : NULL;
}

/* What lies there must be what was built in: nobody else's words run with our rights. */
static enum ud_code check_script(struct ud_ctx *cx, const char *name, const char *path)
{
	const struct ud_embedded *e = ud_hy_embedded(name);
	const char *text = NULL;
	size_t n = 0;

	UD_TRY(ud_file_read(cx, path, SCRIPT_MAX, &text, &n));
	if (!e || n != e->size || memcmp(text, e->data, n) != 0)
		return ud_fail(cx, UD_E_HYPERVISOR, NULL,
			"%s is not the script of this agent: it is not started.", path);
	return UD_OK;
}

static void take_turn(struct ud_hy *hy)
{
	pthread_mutex_lock(&hy->lock);
	while (hy->processes >= UD_HY_PROCESSES)
		pthread_cond_wait(&hy->moved, &hy->lock);
	hy->processes++;
	pthread_mutex_unlock(&hy->lock);
}

static void end_turn(struct ud_hy *hy)
{
	pthread_mutex_lock(&hy->lock);
	hy->processes--;
	pthread_cond_broadcast(&hy->moved);
	pthread_mutex_unlock(&hy->lock);
}

/* One code point of UTF-8 that ud_buf_json has made sound; *at goes behind it. */
static unsigned code_point(const unsigned char **at)
{
	const unsigned char *p = *at;
	int more = *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : 1;
	unsigned c = *p & (0x3fu >> more);

	for (int i = 1; i <= more; i++)
		c = c << 6 | (p[i] & 0x3fu);
	*at = p + more + 1;
	return c;
}

/* The same in ASCII: standard input may be read in any code page. */
static void add_ascii(struct ud_buf *b, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	while (*p) {
		if (*p < 0x80) {
			ud_buf_putc(b, (char)*p++);
			continue;
		}
		unsigned c = code_point(&p);

		if (c >= 0x10000) {
			c -= 0x10000;
			ud_buf_printf(
				b, "\\u%04x\\u%04x", 0xd800 + (c >> 10), 0xdc00 + (c & 0x3ff));
		} else {
			ud_buf_printf(b, "\\u%04x", c);
		}
	}
	ud_buf_putc(b, '\n');
}

static enum ud_code start(struct ud_ctx *cx, struct ud_hy *hy, const char *name,
	const struct ud_buf *line, int64_t timeout_ms, struct ud_ran *ret)
{
	const char *path = ud_printf(cx->arena, "%s/%s", hy->dir, name);
	const char *const argv[] = { hy->powershell, "-NoProfile", "-NonInteractive",
		"-ExecutionPolicy", "RemoteSigned", "-File", path, NULL };
	const struct ud_run run = { .argv = argv,
		.input = line->data,
		.input_n = line->len,
		.output_max = OUTPUT_MAX,
		.timeout_ms = timeout_ms };

	UD_TRY(check_script(cx, name, path));
	take_turn(hy);
	int64_t began = ud_mono_ms(cx->env);
	enum ud_code code = ud_process_run(cx, &run, ret);
	int64_t took = ud_mono_ms(cx->env) - began;

	end_turn(hy);
	if (code == UD_E_UNAVAILABLE && took >= timeout_ms)
		return ud_fail(cx, UD_E_NOT_IN_TIME, NULL,
			"Hyper-V did not answer within %lld s; the call was ended.",
			(long long)timeout_ms / 1000);
	return code == UD_E_UNAVAILABLE
		? ud_fail(cx, UD_E_HYPERVISOR, NULL, "%s", cx->problem.detail)
		: code;
}

/* ---- reading ---- */

struct line {
	int64_t call;
	struct ud_json row;
	bool end, ok;
	int64_t step;
	const char *module, *id, *category, *message;
	int64_t hresult;
};
/* clang-format off */
static const struct ud_field line_fields[] = {
	UD_FIELD(line, call,     .flags = UD_NULLABLE),
	UD_FIELD(line, row,      .max = DOCUMENT),
	UD_FIELD(line, end),
	UD_FIELD(line, ok),
	UD_FIELD(line, step,     .flags = UD_NULLABLE),
	UD_FIELD(line, module,   .max = TEXT),
	UD_FIELD(line, id,       .max = TEXT),
	UD_FIELD(line, category, .max = TEXT),
	UD_FIELD(line, message,  .max = TEXT),
	UD_FIELD(line, hresult,  .flags = UD_NULLABLE, .min = INT32_MIN, .max = UINT32_MAX),
};
/* clang-format on */
static const struct ud_shape line_shape = { UD_SHAPE(line, line_fields), .bare = true };

/* Ids and categories decide; messages are in the host's language and for people alone. */
static const struct {
	const char *word; /* first part of the error's id, or its category */
	enum ud_code code;
} words[] = {
	{ "ObjectNotFound", UD_E_NOT_FOUND },
	{ "InvalidState", UD_E_INVALID_STATE },
	{ "InvalidOperation", UD_E_INVALID_STATE },
	{ "ObjectInUse", UD_E_INVALID_STATE },
	{ "OperationTimeout", UD_E_NOT_IN_TIME },
	{ "ConnectionError", UD_E_UNAVAILABLE },
};

/* Numbers of the network: cannot connect, name not resolved, timed out. */
static bool is_network(int64_t hresult)
{
	static const int64_t numbers[] = { 12029, 12007, 12002 };
	const int64_t low = hresult & 0xffff;

	for (size_t i = 0; i < UD_LEN(numbers); i++)
		if (hresult != UD_NONE && low == numbers[i])
			return true;
	return false;
}

static enum ud_code failed(struct ud_ctx *cx, const struct line *l)
{
	const char *id = l->id ? l->id : "", *category = l->category ? l->category : "";
	enum ud_code code = UD_E_HYPERVISOR;

	for (size_t i = UD_LEN(words); i-- > 0;)
		if (strcmp(words[i].word, id) == 0 || strcmp(words[i].word, category) == 0)
			code = words[i].code;
	if (is_network(l->hresult))
		code = UD_E_UNAVAILABLE;
	ud_log(UD_LOG_WARNING, "hyperv_refused", "id", id, "category", category, NULL);
	return ud_fail(cx, code, NULL, "Hyper-V says: %s (%s)", l->message ? l->message : "nothing",
		*id ? id : category);
}

static enum ud_code take_line(struct ud_hy_batch *b, const char *text, size_t n, struct line *ret)
{
	UD_TRY(ud_shape_read(b->cx, &line_shape, text, n, ret));
	if (ret->end || !ret->row.text)
		return UD_OK;
	struct ud_hy_row *row = ud_alloc(b->cx->arena, sizeof(*row));

	*row = (struct ud_hy_row){ .call = ret->call, .text = ret->row.text };
	*b->last = row;
	b->last = &row->next;
	return UD_OK;
}

static enum ud_code read_answer(struct ud_hy_batch *b, const struct ud_ran *ran)
{
	struct ud_ctx *cx = b->cx;
	struct line line = { 0 };

	for (const char *at = ran->output; *at && !line.end;) {
		size_t n = strcspn(at, "\r\n");

		if (n > 0 && take_line(b, at, n, &line) != UD_OK)
			return ud_fail(cx, UD_E_HYPERVISOR, NULL,
				"Hyper-V's answer is not understood: %s", cx->problem.detail);
		at += n + strspn(at + n, "\r\n");
	}
	if (!line.end)
		return ud_fail(cx, UD_E_HYPERVISOR, NULL,
			"PowerShell ended (%d) before it had answered: %.400s", ran->status,
			ran->error);
	b->module = line.module;
	return line.ok ? UD_OK : failed(cx, &line);
}

enum ud_code ud_hy_run(struct ud_hy_batch *b, int64_t timeout_ms)
{
	struct ud_buf line = { 0 };
	struct ud_ran ran = { 0 };

	end_call(b);
	ud_buf_puts(&b->text, "]}");
	add_ascii(&line, ud_buf_text(&b->text));
	ud_buf_free(&b->text);
	enum ud_code code = start(b->cx, b->hy, "invoke.ps1", &line, timeout_ms, &ran);

	ud_buf_free(&line);
	UD_TRY(code);
	return read_answer(b, &ran);
}

enum ud_code ud_hy_script(struct ud_ctx *cx, struct ud_hv *hv, const char *name, const char *line,
	int64_t timeout_ms, const char **ret)
{
	struct ud_buf text = { 0 };
	struct ud_ran ran = { 0 };

	add_ascii(&text, line);
	enum ud_code code = start(cx, ud_hy_of(hv), name, &text, timeout_ms, &ran);

	ud_buf_free(&text);
	UD_TRY(code);
	if (!*ran.output)
		return ud_fail(cx, UD_E_HYPERVISOR, NULL,
			"PowerShell ended (%d) before it had answered: %.400s", ran.status,
			ran.error);
	*ret = ran.output;
	return UD_OK;
}

enum ud_code ud_hy_rows(struct ud_hy_batch *b, int call, void *ret_rows, size_t *ret_n)
{
	const struct ud_shape *shape = b->wanted[call]->shape;
	size_t n = 0, i = 0;

	for (struct ud_hy_row *r = b->rows; r; r = r->next)
		n += r->call == call;
	char *rows = ud_alloc(b->cx->arena, (n + 1) * shape->size);

	for (struct ud_hy_row *r = b->rows; r; r = r->next) {
		if (r->call != call)
			continue;
		if (ud_shape_read(b->cx, shape, r->text, strlen(r->text), rows + i * shape->size) !=
			UD_OK)
			return ud_fail(b->cx, UD_E_HYPERVISOR, NULL,
				"A %s of Hyper-V is not understood: %s", shape->object,
				b->cx->problem.detail);
		i++;
	}
	memcpy(ret_rows, &rows, sizeof(rows));
	*ret_n = n;
	return UD_OK;
}

enum ud_code ud_hy_row(struct ud_hy_batch *b, int call, bool *ret_found, void *ret)
{
	void *rows = NULL;
	size_t n = 0;

	UD_TRY(ud_hy_rows(b, call, &rows, &n));
	*ret_found = n > 0;
	if (n > 0)
		memcpy(ret, rows, b->wanted[call]->shape->size);
	return UD_OK;
}
